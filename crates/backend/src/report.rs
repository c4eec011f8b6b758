//! What answers on this machine: the content of `kiln backends`.

use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;

use crate::hardware::list;
use crate::name::compiled_in;
use crate::open::{check_product, open};
use crate::{BackendError, BackendName, DeviceSpec, Place};

/// What became of one device, or of a backend without any.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceReport {
    /// The backend's name.
    pub backend: &'static str,
    /// The device as `--backend` takes it; absent where the backend lists none.
    pub device: Option<DeviceSpec>,
    /// The device as it names itself, such as `NVIDIA H100 PCIe`.
    pub description: String,
    /// Whether it is a graphics driver that computes on the processor.
    pub software: bool,
    /// Seconds for opening the device and its first matrix product, compilation included.
    pub open_seconds: Option<f64>,
    /// Seconds for the same product once more: mostly the way to the device and back.
    pub operation_seconds: Option<f64>,
    /// Why it cannot be used: the line that `--backend` would answer with.
    pub error: Option<String>,
}

/// All devices of all compiled-in backends, each opened and asked for a small matrix product.
///
/// A backend that lists no device has one row that says why. `remote` has no rows: its devices have
/// addresses, give one to [`probe`].
pub fn list_devices() -> Vec<DeviceReport> {
    let mut reports = Vec::new();
    for backend in compiled_in() {
        let listed = list(backend);
        match DeviceSpec::first(backend) {
            Some(first) if listed.is_empty() => reports.push(probe(&first)),
            _ => reports.extend(listed.into_iter().map(|device| {
                probe(&DeviceSpec {
                    backend,
                    place: device.place,
                })
            })),
        }
    }
    reports
}

/// Opens one device and computes on it.
pub fn probe(spec: &DeviceSpec) -> DeviceReport {
    let listed = list(spec.backend)
        .into_iter()
        .find(|device| device.place == spec.place);
    let mut report = DeviceReport {
        backend: spec.backend.as_str(),
        device: (listed.is_some() || matches!(spec.place, Place::Server { .. }))
            .then(|| spec.clone()),
        description: String::new(),
        software: listed.is_some_and(|device| device.software),
        open_seconds: None,
        operation_seconds: None,
        error: None,
    };
    if let Err(error) = measure(spec, &mut report) {
        report.error = Some(error.to_string());
    }
    report
}

fn measure(spec: &DeviceSpec, report: &mut DeviceReport) -> Result<(), BackendError> {
    let start = Instant::now();
    let device = open(spec)?;
    report.open_seconds = Some(start.elapsed().as_secs_f64());
    let start = Instant::now();
    check_product(spec, &device)?;
    report.operation_seconds = Some(start.elapsed().as_secs_f64());
    report.description = describe(spec, &device);
    Ok(())
}

fn describe(spec: &DeviceSpec, device: &Device) -> String {
    if let Some(name) = adapter_name(device) {
        return name;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match (&spec.place, spec.backend) {
        (Place::Processor, BackendName::Tch) => format!("processor, {threads} threads, libtorch"),
        (Place::Processor, _) => format!("processor, {threads} threads"),
        (Place::TorchCuda(index), _) => format!("CUDA device {index}, libtorch"),
        (Place::TorchMps, _) => "Apple GPU, libtorch".to_owned(),
        (Place::Server { url, index }, _) => format!("device {index} of {url}"),
        (Place::Index(index), _) => format!("device {index}"),
    }
}

/// The name that the adapter gives itself; only Burn's GPU runtimes report one.
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
fn adapter_name(device: &Device) -> Option<String> {
    crate::catch_panic::catch_panic(|| device.identity())
        .ok()
        .flatten()
        .map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cuda", feature = "rocm")))]
fn adapter_name(_device: &Device) -> Option<String> {
    None
}
