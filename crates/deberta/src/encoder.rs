//! The stack of layers, with the relative embeddings that all of them share.

use burn::module::Module;
use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};
use kiln_nn::{Cached, Init, LayerNorm, RelativeIndex};

use crate::DebertaConfig;
use crate::attention::{AttentionContext, Padding, RelativeTable};
use crate::buckets::RelativePositions;
use crate::conv::ConvLayer;
use crate::layer::DebertaLayer;

/// Hugging Face `DebertaEncoder` and `DebertaV2Encoder`.
#[derive(Module, Debug)]
pub struct DebertaEncoder {
    layer: Vec<DebertaLayer>,
    /// `[2 * span, hidden_size]`
    rel_embeddings: Option<Embedding>,
    /// Normalises the relative embeddings.
    layer_norm: Option<LayerNorm>,
    conv: Option<ConvLayer>,
    /// Whether any term of the scores goes by position.
    #[module(skip)]
    has_relative_terms: bool,
    #[module(skip)]
    positions: RelativePositions,
    /// By length.
    #[module(skip)]
    index: Cached<usize, RelativeIndex>,
}

impl DebertaEncoder {
    /// Draws the layers' weights, the lowest layer first, then what they share.
    pub fn new(config: &DebertaConfig, init: &mut Init) -> Self {
        let hidden_size = config.hidden_size;
        let layers = 0..config.num_hidden_layers;
        Self {
            layer: layers.map(|_| DebertaLayer::new(config, init)).collect(),
            rel_embeddings: config
                .relative_attention
                .then(|| init.embedding(2 * config.span(), hidden_size)),
            layer_norm: config
                .normalises_relative_embeddings()
                .then(|| init.layer_norm(hidden_size, config.layer_norm_eps)),
            conv: ConvLayer::new(config, init),
            has_relative_terms: config.content_to_position() || config.position_to_content(),
            positions: RelativePositions::new(config),
            index: Cached::default(),
        }
    }

    /// The last layer's hidden states.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - returns `[batch, seq_len, hidden_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(
        &self,
        embedded: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
    ) -> Tensor<3> {
        let context = self.context(&embedded, attention_mask.clone());
        self.run(self.layer.len(), embedded, attention_mask, &context)
    }

    /// What all layers share for these embeddings.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`
    pub(crate) fn context(
        &self,
        embedded: &Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
    ) -> AttentionContext {
        let [_, seq_len, _] = embedded.dims();
        AttentionContext {
            padding: attention_mask.map(|mask| Padding::new(mask.clone(), mask)),
            relative: self.relative_table(seq_len),
        }
    }

    /// The first `layers` layers.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`
    /// - returns `[batch, seq_len, hidden_size]`
    pub(crate) fn run(
        &self,
        layers: usize,
        embedded: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
        context: &AttentionContext,
    ) -> Tensor<3> {
        let mut hidden_states = embedded.clone();
        for (index, layer) in self.layer.iter().take(layers).enumerate() {
            hidden_states = layer.forward(hidden_states, context);
            if index == 0
                && let Some(conv) = &self.conv
            {
                let attention_mask = attention_mask.clone();
                hidden_states = conv.forward(embedded.clone(), hidden_states, attention_mask);
            }
        }
        hidden_states
    }

    /// The layers, lowest first.
    pub(crate) fn layers(&self) -> &[DebertaLayer] {
        &self.layer
    }

    /// The relative embeddings within reach. The rows beyond are neither normalised nor projected.
    fn relative_table(&self, seq_len: usize) -> Option<RelativeTable> {
        let table = self.rel_embeddings.as_ref()?.weight.val();
        if !self.has_relative_terms {
            return None;
        }
        let device = table.device();
        let reached = self.positions.reached(seq_len);
        let embeddings = table.narrow(0, reached.start, reached.len());
        let row = |distance| self.positions.row(distance) - reached.start;
        Some(RelativeTable {
            embeddings: match &self.layer_norm {
                Some(layer_norm) => layer_norm.forward(embeddings),
                None => embeddings,
            },
            index: self.index.get(seq_len, &device, || {
                RelativeIndex::new(seq_len, seq_len, 0, row, &device)
            }),
        })
    }
}
