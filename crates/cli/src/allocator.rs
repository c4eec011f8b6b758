//! The allocator keeps freed memory for a while.
//!
//! Every tensor operation on the processor writes into fresh memory. Where the allocator gives
//! freed memory back to the system at once, each of those writes meets a page fault, and large
//! matrix products take twice as long.

use std::ffi::{c_int, c_long};

/// `mi_option_purge_delay` of mimalloc 3; its Rust bindings leave this option out.
const PURGE_DELAY: c_int = 15;

/// Milliseconds that freed memory stays with the process: longer than any training step that is
/// worth waiting for, short enough that memory returns between the parts of a run.
const MILLISECONDS: c_long = 10_000;

/// Sets the delay, unless the user chose one with `MIMALLOC_PURGE_DELAY`.
#[expect(
    unsafe_code,
    reason = "the options of a C library have no safe interface"
)]
pub(crate) fn keep_freed_memory() {
    // SAFETY: stores a number in a table of options; `PURGE_DELAY` is below its length (47 entries).
    // It leaves an option alone that the environment has set.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, MILLISECONDS) }
}
