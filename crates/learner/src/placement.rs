//! Who computes what of a step.

use burn::tensor::Device;

/// The micro-batches of a step, and the device that each of them is computed on: number m on device
/// m mod devices.
///
/// Seeds, data and carried state belong to a micro-batch's number, and gradients are added up in its
/// order: a run may go on with another split of the same number of them. Equal devices then give
/// the same bits; others compute what they compute.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    devices: Vec<Device>,
    accumulate: usize,
}

impl Placement {
    /// `accumulate` micro-batches on each of `devices`, of which the first holds model and optimizer.
    /// None: there is no device.
    pub(crate) fn new(devices: Vec<Device>, accumulate: usize) -> Option<Self> {
        (!devices.is_empty()).then_some(Self {
            devices,
            accumulate,
        })
    }

    /// The device that holds the model.
    pub(crate) fn first(&self) -> &Device {
        &self.devices[0]
    }

    /// The devices that need a copy of the model.
    pub(crate) fn others(&self) -> &[Device] {
        &self.devices[1..]
    }

    /// How many devices there are.
    pub(crate) fn num_devices(&self) -> usize {
        self.devices.len()
    }

    /// How many micro-batches a step has.
    pub(crate) fn micro_batches(&self) -> usize {
        self.devices.len().saturating_mul(self.accumulate)
    }

    /// The device that computes micro-batch `m`, and its index.
    pub(crate) fn of(&self, m: usize) -> (usize, &Device) {
        let index = m % self.devices.len();
        (index, &self.devices[index])
    }
}
