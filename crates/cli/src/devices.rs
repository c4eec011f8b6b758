//! `--backend`: from what was typed to devices that answer.

use burn::tensor::Device;
use kiln_backend::DeviceSpec;

use crate::failure::Failure;

/// The devices named, or the one that is best where none is. Nothing is opened.
///
/// # Errors
/// If a name is wrong or its backend is not compiled in.
pub(crate) fn choose(flags: &[String]) -> Result<Vec<DeviceSpec>, Failure> {
    if flags.is_empty() {
        return Ok(vec![kiln_backend::choose(None)?]);
    }
    flags
        .iter()
        .map(|flag| Ok(kiln_backend::choose(Some(flag))?))
        .collect()
}

/// The devices for a run to go on on in the place of those `before`.
///
/// # Errors
/// If a name is wrong, or there are not as many: a step would have other examples.
pub(crate) fn moved(backend: &[String], before: &[String]) -> Result<Vec<String>, Failure> {
    let specs = choose(backend)?;
    if specs.len() != before.len() {
        return Err(Failure::usage(format_args!(
            "--backend {}: names {} devices, the run has {}; name as many",
            backend.join(" --backend "),
            specs.len(),
            before.len()
        )));
    }
    Ok(specs.iter().map(DeviceSpec::to_string).collect())
}

/// Opens devices; each multiplies two small matrices.
///
/// # Errors
/// If one does not answer.
pub(crate) fn open(specs: &[DeviceSpec]) -> Result<Vec<Device>, Failure> {
    specs
        .iter()
        .map(|spec| Ok(kiln_backend::open(spec)?))
        .collect()
}

/// The one device of a command that uses one.
///
/// # Errors
/// If several are named, or the one does not answer.
pub(crate) fn open_one(flags: &[String]) -> Result<Device, Failure> {
    if flags.len() > 1 {
        return Err(Failure::usage(format_args!(
            "--backend {}: this command runs on one device; name one",
            flags.join(" --backend ")
        )));
    }
    let specs = choose(flags)?;
    match open(&specs)?.into_iter().next() {
        Some(device) => Ok(device),
        None => Err(Failure::usage("--backend: no device named; name one")),
    }
}
