//! A device's random numbers and memory.

use burn::tensor::Device;

use crate::host_memory::kibibytes;

/// Restarts the device's random numbers (dropout, `Tensor::random`) from `seed`.
///
/// There is one generator per backend and process, all GPUs of Burn's own runtimes sharing one, and
/// no way to read its state: whoever wants a run to be resumable seeds before each step from the
/// run's seed and the step. `flex` and `ndarray` draw the same numbers from the same seed, the other
/// backends each their own; [`BackendName::determinism`](crate::BackendName::determinism) says what
/// repeats. Threads that draw at the same time share the stream.
pub fn seed(device: &Device, seed: u64) {
    device.seed(seed);
}

/// Memory that a device's allocator holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceMemory {
    /// Used by live tensors.
    pub in_use: u64,
    /// Taken from the driver, what is kept for reuse included.
    pub reserved: u64,
}

/// Memory of a GPU of Burn's own runtimes; `None` for libtorch and the processor, whose tensors live
/// in [`process_memory`] or in libtorch's own pool.
pub fn device_memory(device: &Device) -> Option<DeviceMemory> {
    device.memory_pool_usage().map(|usage| DeviceMemory {
        in_use: usage.bytes_in_use,
        reserved: usage.bytes_reserved,
    })
}

/// Bytes of main memory that this process holds at the moment; `None` where the system does not say
/// so through `/proc` (anything but Linux).
pub fn process_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "VmRSS:")
}
