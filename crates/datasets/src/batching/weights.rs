//! What classes weigh by how often they come.

/// What classes weigh that come so often: each class as much as the others in all, and an example 1 on
/// average (scikit-learn's `class_weight="balanced"`). A class that never comes has weight 1.
pub fn balanced_weights(frequencies: &[u64]) -> Vec<f64> {
    let total: u64 = frequencies.iter().sum();
    let classes = frequencies.iter().filter(|&&count| count > 0).count();
    let weight = |&count: &u64| match count {
        0 => 1.0,
        _ => total as f64 / (classes as f64 * count as f64),
    };
    frequencies.iter().map(weight).collect()
}

/// What labels weigh in examples that have them, of so many examples in which they come so often: each as
/// much as in all those that have it not, negatives / positives, as `pos_weight` of PyTorch's
/// `BCEWithLogitsLoss` is usually chosen. A label that no example has, or each, has weight 1: of such a one
/// there is nothing to balance.
pub fn balanced_positive_weights(frequencies: &[u64], examples: u64) -> Vec<f64> {
    let weight = |&positives: &u64| match examples.saturating_sub(positives) {
        0 => 1.0,
        _ if positives == 0 => 1.0,
        negatives => negatives as f64 / positives as f64,
    };
    frequencies.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positives_weigh_as_much_as_negatives() {
        // One of four; three of four; none; all.
        let weights = balanced_positive_weights(&[1, 3, 0, 4], 4);
        assert_eq!(weights, [3.0, 1.0 / 3.0, 1.0, 1.0]);
    }
}
