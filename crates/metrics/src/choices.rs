//! One of several continuations: what guessing has.

use crate::tally::mean;

/// The accuracy that guessing has: the mean of 1 / number of continuations; undefined without examples
/// or where an example has no continuation.
pub(crate) fn chance(continuations: impl IntoIterator<Item = usize>) -> Option<f64> {
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
    }
}
