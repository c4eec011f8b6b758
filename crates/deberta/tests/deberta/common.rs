//! Small models and batches that several test programs use.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_checkpoint::gradient_tensors;
use kiln_deberta::names::NAMES;
use kiln_deberta::{DebertaConfig, DebertaForMaskedLm, MaskedLmForm};
use kiln_nn::{EncoderInputs, Init};

/// Words of every model here.
pub(crate) const VOCAB_SIZE: usize = 29;

/// A small configuration without dropout; `fields` are JSON without braces.
pub(crate) fn config(fields: &str) -> DebertaConfig {
    let sizes = r#""vocab_size":29,"hidden_size":12,"num_hidden_layers":2,
        "num_attention_heads":3,"intermediate_size":17,"max_position_embeddings":16,
        "relative_attention":true,"position_biased_input":false,"pos_att_type":"c2p|p2c""#;
    let config: DebertaConfig = serde_json::from_str(&format!("{{{sizes},{fields}}}")).unwrap();
    config.validate().unwrap();
    config.without_dropout()
}

/// v3's attention.
pub(crate) fn v3() -> DebertaConfig {
    config(r#""position_buckets":4,"share_att_key":true,"norm_rel_ebd":"layer_norm""#)
}

/// v1's attention.
pub(crate) fn v1() -> DebertaConfig {
    config(r#""model_type":"deberta","max_relative_positions":5"#)
}

/// v2's attention with a convolution.
pub(crate) fn v2_conv() -> DebertaConfig {
    config(r#""conv_kernel_size":3,"conv_act":"gelu""#)
}

/// Weights large enough for every part to show.
pub(crate) fn masked_lm(
    config: &DebertaConfig,
    form: MaskedLmForm,
    device: &Device,
) -> DebertaForMaskedLm {
    DebertaForMaskedLm::new(config, form, &mut Init::new(3, 0.3, device))
}

/// Integers `[rows, columns]`.
pub(crate) fn ints(values: &[i32], rows: usize, device: &Device) -> Tensor<2, Int> {
    let shape = [rows, values.len() / rows];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Two rows of seven tokens, the second with two of padding.
pub(crate) fn padded_inputs(device: &Device) -> EncoderInputs {
    inputs(
        &[2, 7, 28, 9, 3, 11, 3, 2, 8, 5, 17, 3, 0, 0],
        &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
        2,
        device,
    )
}

/// Ids and mask `[rows, columns]`, all of the first segment.
pub(crate) fn inputs(ids: &[i32], mask: &[i32], rows: usize, device: &Device) -> EncoderInputs {
    EncoderInputs {
        input_ids: ints(ids, rows, device),
        attention_mask: Some(ints(mask, rows, device)),
        token_type_ids: ints(&vec![0; ids.len()], rows, device),
    }
}

/// All entries, in single precision.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let tensor = if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    };
    tensor.try_into_vec_as().unwrap()
}

/// Gradients of Σ output · coefficient for all parameters, by name; the coefficients are a wave.
pub(crate) fn gradients(
    model: &DebertaForMaskedLm,
    output: Tensor<2>,
    coefficients: Tensor<2>,
) -> Vec<(String, Vec<f32>)> {
    let loss = (output * coefficients).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), model);
    let tensors = gradient_tensors(model, &gradients, &NAMES).unwrap();
    let tensors = tensors.into_iter();
    tensors.map(|tensor| (tensor.name, tensor.data)).collect()
}

/// `[rows, VOCAB_SIZE]` numbers of either sign up to 1.
pub(crate) fn wave(rows: usize, device: &Device) -> Tensor<2> {
    let values = (0..rows * VOCAB_SIZE).map(|i| (i as f32 * 0.7).sin());
    let data = TensorData::new(values.collect::<Vec<f32>>(), [rows, VOCAB_SIZE]);
    Tensor::from_data(data, device)
}
