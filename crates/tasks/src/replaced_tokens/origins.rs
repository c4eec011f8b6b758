//! Where a pair's first weights come from.

use std::path::{Path, PathBuf};

use super::pair_folder::PairFolder;

/// The folders that a run names.
#[derive(Debug, Clone, Copy)]
pub struct Origins<'a> {
    /// A pair's folder or a lone discriminator's.
    pub model: Option<&'a Path>,
    /// A lone generator's folder; overrides the pair's.
    pub generator: Option<&'a Path>,
}

impl Origins<'_> {
    /// The generator's folder, if there is one.
    pub fn generator_folder(&self) -> Option<PathBuf> {
        let of_pair = self
            .model
            .and_then(PairFolder::find)
            .and_then(|pair| pair.generator());
        self.generator.map(Path::to_owned).or(of_pair)
    }
}
