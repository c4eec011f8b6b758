//! Weights to safetensors files, byte for byte the same for the same tensors.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use kiln_files::WholeFile;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Serialize;

use crate::{NamedTensor, WriteError};

/// Bytes of one float32.
const F32_BYTES: usize = size_of::<f32>();
/// Elements converted to bytes at a time.
const CHUNK_ELEMENTS: usize = 1 << 16;
/// The header is padded with spaces so that the tensors begin at a multiple of this many bytes.
const ALIGNMENT: usize = 8;

/// Writes `tensors` as one float32 safetensors file with the metadata `{"format": "pt"}`, as
/// transformers does.
///
/// The tensors lie in the order of their names, so the file depends on nothing but names, shapes and
/// values. It is written beside `path`, synced and renamed: `path` is whole or as it was before.
///
/// # Errors
/// If two tensors share a name, a shape does not match its data, or the file system refuses.
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor]) -> Result<(), WriteError> {
    let tensors: Vec<&NamedTensor> = tensors.iter().collect();
    write_file_of(path, tensors)
}

/// What [`write_safetensors`] writes, for whoever sends it on.
///
/// # Errors
/// If two tensors share a name, or a shape does not match its data.
pub fn safetensors_bytes(tensors: &[NamedTensor]) -> Result<Vec<u8>, WriteError> {
    let mut tensors: Vec<&NamedTensor> = tensors.iter().collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let path = Path::new("safetensors");
    let header = header(path, &tensors)?;
    let mut bytes = Vec::new();
    write_stream(&mut bytes, &header, &tensors).map_err(|reason| WriteError::io(path, reason))?;
    Ok(bytes)
}

/// Writes `bytes` to `path` as a whole: beside it first, synced, then renamed.
///
/// # Errors
/// If the file system refuses; `path` is then as it was before.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    Ok(kiln_files::write(path, bytes)?)
}

/// Writes a model's weights into `folder`: model.safetensors, or, where they exceed
/// `max_shard_bytes`, model-00001-of-0000N.safetensors and model.safetensors.index.json.
///
/// A tensor larger than the limit gets a file of its own. Tensors are dealt out in the given order.
///
/// # Errors
/// As [`write_safetensors`].
pub fn write_model(
    folder: &Path,
    tensors: &[NamedTensor],
    max_shard_bytes: Option<u64>,
) -> Result<(), WriteError> {
    let shards = split(tensors, max_shard_bytes.unwrap_or(u64::MAX));
    if shards.len() <= 1 {
        return write_safetensors(&folder.join("model.safetensors"), tensors);
    }
    let count = shards.len();
    let index_path = folder.join("model.safetensors.index.json");
    let mut index = Index {
        metadata: IndexMetadata {
            total_size: tensors.iter().map(bytes_of).sum(),
        },
        weight_map: BTreeMap::new(),
    };
    for (number, shard) in (1..).zip(shards) {
        let file = format!("model-{number:05}-of-{count:05}.safetensors");
        for tensor in &shard {
            let taken = index.weight_map.insert(&tensor.name, file.clone());
            if taken.is_some() {
                return Err(WriteError::DuplicateTensor {
                    path: index_path,
                    name: tensor.name.clone(),
                });
            }
        }
        write_file_of(&folder.join(file), shard)?;
    }
    write_json(&index_path, &index)
}

/// Writes `value` as JSON the way Hugging Face does: two spaces a level, a newline at the end.
///
/// # Errors
/// If the value has no JSON form or the file system refuses.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), WriteError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|reason| WriteError::Json {
        path: path.to_path_buf(),
        reason,
    })?;
    text.push(b'\n');
    write_bytes(path, &text)
}

#[derive(Debug, Serialize)]
struct Index<'a> {
    metadata: IndexMetadata,
    weight_map: BTreeMap<&'a str, String>,
}

#[derive(Debug, Serialize)]
struct IndexMetadata {
    /// Bytes of all tensors.
    total_size: u64,
}

fn bytes_of(tensor: &NamedTensor) -> u64 {
    (tensor.data.len() * F32_BYTES) as u64
}

