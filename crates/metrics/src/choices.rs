//! One of several continuations: accuracy beside chance.

use crate::classes::{mean, ratio};

/// The share of right choices; undefined without examples.
pub fn accuracy(pairs: impl IntoIterator<Item = (usize, usize)>) -> Option<f64> {
    let (mut right, mut total) = (0, 0);
    for (target, prediction) in pairs {
        right += u64::from(target == prediction);
        total += 1;
    }
    ratio(right, total)
}

/// The accuracy that guessing has: the mean of 1 / number of continuations; undefined without examples
/// or where an example has no continuation.
pub fn chance(continuations: impl IntoIterator<Item = usize>) -> Option<f64> {
    mean(continuations.into_iter().map(|count| 1.0 / count as f64)).filter(|mean| mean.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_takes_each_example_by_its_own_continuations() {
        assert_eq!(chance([2, 4]), Some(0.375));
        assert_eq!(chance([]), None);
        assert_eq!(chance([0, 2]), None);
        assert_eq!(accuracy([(0, 0), (1, 0)]), Some(0.5));
        assert_eq!(accuracy([]), None);
    }
}
