//! Activations by Hugging Face's names (`hidden_act` in config.json).

use burn::nn::Linear;
use burn::tensor::{DType, Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::fused;
use crate::low_rank::{plain_parts, project};
use crate::precision::in_float32;

/// An activation, under the very name config.json gives it, so that it is written back unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Activation {
    /// x·Φ(x) with the error function: what the published BERT checkpoints were trained with.
    Gelu,
    /// [`Activation::Gelu`] by another name.
    GeluPython,
    /// The tanh form 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))).
    GeluNew,
    /// [`Activation::GeluNew`] by another name.
    GeluPytorchTanh,
    /// [`Activation::GeluNew`] with the constant √(2/π) to ten digits.
    GeluFast,
    /// [`Activation::GeluNew`] by another name.
    GeluAccurate,
    /// x·σ(1.702x).
    QuickGelu,
    /// max(x, 0).
    Relu,
    /// x·σ(x).
    Silu,
    /// [`Activation::Silu`] by another name.
    Swish,
    /// tanh x.
    Tanh,
    /// σ(x).
    Sigmoid,
    /// x.
    Linear,
}

/// A `hidden_act` that is not known.
#[derive(Debug, thiserror::Error)]
#[error("activation {name:?} is not supported; supported are {}", supported())]
pub struct UnknownActivation {
    /// The name as given.
    pub name: String,
}

impl Activation {
    /// All activations, in the order of an error message.
    pub const ALL: [Self; 13] = [
        Self::Gelu,
        Self::GeluPython,
        Self::GeluNew,
        Self::GeluPytorchTanh,
        Self::GeluFast,
        Self::GeluAccurate,
        Self::QuickGelu,
        Self::Relu,
        Self::Silu,
        Self::Swish,
        Self::Tanh,
        Self::Sigmoid,
        Self::Linear,
    ];

    /// Hugging Face's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluPython => "gelu_python",
            Self::GeluNew => "gelu_new",
            Self::GeluPytorchTanh => "gelu_pytorch_tanh",
            Self::GeluFast => "gelu_fast",
            Self::GeluAccurate => "gelu_accurate",
            Self::QuickGelu => "quick_gelu",
            Self::Relu => "relu",
            Self::Silu => "silu",
            Self::Swish => "swish",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Linear => "linear",
        }
    }

    /// The activation called `name`.
    ///
    /// # Errors
    /// If there is none; the message lists the supported names.
    pub fn from_name(name: &str) -> Result<Self, UnknownActivation> {
        Self::ALL
            .into_iter()
            .find(|activation| activation.name() == name)
            .ok_or_else(|| UnknownActivation {
                name: name.to_owned(),
            })
    }

    /// Applies the function to every entry, whatever the shape.
    pub fn forward<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        in_float32(input, |input| self.value(input))
    }

    /// Applies the function to what a linear layer makes of `input`.
    ///
    /// # Shapes
    /// - `input`: `[..., in]`
    /// - returns `[..., out]`
    pub fn of_projection<const D: usize>(self, layer: &Linear, input: Tensor<D>) -> Tensor<D> {
        let is_gelu = matches!(self, Self::Gelu | Self::GeluPython);
        match plain_parts(layer, &input) {
            Some((weight, bias)) if is_gelu && input.dtype() == DType::F32 => {
                fused::linear_gelu(input, weight, bias)
            }
            _ => self.forward(project(layer, input)),
        }
    }

    fn value<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu | Self::GeluPython => fused::gelu(input),
            Self::GeluNew | Self::GeluPytorchTanh | Self::GeluFast | Self::GeluAccurate => {
                gelu_tanh(input)
            }
            Self::QuickGelu => {
                let gate = activation::sigmoid(input.clone().mul_scalar(1.702));
                input * gate
            }
            Self::Relu => activation::relu(input),
            Self::Silu | Self::Swish => {
                let gate = activation::sigmoid(input.clone());
                input * gate
            }
            Self::Tanh => input.tanh(),
            Self::Sigmoid => activation::sigmoid(input),
            Self::Linear => input,
        }
    }
}

/// The tanh form of GELU, with plain products for the cube: a power has a slower gradient.
fn gelu_tanh<const D: usize>(input: Tensor<D>) -> Tensor<D> {
    const SQRT_2_OVER_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;
    let square = input.clone() * input.clone();
    let inner = input.clone() * (square.mul_scalar(0.044_715) + 1.0);
    let gate = inner.mul_scalar(SQRT_2_OVER_PI).tanh() + 1.0;
    (input * gate).mul_scalar(0.5)
}

impl TryFrom<String> for Activation {
    type Error = UnknownActivation;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::from_name(&name)
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.name().to_owned()
    }
}

fn supported() -> String {
    Activation::ALL.map(Activation::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Value and derivative at `x`, in double precision, from the definition.
    fn expected(activation: Activation, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match activation {
            Activation::Gelu | Activation::GeluPython => {
                0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()))
            }
            Activation::GeluNew
            | Activation::GeluPytorchTanh
            | Activation::GeluFast
            | Activation::GeluAccurate => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
            Activation::QuickGelu => x * sigmoid(1.702 * x),
            Activation::Relu => x.max(0.0),
            Activation::Silu | Activation::Swish => x * sigmoid(x),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => sigmoid(x),
            Activation::Linear => x,
        }
    }

    #[test]
    fn values_and_derivatives_are_those_of_the_definition_on_every_device() {
        // Both signs and the region where the two GELUs differ most (2.70); no zero, where relu
        // has no derivative.
        let points: Vec<f32> = (-60..=60).map(|i| 0.1 * i as f32 + 0.013).collect();
        for (device_name, device) in kiln_testing::devices() {
            let device = device.autodiff();
            for activation in Activation::ALL {
                let input = Tensor::<1>::from_data(points.as_slice(), &device).require_grad();
                let output = activation.forward(input.clone());
                let gradients = output.clone().sum().backward();
                let slopes = input.grad(&gradients).unwrap();
                let slopes = slopes.try_into_vec_as::<f32>().unwrap();
                let values = output.try_into_vec_as::<f32>().unwrap();
                for ((&x, value), slope) in points.iter().zip(values).zip(slopes) {
                    let x = f64::from(x);
                    let step = 1e-5;
                    let up = expected(activation, x + step);
                    let down = expected(activation, x - step);
                    let name = activation.name();
                    // Single precision at values up to 6: a few times 6e-7. The tanh form's
                    // derivative under the erf form's name would be off by 4e-4.
                    let error = f64::from(value) - expected(activation, x);
                    assert!(
                        error.abs() < 3e-6,
                        "{device_name} {name}({x}): off by {error:e}"
                    );
                    let error = f64::from(slope) - (up - down) / (2.0 * step);
                    assert!(
                        error.abs() < 5e-6,
                        "{device_name} {name}'({x}): off by {error:e}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_list_of_known_ones() {
        let error = Activation::from_name("gleu").unwrap_err().to_string();
        assert!(
            error.contains("\"gleu\"") && error.contains("gelu_new, "),
            "{error}"
        );
    }

    #[test]
    fn every_name_is_written_back_as_it_was_read() {
        for activation in Activation::ALL {
            assert_eq!(
                Activation::from_name(activation.name()).unwrap(),
                activation
            );
        }
    }
}
