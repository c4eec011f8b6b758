//! Burn's device constructors behind `cfg`: nothing else in the workspace calls them.
//!
//! In Burn a constructor exists only with its feature, is lazy, and panics at first use where the
//! hardware is missing; what can say so beforehand (listing, `wgpu_options`, `remote_options`) is
//! asked first.

use burn::tensor::Device;

use crate::catch_panic::catch_panic;
use crate::name::{compiled_in, join};
use crate::{BackendError, BackendName, DeviceSpec, Place};

/// A device that the backend lists; listed is not opened.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) place: Place,
    /// A graphics driver that computes on the processor: far slower than the CPU backends.
    pub(crate) software: bool,
}

/// An error unless this build holds the backend.
pub(crate) fn check_compiled_in(backend: BackendName) -> Result<(), BackendError> {
    if backend.is_compiled_in() {
        Ok(())
    } else {
        Err(BackendError::NotCompiledIn {
            backend,
            present: join(&compiled_in()),
        })
    }
}

/// The devices of a backend on this machine, GPUs before software adapters; empty where the driver
/// is missing, the backend is not compiled in, or its devices have addresses (`remote`).
pub(crate) fn list(backend: BackendName) -> Vec<Listed> {
    // Listing loads drivers; one that fails to load has no devices.
    catch_panic(|| list_unguarded(backend)).unwrap_or_default()
}

fn list_unguarded(backend: BackendName) -> Vec<Listed> {
    let hardware = |place| Listed {
        place,
        software: false,
    };
    match backend {
        BackendName::Flex | BackendName::Ndarray if backend.is_compiled_in() => {
            vec![hardware(Place::Processor)]
        }
        #[cfg(feature = "tch")]
        BackendName::Tch => {
            let mut listed = vec![hardware(Place::Processor)];
            listed
                .extend((0..torch::cuda_devices()).map(|index| hardware(Place::TorchCuda(index))));
            if cfg!(target_os = "macos") {
                listed.push(hardware(Place::TorchMps));
            }
            listed
        }
        #[cfg(feature = "wgpu")]
        BackendName::Wgpu | BackendName::Vulkan | BackendName::Metal | BackendName::Webgpu => {
            graphics::adapters(backend)
                .into_iter()
                .enumerate()
                .map(|(index, adapter)| Listed {
                    place: Place::Index(index),
                    software: adapter.software,
                })
                .collect()
        }
        #[cfg(feature = "cuda")]
        BackendName::Cuda => indexed(burn::tensor::DeviceType::Cuda),
        #[cfg(feature = "rocm")]
        BackendName::Rocm => indexed(burn::tensor::DeviceType::Rocm),
        _ => Vec::new(),
    }
}

#[cfg(any(feature = "cuda", feature = "rocm"))]
fn indexed(device_type: burn::tensor::DeviceType) -> Vec<Listed> {
    (0..Device::enumerate(device_type).len())
        .map(|index| Listed {
            place: Place::Index(index),
            software: false,
        })
        .collect()
}

/// Burn's device for a specification, opened as far as Burn can do that without computing.
///
/// # Errors
/// The backend is not compiled in, has no such device, or the device says that it cannot be opened.
pub(crate) fn connect(spec: &DeviceSpec) -> Result<Device, BackendError> {
    check_compiled_in(spec.backend)?;
    if !matches!(spec.place, Place::Server { .. } | Place::TorchMps) {
        check_listed(spec)?;
    }
    catch_panic(|| connect_unguarded(spec)).unwrap_or_else(|reason| Err(unavailable(spec, &reason)))
}

