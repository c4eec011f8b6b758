//! GELU by the error function, for any backend.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::backend::{Backend, tensor::FloatTensor};

/// Φ(x) = (1 + erf(x/√2))/2.
fn cumulative<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let erf = B::float_erf(B::float_mul_scalar(x, FRAC_1_SQRT_2.into()));
    B::float_mul_scalar(B::float_add_scalar(erf, 1.0.into()), 0.5.into())
}

pub(super) fn forward<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x.clone(), cumulative::<B>(x))
}

/// Φ(x) + x·φ(x), with φ the normal density.
pub(super) fn backward<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let square = B::float_mul(x.clone(), x.clone());
    let bell = B::float_exp(B::float_mul_scalar(square, (-0.5).into()));
    let density = B::float_mul_scalar(bell, (1.0 / (2.0 * PI).sqrt()).into());
    let slope = B::float_add(cumulative::<B>(x.clone()), B::float_mul(x, density));
    B::float_mul(slope, grad)
}
