//! What crosses from the host to a device: named flat buffers with shapes, and who makes them.

use std::collections::BTreeMap;

use crate::TextError;

/// A flat row-major buffer and its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer<T> {
    /// Row-major values.
    pub data: Vec<T>,
    /// Lengths of the axes, e.g. `[batch, seq_len]`.
    pub shape: Vec<usize>,
}

/// One micro-batch, ready for a device: already masked, permuted and padded.
///
/// Names are Hugging Face's argument names (`input_ids`, `attention_mask`, `token_type_ids`,
/// `labels`, …), plus `positions` and `weights` where the loss looks at chosen positions only.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostBatch {
    /// Whole-number buffers by name.
    pub ints: BTreeMap<&'static str, Buffer<i32>>,
    /// Real-number buffers by name.
    pub floats: BTreeMap<&'static str, Buffer<f32>>,
    /// Tokens that are not padding.
    pub real_tokens: usize,
    /// All tokens, padding included: batch x seq_len.
    pub all_tokens: usize,
}

impl HostBatch {
    /// Adds a whole-number buffer.
    ///
    /// # Panics
    /// If `data` does not fill `shape`: the builder's mistake.
    pub fn insert_ints(&mut self, name: &'static str, data: Vec<i32>, shape: &[usize]) {
        assert_eq!(
            data.len(),
            shape.iter().product::<usize>(),
            "{name}: {shape:?}"
        );
        self.ints.insert(
            name,
            Buffer {
                data,
                shape: shape.to_vec(),
            },
        );
    }

    /// Adds a real-number buffer.
    ///
    /// # Panics
    /// If `data` does not fill `shape`: the builder's mistake.
    pub fn insert_floats(&mut self, name: &'static str, data: Vec<f32>, shape: &[usize]) {
        assert_eq!(
            data.len(),
            shape.iter().product::<usize>(),
            "{name}: {shape:?}"
        );
        self.floats.insert(
            name,
            Buffer {
                data,
                shape: shape.to_vec(),
            },
        );
    }
}

/// An endless stream of micro-batches, each found by its index alone.
///
/// Batch `index` is a pure function of the source's own settings (seed, corpus, batch size) and
/// `index`, so that worker threads may build ahead in any order and a resumed run starts anywhere
/// at once. With the same seed, batches 2k and 2k + 1 of size b hold the examples of batch k of
/// size 2b: accumulation sees the same data as the larger batch.
pub trait BatchSource: Send + Sync {
    /// Builds micro-batch `index`.
    ///
    /// # Errors
    /// If the corpus can't be read.
    fn batch(&self, index: u64) -> Result<HostBatch, TextError>;
}