fn connect_unguarded(spec: &DeviceSpec) -> Result<Device, BackendError> {
    match (spec.backend, &spec.place) {
        #[cfg(feature = "flex")]
        (BackendName::Flex, _) => Ok(Device::flex()),
        #[cfg(feature = "ndarray")]
        (BackendName::Ndarray, _) => Ok(ndarray()),
        #[cfg(feature = "tch")]
        (BackendName::Tch, place) => Ok(torch::device(place)),
        #[cfg(feature = "wgpu")]
        (
            backend @ (BackendName::Wgpu
            | BackendName::Vulkan
            | BackendName::Metal
            | BackendName::Webgpu),
            Place::Index(index),
        ) => graphics::connect(backend, *index).map_err(|reason| unavailable(spec, &reason)),
        #[cfg(feature = "cuda")]
        (BackendName::Cuda, Place::Index(index)) => Ok(Device::cuda(*index)),
        #[cfg(feature = "rocm")]
        (BackendName::Rocm, Place::Index(index)) => Ok(Device::rocm(*index)),
        #[cfg(feature = "remote")]
        (BackendName::Remote, Place::Server { url, index }) => {
            Device::remote_options(&burn::tensor::remote::RemoteHost::websocket(url))
                .device_index(*index)
                .init()
                .map_err(|error| unavailable(spec, &error.to_string()))
        }
        // A specification put together by hand, such as cuda with an address.
        _ => Err(no_such_device(spec, &list(spec.backend))),
    }
}

fn check_listed(spec: &DeviceSpec) -> Result<(), BackendError> {
    let listed = list(spec.backend);
    if listed.iter().any(|device| device.place == spec.place) {
        Ok(())
    } else if listed.is_empty() && spec.backend != BackendName::Remote {
        Err(unavailable(spec, "no device found"))
    } else {
        Err(no_such_device(spec, &listed))
    }
}

fn no_such_device(spec: &DeviceSpec, listed: &[Listed]) -> BackendError {
    let answering: Vec<String> = listed
        .iter()
        .map(|device| {
            DeviceSpec {
                backend: spec.backend,
                place: device.place.clone(),
            }
            .to_string()
        })
        .collect();
    BackendError::NoSuchDevice {
        spec: spec.clone(),
        answering: if answering.is_empty() {
            "none that it could list".to_owned()
        } else {
            answering.join(", ")
        },
    }
}

pub(crate) fn unavailable(spec: &DeviceSpec, reason: &str) -> BackendError {
    BackendError::Unavailable {
        spec: spec.clone(),
        reason: crate::catch_panic::one_line(reason),
    }
}

#[cfg(feature = "ndarray")]
#[expect(
    deprecated,
    reason = "Burn drops ndarray after 0.22, the release that Kiln stays on for its sake"
)]
fn ndarray() -> Device {
    Device::ndarray()
}

/// libtorch.
#[cfg(feature = "tch")]
mod torch {
    use burn::tensor::{Device, DeviceType};

    use crate::Place;

    /// How many CUDA devices libtorch sees; none if it was built without CUDA.
    pub(super) fn cuda_devices() -> usize {
        // Burn lists nothing but the CUDA devices of this backend.
        Device::enumerate(DeviceType::LibTorch).len()
    }

    #[expect(
        deprecated,
        reason = "Burn drops tch after 0.22, the release that Kiln stays on for its sake"
    )]
    pub(super) fn device(place: &Place) -> Device {
        match place {
            Place::TorchCuda(index) => Device::libtorch_cuda(*index),
            Place::TorchMps => Device::libtorch_mps(),
            Place::Processor | Place::Index(_) | Place::Server { .. } => Device::libtorch(),
        }
    }
}

/// wgpu, free to choose the graphics interface or pinned to one.
#[cfg(feature = "wgpu")]
mod graphics {
    use std::sync::{Mutex, PoisonError};

    use burn::tensor::wgpu::{WgpuBackend, WgpuInitError};
    use burn::tensor::{Device, DeviceKind, DeviceType};

    use crate::BackendName;

    /// One adapter, in Burn's terms.
    #[derive(Clone)]
    pub(super) struct Adapter {
        device: Device,
        /// Absent for adapters of wgpu's kind `Other`, which Burn cannot name.
        kind: Option<DeviceKind>,
        pub(super) software: bool,
    }

