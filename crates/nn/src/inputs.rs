//! What an encoder reads.

use burn::tensor::{Int, Tensor};

/// The arguments of an encoder of the BERT family.
#[derive(Debug, Clone)]
pub struct EncoderInputs {
    /// `[batch, seq_len]`
    pub input_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`, 1 = attend, 0 = padding; `None` where there is no padding.
    pub attention_mask: Option<Tensor<2, Int>>,
    /// `[batch, seq_len]`, 0 in the first segment, 1 in the second.
    pub token_type_ids: Tensor<2, Int>,
}
