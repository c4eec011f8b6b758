//! Who computes what of a step.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use kiln_text::{BatchSource, HostBatch, TextError};

use crate::collective::Collective;

/// The micro-batches of a step, the rank that each of them belongs to, and the device there that
/// computes it: consecutive numbers on a rank, and of these the n-th on device n mod devices.
///
/// Seeds, data and carried state belong to a micro-batch's number, and gradients are added up in its
/// order, on every rank and then rank by rank: a run may go on with another split of the same number
/// of them. `collective.rs` says which splits give the same bits.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    devices: Vec<Device>,
    accumulate: usize,
    rank: usize,
    ranks: usize,
}

impl Placement {
    /// `accumulate` micro-batches on each of `devices`, of which the first holds model and optimizer,
    /// and as many on every other rank. None: there is no device.
    pub(crate) fn new(
        devices: Vec<Device>,
        accumulate: usize,
        collective: &dyn Collective,
    ) -> Option<Self> {
        (!devices.is_empty()).then_some(Self {
            devices,
            accumulate,
            rank: collective.rank(),
            ranks: collective.ranks(),
        })
    }

    /// Whether this is the rank that writes and shows.
    pub(crate) fn is_first_rank(&self) -> bool {
        self.rank == 0
    }

    /// How many ranks there are.
    pub(crate) fn ranks(&self) -> usize {
        self.ranks
    }

    /// This rank's device that holds the model.
    pub(crate) fn first(&self) -> &Device {
        &self.devices[0]
    }

    /// This rank's devices that need a copy of the model.
    pub(crate) fn others(&self) -> &[Device] {
        &self.devices[1..]
    }

    /// How many devices all ranks have.
    pub(crate) fn num_devices(&self) -> usize {
        self.devices.len() * self.ranks
    }

    /// How many micro-batches a step has, on all ranks.
    pub(crate) fn micro_batches(&self) -> usize {
        self.per_rank() * self.ranks
    }

    /// How many of them a rank has.
    fn per_rank(&self) -> usize {
        self.devices.len() * self.accumulate
    }

    /// The numbers of this rank's micro-batches.
    pub(crate) fn mine(&self) -> Range<usize> {
        self.number(self.rank, 0)..self.number(self.rank + 1, 0)
    }

    /// The number of the micro-batch that is the `place`-th of `rank`, both from 0.
    pub(crate) fn number(&self, rank: usize, place: usize) -> usize {
        rank * self.per_rank() + place
    }

    /// The device that computes micro-batch `m`, one of this rank's, and its index here.
    pub(crate) fn of(&self, m: usize) -> (usize, &Device) {
        let index = (m - self.mine().start) % self.devices.len();
        (index, &self.devices[index])
    }

    /// This rank's micro-batches of a run, one behind the other. Of those of all ranks, which are
    /// `source`'s, a step takes the next [`Self::micro_batches`].
    pub(crate) fn share(&self, source: Arc<dyn BatchSource>) -> Arc<dyn BatchSource> {
        if self.ranks == 1 {
            return source;
        }
        Arc::new(Share {
            source,
            per_step: self.micro_batches() as u64,
            first: self.mine().start as u64,
            mine: self.mine().len() as u64,
        })
    }
}

/// One rank's batches of a source.
struct Share {
    source: Arc<dyn BatchSource>,
    per_step: u64,
    /// The number of this rank's first in a step.
    first: u64,
    /// How many it has of a step.
    mine: u64,
}

impl BatchSource for Share {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let (step, place) = (index / self.mine, index % self.mine);
        self.source.batch(step * self.per_step + self.first + place)
    }
}
