//! Lanes: long texts that are read side by side, step by step.
//!
//! The documents of an epoch, in an order of its own, are one stream, and the stream is cut into
//! lanes of equal length; what is left over at the end, less than a token for each lane, goes unread
//! in that epoch. Each lane can be read forwards, and backwards as if it had been written so.

use std::ops::Range;

use super::super::document_stream::{DocumentStream, StreamOrder};
use super::super::epochs::EpochCache;
use crate::TextError;
use crate::rng::Permutation;

/// The lanes of all epochs.
pub(super) struct Lanes {
    stream: DocumentStream,
    count: u64,
    /// Tokens of a lane.
    len: u64,
    seed: u64,
    epochs: EpochCache<StreamOrder>,
}

/// The lanes of one epoch.
pub(super) struct EpochLanes<'a> {
    lanes: &'a Lanes,
    order: &'a StreamOrder,
}

/// A lane in one of its directions: positions count from where reading begins.
#[derive(Clone, Copy)]
pub(super) struct Lane<'a> {
    stream: &'a DocumentStream,
    order: &'a StreamOrder,
    /// Where in the stream it stands.
    start: u64,
    len: u64,
    is_backward: bool,
}

impl Lanes {
    /// `count` lanes, at least one, of at least one token.
    pub(super) fn new(stream: DocumentStream, count: u64, seed: u64) -> Self {
        Self {
            len: stream.len() / count,
            stream,
            count,
            seed,
            epochs: EpochCache::new(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Looks at the lanes of an epoch.
    pub(super) fn with_epoch<R>(&self, epoch: u64, look: impl FnOnce(&EpochLanes) -> R) -> R {
        let parts = self.stream.documents().len() as u64;
        self.epochs.with(
            epoch,
            || self.stream.order(Permutation::new(self.seed, epoch, parts)),
            |order| look(&EpochLanes { lanes: self, order }),
        )
    }
}

impl<'a> EpochLanes<'a> {
    /// Lane `lane`, below the count of lanes.
    pub(super) fn lane(&self, lane: u64, is_backward: bool) -> Lane<'a> {
        Lane {
            stream: &self.lanes.stream,
            order: self.order,
            start: lane * self.lanes.len,
            len: self.lanes.len,
            is_backward,
        }
    }
}

impl Lane<'_> {
    /// Tokens in it.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends the tokens at `range`.
    ///
    /// # Errors
    /// If the corpus can't be read.
    pub(super) fn read(&self, range: Range<u64>, into: &mut Vec<u32>) -> Result<(), TextError> {
        let before = into.len();
        self.stream
            .read(self.order, self.in_stream(range), into)
            .inspect(|()| {
                if self.is_backward {
                    into[before..].reverse();
                }
            })
    }

    /// The sentence that holds `position`, as far as it lies in the lane.
    pub(super) fn sentence(&self, position: u64) -> Range<u64> {
        let at = self.in_stream(position..position + 1).start;
        let found = self.stream.sentence(self.order, at);
        let start = found.start.max(self.start) - self.start;
        let end = found.end.min(self.start + self.len) - self.start;
        self.turned(start..end)
    }

    fn in_stream(&self, range: Range<u64>) -> Range<u64> {
        let range = self.turned(range);
        self.start + range.start..self.start + range.end
    }

    /// Between the positions of this direction and those of the forward one; its own inverse.
    fn turned(&self, range: Range<u64>) -> Range<u64> {
        if self.is_backward {
            self.len - range.end..self.len - range.start
        } else {
            range
        }
    }
}
