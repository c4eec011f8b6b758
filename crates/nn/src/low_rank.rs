//! A low-rank correction of a linear layer's matrix (LoRA, Hu et al. 2021), and the layer with it.
//!
//! ```text
//! y = x · (W + s · A B) + c                     without dropout
//! y = x · W + c + s · dropout(x) · A · B        with it, while the model is trained
//! ```

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId, Reparameterization, Reparameterizer};
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::Dropout;
use crate::fused::linear;

/// What is added to a linear layer's weight, which itself stays as it is.
#[derive(Module, Debug)]
pub struct LowRank {
    /// A, `[in, rank]`
    pub a: Param<Tensor<2>>,
    /// B, `[rank, out]`
    pub b: Param<Tensor<2>>,
    /// s, usually alpha / rank.
    pub scale: f64,
    /// Of what A reads: PEFT's `lora_dropout`.
    pub dropout: Dropout,
}

impl LowRank {
    /// s · A B, `[in, out]`.
    pub fn product(&self) -> Tensor<2> {
        self.a.val().matmul(self.b.val()).mul_scalar(self.scale)
    }
}

impl Reparameterization for LowRank {
    const NAME: &'static str = "lora";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let product = self.product().reshape(base.shape());
        base + product
    }
}

/// `model` with corrections beside the weights that these belong to. Only the weight of a linear layer is
/// read with its correction.
pub fn correct<M: Module>(model: M, corrections: HashMap<ParamId, LowRank>) -> M {
    model.apply_reparameterization(Corrections(corrections))
}

/// What there is for each parameter.
struct Corrections(HashMap<ParamId, LowRank>);

impl Reparameterizer for Corrections {
    type Reparam = LowRank;

    fn reparameterize<const D: usize>(
        &mut self,
        _: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LowRank>) {
        let correction = self.0.remove(&param.id);
        (param, correction)
    }
}

/// A linear layer's output, with its correction if it has one.
///
/// # Shapes
/// - `input`: `[.., in]`
/// - returns `[.., out]`
pub fn project<const D: usize>(layer: &Linear, input: Tensor<D>) -> Tensor<D> {
    let correction = layer.weight.reparameterization::<LowRank>();
    let bias = layer.bias.as_ref().map(Param::val);
    let Some(correction) = correction.filter(|it| it.dropout.acts_on(&input)) else {
        return linear(input, layer.weight.val(), bias);
    };
    let dropped = correction.dropout.forward(input.clone());
    let output = linear(input, layer.weight.base(), bias);
    let inner = linear(dropped, correction.a.val(), None);
    output + linear(inner, correction.b.val(), None).mul_scalar(correction.scale)
}

/// Weight and bias of a layer that does nothing with `input` but multiply and add.
pub(crate) fn plain_parts<const D: usize>(
    layer: &Linear,
    input: &Tensor<D>,
) -> Option<(Tensor<2>, Tensor<1>)> {
    let correction = layer.weight.reparameterization::<LowRank>();
    let is_plain = !correction.is_some_and(|it| it.dropout.acts_on(input));
    let bias = layer.bias.as_ref().filter(|_| is_plain)?;
    Some((layer.weight.val(), bias.val()))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};
    use kiln_testing::lock_generator;

    use super::*;
    use crate::Init;

    fn layer(rate: f64, device: &Device) -> Linear {
        kiln_backend::seed(device, 3);
        let layer = Init::new(1, 1.0, device).linear(6, 4);
        let drawn = |shape: [usize; 2]| {
            let values = Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
            Param::initialized(ParamId::new(), values).set_require_grad(true)
        };
        let correction = LowRank {
            a: drawn([6, 2]),
            b: drawn([2, 4]),
            scale: 1.5,
            dropout: Dropout::new(rate),
        };
        let id = layer.weight.id;
        correct(layer, HashMap::from([(id, correction)]))
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.inner().try_into_vec_as().unwrap()
    }

    /// What a linear layer whose weight is the corrected one makes of the input.
    fn merged(layer: &Linear, input: Tensor<3>) -> Tensor<3> {
        let correction = layer.weight.reparameterization::<LowRank>().unwrap();
        let weight = layer.weight.base() + correction.product();
        linear(input, weight, layer.bias.as_ref().map(Param::val))
    }

    #[test]
    fn outside_of_training_and_at_rate_0_the_layer_is_the_merged_one_bit_for_bit() {
        let _guard = lock_generator();
        for (name, device) in kiln_testing::devices() {
            let plain = layer(0.5, &device);
            let input = Tensor::<3>::ones([2, 3, 6], &device);
            let read = |tensor: Tensor<3>| tensor.try_into_vec_as::<f32>().unwrap();
            let expected = read(merged(&plain, input.clone()));
            assert_eq!(read(project(&plain, input)), expected, "{name}");
            let device = device.autodiff();
            let rate_0 = layer(0.0, &device);
            let input = Tensor::<3>::ones([2, 3, 6], &device);
            let expected = values(merged(&rate_0, input.clone()));
            assert_eq!(values(project(&rate_0, input)), expected, "{name}");
        }
    }

    /// With the entries that were dropped known, all of it is worked out by plain products: what reaches A
    /// is the dropped input, what reaches W the whole one, and so it is with the gradients.
    #[test]
    fn what_a_reads_is_dropped_and_what_the_layer_reads_is_not() {
        let _guard = lock_generator();
        for (name, device) in kiln_testing::devices() {
            let device = device.autodiff();
            let layer = layer(0.5, &device);
            let correction = layer.weight.reparameterization::<LowRank>().unwrap();
            let input = Tensor::<2>::random([9, 6], Distribution::Normal(0.0, 1.0), &device);
            kiln_backend::seed(&device, 11);
            let dropped = correction.dropout.forward(input.clone());
            kiln_backend::seed(&device, 11);
            let output = project(&layer, input.clone());
            let bias = layer.bias.as_ref().unwrap().val().unsqueeze::<2>();
            let (a, b) = (correction.a.val(), correction.b.val());
            let expected = input.clone().matmul(layer.weight.base())
                + bias
                + dropped.clone().matmul(a).matmul(b.clone()).mul_scalar(1.5);
            let gradients = output.clone().sum().backward();
            let gradient = correction.a.val().grad(&gradients).unwrap();
            // d/dA of the sum: s · dropped' · 1 · B'
            let ones = Tensor::<2>::ones([9, 4], &device.clone().inner());
            let of_a = dropped
                .clone()
                .inner()
                .transpose()
                .matmul(ones.matmul(b.inner().transpose()))
                .mul_scalar(1.5);
            // Some roundings of sums of nine numbers of size 1, in another order.
            let close = |found: &[f32], expected: &[f32]| {
                let mut pairs = found.iter().zip(expected);
                pairs.all(|(found, expected)| (found - expected).abs() < 1e-4)
            };
            assert!(close(&values(output), &values(expected)), "{name}");
            let gradient: Vec<f32> = gradient.try_into_vec_as().unwrap();
            let of_a: Vec<f32> = of_a.try_into_vec_as().unwrap();
            assert!(close(&gradient, &of_a), "{name}");
            let dropped = values(dropped);
            assert!(dropped.contains(&0.0) && dropped != values(input), "{name}");
        }
    }
}
