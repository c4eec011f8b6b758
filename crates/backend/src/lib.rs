//! From names to devices: the one crate that knows which backends exist.
//!
//! Cargo features choose the backends that a build contains, any number at once. A [`DeviceSpec`]
//! such as `flex` or `wgpu:1` names one of their devices, [`open`] turns it into a Burn
//! [`Device`](burn::tensor::Device) that has answered, and every failure on the way (a misspelt
//! name, a backend that is not compiled in, a missing driver) is a [`BackendError`] of one line,
//! never a panic.
//!
//! | file | holds |
//! | --- | --- |
//! | `name.rs` | [`BackendName`]: all backends, compiled in or not, and what they promise |
//! | `spec.rs` | [`DeviceSpec`]: `wgpu:1`, `tch:cuda:0`, `remote:ws://host:3000` |
//! | `error.rs` | [`BackendError`] |
//! | `parse.rs` | names and devices from text |
//! | `hardware.rs` | Burn's constructors behind `cfg`: the only place that calls them |
//! | `catch_panic.rs` | [`catch_panic`]: a panic of Burn or a driver as an error text |
//! | `open.rs` | [`open`]: once per process and device, same number types everywhere, checked |
//! | `choose.rs` | [`choose`], [`default_spec`]: which device, when nobody says |
//! | `report.rs` | [`list_devices`], [`probe`]: what answers, for `kiln backends` |
//! | `host_memory.rs` | [`available_memory`]: what is free, within the limits of the machine, its groups and its shell |
//! | `state.rs` | [`seed`], [`device_memory`], [`process_memory`] |
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! let device = kiln_backend::open(&"flex".parse()?)?.autodiff();
//! kiln_backend::seed(&device, 42);
//! # }
//! # Ok::<(), kiln_backend::BackendError>(())
//! ```

mod catch_panic;
mod choose;
mod error;
mod hardware;
mod host_memory;
mod name;
mod open;
mod parse;
mod report;
mod spec;
mod state;

pub use catch_panic::{catch_panic, panic_text};
pub use choose::{choose, default_spec};
pub use error::BackendError;
pub use host_memory::{AvailableMemory, MemoryBound, available_memory};
pub use name::{BackendName, Determinism, compiled_in};
pub use open::open;
pub use report::{DeviceReport, list_devices, probe};
pub use spec::{BACKEND_VARIABLE, DeviceSpec, Place};
pub use state::{DeviceMemory, device_memory, process_memory, seed};