    /// All adapters: discrete GPUs, integrated, virtual, unnamed, software.
    ///
    /// Looked up once per process: it loads every driver, some of which talk on stderr each time.
    pub(super) fn adapters(backend: BackendName) -> Vec<Adapter> {
        static FOUND: Mutex<Vec<(BackendName, Vec<Adapter>)>> = Mutex::new(Vec::new());
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, adapters)) = found.iter().find(|(known, _)| *known == backend) {
            return adapters.clone();
        }
        let adapters = look_up(backend);
        found.push((backend, adapters.clone()));
        adapters
    }

    fn look_up(backend: BackendName) -> Vec<Adapter> {
        let mut unplaced: Vec<Device> = Device::enumerate(device_type(backend)).into_vec();
        let count = unplaced.len();
        let mut adapters = Vec::new();
        // Burn does not tell a listed device's kind, but equal devices compare equal.
        let mut place = |kind: DeviceKind, software: bool, adapters: &mut Vec<Adapter>| {
            let device = lazily(backend, kind.clone());
            let before = unplaced.len();
            unplaced.retain(|listed| *listed != device);
            if unplaced.len() < before {
                adapters.push(Adapter {
                    device,
                    kind: Some(kind),
                    software,
                });
            }
        };
        for kind in [
            DeviceKind::DiscreteGpu,
            DeviceKind::IntegratedGpu,
            DeviceKind::VirtualGpu,
        ] {
            for index in 0..count {
                place(kind(index), false, &mut adapters);
            }
        }
        let mut software = Vec::new();
        place(DeviceKind::Cpu, true, &mut software);
        adapters.extend(unplaced.into_iter().map(|device| Adapter {
            device,
            kind: None,
            software: false,
        }));
        adapters.extend(software);
        adapters
    }

    /// Opens the adapter at that position of [`adapters`].
    pub(super) fn connect(backend: BackendName, index: usize) -> Result<Device, String> {
        let adapter = adapters(backend)
            .into_iter()
            .nth(index)
            .ok_or("the adapter has gone")?;
        let Some(kind) = adapter.kind else {
            // Opens at first use, which follows at once.
            return Ok(adapter.device);
        };
        let options = Device::wgpu_options()
            .device_kind(kind)
            .graphics_api(graphics_interface(backend));
        match options.init() {
            Ok(device) => Ok(device),
            // Somebody in this process has used it already: then it runs.
            Err(WgpuInitError::Registration { .. }) => Ok(adapter.device),
            Err(error) => Err(error.to_string()),
        }
    }

    fn lazily(backend: BackendName, kind: DeviceKind) -> Device {
        match backend {
            #[cfg(feature = "vulkan")]
            BackendName::Vulkan => Device::vulkan(kind),
            #[cfg(feature = "metal")]
            BackendName::Metal => Device::metal(kind),
            #[cfg(feature = "webgpu")]
            BackendName::Webgpu => Device::webgpu(kind),
            _ => Device::wgpu(kind),
        }
    }

    fn device_type(backend: BackendName) -> DeviceType {
        match backend {
            #[cfg(feature = "vulkan")]
            BackendName::Vulkan => DeviceType::Vulkan,
            #[cfg(feature = "metal")]
            BackendName::Metal => DeviceType::Metal,
            #[cfg(feature = "webgpu")]
            BackendName::Webgpu => DeviceType::WebGpu,
            _ => DeviceType::Wgpu,
        }
    }

    fn graphics_interface(backend: BackendName) -> WgpuBackend {
        match backend {
            BackendName::Vulkan => WgpuBackend::Vulkan,
            BackendName::Metal => WgpuBackend::Metal,
            BackendName::Webgpu => WgpuBackend::WebGpu,
            _ => WgpuBackend::Auto,
        }
    }
}
