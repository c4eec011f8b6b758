//! From text to names and devices, with an error that says how they are written.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::name::join;
use crate::{BackendError, BackendName, DeviceSpec, Place};

impl FromStr for BackendName {
    type Err = BackendError;

    /// Exactly one of the names, in lower case.
    fn from_str(text: &str) -> Result<Self, BackendError> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| BackendError::UnknownName {
                given: text.to_owned(),
                known: join(&Self::ALL),
            })
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

    #[test]
    fn every_name_parses_to_its_backend() {
        for name in BackendName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
    }

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
