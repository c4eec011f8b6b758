//! Elementary functions by the formulas of flex's kernels, which do not rest on what an interface promises
//! of its own: WebGPU's logarithm may be off by 5e-7 near 1, and its error function does not exist.

use cubecl::prelude::*;

/// φ(x) = e^(−x²/2)/√(2π).
#[cube]
pub(super) fn normal_density(x: f32) -> f32 {
    0.398_942_3f32 * (-0.5f32 * x * x).exp()
}

/// Φ(x), the normal distribution, to 1.6e-7: see `flex/math.rs`.
#[cube]
pub(super) fn normal_distribution(x: f32) -> f32 {
    let u = x.abs();
    let t = 1.0f32 / (1.0f32 + 0.28f32 * u);
    let tail = 2.279_102_8e-2f32 * t;
    let tail = (tail - 8.336_406e-2f32) * t;
    let tail = (tail + 6.977_824e-2f32) * t;
    let tail = (tail + 2.084_225_6e-2f32) * t;
    let tail = (tail + 5.326_252e-2f32) * t;
    let tail = (tail + 9.207_734e-2f32) * t;
    let tail = (tail + 1.009_306_3e-1f32) * t;
    let tail = (tail + 1.119_948e-1f32) * t;
    let tail = (tail + 1.116_872_7e-1f32) * t;
    let tail = tail * (-0.5f32 * x * x).exp();
    select(x < 0.0f32, tail, 1.0f32 - tail)
}

/// ln x for normal numbers above 0, to the last digits near 1 as well: see `flex/math.rs`.
#[cube]
pub(super) fn ln(x: f32) -> f32 {
    // The bits of √½: subtracted, the exponent's field is k.
    let shifted = u32::reinterpret(x) - 0x3f35_04f3u32;
    let k = f32::cast_from(i32::reinterpret(shifted) >> 23i32);
    let m = f32::reinterpret((shifted & 0x007f_ffffu32) + 0x3f35_04f3u32);
    let t = (m - 1.0f32) / (m + 1.0f32);
    let s = t * t;
    let series = 0.222_222_22f32;
    let series = series * s + 0.285_714_3f32;
    let series = series * s + 0.4f32;
    let series = series * s + 0.666_666_7f32;
    let series = series * s + 2.0f32;
    k * std::f32::consts::LN_2 + t * series
}
