//! How work is cut: blocks of fixed size, so that results do not depend on the number of threads.

/// Elements a task works on: small enough for the second cache, large enough to be worth a task.
pub(super) const BLOCK: usize = 1 << 14;

/// Rows a task works on.
pub(super) fn rows_per_block(row: usize) -> usize {
    (BLOCK / row.max(1)).max(1)
}
