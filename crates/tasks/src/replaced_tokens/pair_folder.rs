//! A checkpoint that holds two models: a generator and a discriminator, each a Hugging Face folder
//! within the pair's.

use std::fs;
use std::path::{Path, PathBuf};

use kiln_checkpoint::{CONFIG_FILE, WriteError};
use kiln_text::tokenizer::Tokenizer;

use crate::tokenizer::write_tokenizer;

/// One of a pair's two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The masked language model that makes replacements.
    Generator,
    /// The model that finds them.
    Discriminator,
}

impl Half {
    /// The name of this half's folder within a pair's.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Discriminator => "discriminator",
        }
    }

    /// The folder to open where this half is meant: its own if `folder` is a pair's, else `folder`.
    pub fn meant_by(self, folder: &Path) -> PathBuf {
        PairFolder::find(folder).map_or_else(|| folder.to_owned(), |pair| pair.half(self))
    }
}

/// The folder of a pair of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFolder(PathBuf);

impl PairFolder {
    /// The folder that a pair is written to or read from, whatever it holds.
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// `folder` as a pair's: one that has no config.json, but at least one half that has. Else it is
    /// a model's own, or none.
    pub fn find(folder: &Path) -> Option<Self> {
        let pair = Self::at(folder);
        let is_pair = !folder.join(CONFIG_FILE).exists() && pair.first_half().is_some();
        is_pair.then_some(pair)
    }

    /// The folder of a half, whether it is there or not.
    pub fn half(&self, half: Half) -> PathBuf {
        self.0.join(half.folder())
    }

    /// A model's own folder: `folder`, or the half that is there if it is a pair's, the
    /// discriminator before the generator. Which of the two is meant, an architecture decides by what
    /// it is to do.
    pub fn any_half(folder: &Path) -> PathBuf {
        let half = Self::find(folder).and_then(|pair| pair.first_half());
        half.unwrap_or_else(|| folder.to_owned())
    }

    /// The discriminator's folder if it has a config.json, else the generator's if that has one.
    fn first_half(&self) -> Option<PathBuf> {
        [Half::Discriminator, Half::Generator]
            .map(|half| self.half(half))
            .into_iter()
            .find(|folder| folder.join(CONFIG_FILE).exists())
    }

    /// The generator's folder if it is there.
    pub fn generator(&self) -> Option<PathBuf> {
        Some(self.half(Half::Generator)).filter(|folder| folder.is_dir())
    }

    /// Makes the folder of a half, with the tokenizer in it.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn make(&self, half: Half, tokenizer: Option<&Tokenizer>) -> Result<PathBuf, WriteError> {
        let path = self.half(half);
        fs::create_dir(&path).map_err(|error| WriteError::Other {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        write_tokenizer(tokenizer, &path)?;
        Ok(path)
    }
}
