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