/// Consecutive groups of tensors, each within `max_bytes` where its first tensor is.
fn split(tensors: &[NamedTensor], max_bytes: u64) -> Vec<Vec<&NamedTensor>> {
    let mut shards: Vec<Vec<&NamedTensor>> = Vec::new();
    let mut room = 0;
    for tensor in tensors {
        let bytes = bytes_of(tensor);
        match shards.last_mut() {
            Some(shard) if bytes <= room => {
                shard.push(tensor);
                room -= bytes;
            }
            _ => {
                shards.push(vec![tensor]);
                room = max_bytes.saturating_sub(bytes);
            }
        }
    }
    shards
}

fn write_file_of(path: &Path, mut tensors: Vec<&NamedTensor>) -> Result<(), WriteError> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let header = header(path, &tensors)?;
    let mut file = WholeFile::create(path)?;
    write_stream(file.file(), &header, &tensors).map_err(|reason| WriteError::io(path, reason))?;
    Ok(file.commit()?)
}

/// The JSON header, padded.
fn header(path: &Path, tensors: &[&NamedTensor]) -> Result<Vec<u8>, WriteError> {
    let mut names = BTreeSet::new();
    let mut infos = Vec::with_capacity(tensors.len());
    let mut offset = 0;
    for tensor in tensors {
        if !names.insert(&tensor.name) {
            return Err(WriteError::DuplicateTensor {
                path: path.to_path_buf(),
                name: tensor.name.clone(),
            });
        }
        let elements = tensor.data.len();
        if tensor.shape.iter().product::<usize>() != elements {
            return Err(WriteError::TensorLength {
                path: path.to_path_buf(),
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                elements,
            });
        }
        let end = offset + elements * F32_BYTES;
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: tensor.shape.clone(),
            data_offsets: (offset, end),
        };
        infos.push((tensor.name.clone(), info));
        offset = end;
    }
    // One entry only: several would be written in the order of a hash map.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let metadata = Metadata::new(Some(metadata), infos).map_err(|error| {
        WriteError::io(path, io::Error::new(io::ErrorKind::InvalidInput, error))
    })?;
    let mut header = serde_json::to_vec(&metadata).map_err(|reason| WriteError::Json {
        path: path.to_path_buf(),
        reason,
    })?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    Ok(header)
}

fn write_stream(file: impl Write, header: &[u8], tensors: &[&NamedTensor]) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    let mut bytes = Vec::with_capacity(CHUNK_ELEMENTS * F32_BYTES);
    for tensor in tensors {
        for chunk in tensor.data.chunks(CHUNK_ELEMENTS) {
            bytes.resize(chunk.len() * F32_BYTES, 0);
            for (place, element) in bytes.as_chunks_mut().0.iter_mut().zip(chunk) {
                *place = element.to_le_bytes();
            }
            out.write_all(&bytes)?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn tensor(name: &str, elements: usize) -> NamedTensor {
        NamedTensor {
            name: name.into(),
            shape: vec![elements],
            data: vec![0.5; elements],
        }
    }

    #[test]
    fn shards_keep_within_the_limit_except_for_a_tensor_larger_than_it() {
        let tensors = [
            tensor("a", 2),
            tensor("b", 3),
            tensor("c", 9),
            tensor("d", 1),
        ];
        let shards = split(&tensors, 20);
        let names: Vec<Vec<&str>> = shards
            .iter()
            .map(|shard| shard.iter().map(|tensor| tensor.name.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["a", "b"], vec!["c"], vec!["d"]]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_an_error_and_not_a_silent_loss() {
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let tensor = tensor("a", 100_000);
        let error = write_stream(&mut full, b"{}      ", &[&tensor]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_shape_that_does_not_match_its_data_and_a_doubled_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let mut wrong = tensor("a", 4);
        wrong.shape = vec![3];
        let error = write_safetensors(&path, &[wrong]).unwrap_err();
        assert!(matches!(
            error,
            WriteError::TensorLength { elements: 4, .. }
        ));
        let error = write_safetensors(&path, &[tensor("a", 1), tensor("a", 2)]).unwrap_err();
        assert!(matches!(error, WriteError::DuplicateTensor { name, .. } if name == "a"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
