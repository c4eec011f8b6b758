//! How far two results may lie apart, and why.
//!
//! A bound has to be wide enough for float32 and narrow enough for mistakes to show. The tanh form
//! of GELU in place of the exact one, say, is off by 5e-4 at most, and by less after a head: a bound
//! of 1e-3 would not see it.

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
    /// Of the whole tensor: single entries may be sums of large terms that cancel. float32 stays
    /// below 1e-6. A gradient that is zero in exact arithmetic has no relative distance; see
    /// [`Bound::VANISHING`].
    Gradient,
}

impl Bound {
    /// Root mean square of an expected gradient below which it counts as zero; the difference then
    /// has to stay below it too.
    ///
    /// A key bias has no gradient (a constant added to all scores of a softmax changes nothing), and
    /// computing it leaves noise. In the committed BERT cases the noise of float32 is at most
    /// 1.4e-7 and the smallest real gradient 7e-4: this is 14 times the one, for graphics drivers,
    /// and far from the other.
    pub const VANISHING: f64 = 2e-6;

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
