//! The enhanced mask decoder: absolute positions enter where words are predicted, and only there.
//!
//! He et al. 2021, section 3.2, as the original code has it. With h of the last layer but one, z the
//! position table's rows and Layer the encoder's last layer:
//!
//! ```text
//! q⁰ = h + z
//! q¹ = Layer(queries q⁰, keys and values h)
//! q² = Layer(queries q¹, keys and values h)
//! ```
//!
//! q² takes the place of the last layer's output. The layer's own, without positions, has no part
//! in it; where it is not asked for, it is not computed. A query sees all keys but no other query, so
//! the queries of predicted positions alone give the same numbers as those of all.

use burn::tensor::{Int, Tensor, assert_shape};
use kiln_nn::{gather_positions, like};

use crate::attention::AttentionContext;
use crate::layer::DebertaLayer;
use crate::model::DebertaModel;

/// How often the last layer runs: n of section 3.2.
const PASSES: usize = 2;

/// The encoder's last layer, and what it reads.
struct LastLayer<'a> {
    layer: &'a DebertaLayer,
    /// `[batch, seq_len, hidden_size]`, of the layer below.
    hidden_states: Tensor<3>,
    attention_mask: Option<Tensor<2, Int>>,
    context: AttentionContext,
}

impl DebertaModel {
    /// Hidden states for the prediction of words, from given embeddings; at `positions` alone, or at
    /// all positions if none are given.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - `rows`: `[seq_len, hidden_size]`, [`crate::EmbeddingBlock::decoder_positions`]
    /// - `positions`: `[batch, num_predictions]`, each in `0..seq_len`; repeats are fine
    /// - returns `[batch, num_predictions or seq_len, hidden_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn decode_masks(
        &self,
        embedded: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
        rows: Tensor<2>,
        positions: Option<Tensor<2, Int>>,
    ) -> Tensor<3> {
        let last = self.last_layer(embedded.clone(), attention_mask);
        last.map_or(embedded, |last| last.decode(rows, positions))
    }

    /// The last layer's hidden states, and beside them those for the prediction of words at all
    /// positions: the layers below run once for both.
    ///
    /// # Shapes
    /// - as [`Self::decode_masks`]
    pub(crate) fn encode_and_decode(
        &self,
        embedded: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
        rows: Tensor<2>,
    ) -> (Tensor<3>, Tensor<3>) {
        let Some(last) = self.last_layer(embedded.clone(), attention_mask) else {
            return (embedded.clone(), embedded);
        };
        let hidden_states = last.hidden_states.clone();
        let encoded = last.layer.forward(hidden_states, &last.context);
        (encoded, last.decode(rows, None))
    }

    fn last_layer(
        &self,
        embedded: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
    ) -> Option<LastLayer<'_>> {
        let encoder = &self.encoder;
        let (layer, below) = encoder.layers().split_last()?;
        let context = encoder.context(&embedded, attention_mask.clone());
        let hidden_states = encoder.run(below.len(), embedded, attention_mask.clone(), &context);
        Some(LastLayer {
            layer,
            hidden_states,
            attention_mask,
            context,
        })
    }
}

impl LastLayer<'_> {
    fn decode(self, rows: Tensor<2>, positions: Option<Tensor<2, Int>>) -> Tensor<3> {
        let [batch, seq_len, hidden_size] = self.hidden_states.dims();
        assert_shape!(rows, [seq_len, hidden_size]);
        let rows = like(rows, &self.hidden_states);
        let keys_values = self.layer.keys_values(self.hidden_states.clone());
        let (mut queries, context) = match positions {
            None => (self.hidden_states + rows.unsqueeze::<3>(), self.context),
            Some(positions) => {
                assert_shape!(positions, [batch, _]);
                let [_, count] = positions.dims();
                let context = self.context.at(positions.clone(), self.attention_mask);
                let rows = rows.select(0, positions.clone().reshape([batch * count]));
                let rows = rows.reshape([batch, count, hidden_size]);
                (
                    gather_positions(self.hidden_states, positions) + rows,
                    context,
                )
            }
        };
        for _ in 0..PASSES {
            queries = self
                .layer
                .forward_queries(queries, keys_values.clone(), &context);
        }
        queries
    }
}
