//! Elementary functions in float32 without branches, so that loops over them become vector code.

/// e^x for x up to 88; 0 below −87.3, where float32 loses its normal numbers.
///
/// 2^k·e^r with k the nearest integer to x/ln 2 and e^r by its Taylor series up to r^7: with
/// |r| ≤ 0.347 the rest is below 6e-9, an eighth of float32's last digit.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the low bits: 1.5·2^23.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; the first has nine bits, so k times it is exact.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    /// ln of the smallest normal number, rounded up.
    const LOWEST: f32 = -87.3;

    let clamped = if x > LOWEST { x } else { LOWEST };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = clamped - k * LN_2_HIGH - k * LN_2_LOW;
    let series = 1.0 / 5_040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = series * r + 1.0;
    let series = series * r + 1.0;
    let bits = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let power = f32::from_bits(bits.wrapping_add(127) << 23);
    if x > LOWEST { series * power } else { 0.0 }
}

/// ln x for normal numbers above 0.
///
/// k·ln 2 + ln m with m in [√½, √2) and ln m = 2·artanh t by its series up to t^9, t = (m − 1)/(m +
/// 1): with |t| ≤ 0.172 the rest is below 1e-9. Near 1, where k = 0, the relative error stays small.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    /// The bits of √½: subtracted, the exponent's field is k.
    const ROOT_HALF: u32 = 0x3f35_04f3;

    let shifted = x.to_bits().wrapping_sub(ROOT_HALF);
    let k = (shifted as i32 >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT_HALF));
    let t = (m - 1.0) / (m + 1.0);
    let s = t * t;
    let series = 2.0 / 9.0;
    let series = series * s + 2.0 / 7.0;
    let series = series * s + 2.0 / 5.0;
    let series = series * s + 2.0 / 3.0;
    let series = series * s + 2.0;
    k * std::f32::consts::LN_2 + t * series
}

/// φ(x) = e^(−x²/2)/√(2π).
#[inline(always)]
pub(super) fn normal_density(x: f32) -> f32 {
    const INVERSE_ROOT_OF_2_PI: f32 = 0.398_942_3;
    INVERSE_ROOT_OF_2_PI * exp(-0.5 * x * x)
}

/// Φ(x), the normal distribution, to 1.6e-7.
///
/// For u = |x|, Φ(−u)·e^(u²/2) is a smooth function of t = 1/(1 + 0.28u), here the polynomial
/// without constant term of degree 9 with the least largest relative error over u ≤ 14: 5.4e-8.
#[inline(always)]
pub(super) fn normal_distribution(x: f32) -> f32 {
    const COEFFICIENTS: [f32; 9] = [
        1.116_872_7e-1,
        1.119_948e-1,
        1.009_306_3e-1,
        9.207_734e-2,
        5.326_252e-2,
        2.084_225_6e-2,
        6.977_824e-2,
        -8.336_406e-2,
        2.279_102_8e-2,
    ];
    let u = x.abs();
    let t = 1.0 / (1.0 + 0.28 * u);
    let mut tail = 0.0;
    for coefficient in COEFFICIENTS.iter().rev() {
        tail = (tail + coefficient) * t;
    }
    let tail = tail * exp(-0.5 * x * x);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// Entries of a row that are worked on side by side.
pub(super) const LANES: usize = 16;

/// Runs loops with the widest vector instructions of the processor at hand. The operations and
/// their order stay the same, and so do the bits of the result.
///
/// A macro, because the closure has to be inlined into the function that may use those
/// instructions: the compiler leaves some of the larger ones out of it, at a third of the speed.
macro_rules! vectorised {
    ($work:expr) => {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || $work,
        )
    };
}

pub(super) use vectorised;

/// Σ f(x) over a row, in sixteen lanes: the order is part of the result and does not depend on the
/// machine.
#[inline(always)]
pub(super) fn sum_of(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (blocks, rest) = row.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += f(x);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&x| f(x)).sum::<f32>()
}

/// The largest number of a row.
#[inline(always)]
pub(super) fn highest(row: &[f32]) -> f32 {
    let (blocks, rest) = row.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let lanes = lanes.iter().chain(rest);
    lanes.fold(f32::NEG_INFINITY, |highest, &x| highest.max(x))
}

/// Σ a·b, in sixteen lanes.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (lane, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_two_units_of_the_last_digit() {
        for i in -870_000..=880_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.4e-7, "exp({x}): off by {error:e}");
        }
    }

    #[test]
    fn the_logarithm_is_right_to_three_units_of_the_last_digit() {
        let check = |x: f32| {
            let exact = f64::from(x).ln();
            let error = (f64::from(ln(x)) - exact).abs();
            assert!(error <= 3.6e-7 * exact.abs(), "ln({x}): off by {error:e}");
        };
        for i in 1..=1_000_000 {
            check(i as f32 * 1e-6);
            check(1.0 + i as f32 * 1e-4);
        }
        // Down to the ends of the interval that sampling draws from.
        for i in 0..1_000 {
            check((i as f32 + 0.5) / 8_388_608.0);
            check(1.0 - (i as f32 + 0.5) / 8_388_608.0);
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn the_exponential_of_a_hidden_score_is_exactly_zero() {
        for x in [f32::MIN, f32::NEG_INFINITY, -1e4, -88.0] {
            assert_eq!(exp(x), 0.0, "exp({x})");
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn the_normal_distribution_is_right_to_two_in_ten_million() {
        for i in -100_000..=100_000 {
            let x = i as f32 * 1e-4;
            let exact = 0.5 * libm::erfc(-f64::from(x) / 2f64.sqrt());
            let error = (f64::from(normal_distribution(x)) - exact).abs();
            assert!(error < 2e-7, "at {x}: off by {error:e}");
        }
    }

    #[test]
    fn nothing_finite_gives_anything_else() {
        for x in [f32::MAX, f32::MIN, 1e20, -1e20, 0.0, -0.0, 1e-40] {
            assert!(normal_distribution(x).is_finite(), "{x}");
            assert!(normal_density(x).is_finite(), "{x}");
        }
        assert!(normal_distribution(f32::NAN).is_nan());
    }
}
