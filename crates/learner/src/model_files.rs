//! A model's files in a checkpoint.

use std::fmt;
use std::path::Path;

use kiln_checkpoint::{OpenError, WriteError};

type Write<M> = dyn Fn(&M, &Path) -> Result<(), WriteError> + Send + Sync;
type Read<M> = dyn Fn(M, &Path) -> Result<M, OpenError> + Send + Sync;

/// How a model becomes files for everyone, and is read from them again: what an architecture knows
/// and neither the loop nor an objective's mathematics needs to.
pub struct ModelFiles<M> {
    write: Box<Write<M>>,
    read: Box<Read<M>>,
}

impl<M> ModelFiles<M> {
    /// Files that `write` writes into a folder and `read` reads into a model from there.
    pub fn new(
        write: impl Fn(&M, &Path) -> Result<(), WriteError> + Send + Sync + 'static,
        read: impl Fn(M, &Path) -> Result<M, OpenError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            write: Box::new(write),
            read: Box::new(read),
        }
    }

    /// Writes the model into `folder`, which exists and is empty.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write(&self, model: &M, folder: &Path) -> Result<(), WriteError> {
        (self.write)(model, folder)
    }

    /// Reads into `model` what [`Self::write`] wrote: bit-equal, every tensor present.
    ///
    /// # Errors
    /// If a file is missing or doesn't fit the model.
    pub fn read(&self, model: M, folder: &Path) -> Result<M, OpenError> {
        (self.read)(model, folder)
    }
}

impl<M> fmt::Debug for ModelFiles<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelFiles").finish_non_exhaustive()
    }
}
