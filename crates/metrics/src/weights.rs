//! How often each example counts in a sample.

/// How often each example counts; none: once.
pub(crate) type Weights<'a> = Option<&'a [u32]>;

/// How often the example with this index counts: not at all where it has no weight.
pub(crate) fn times(weights: Weights<'_>, index: usize) -> u32 {
    weights.map_or(1, |weights| weights.get(index).copied().unwrap_or(0))
}
