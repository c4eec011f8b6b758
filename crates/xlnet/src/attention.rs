//! Relative attention of the two streams, with one set of weights.
//!
//! Yang et al. 2019 (XLNet), sections 2.3 to 2.5. With queries Q of either stream, keys K and values V
//! of the content stream, and R the projected vectors of distances:
//!
//! ```text
//! score[i, j] = ((Q_i + r_w)·K_j + (Q_i + r_r)·R_(i−j) + (Q_i + r_s)·s_[segments differ]) / √head_size
//! ```

use burn::module::{Module, Param};
use burn::tensor::{Bool, Tensor, assert_shape};
use kiln_nn::fused::linear;
use kiln_nn::{
    AttentionOptions, Dropout, Init, LayerNorm, RelativeIndex, RelativeScores, attend, merge_heads,
    split_heads,
};

use crate::config::XlnetConfig;
use crate::segments::Segments;

/// What some queries of a stream are held against.
#[derive(Debug, Clone)]
pub(crate) struct QueryContext {
    /// Rows of the projected table, from the first that these queries need.
    pub(crate) rows: std::ops::Range<usize>,
    /// Which of those rows stands for each query and key.
    pub(crate) index: RelativeIndex,
    /// Which segments they stand in; given if the keys' are.
    pub(crate) segments: Option<Segments>,
    /// `[batch or 1, 1, queries, key_len]`, true where a key is hidden.
    pub(crate) is_hidden: Option<Tensor<4, Bool>>,
}

/// Keys and values of the content stream, and the projected vectors of distances: what both streams
/// attend to.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// `[batch, heads, key_len, head_size]`, segments behind it if there are any
    key: Tensor<4>,
    /// `[batch, heads, key_len, head_size]`
    value: Tensor<4>,
    /// `[1 or 2, heads, rows, head_size]`, one for each direction.
    position: Tensor<4>,
}

/// What is added to queries, a vector for each term of the score.
#[derive(Module, Debug)]
pub struct QueryBiases {
    /// `[heads, head_size]`, for distances.
    r_r_bias: Param<Tensor<2>>,
    /// `[heads, head_size]`, for segments.
    r_s_bias: Param<Tensor<2>>,
    /// `[heads, head_size]`, for content.
    r_w_bias: Param<Tensor<2>>,
}

/// Attention of both streams by content and by relative position; Hugging Face
/// `XLNetRelativeAttention`.
#[derive(Module, Debug)]
pub struct RelativeAttention {
    /// `[d_model, heads, head_size]`, as all five.
    q: Param<Tensor<3>>,
    k: Param<Tensor<3>>,
    v: Param<Tensor<3>>,
    o: Param<Tensor<3>>,
    r: Param<Tensor<3>>,
    /// None where another layer's are shared.
    biases: Option<QueryBiases>,
    /// `[2, heads, head_size]`: the same segment, another one.
    seg_embed: Param<Tensor<3>>,
    layer_norm: LayerNorm,
    dropout: Dropout,
}

impl RelativeAttention {
    pub(crate) fn new(config: &XlnetConfig, has_biases: bool, init: &mut Init) -> Self {
        let (heads, head_size) = (config.n_head, config.head_size());
        let mut projection = || init.parameter([config.d_model, heads, head_size]);
        let [q, k, v, o, r] = std::array::from_fn(|_| projection());
        let mut bias = || init.parameter([heads, head_size]);
        let biases = has_biases.then(|| QueryBiases {
            r_r_bias: bias(),
            r_s_bias: bias(),
            r_w_bias: bias(),
        });
        Self {
            q,
            k,
            v,
            o,
            r,
            biases,
            seg_embed: init.parameter([2, heads, head_size]),
            layer_norm: init.layer_norm(config.d_model, config.layer_norm_eps),
            dropout: Dropout::new(config.dropout),
        }
    }

    /// The vectors added to queries, if this layer has its own.
    pub(crate) fn biases(&self) -> Option<&QueryBiases> {
        self.biases.as_ref()
    }

    /// What both streams attend to.
    ///
    /// # Shapes
    /// - `content`: `[batch, key_len, d_model]`, memory first
    /// - `positions`: `[1 or 2, rows, d_model]`
    pub(crate) fn keys(
        &self,
        content: Tensor<3>,
        positions: Tensor<3>,
        segments: Option<&Segments>,
    ) -> Keys {
        let key = self.project(content.clone(), &self.k);
        let [_, heads, _, _] = key.dims();
        Keys {
            key: match segments {
                Some(segments) => Tensor::cat(vec![key, segments.behind_keys(heads)], 3),
                None => key,
            },
            value: self.project(content, &self.v),
            position: self.project(positions, &self.r),
        }
    }

