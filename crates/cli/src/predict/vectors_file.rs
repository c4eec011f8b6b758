//! A safetensors file of vectors that is written as they come, although its beginning says how many
//! there are.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use kiln_files::WholeFile;
use serde_json::json;

use crate::failure::Failure;

/// Bytes before the vectors: eight for the header's length, and room for two 64-bit numbers in it.
/// Spaces behind the header are a part of the format.
const BEFORE: usize = 256;

/// The file, under a temporary name until it is whole.
pub(super) struct VectorsFile {
    path: PathBuf,
    file: WholeFile,
    width: usize,
    count: usize,
}

impl VectorsFile {
    /// Makes the file of vectors of `width` numbers.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub(super) fn create(path: &Path, width: usize) -> Result<Self, Failure> {
        let file = WholeFile::create(path).map_err(Failure::run)?;
        let mut created = Self {
            path: path.to_path_buf(),
            file,
            width,
            count: 0,
        };
        created.append(&[0; BEFORE])?;
        Ok(created)
    }

    /// Appends vectors.
    ///
    /// # Errors
    /// If they can't be written.
    pub(super) fn write(&mut self, vectors: &[Vec<f32>]) -> Result<(), Failure> {
        self.count += vectors.len();
        let numbers = vectors.iter().flatten();
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        self.append(&bytes)
    }

    /// Writes the beginning and gives the file its name.
    ///
    /// # Errors
    /// If it can't be written; a file that had the name is then as it was.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let header = json!({
            "__metadata__": { "format": "pt" },
            "embeddings": {
                "dtype": "F32",
                "shape": [self.count, self.width],
                "data_offsets": [0, self.count * self.width * size_of::<f32>()],
            },
        });
        let room = BEFORE - 8;
        let mut bytes = (room as u64).to_le_bytes().to_vec();
        bytes.extend(header.to_string().into_bytes());
        bytes.resize(BEFORE, b' ');
        let sought = self.file.file().seek(SeekFrom::Start(0));
        sought.map_err(|error| self.failed(&error))?;
        self.append(&bytes)?;
        self.file.commit().map_err(Failure::run)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.file().write_all(bytes);
        written.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::run(format_args!(
            "{}: cannot be written ({error}); check free space and permissions",
            self.path.display()
        ))
    }
}
