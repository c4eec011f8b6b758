//! The order in which training sees rows: every row once an epoch, rows of about one length together.
//!
//! Training is one stream of rows; step k takes `step_size` of them, from `k * step_size` on. Epoch e is
//! the stretch from `e * rows` on: all rows, each once, in an order of its own. No row is dropped at the
//! end of an epoch: where an epoch ends within a step, the next one's first rows fill that step up.
//!
//! Within an epoch whole steps are made in pools: a pool has the rows of 64 steps (of a quarter of the
//! epoch, if that is less) as the epoch's order gives them, sorts them by length, cuts them into steps,
//! and shuffles the steps. So lengths decide nothing about when a row comes, but for 64 steps. The rows
//! that fill the last epoch's step up, and those behind the last whole step, stay as the order has them.
//!
//! Rows belong to steps, not to batches: however many batches a step is made of, it has the same rows in
//! the same order.

use std::sync::{Arc, Mutex, PoisonError};

use kiln_text::rng::{Permutation, Purpose, Rng};

/// Steps of a pool at most.
const POOL_STEPS: u64 = 64;

/// Pools kept: workers that build ahead stand on both sides of a boundary.
const KEPT: usize = 4;

/// Finds the row at any place of the stream.
pub(super) struct Epochs {
    seed: u64,
    /// Rows of an epoch, at least 1.
    rows: u64,
    /// Rows of a step, at least 1.
    step_size: u64,
    /// Least recently used first.
    pools: Mutex<Vec<(Address, Arc<[u32]>)>>,
}

/// An epoch, and a pool of it.
type Address = (u64, u64);

impl Epochs {
    pub(super) fn new(seed: u64, rows: u64, step_size: u64) -> Self {
        Self {
            seed,
            rows: rows.max(1),
            step_size: step_size.max(1),
            pools: Mutex::new(Vec::with_capacity(KEPT + 1)),
        }
    }

    /// The row at a place of the stream; `length` tells the length of a row.
    pub(super) fn row(&self, place: u64, length: &dyn Fn(u32) -> usize) -> u32 {
        let (epoch, place) = (place / self.rows, place % self.rows);
        let order = || Permutation::new(self.seed, epoch, self.rows);
        // Rows that the last epoch's step lacks: epochs begin at any place of a step.
        let size = self.step_size;
        let begun = (u128::from(epoch) * u128::from(self.rows) % u128::from(size)) as u64;
        let head = ((size - begun) % size).min(self.rows);
        let whole = (self.rows - head) / size * size;
        let Some(place_in_pools) = place.checked_sub(head).filter(|&place| place < whole) else {
            return order().at(place) as u32;
        };
        let pool_len = (self.rows / (4 * size)).clamp(1, POOL_STEPS) * size;
        let number = place_in_pools / pool_len;
        let first = number * pool_len;
        let make = || {
            let order = order();
            let places = head + first..head + (first + pool_len).min(whole);
            let rows = places.map(|place| order.at(place) as u32).collect();
            self.pool(rows, (epoch, number), length)
        };
        let pool = self.kept((epoch, number), make);
        // A pool is as long as the places that lead to it.
        let row = pool.get((place_in_pools - first) as usize);
        row.copied().unwrap_or_default()
    }

    /// Rows of about one length in a row, step by step, the steps shuffled.
    fn pool(
        &self,
        mut rows: Vec<u32>,
        (epoch, number): Address,
        length: &dyn Fn(u32) -> usize,
    ) -> Arc<[u32]> {
        // Stable: rows of one length stay in the epoch's order.
        rows.sort_by_cached_key(|&row| length(row));
        let mut steps: Vec<&[u32]> = rows.chunks(self.step_size as usize).collect();
        Rng::at(self.seed, Purpose::Batches, epoch, number).shuffle(&mut steps);
        steps.concat().into()
    }

    /// The pool at an address, made if it is not at hand. Two workers may make the same one: it is the
    /// same to both.
    fn kept(&self, address: Address, make: impl FnOnce() -> Arc<[u32]>) -> Arc<[u32]> {
        let lock = || self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |pools: &mut Vec<(Address, Arc<[u32]>)>| {
            let place = pools.iter().position(|(known, _)| *known == address)?;
            let entry = pools.remove(place);
            let pool = Arc::clone(&entry.1);
            pools.push(entry);
            Some(pool)
        };
        if let Some(pool) = find(&mut lock()) {
            return pool;
        }
        let pool = make();
        let mut pools = lock();
        if find(&mut pools).is_none() {
            pools.push((address, Arc::clone(&pool)));
            if pools.len() > KEPT {
                pools.remove(0);
            }
        }
        pool
    }
}
