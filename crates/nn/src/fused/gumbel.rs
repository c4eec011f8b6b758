//! The largest score of each row after Gumbel noise is added, for any backend.

use burn::backend::{
    Backend, TensorMetadata, get_or_init_device_settings,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::{Distribution, FloatDType, Shape};

/// The largest float32 below 1.
const BELOW_ONE: f64 = 1.0 - f32::EPSILON as f64 / 2.0;

/// `[n]`, from scores `[n, classes]`.
pub(super) fn argmax<B: Backend>(scores: FloatTensor<B>) -> IntTensor<B> {
    let n = scores.shape()[0];
    let device = scores.device();
    let uniform = B::float_random(
        scores.shape(),
        Distribution::Uniform(0.0, 1.0),
        &device,
        FloatDType::from(scores.dtype()),
    );
    let noisy = B::float_add(scores, noise::<B>(uniform));
    let int_dtype = get_or_init_device_settings::<B>(&device).int_dtype;
    B::int_reshape(B::float_argmax(noisy, 1, int_dtype), Shape::new([n]))
}

/// −ln(−ln u), finite for every u of the unit interval.
fn noise<B: Backend>(uniform: FloatTensor<B>) -> FloatTensor<B> {
    // Neither end of the interval has a finite noise. The lower bound is the smallest normal
    // number: below it processors may count everything as zero.
    let inside = B::float_clamp(uniform, f32::MIN_POSITIVE.into(), BELOW_ONE.into());
    B::float_neg(B::float_log(B::float_neg(B::float_log(inside))))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::backend::Flex;
    use burn::tensor::{Device, Tensor};

    use super::*;

    #[test]
    fn noise_is_finite_at_both_ends_of_the_interval() {
        let ends = [0.0, 1e-45, 0.5, BELOW_ONE as f32, 1.0];
        let ends = Tensor::<1>::from_data(ends, &Device::flex());
        let noise = noise::<Flex>(ends.try_into_primitive::<Flex>().unwrap());
        let noise: Vec<f32> = Tensor::<1>::from_primitive::<Flex>(noise)
            .try_into_vec_as()
            .unwrap();
        assert!(noise.iter().all(|x| x.is_finite()), "{noise:?}");
        assert!(noise.is_sorted(), "{noise:?}");
        // −ln(ln 2)
        assert!((noise[2] - 0.366_513).abs() < 1e-5, "{noise:?}");
    }
}
