//! The backends by name, whether this build holds them or not.

use std::fmt;

/// A backend that Kiln can be built with: one cargo feature each, of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BackendName {
    /// Pure Rust on the processor; needs nothing installed.
    Flex,
    /// Pure Rust on the processor, Burn's older backend.
    Ndarray,
    /// libtorch: the processor, CUDA or Apple's GPU.
    Tch,
    /// Any GPU through the graphics interface that wgpu picks.
    Wgpu,
    /// wgpu pinned to Vulkan.
    Vulkan,
    /// wgpu pinned to Metal.
    Metal,
    /// wgpu pinned to WebGPU.
    Webgpu,
    /// NVIDIA GPUs.
    Cuda,
    /// AMD GPUs.
    Rocm,
    /// A device of a Burn server on another machine.
    Remote,
}

/// How far two runs of the same seed on the same device agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Determinism {
    /// Results are equal to the last bit, with any number of threads.
    Bitwise,
    /// Within the numeric bounds: sums may be taken in another order from run to run.
    Tolerant,
}

impl BackendName {
    /// All backends, in the order in which lists name them.
    pub const ALL: [Self; 10] = [
        Self::Flex,
        Self::Ndarray,
        Self::Tch,
        Self::Wgpu,
        Self::Vulkan,
        Self::Metal,
        Self::Webgpu,
        Self::Cuda,
        Self::Rocm,
        Self::Remote,
    ];

    /// The name on the command line, which is also the cargo feature's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Tch => "tch",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Webgpu => "webgpu",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Remote => "remote",
        }
    }

    /// Whether this build holds the backend.
    pub const fn is_compiled_in(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
            Self::Tch => cfg!(feature = "tch"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Metal => cfg!(feature = "metal"),
            Self::Webgpu => cfg!(feature = "webgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
            Self::Rocm => cfg!(feature = "rocm"),
            Self::Remote => cfg!(feature = "remote"),
        }
    }

    /// What two runs of the same seed have in common.
    ///
    /// `flex` and `ndarray` reduce in a fixed order, whatever the number of threads. Elsewhere it is
    /// not fixed: libtorch splits sums by thread, GPU kernels add with atomics, and tuning may pick
    /// another kernel in the next run.
    pub const fn determinism(self) -> Determinism {
        match self {
            Self::Flex | Self::Ndarray => Determinism::Bitwise,
            Self::Tch
            | Self::Wgpu
            | Self::Vulkan
            | Self::Metal
            | Self::Webgpu
            | Self::Cuda
            | Self::Rocm
            | Self::Remote => Determinism::Tolerant,
        }
    }

    /// What the machine needs before the backend's devices answer.
    pub(crate) const fn needs(self) -> &'static str {
        match self {
            Self::Flex | Self::Ndarray => "nothing besides the processor",
            Self::Tch => {
                "libtorch 2.9 at run time (LD_LIBRARY_PATH), with CUDA in it for tch:cuda:0"
            }
            Self::Webgpu => "a browser; elsewhere use wgpu",
            Self::Wgpu => {
                "a graphics driver (Vulkan, Metal or DirectX 12; Mesa's lavapipe is a software one)"
            }
            Self::Vulkan => "a Vulkan driver (Mesa's lavapipe is a software one)",
            Self::Metal => "macOS and an Apple GPU",
            Self::Cuda => "an NVIDIA GPU, its driver and the CUDA toolkit's NVRTC",
            Self::Rocm => "an AMD GPU and the ROCm libraries",
            Self::Remote => "a Burn server at that address",
        }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The backends in this build, in the order of [`BackendName::ALL`].
pub fn compiled_in() -> Vec<BackendName> {
    BackendName::ALL
        .into_iter()
        .filter(|name| name.is_compiled_in())
        .collect()
}

/// `flex, ndarray`: the names in a sentence.
pub(crate) fn join(names: &[BackendName]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_follows_the_features() {
        let present = compiled_in();
        assert_eq!(present.contains(&BackendName::Flex), cfg!(feature = "flex"));
        assert_eq!(present.contains(&BackendName::Cuda), cfg!(feature = "cuda"));
        // Burn's vulkan, metal and webgpu all bring wgpu.
        if cfg!(feature = "vulkan") {
            assert!(present.contains(&BackendName::Wgpu));
        }
    }
}