    /// One stream's queries, those of each context after those before, projected back, added to the
    /// stream and normalised.
    ///
    /// # Shapes
    /// - `stream`: `[batch, query_len, d_model]`; returned in the same shape
    pub(crate) fn forward(
        &self,
        stream: Tensor<3>,
        keys: &Keys,
        biases: &QueryBiases,
        contexts: &[QueryContext],
        is_present: Option<Tensor<3>>,
    ) -> Tensor<3> {
        let query = self.project(stream.clone(), &self.q);
        let [batch, heads, query_len, head_size] = query.dims();
        let mut start = 0;
        let mut attended = Vec::with_capacity(contexts.len());
        for context in contexts {
            let count = context.index.num_queries();
            let chunk = query.clone().narrow(2, start, count);
            attended.push(self.attend(chunk, keys, biases, context));
            start += count;
        }
        assert_eq!(start, query_len, "contexts for other queries");
        let attended = match (attended.len(), attended.pop()) {
            (1, Some(all)) => all,
            (_, Some(last)) => {
                attended.push(last);
                Tensor::cat(attended, 2)
            }
            (_, None) => query.clone(),
        };
        assert_shape!(attended, [batch, heads, query_len, head_size]);
        let attended = merge_heads(attended);
        let attended = match is_present {
            Some(is_present) => attended * is_present,
            None => attended,
        };
        let output = self.project_back(attended);
        self.layer_norm
            .forward_residual(output, stream, &self.dropout)
    }

    /// # Shapes
    /// - `query`: `[batch, heads, queries, head_size]`; returned in the same shape
    fn attend(
        &self,
        query: Tensor<4>,
        keys: &Keys,
        biases: &QueryBiases,
        context: &QueryContext,
    ) -> Tensor<4> {
        let [_, _, _, head_size] = query.dims();
        let to_distances = query.clone() + per_head(&biases.r_r_bias);
        let options = AttentionOptions {
            scale: 1.0 / (head_size as f64).sqrt(),
            relative: Some(RelativeScores {
                by_query: Some(by_distance(to_distances, keys, context)),
                by_key: None,
                index: context.index.clone(),
            }),
            score_bias: None,
            is_hidden: context.is_hidden.clone(),
            dropout: &self.dropout,
        };
        let mut content = query.clone() + per_head(&biases.r_w_bias);
        if let Some(segments) = &context.segments {
            let gain = self.segment_gain(query + per_head(&biases.r_s_bias));
            content = Tensor::cat(vec![content, segments.behind_queries(gain)], 3);
        }
        attend(content, keys.key.clone(), keys.value.clone(), options)
    }

    /// (Q + r_s)·(s₁ − s₀), `[batch, heads, queries, 1]`, from Q + r_s.
    fn segment_gain(&self, query: Tensor<4>) -> Tensor<4> {
        let [_, heads, _, head_size] = query.dims();
        let embeddings = self.seg_embed.val();
        let same = embeddings.clone().narrow(0, 0, 1);
        let difference = embeddings.narrow(0, 1, 1) - same;
        query.matmul(difference.reshape([1, heads, head_size, 1]))
    }

    /// # Shapes
    /// - `input`: `[batch, len, d_model]`
    /// - returns `[batch, heads, len, head_size]`
    fn project(&self, input: Tensor<3>, weight: &Param<Tensor<3>>) -> Tensor<4> {
        let weight = weight.val();
        let [d_model, heads, head_size] = weight.dims();
        let weight = weight.reshape([d_model, heads * head_size]);
        split_heads(linear(input, weight, None), heads)
    }

    /// # Shapes
    /// - `attended`: `[batch, len, heads * head_size]`
    /// - returns `[batch, len, d_model]`
    fn project_back(&self, attended: Tensor<3>) -> Tensor<3> {
        let weight = self.o.val();
        let [d_model, heads, head_size] = weight.dims();
        let weight = weight.reshape([d_model, heads * head_size]);
        linear(attended, weight.swap_dims(0, 1), None)
    }
}

/// A bias of each head, in a shape that broadcasts over batch and queries.
fn per_head(bias: &Param<Tensor<2>>) -> Tensor<4> {
    let [heads, head_size] = bias.dims();
    bias.val().reshape([1, heads, 1, head_size])
}

/// (Q + r_r)·R for the rows that these queries need, from Q + r_r.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, head_size]`
/// - returns `[batch, heads, queries, rows]`
fn by_distance(query: Tensor<4>, keys: &Keys, context: &QueryContext) -> Tensor<4> {
    let [batch, heads, queries, head_size] = query.dims();
    let rows = &context.rows;
    let position = keys.position.clone().narrow(2, rows.start, rows.len());
    let [directions, ..] = position.dims();
    if directions == 1 {
        return query.matmul(position.swap_dims(2, 3));
    }
    // Each direction's share of the batch against that direction's vectors.
    let share = batch / directions;
    let query = query.reshape([directions, share, heads, queries, head_size]);
    let position = position.swap_dims(2, 3).unsqueeze_dim::<5>(1);
    let products = query.matmul(position);
    products.reshape([batch, heads, queries, rows.len()])
}
