//! Logits to probabilities, in 64 bits.

/// The place of the largest; of equal ones the first.
pub(super) fn arg_max(logits: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (place, logit);
        }
    }
    best.0
}

/// Probabilities of which one is true.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shares: Vec<f64> = logits
        .iter()
        .map(|&logit| (f64::from(logit) - f64::from(largest)).exp())
        .collect();
    let sum: f64 = shares.iter().sum();
    shares.into_iter().map(|share| share / sum).collect()
}

/// The probability of one label by itself.
pub(super) fn sigmoid(logit: f32) -> f64 {
    // The exponent is never above 0: nothing overflows.
    let share = (-f64::from(logit.abs())).exp();
    if logit < 0.0 {
        share / (1.0 + share)
    } else {
        1.0 / (1.0 + share)
    }
}
