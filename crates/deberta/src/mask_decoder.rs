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
//! in it and is not computed. A query sees all keys but no other query, so the queries of predicted
//! positions alone give the same numbers as those of all.

use burn::tensor::{Int, Tensor, assert_shape};
use kiln_nn::gather_positions;

use crate::model::DebertaModel;

/// How often the last layer runs: n of section 3.2.
const PASSES: usize = 2;

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
        let [batch, seq_len, hidden_size] = embedded.dims();
        assert_shape!(rows, [seq_len, hidden_size]);
        let encoder = &self.encoder;
        let Some((last, below)) = encoder.layers().split_last() else {
            return embedded;
        };

        let mut context = encoder.context(&embedded, attention_mask.clone());
        let hidden_states = encoder.run(below.len(), embedded, attention_mask.clone(), &context);
        let keys_values = last.keys_values(hidden_states.clone());
        let mut queries = match positions {
            None => hidden_states + rows.unsqueeze::<3>(),
            Some(positions) => {
                assert_shape!(positions, [batch, _]);
                let [_, count] = positions.dims();
                context = context.at(positions.clone(), attention_mask);
                let rows = rows.select(0, positions.clone().reshape([batch * count]));
                let rows = rows.reshape([batch, count, hidden_size]);
                gather_positions(hidden_states, positions) + rows
            }
        };
        for _ in 0..PASSES {
            queries = last.forward_queries(queries, keys_values.clone(), &context);
        }
        queries
    }
}
