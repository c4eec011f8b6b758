//! Opening a device: once per process, with the same number types everywhere, and checked.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, FloatDType, IntDType, Tensor};

use crate::catch_panic::{catch_panic, one_line};
use crate::hardware::{connect, unavailable};
use crate::{BackendError, DeviceSpec};

/// The devices that this process has opened, in order.
static OPENED: Mutex<Vec<(DeviceSpec, Device)>> = Mutex::new(Vec::new());

/// The device, ready to compute: float32 and, except on `tch`, int32 tensors by default, autodiff
/// off.
///
/// A device is opened once per process and cached, so this is cheap to call again. At the first
/// time a small matrix product runs on it: a driver that is missing, or computes nonsense, fails
/// here and not an hour later.
///
/// Burn's default for integers is 64 bits on `ndarray` and `tch` and 32 bits elsewhere. Burn's
/// libtorch backend has no other; everywhere else it is 32 bits here, so that the same code meets
/// the same types. Read integers back with a converting method (`try_into_vec_as`), and move them
/// to `tch` by way of the host.
///
/// # Errors
/// - [`BackendError::NotCompiledIn`], [`BackendError::NoSuchDevice`]
/// - [`BackendError::Unavailable`]: adapter, driver, library or server are missing or refuse
/// - [`BackendError::Settings`]: tensors were made on the device before, with other types
/// - [`BackendError::WrongResult`]: it does not compute right
pub fn open(spec: &DeviceSpec) -> Result<Device, BackendError> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, device)) = opened.iter().find(|(known, _)| known == spec) {
        return Ok(device.clone());
    }
    let mut device = connect(spec)?;
    set_number_types(spec, &mut device)?;
    check_product(spec, &device)?;
    opened.push((spec.clone(), device.clone()));
    Ok(device)
}

/// Sets what Burn locks at the first tensor; nothing to do where it is already right.
fn set_number_types(spec: &DeviceSpec, device: &mut Device) -> Result<(), BackendError> {
    let outcome = catch_panic(|| {
        // Not on libtorch, see `open`.
        let ints = if device.supports_dtype(IntDType::I32) {
            IntDType::I32
        } else {
            IntDType::I64
        };
        let Err(error) = device.configure((FloatDType::F32, ints)) else {
            return Ok(());
        };
        let settings = device.settings();
        if settings.float_dtype == FloatDType::F32 && settings.int_dtype == ints {
            Ok(())
        } else {
            Err(error.to_string())
        }
    });
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(BackendError::Settings {
            spec: spec.clone(),
            reason: one_line(&reason),
        }),
        Err(panic) => Err(unavailable(spec, &panic)),
    }
}

/// Multiplies two small matrices of integers, whose product is exact in any order and in any float
/// format of at least 8 bits of significand.
pub(crate) fn check_product(spec: &DeviceSpec, device: &Device) -> Result<(), BackendError> {
    let expected = [58.0, 64.0, 139.0, 154.0];
    let found = catch_panic(|| {
        let left = Tensor::<2>::from_floats([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], device);
        let right = Tensor::<2>::from_floats([[7.0, 8.0], [9.0, 10.0], [11.0, 12.0]], device);
        left.matmul(right).try_into_vec_as::<f32>()
    });
    match found {
        Ok(Ok(found)) if found == expected => Ok(()),
        Ok(Ok(found)) => Err(BackendError::WrongResult {
            spec: spec.clone(),
            found,
            expected: expected.to_vec(),
        }),
        Ok(Err(error)) => Err(unavailable(spec, &error.to_string())),
        Err(panic) => Err(unavailable(spec, &panic)),
    }
}
