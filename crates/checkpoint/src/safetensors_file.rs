//! One safetensors file, its tensors read on demand.
//!
//! The format: eight bytes with the header's length (little endian), a JSON header with type, shape
//! and byte range of each tensor, then the bytes. The header is parsed and checked by the
//! `safetensors` crate (ranges must neither overlap nor leave gaps); the rest of the file is left on
//! disk. Reading rather than mapping: a file that shrinks under a mapping would kill the process.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use safetensors::tensor::Metadata;

use crate::OpenError;
use crate::dtype::{Dtype, TensorInfo, decode_into};

/// Bytes that hold the header's length.
pub(crate) const LENGTH_BYTES: u64 = 8;
/// The longest header the format allows, in bytes.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// Bytes read at a time; a multiple of every element's width.
const CHUNK_BYTES: usize = 1 << 20;

/// An open safetensors file.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    path: PathBuf,
    file: Mutex<File>,
    header: Metadata,
    /// Offset of the first tensor's first byte.
    data_start: u64,
}

impl SafetensorsFile {
    /// Opens `path` and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let read = |reason| OpenError::read(path, reason);
        let mut file = File::open(path).map_err(read)?;
        let file_bytes = file.metadata().map_err(read)?.len();
        let mut length = [0; LENGTH_BYTES as usize];
        if file_bytes < LENGTH_BYTES {
            let problem = format!("{file_bytes} bytes are too few for a safetensors file");
            return Err(OpenError::malformed(path, problem));
        }
        file.read_exact(&mut length).map_err(read)?;
        let header_bytes = u64::from_le_bytes(length);
        if header_bytes > MAX_HEADER_BYTES.min(file_bytes - LENGTH_BYTES) {
            let problem = format!(
                "the header claims {header_bytes} bytes, the file has {} behind its length",
                file_bytes - LENGTH_BYTES
            );
            return Err(OpenError::malformed(path, problem));
        }
        let mut text = vec![0; header_bytes as usize];
        file.read_exact(&mut text).map_err(read)?;
        let header: Metadata = serde_json::from_slice(&text)
            .map_err(|reason| OpenError::malformed(path, format!("faulty header ({reason})")))?;
        let data_start = LENGTH_BYTES + header_bytes;
        let (declared, present) = (header.data_len() as u64, file_bytes - data_start);
        if declared != present {
            let problem =
                format!("the header declares {declared} bytes of tensors, {present} follow");
            return Err(OpenError::malformed(path, problem));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            header,
            data_start,
        })
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every tensor's name, type and shape, in the order of their bytes.
    pub(crate) fn tensors(&self) -> Vec<(String, TensorInfo)> {
        let names = self.header.offset_keys();
        let infos = names.into_iter().filter_map(|name| {
            let info = self.header.info(&name)?;
            let (dtype, shape) = (info.dtype, info.shape.clone());
            Some((name, TensorInfo { dtype, shape }))
        });
        infos.collect()
    }

    /// The elements of one tensor as float32.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<f32>, OpenError> {
        let info = self.header.info(name).ok_or_else(|| OpenError::NoTensor {
            path: self.path.clone(),
            name: name.to_owned(),
        })?;
        let (start, end) = info.data_offsets;
        let mut remaining = end - start;
        let width = Dtype::bitsize(&info.dtype).div_ceil(8).max(1);
        let mut data = Vec::with_capacity(remaining / width);
        let mut buffer = vec![0; CHUNK_BYTES.min(remaining)];

        // A panic elsewhere while the lock was held leaves nothing but a file position behind.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |reason| OpenError::read(&self.path, reason);
        let offset = self.data_start + start as u64;
        file.seek(SeekFrom::Start(offset)).map_err(read)?;
        while remaining > 0 {
            buffer.truncate(remaining);
            file.read_exact(&mut buffer).map_err(read)?;
            decode_into(info.dtype, &buffer, &mut data).map_err(|_| OpenError::Dtype {
                path: self.path.clone(),
                name: name.to_owned(),
                dtype: info.dtype.to_string(),
            })?;
            remaining -= buffer.len();
        }
        Ok(data)
    }
}
