//! Streams of bytes, as they go from one unpacking to the next.

use std::io::BufRead;

/// A stream of bytes.
pub(in crate::reading) type Bytes = Box<dyn BufRead + Send>;

/// Bytes that are read at a time.
pub(super) const BUFFER_BYTES: usize = 1 << 16;
