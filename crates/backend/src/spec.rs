//! A device by name: `wgpu:1`, `tch:cuda:0`, `remote:ws://host:3000`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{BackendError, BackendName};

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

impl FromStr for DeviceSpec {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        let backend: BackendName = name.parse()?;
        let malformed = |reason: String| BackendError::Malformed {
            given: text.to_owned(),
            reason,
        };
        let place = match backend {
            BackendName::Flex | BackendName::Ndarray => match rest {
                None | Some("0") => Place::Processor,
                Some(_) => {
                    return Err(malformed(format!(
                        "{backend} has one device, the processor; write {backend}"
                    )));
                }
            },
            BackendName::Tch => match rest {
                None | Some("cpu") => Place::Processor,
                Some("mps") => Place::TorchMps,
                Some("cuda") => Place::TorchCuda(0),
                Some(rest) => {
                    let index = rest.strip_prefix("cuda:").and_then(|i| i.parse().ok());
                    Place::TorchCuda(index.ok_or_else(|| {
                        malformed("write tch (the processor), tch:cuda:0 or tch:mps".into())
                    })?)
                }
            },
            BackendName::Remote => parse_server(rest).ok_or_else(|| {
                malformed(
                    "write remote:ws://host:port, or remote:ws://host:port#1 for its second device"
                        .into(),
                )
            })?,
            BackendName::Wgpu
            | BackendName::Vulkan
            | BackendName::Metal
            | BackendName::Webgpu
            | BackendName::Cuda
            | BackendName::Rocm => match rest {
                None => Place::Index(0),
                Some(index) => Place::Index(index.parse().map_err(|_| {
                    malformed(format!(
                        "write {backend}, or {backend}:1 for the second device"
                    ))
                })?),
            },
        };
        Ok(Self { backend, place })
    }
}

/// `ws://host:port` with an optional `#index`.
fn parse_server(rest: Option<&str>) -> Option<Place> {
    let rest = rest?;
    let (url, index) = match rest.split_once('#') {
        Some((url, index)) => (url, index.parse().ok()?),
        None => (rest, 0),
    };
    let host = url.strip_prefix("ws://")?;
    if host.is_empty() || host.contains(char::is_whitespace) {
        return None;
    }
    Some(Place::Server {
        url: url.to_owned(),
        index,
    })
}

impl Serialize for DeviceSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<DeviceSpec>().unwrap_err().to_string()
    }

    #[test]
    fn every_specification_prints_as_it_parses() {
        for text in [
            "flex",
            "ndarray",
            "tch",
            "tch:cuda:1",
            "tch:mps",
            "wgpu:0",
            "vulkan:2",
            "cuda:7",
            "remote:ws://gpu.example:3000",
            "remote:ws://10.0.0.1:3000#3",
        ] {
            let spec: DeviceSpec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<DeviceSpec>(&json).unwrap(), spec);
        }
    }

    #[test]
    fn a_name_alone_is_the_first_device() {
        for (short, full) in [
            ("wgpu", "wgpu:0"),
            ("cuda", "cuda:0"),
            ("tch:cuda", "tch:cuda:0"),
            ("tch:cpu", "tch"),
            ("flex:0", "flex"),
        ] {
            assert_eq!(
                short.parse::<DeviceSpec>().unwrap(),
                full.parse::<DeviceSpec>().unwrap()
            );
        }
        for backend in BackendName::ALL {
            let parsed = backend.as_str().parse::<DeviceSpec>().ok();
            assert_eq!(parsed, DeviceSpec::first(backend), "{backend}");
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_all_names() {
        assert_eq!(
            error("wpgu:1"),
            "backend \"wpgu\": unknown; the backends are flex, ndarray, tch, wgpu, vulkan, metal, \
             webgpu, cuda, rocm, remote"
        );
        assert!(error("").contains("unknown"));
        assert!(error("Flex").contains("unknown"));
    }

    #[test]
    fn a_wrong_index_is_answered_with_the_right_form() {
        assert_eq!(
            error("flex:1"),
            "backend \"flex:1\": flex has one device, the processor; write flex"
        );
        assert_eq!(
            error("wgpu:-1"),
            "backend \"wgpu:-1\": write wgpu, or wgpu:1 for the second device"
        );
        for text in [
            "wgpu:",
            "wgpu:1:2",
            "cuda:18446744073709551616",
            "tch:2",
            "tch:cuda:x",
            "remote",
            "remote:",
            "remote:host:3000",
            "remote:ws://",
            "remote:ws://a b",
            "remote:ws://host:3000#x",
        ] {
            assert!(error(text).contains("write "), "{text}: {}", error(text));
        }
    }
}
