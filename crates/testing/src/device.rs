//! The devices that tests run on.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use kiln_backend::{BackendName, DeviceSpec, compiled_in, open};

/// Names the devices that must answer, separated by commas: `flex,ndarray,tch,wgpu`.
///
/// One that is not compiled in or does not answer then fails every test that asks for devices,
/// instead of being left out.
pub const BACKENDS_VARIABLE: &str = "KILN_TEST_BACKENDS";

/// The first device of every backend in this build, with its name (`flex`, `wgpu:0`), autodiff off.
///
/// GPU backends whose devices do not answer are left out with a line on stderr; those named in
/// [`BACKENDS_VARIABLE`] must answer, as must the processor's.
///
/// # Panics
/// If a device that must answer does not, with the reason.
pub fn devices() -> Vec<(String, Device)> {
    let required = required();
    let mut specs: BTreeSet<DeviceSpec> = required.clone();
    specs.extend(compiled_in().into_iter().filter_map(DeviceSpec::first));

    let mut devices = Vec::new();
    for spec in specs {
        match open(&spec) {
            Ok(device) => devices.push((spec.to_string(), device)),
            Err(error) if required.contains(&spec) => {
                panic!("{BACKENDS_VARIABLE} names {spec}, but: {error}")
            }
            Err(error) if is_processor(spec.backend) => panic!("{error}"),
            Err(error) => eprintln!("left out of this test: {error}"),
        }
    }
    assert!(
        !devices.is_empty(),
        "no device to test on: this build has no backend that answers"
    );
    devices
}

fn required() -> BTreeSet<DeviceSpec> {
    let Ok(list) = std::env::var(BACKENDS_VARIABLE) else {
        return BTreeSet::new();
    };
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| match name.parse() {
            Ok(spec) => spec,
            Err(error) => panic!("{BACKENDS_VARIABLE}={list}: {error}"),
        })
        .collect()
}

fn is_processor(backend: BackendName) -> bool {
    matches!(
        backend,
        BackendName::Flex | BackendName::Ndarray | BackendName::Tch
    )
}

/// Holds back other tests of this process that draw from a device's generator.
///
/// A backend has one generator for the whole process, and tests run as threads of one process: who
/// seeds and draws holds this lock from before the seed until after the last draw.
pub fn lock_generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    // A test that failed while holding it has left no state that a seed would not reset.
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}
