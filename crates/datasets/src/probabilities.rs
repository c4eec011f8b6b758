//! Logits to probabilities, in 64 bits.

/// The place of the largest; of equal ones the first.
pub(crate) fn arg_max(logits: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (place, logit);
        }
    }
    best.0
}

/// Probabilities of which one is true, `whole` altogether.
pub(crate) fn softmax(logits: impl Iterator<Item = f64> + Clone, whole: f64) -> Vec<f64> {
    let largest = logits.clone().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logits.map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares
        .into_iter()
        .map(|share| whole * share / sum)
        .collect()
}

/// The probability of one label by itself.
pub(crate) fn sigmoid(logit: f64) -> f64 {
    // The exponent is never above 0: nothing overflows.
    let share = (-logit.abs()).exp();
    if logit < 0.0 {
        share / (1.0 + share)
    } else {
        1.0 / (1.0 + share)
    }
}
