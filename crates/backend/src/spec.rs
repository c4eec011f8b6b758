//! A device by name: `wgpu:1`, `tch:cuda:0`, `remote:ws://host:3000`.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::BackendName;

/// The environment variable that stands in for `--backend`.
pub const BACKEND_VARIABLE: &str = "KILN_BACKEND";

/// One device of one backend. Parses from and prints as the text of `--backend`.
///
/// | text | device |
/// | --- | --- |
/// | `flex`, `ndarray`, `tch` | the processor |
/// | `wgpu`, `cuda`, … | the first device that [`list_devices`](crate::list_devices) shows: `wgpu:0` |
/// | `wgpu:1`, `cuda:1`, … | the second |
/// | `tch:cuda:0`, `tch:mps` | libtorch's GPUs, if it was built with them |
/// | `remote:ws://host:3000` | device 0 of that Burn server |
/// | `remote:ws://host:3000#1` | its device 1 |
///
/// Equal devices have equal specifications: `wgpu` and `wgpu:0` parse to the same value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceSpec {
    /// The backend, compiled in or not.
    pub backend: BackendName,
    /// Which of its devices.
    pub place: Place,
}

/// Which device of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The processor: the only device of `flex` and `ndarray`, the first of `tch`.
    Processor,
    /// A position in the backend's list, GPUs before software adapters.
    Index(usize),
    /// libtorch's CUDA device of that index.
    TorchCuda(usize),
    /// libtorch on Apple's GPU.
    TorchMps,
    /// A device of a Burn server.
    Server {
        /// `ws://host:port`
        url: String,
        /// Position in the server's list.
        index: usize,
    },
}

impl DeviceSpec {
    /// The backend's first device; none for `remote`, whose devices have an address.
    pub fn first(backend: BackendName) -> Option<Self> {
        let place = match backend {
            BackendName::Flex | BackendName::Ndarray | BackendName::Tch => Place::Processor,
            BackendName::Remote => return None,
            BackendName::Wgpu
            | BackendName::Vulkan
            | BackendName::Metal
            | BackendName::Webgpu
            | BackendName::Cuda
            | BackendName::Rocm => Place::Index(0),
        };
        Some(Self { backend, place })
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.backend;
        let text = match &self.place {
            Place::Processor => backend.to_string(),
            Place::Index(index) => format!("{backend}:{index}"),
            Place::TorchCuda(index) => format!("{backend}:cuda:{index}"),
            Place::TorchMps => format!("{backend}:mps"),
            Place::Server { url, index: 0 } => format!("{backend}:{url}"),
            Place::Server { url, index } => format!("{backend}:{url}#{index}"),
        };
        f.pad(&text)
    }
}

impl Serialize for DeviceSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
