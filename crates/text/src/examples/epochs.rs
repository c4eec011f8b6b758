//! What an epoch needs to find its examples: made once, kept while the epoch is in use.

use std::num::NonZero;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crate::rng::Permutation;

/// Epochs kept: workers that build ahead stand on both sides of a boundary.
const KEPT: usize = 2;

/// Below this many documents, starting threads costs more than counting.
const SERIAL: usize = 4096;

/// The indexes of the epochs used last.
pub(super) struct EpochCache<T> {
    /// Least recently used first.
    recent: Mutex<Vec<(u64, Arc<OnceLock<T>>)>>,
}

impl<T> EpochCache<T> {
    pub(super) fn new() -> Self {
        Self {
            recent: Mutex::new(Vec::with_capacity(KEPT + 1)),
        }
    }

    /// Looks something up in the index of `epoch`; the first to ask makes it, others wait for it.
    pub(super) fn with<R>(
        &self,
        epoch: u64,
        make: impl FnOnce() -> T,
        look_up: impl FnOnce(&T) -> R,
    ) -> R {
        // The lock covers the list alone: whoever works in the epoch before doesn't wait for the
        // new one's count.
        let index = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let found = recent.iter().position(|(kept, _)| *kept == epoch);
            let entry = match found {
                Some(place) => recent.remove(place),
                None => (epoch, Arc::default()),
            };
            let index = Arc::clone(&entry.1);
            recent.push(entry);
            if recent.len() > KEPT {
                recent.remove(0);
            }
            index
        };
        look_up(index.get_or_init(make))
    }
}

/// Finds the examples of an epoch, for sources that walk one part of a document at a time.
///
/// `walk` gives the examples of a part in order, the same ones whenever it is asked.
pub(super) struct WalkedEpochs {
    seed: u64,
    /// Number of parts.
    parts: usize,
    indexes: EpochCache<WalkIndex>,
}

/// Where the examples of an epoch are.
struct WalkIndex {
    /// By part: number of examples up to and including it.
    ends: Vec<u64>,
    /// The order in which they are visited.
    order: Permutation,
}

impl WalkedEpochs {
    pub(super) fn new(seed: u64, parts: usize) -> Self {
        Self {
            seed,
            parts,
            indexes: EpochCache::new(),
        }
    }

    /// Number of examples in `epoch`.
    pub(super) fn count<I: Iterator>(&self, epoch: u64, walk: impl Fn(usize) -> I + Sync) -> u64 {
        self.with_index(epoch, walk, WalkIndex::len)
    }

    /// The example at `place` of `epoch`, and the part it is from; places beyond the end begin
    /// again.
    pub(super) fn find<I: Iterator>(
        &self,
        epoch: u64,
        place: u64,
        walk: impl Fn(usize) -> I + Sync,
    ) -> (usize, I::Item) {
        let (part, nth) = self.with_index(epoch, &walk, |index| index.find(place));
        match walk(part).nth(nth as usize) {
            Some(example) => (part, example),
            None => unreachable!("the same walk counted the examples"),
        }
    }

    fn with_index<I: Iterator, R>(
        &self,
        epoch: u64,
        walk: impl Fn(usize) -> I + Sync,
        look_up: impl FnOnce(&WalkIndex) -> R,
    ) -> R {
        let make = || {
            let ends = running_totals(self.parts, |part| walk(part).count() as u64);
            let order = Permutation::new(self.seed, epoch, ends.last().copied().unwrap_or(0));
            WalkIndex { ends, order }
        };
        self.indexes.with(epoch, make, look_up)
    }
}

impl WalkIndex {
    fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// (part, number of the example in it).
    fn find(&self, place: u64) -> (usize, u64) {
        let rank = self.order.at(place % self.len());
        let part = self.ends.partition_point(|&end| end <= rank);
        let before = part.checked_sub(1).map_or(0, |last| self.ends[last]);
        (part, rank - before)
    }
}

/// `value(0)`, `value(0) + value(1)`, …: where each document's share of the epoch ends.
///
/// Scoped threads, not rayon: callers wait for the result inside a lock, and a rayon worker that
/// waits may steal another batch's work, come back here and wait for itself.
pub(super) fn running_totals(len: usize, value: impl Fn(usize) -> u64 + Sync) -> Vec<u64> {
    let mut totals = vec![0u64; len];
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    if len < SERIAL || threads == 1 {
        for (index, slot) in totals.iter_mut().enumerate() {
            *slot = value(index);
        }
    } else {
        let share = len.div_ceil(threads);
        thread::scope(|scope| {
            for (number, slots) in totals.chunks_mut(share).enumerate() {
                let value = &value;
                scope.spawn(move || {
                    for (offset, slot) in slots.iter_mut().enumerate() {
                        *slot = value(number * share + offset);
                    }
                });
            }
        });
    }
    let mut sum = 0;
    for slot in &mut totals {
        sum += *slot;
        *slot = sum;
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_same_on_one_thread_and_on_several() {
        for len in [0, 1, SERIAL - 1, SERIAL, 3 * SERIAL + 1] {
            let value = |index: usize| (index as u64 * 7) % 11;
            let mut sum = 0;
            let expected: Vec<u64> = (0..len)
                .map(|index| {
                    sum += value(index);
                    sum
                })
                .collect();
            assert_eq!(running_totals(len, value), expected);
        }
    }

    #[test]
    fn a_walked_epoch_finds_every_example_once_and_then_begins_again() {
        // Part n has n % 4 examples: some have none.
        let walk = |part: usize| (0..part % 4).map(move |nth| 10 * part + nth);
        let epochs = WalkedEpochs::new(5, 11);
        for epoch in [0, 7] {
            let count = epochs.count(epoch, walk);
            let find = |place| epochs.find(epoch, place, walk);
            let mut found: Vec<_> = (0..count).map(find).collect();
            assert_eq!(find(count + 2), found[2]);
            found.sort_unstable();
            let all = (0..11).flat_map(|part| walk(part).map(move |example| (part, example)));
            assert!(all.eq(found), "epoch {epoch}");
        }
    }

    #[test]
    fn the_last_two_epochs_are_kept_and_a_third_drops_the_oldest() {
        let cache = EpochCache::new();
        let made = Mutex::new(Vec::new());
        for epoch in [0, 1, 0, 1, 2, 1, 0] {
            let value = cache.with(
                epoch,
                || {
                    made.lock().unwrap().push(epoch);
                    epoch
                },
                |value| *value,
            );
            assert_eq!(value, epoch);
        }
        // 0 and 1 once, 2 drops 0 (1 was used after it), and 0 has to be made again.
        assert_eq!(*made.lock().unwrap(), [0, 1, 2, 0]);
    }
}
