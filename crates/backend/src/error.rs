//! Why there is no device.

use crate::{BACKEND_VARIABLE, BackendName, DeviceSpec};

/// Why a device could not be named or opened. `Display` is the whole line for the user.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum BackendError {
    /// No backend has that name.
    #[error("backend {given:?}: unknown; the backends are {known}")]
    UnknownName { given: String, known: String },
    /// The name is right, what follows it is not.
    #[error("backend {given:?}: {reason}")]
    Malformed { given: String, reason: String },
    /// The backend exists, but not in this build.
    #[error(
        "backend {backend}: not compiled in (this build has {present}); add it with: cargo build --release --features {backend}"
    )]
    NotCompiledIn {
        backend: BackendName,
        present: String,
    },
    /// The environment variable that stands in for `--backend` is at fault.
    #[error("{BACKEND_VARIABLE}: {reason}")]
    Variable { reason: Box<BackendError> },
    /// Nobody named a device and none can be picked.
    #[error("backend: no device to choose by itself ({reason}); {remedy}")]
    NothingToChoose {
        reason: String,
        remedy: &'static str,
    },
    /// The backend answers, but has no such device.
    #[error("backend {spec}: no such device; {backend} has {answering}", backend = spec.backend)]
    NoSuchDevice { spec: DeviceSpec, answering: String },
    /// Adapter, driver or server are missing, or refuse.
    #[error("backend {spec}: does not answer ({reason}); it needs {needs}", needs = spec.backend.needs())]
    Unavailable { spec: DeviceSpec, reason: String },
    /// The device computes, but wrongly.
    #[error(
        "backend {spec}: a 2 x 3 by 3 x 2 matrix product came out as {found:?} instead of {expected:?}; do not train on this device, its driver is at fault"
    )]
    WrongResult {
        spec: DeviceSpec,
        found: Vec<f32>,
        expected: Vec<f32>,
    },
    /// Somebody used the device before Kiln could set its number types.
    #[error(
        "backend {spec}: its number types cannot be set ({reason}); open the device with kiln_backend::open before making tensors on it"
    )]
    Settings { spec: DeviceSpec, reason: String },
}
