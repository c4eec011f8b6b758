//! Float types side by side: what a model in bfloat16 computes in float32 all the same, and where a
//! tensor takes the type of what it meets.
//!
//! A model's parameters may be of a 16-bit type, but for its tables ([`burn::nn::Embedding`]): rows are
//! looked up in float32, so that the gradients of a frequent word's many places are added up in it. From
//! the first layer on activations have the type of the parameters. Softmax, LayerNorm, activation
//! functions, dropout, sampling and losses are computed in float32 whatever they are given. A model in
//! float32 passes through here unchanged.

use burn::tensor::{DType, FloatDType, Tensor};

/// The tensor in the float type of `other`; its gradient comes back in its own.
///
/// # Shapes
/// Any; returned as it came.
pub fn like<const D: usize, const E: usize>(tensor: Tensor<D>, other: &Tensor<E>) -> Tensor<D> {
    if tensor.dtype() == other.dtype() {
        tensor
    } else {
        tensor.cast(FloatDType::from(other.dtype()))
    }
}

/// The tensor in float32 where it is of a 16-bit type, else as it is; its gradient comes back in its
/// own type.
///
/// # Shapes
/// Any; returned as it came.
pub fn widened<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::F16 | DType::BF16 => tensor.cast(FloatDType::F32),
        _ => tensor,
    }
}

/// What `compute` makes of the tensor in float32, in the type that the tensor had.
pub(crate) fn in_float32<const D: usize>(
    tensor: Tensor<D>,
    compute: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    let dtype = tensor.dtype();
    let computed = compute(widened(tensor));
    if computed.dtype() == dtype {
        computed
    } else {
        computed.cast(FloatDType::from(dtype))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::{AttentionOptions, Dropout, LayerNorm, attend};

    /// Every device that computes in bfloat16.
    fn devices() -> impl Iterator<Item = (String, Device)> {
        let devices = kiln_testing::devices().into_iter();
        devices.filter(|(_, device)| device.supports_dtype(FloatDType::BF16))
    }

    fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    #[test]
    fn gradients_lead_through_a_cast_to_float32s_own_numbers() {
        for (name, device) in devices() {
            let device = device.autodiff();
            // Not a bfloat16, of which 1.0 and 1.0078125 are neighbours.
            let weight = Tensor::<1>::from_data([1.001_f32, -3.0], &device).require_grad();
            let input = Tensor::<1>::from_data([2.0_f32, 0.5], &device).cast(FloatDType::BF16);
            let product = input.clone() * like(weight.clone(), &input);
            assert_eq!(product.dtype(), DType::BF16, "{name}");
            assert_eq!(floats(widened(product.clone())), [2.0, -1.5], "{name}");
            let gradients = product.sum().backward();
            let gradient = weight.grad(&gradients).unwrap();
            assert_eq!(gradient.dtype(), DType::F32, "{name}");
            assert_eq!(floats(gradient), [2.0, 0.5], "{name}");
        }
    }

    #[test]
    fn a_layer_norm_takes_the_type_of_its_gain_and_is_computed_in_float32() {
        for (name, device) in devices() {
            let mut norm = LayerNorm::new(512, 1e-12, &device);
            // Numbers of which a mean in bfloat16 would keep two digits.
            let values: Vec<f32> = (0..512).map(|i| 100.0 + (i % 7) as f32).collect();
            let input = Tensor::<2>::from_data(TensorData::new(values, [1, 512]), &device);
            let exact = norm.forward(input.clone());
            assert_eq!(exact.dtype(), DType::F32, "{name}");
            norm.gamma = norm.gamma.map(|gamma| gamma.cast(FloatDType::BF16));
            norm.beta = norm.beta.map(|beta| beta.cast(FloatDType::BF16));
            // The numbers are whole and below 128, and lose nothing in bfloat16.
            for input in [input.clone(), input.cast(FloatDType::BF16)] {
                let rounded = norm.forward(input);
                assert_eq!(rounded.dtype(), DType::BF16, "{name}");
                let expected = exact.clone().cast(FloatDType::BF16);
                assert_eq!(floats(rounded), floats(expected), "{name}");
            }
        }
    }

    #[test]
    fn attention_over_many_keys_averages_as_in_float32() {
        for (name, device) in devices() {
            let dropout = Dropout::new(0.0);
            let options = AttentionOptions {
                scale: 1.0,
                relative: None,
                score_bias: None,
                is_hidden: None,
                dropout: &dropout,
            };
            let half = |shape: [usize; 4], value: f64| {
                Tensor::<4>::full(shape, value, &device).cast(FloatDType::BF16)
            };
            // A sum in bfloat16 would stop at 256: so many shares of 1/1000 are no whole then.
            let (query, key) = (half([1, 1, 1, 2], 0.0), half([1, 1, 1000, 2], 1.0));
            let context = attend(query, key.clone(), key, options);
            assert_eq!(context.dtype(), DType::BF16, "{name}");
            for value in floats(context) {
                // 1/1000 itself is rounded to one part in 256.
                assert!((value - 1.0).abs() <= 1.0 / 128.0, "{name}: {value}");
            }
        }
    }
}
