//! What a run is made with.

use serde_json::{Map, Value};

/// Besides Kiln itself; tests hold them against Cargo.lock.
const BURN_VERSION: &str = "0.22.1";
const TOKENIZERS_VERSION: &str = "0.23.2";

/// Versions of the programs that make a run, by name.
pub(crate) fn versions() -> Map<String, Value> {
    [
        ("kiln", env!("CARGO_PKG_VERSION")),
        ("burn", BURN_VERSION),
        ("tokenizers", TOKENIZERS_VERSION),
    ]
    .map(|(name, version)| (name.to_owned(), version.into()))
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_written_into_a_run_are_those_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        for (name, version) in [("burn", BURN_VERSION), ("tokenizers", TOKENIZERS_VERSION)] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(
                lock.contains(&entry),
                "{name} {version} is not in Cargo.lock"
            );
        }
    }
}
