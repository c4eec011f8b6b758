//! One layer: attention, then feed-forward, each normalised after its residual, for both streams.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_nn::{Activation, Dropout, Init, LayerNorm, project};

use crate::attention::{QueryBiases, QueryContext, RelativeAttention};
use crate::config::XlnetConfig;
use crate::segments::Segments;

/// The feed-forward block of both streams; Hugging Face `XLNetFeedForward`.
#[derive(Module, Debug)]
pub struct FeedForward {
    layer_norm: LayerNorm,
    layer_1: Linear,
    layer_2: Linear,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    fn new(config: &XlnetConfig, init: &mut Init) -> Self {
        Self {
            layer_norm: init.layer_norm(config.d_model, config.layer_norm_eps),
            layer_1: init.linear(config.d_model, config.d_inner),
            layer_2: init.linear(config.d_inner, config.d_model),
            dropout: Dropout::new(config.dropout),
            activation: config.ff_activation,
        }
    }

    fn forward(&self, stream: Tensor<3>) -> Tensor<3> {
        let inner = self.activation.of_projection(&self.layer_1, stream.clone());
        let output = project(&self.layer_2, self.dropout.forward(inner));
        self.layer_norm
            .forward_residual(output, stream, &self.dropout)
    }
}

/// A layer of both streams; Hugging Face `XLNetLayer`.
#[derive(Module, Debug)]
pub struct XlnetLayer {
    rel_attn: RelativeAttention,
    ff: FeedForward,
}

/// What one layer is given beside the streams.
#[derive(Debug, Clone)]
pub(crate) struct LayerContext {
    /// `[1 or 2, rows, d_model]`, after dropout.
    pub(crate) positions: Tensor<3>,
    /// Which segments the keys stand in, memory's first.
    pub(crate) segments: Option<Segments>,
    /// The content stream's queries, in chunks.
    pub(crate) content: Vec<QueryContext>,
    /// The query stream's.
    pub(crate) queries: Option<QueryContext>,
    /// `[batch, num_queries, 1]`, 0 where a slot of the query stream is empty: nothing is attended
    /// to there.
    pub(crate) is_present: Option<Tensor<3>>,
}

/// Hidden states of the two streams.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    /// `[batch, seq_len, d_model]`: every position knows its own token.
    pub(crate) content: Tensor<3>,
    /// `[batch, num_queries, d_model]`: predicted positions, which do not.
    pub(crate) queries: Option<Tensor<3>>,
}

impl XlnetLayer {
    /// Draws the layer's weights, with vectors that are added to queries or without.
    pub(crate) fn new(config: &XlnetConfig, has_biases: bool, init: &mut Init) -> Self {
        Self {
            rel_attn: RelativeAttention::new(config, has_biases, init),
            ff: FeedForward::new(config, init),
        }
    }

    /// The vectors added to queries, if this layer has its own.
    pub(crate) fn biases(&self) -> Option<&QueryBiases> {
        self.rel_attn.biases()
    }

    /// Both streams. The content stream stays as it was if `is_last` and there is a query stream:
    /// nobody reads it then.
    ///
    /// # Shapes
    /// - `memory`: `[batch, mem_len, d_model]`
    pub(crate) fn forward(
        &self,
        streams: Streams,
        biases: &QueryBiases,
        memory: Option<Tensor<3>>,
        context: &LayerContext,
        is_last: bool,
    ) -> Streams {
        let Streams { content, queries } = streams;
        let keys = match memory {
            Some(memory) => Tensor::cat(vec![memory, content.clone()], 1),
            None => content.clone(),
        };
        let (positions, segments) = (context.positions.clone(), context.segments.as_ref());
        let keys = self.rel_attn.keys(keys, positions, segments);
        let queries = match (queries, &context.queries) {
            (Some(queries), Some(of_queries)) => Some(self.ff.forward(self.rel_attn.forward(
                queries,
                &keys,
                biases,
                std::slice::from_ref(of_queries),
                context.is_present.clone(),
            ))),
            (queries, _) => queries,
        };
        if is_last && queries.is_some() {
            return Streams { content, queries };
        }
        let attended = self
            .rel_attn
            .forward(content, &keys, biases, &context.content, None);
        Streams {
            content: self.ff.forward(attended),
            queries,
        }
    }
}
