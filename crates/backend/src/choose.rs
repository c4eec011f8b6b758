//! Which device, when nobody names one.

use crate::hardware::{check_compiled_in, list};
use crate::name::{compiled_in, join};
use crate::{BACKEND_VARIABLE, BackendError, BackendName, DeviceSpec};

/// Backends for GPUs, the most direct way to the hardware first.
const GPUS: [BackendName; 6] = [
    BackendName::Cuda,
    BackendName::Rocm,
    BackendName::Metal,
    BackendName::Vulkan,
    BackendName::Wgpu,
    BackendName::Webgpu,
];

/// Backends for the processor, the fastest at training first.
const PROCESSORS: [BackendName; 3] = [BackendName::Tch, BackendName::Flex, BackendName::Ndarray];

/// The device that the user asked for: `flag`, else [`default_spec`]. Nothing is opened.
///
/// # Errors
/// The text names no backend, or one that is not compiled in; or there is nothing to choose from.
pub fn choose(flag: Option<&str>) -> Result<DeviceSpec, BackendError> {
    match flag {
        Some(text) => parse_present(text),
        None => default_spec(),
    }
}

/// The device to use when the command line names none. Nothing is opened.
///
/// 1. `KILN_BACKEND`, if set and not empty.
/// 2. The first compiled-in backend that lists a GPU: cuda, rocm, metal, vulkan, wgpu, webgpu.
/// 3. The first compiled-in backend for the processor: tch (faster than flex, and never compiled in
///    unless asked for), flex, ndarray.
/// 4. A graphics driver that computes on the processor, if nothing else is compiled in: it is many
///    times slower than any backend of step 3.
///
/// `remote` is never chosen: its devices have addresses.
///
/// # Errors
/// `KILN_BACKEND` names no backend or one that is not compiled in; or there is nothing to choose
/// from.
pub fn default_spec() -> Result<DeviceSpec, BackendError> {
    match std::env::var(BACKEND_VARIABLE) {
        Ok(text) if !text.is_empty() => {
            parse_present(&text).map_err(|reason| BackendError::Variable {
                reason: Box::new(reason),
            })
        }
        Ok(_) | Err(std::env::VarError::NotPresent) => pick(&compiled_in(), answers),
        Err(std::env::VarError::NotUnicode(text)) => {
            let given = text.to_string_lossy().into_owned();
            let reason = "not valid Unicode; name a backend, such as flex, or unset it".to_owned();
            Err(BackendError::Variable {
                reason: Box::new(BackendError::Malformed { given, reason }),
            })
        }
    }
}

fn parse_present(text: &str) -> Result<DeviceSpec, BackendError> {
    let spec: DeviceSpec = text.parse()?;
    check_compiled_in(spec.backend)?;
    Ok(spec)
}

/// What a backend lists on this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    Hardware,
    SoftwareOnly,
    Nothing,
}

fn answers(backend: BackendName) -> Answers {
    let listed = list(backend);
    if listed.iter().any(|device| !device.software) {
        Answers::Hardware
    } else if listed.is_empty() {
        Answers::Nothing
    } else {
        Answers::SoftwareOnly
    }
}

fn pick(
    present: &[BackendName],
    answers: impl Fn(BackendName) -> Answers,
) -> Result<DeviceSpec, BackendError> {
    let mut software = None;
    for backend in GPUS.into_iter().filter(|gpu| present.contains(gpu)) {
        match answers(backend) {
            Answers::Hardware => return first(backend),
            Answers::SoftwareOnly => software = software.or(Some(backend)),
            Answers::Nothing => {}
        }
    }
    let processor = PROCESSORS.into_iter().find(|cpu| present.contains(cpu));
    match processor.or(software) {
        Some(backend) => first(backend),
        None => Err(nothing_to_choose(present)),
    }
}

fn first(backend: BackendName) -> Result<DeviceSpec, BackendError> {
    DeviceSpec::first(backend).ok_or_else(|| nothing_to_choose(&[backend]))
}

fn nothing_to_choose(present: &[BackendName]) -> BackendError {
    BackendError::NothingToChoose {
        reason: format!("this build has {}", join(present)),
        remedy: if present.contains(&BackendName::Remote) {
            "name one with --backend remote:ws://host:port"
        } else if present.is_empty() {
            "rebuild with --features flex"
        } else {
            "no device answers; rebuild with --features flex"
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BackendName::{Cuda, Flex, Ndarray, Remote, Tch, Vulkan, Wgpu};

    /// The choice in a build with these backends, where these GPUs answer.
    fn picked(present: &[BackendName], gpus: &[BackendName], software: &[BackendName]) -> String {
        let answers = |backend| {
            if gpus.contains(&backend) {
                Answers::Hardware
            } else if software.contains(&backend) {
                Answers::SoftwareOnly
            } else {
                Answers::Nothing
            }
        };
        match pick(present, answers) {
            Ok(spec) => spec.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_gpu_that_answers_comes_before_the_processor() {
        let present = [Flex, Ndarray, Tch, Wgpu, Cuda];
        assert_eq!(picked(&present, &[Cuda, Wgpu], &[]), "cuda:0");
        assert_eq!(picked(&present, &[Wgpu], &[]), "wgpu:0");
    }

    #[test]
    fn a_missing_gpu_falls_to_the_fastest_processor_backend() {
        assert_eq!(picked(&[Flex, Ndarray, Tch, Cuda], &[], &[]), "tch");
        assert_eq!(picked(&[Flex, Ndarray, Cuda], &[], &[]), "flex");
        assert_eq!(picked(&[Ndarray], &[], &[]), "ndarray");
    }

    #[test]
    fn a_software_driver_is_the_last_resort() {
        assert_eq!(picked(&[Flex, Vulkan, Wgpu], &[], &[Vulkan, Wgpu]), "flex");
        assert_eq!(picked(&[Vulkan, Wgpu], &[], &[Vulkan, Wgpu]), "vulkan:0");
    }

    #[test]
    fn nothing_to_choose_says_what_to_do() {
        assert_eq!(
            picked(&[], &[], &[]),
            "backend: no device to choose by itself (this build has none); rebuild with --features \
             flex"
        );
        assert!(picked(&[Cuda], &[], &[]).contains("no device answers"));
        assert!(picked(&[Remote], &[], &[]).contains("remote:ws://"));
    }

    #[test]
    fn a_backend_that_is_not_compiled_in_is_refused_with_the_cargo_feature() {
        let Some(absent) = BackendName::ALL
            .into_iter()
            .find(|name| !name.is_compiled_in())
        else {
            return;
        };
        let text = match DeviceSpec::first(absent) {
            Some(spec) => spec.to_string(),
            None => "remote:ws://localhost:1".to_owned(),
        };
        let error = choose(Some(&text)).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "backend {absent}: not compiled in (this build has {}); add it with: cargo build \
                 --release --features {absent}",
                join(&compiled_in())
            )
        );
    }
}
