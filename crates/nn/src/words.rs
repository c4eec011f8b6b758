//! The word table's rows.

use burn::tensor::{Int, Tensor};

use crate::fused::embedding;

/// A row of the table for every id. As in Hugging Face, the row of padding gets no gradient from
/// here.
///
/// # Shapes
/// - `table`: `[vocab_size, embedding_size]`
/// - `input_ids`: `[batch, seq_len]`, each below `vocab_size`
/// - returns `[batch, seq_len, embedding_size]`
pub fn embed_words(
    table: Tensor<2>,
    input_ids: Tensor<2, Int>,
    pad_token_id: Option<usize>,
) -> Tensor<3> {
    let words = embedding(table, input_ids.clone());
    match pad_token_id {
        Some(pad_token_id) if words.is_autodiff() => {
            let shape = words.shape();
            let is_padding = input_ids.equal_elem(pad_token_id as i64);
            let is_padding = is_padding.unsqueeze_dim::<3>(2).expand(shape);
            let constant = words.clone().detach();
            words.mask_where(is_padding, constant)
        }
        _ => words,
    }
}
