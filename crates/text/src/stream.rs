//! Batches built ahead by worker threads, handed over in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::{BatchSource, HostBatch, TextError};

/// Builds a source's batches ahead and gives them out by index, whatever the threads' timing.
///
/// At most `depth` batches exist at a time, finished or under way. Dropping it stops the workers
/// once each has finished the batch in its hands.
pub struct Prefetch {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    source: Arc<dyn BatchSource>,
    depth: u64,
    state: Mutex<State>,
    /// A batch was finished.
    finished: Condvar,
    /// There is room for another batch, or the workers are to stop.
    room: Condvar,
}

struct State {
    next_to_build: u64,
    next_to_give: u64,
    ready: BTreeMap<u64, Result<HostBatch, TextError>>,
    stop: bool,
}

impl Prefetch {
    /// Starts `threads` workers (at least one, and no more than `depth`, which would never have work)
    /// on batch `start` and those after it, up to `depth` (at least one) ahead of the last one given
    /// out.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn new(
        source: Arc<dyn BatchSource>,
        start: u64,
        threads: usize,
        depth: usize,
    ) -> Result<Self, TextError> {
        let depth = depth.max(1);
        let shared = Arc::new(Shared {
            source,
            depth: depth as u64,
            state: Mutex::new(State {
                next_to_build: start,
                next_to_give: start,
                ready: BTreeMap::new(),
                stop: false,
            }),
            finished: Condvar::new(),
            room: Condvar::new(),
        });
        let mut prefetch = Self {
            shared,
            workers: Vec::new(),
        };
        for _ in 0..threads.clamp(1, depth) {
            let shared = Arc::clone(&prefetch.shared);
            let worker = thread::Builder::new()
                .name("kiln-batches".to_owned())
                .spawn(move || shared.work())
                .map_err(|reason| TextError::Thread { reason })?;
            prefetch.workers.push(worker);
        }
        Ok(prefetch)
    }

    /// The next batch, waiting for it if need be.
    ///
    /// # Errors
    /// What the source said for this index, or that building it panicked. The next call gives the
    /// batch after it.
    pub fn next_batch(&mut self) -> Result<HostBatch, TextError> {
        let mut state = self.shared.lock();
        loop {
            let index = state.next_to_give;
            if let Some(batch) = state.ready.remove(&index) {
                state.next_to_give += 1;
                drop(state);
                self.shared.room.notify_one();
                return batch;
            }
            state = self
                .shared
                .finished
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Index of the batch that comes next.
    pub fn position(&self) -> u64 {
        self.shared.lock().next_to_give
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // A worker's panics were caught and handed over as errors.
            let _joined = worker.join();
        }
    }
}

impl Shared {
    /// No code that may panic runs under the lock: a poisoned one holds a whole state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(index) = self.claim() {
            let built = catch_unwind(AssertUnwindSafe(|| self.source.batch(index)));
            let batch = built.unwrap_or_else(|payload| {
                Err(TextError::BatchPanicked {
                    index,
                    message: message(payload.as_ref()),
                })
            });
            self.lock().ready.insert(index, batch);
            self.finished.notify_one();
        }
    }

    /// The next index to build once there is room for it; none when it is time to stop.
    fn claim(&self) -> Option<u64> {
        let mut state = self.lock();
        while !state.stop && state.next_to_build >= state.next_to_give + self.depth {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.stop {
            return None;
        }
        state.next_to_build += 1;
        Some(state.next_to_build - 1)
    }
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        })
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Batch `index` has `all_tokens` = `index`; some take longer than others.
    struct Numbers {
        given: AtomicU64,
        depth: u64,
        fails_at: Option<u64>,
        panics_at: Option<u64>,
    }

    impl Numbers {
        fn new(depth: u64) -> Self {
            Self {
                given: AtomicU64::new(0),
                depth,
                fails_at: None,
                panics_at: None,
            }
        }
    }

    impl BatchSource for Numbers {
        fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
            let given = self.given.load(Ordering::SeqCst);
            assert!(index <= given + self.depth, "{index} with {given} given");
            for _ in 0..(index * 7919) % 13 {
                thread::yield_now();
            }
            assert!(self.panics_at != Some(index), "batch {index} is odd");
            if self.fails_at == Some(index) {
                return Err(TextError::Setting {
                    field: "index",
                    value: index.to_string(),
                    remedy: "none".to_owned(),
                });
            }
            Ok(HostBatch {
                all_tokens: index as usize,
                ..HostBatch::default()
            })
        }
    }

    #[test]
    fn batches_come_in_order_and_not_too_far_ahead_with_one_to_four_threads() {
        for threads in 1..=4 {
            for depth in [1, 3] {
                let source = Arc::new(Numbers::new(depth));
                let shared = Arc::clone(&source);
                let mut prefetch = Prefetch::new(shared, 0, threads, depth as usize).unwrap();
                for index in 0..200 {
                    assert_eq!(prefetch.position(), index);
                    let batch = prefetch.next_batch().unwrap();
                    assert_eq!(batch.all_tokens as u64, index);
                    source.given.store(index + 1, Ordering::SeqCst);
                }
            }
        }
    }

    #[test]
    fn a_stream_starts_at_any_index() {
        let source = Arc::new(Numbers::new(u64::MAX >> 1));
        let mut prefetch = Prefetch::new(source, 1_000_000, 2, 4).unwrap();
        assert_eq!(prefetch.next_batch().unwrap().all_tokens, 1_000_000);
        assert_eq!(prefetch.next_batch().unwrap().all_tokens, 1_000_001);
    }

    #[test]
    fn an_error_and_a_panic_arrive_in_their_place_and_the_stream_goes_on() {
        let source = Numbers {
            fails_at: Some(2),
            panics_at: Some(4),
            ..Numbers::new(1000)
        };
        let mut prefetch = Prefetch::new(Arc::new(source), 0, 3, 6).unwrap();
        let told: Vec<_> = (0..6)
            .map(|_| prefetch.next_batch().map_err(|error| error.to_string()))
            .collect();
        for index in [0, 1, 3, 5] {
            assert_eq!(told[index].as_ref().unwrap().all_tokens, index);
        }
        assert_eq!(told[2].as_ref().unwrap_err(), "index = 2: none");
        let panic = told[4].as_ref().unwrap_err();
        assert!(
            panic.contains("batch 4: building it panicked (batch 4 is odd)"),
            "{panic}"
        );
    }

    #[test]
    fn dropping_a_stream_ends_its_workers() {
        let source = Arc::new(Numbers::new(1000));
        for taken in 0..3 {
            let mut prefetch =
                Prefetch::new(Arc::clone(&source) as Arc<dyn BatchSource>, 0, 4, 8).unwrap();
            for _ in 0..taken {
                prefetch.next_batch().unwrap();
            }
            drop(prefetch);
            // Every worker held the source through the shared state: all are gone.
            assert_eq!(Arc::strong_count(&source), 1);
        }
    }
}
