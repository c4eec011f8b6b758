//! How far two results may lie apart, and why.
//!
//! A bound has to be wide enough for float32 and narrow enough for mistakes to show: a wrong
//! epsilon in a LayerNorm moves outputs by 1e-4, a tanh GELU for an exact one by 5e-4, a head
//! permuted in one layer by more.

use kiln_backend::{BackendName, DeviceSpec};

/// What is compared; the bound follows from it and from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Hidden states, logits, probabilities, parameters after training steps: largest absolute
    /// difference 1e-5, on graphics drivers 1e-4.
    ///
    /// Values are of size 1 to 10, where float32 has a spacing of 1e-7 to 1e-6, and a few layers add
    /// some tens of roundings. Shader compilers contract products and sums and have their own `exp`,
    /// `tanh` and division, of about 10 times the error.
    Output,
    /// Losses: 1e-6 of their size.
    ///
    /// One number, averaged over many terms, so that roundings cancel: 8 spacings of float32.
    Loss,
    /// A parameter's gradient: relative L2 distance 1e-4.
    ///
    /// Of the whole tensor: single entries may be sums of large terms that cancel. The distance is
    /// taken relative to the expected tensor's norm, but no less than [`Bound::FLOOR`] per entry.
    Gradient,
}

impl Bound {
    /// Root mean square below which a gradient counts as this large.
    ///
    /// Some gradients are zero in exact arithmetic (a key bias: a constant added to all scores of a
    /// softmax changes nothing) and noise in any other. With losses of size 1 the noise of float32
    /// stays below 1e-8 an entry, which is 1e-4 of this; real gradients are larger than this.
    pub const FLOOR: f64 = 1e-4;

    /// The largest distance allowed on the device of that name, in the measure of [`Closeness`]:
    /// absolute for outputs, relative for losses and gradients.
    ///
    /// # Panics
    /// If `device` is not a device's name.
    ///
    /// [`Closeness`]: crate::Closeness
    pub fn limit(self, device: &str) -> f64 {
        match self {
            Self::Output if is_graphics(device) => 1e-4,
            Self::Output => 1e-5,
            Self::Loss => 1e-6,
            Self::Gradient => 1e-4,
        }
    }
}

fn is_graphics(device: &str) -> bool {
    let spec: DeviceSpec = match device.parse() {
        Ok(spec) => spec,
        Err(error) => panic!("{error}"),
    };
    match spec.backend {
        BackendName::Flex | BackendName::Ndarray | BackendName::Tch => false,
        BackendName::Wgpu
        | BackendName::Vulkan
        | BackendName::Metal
        | BackendName::Webgpu
        | BackendName::Cuda
        | BackendName::Rocm
        | BackendName::Remote => true,
    }
}
