//! The weights of a model folder: names, types and shapes at once, elements on demand.
//!
//! Hugging Face stores weights as model.safetensors, or in several such files with an index
//! (model.safetensors.index.json), or, in older folders, as pytorch_model.bin, again whole or in
//! pieces. The last is a Python pickle; `pytorch-reader` interprets the few instructions that
//! describe tensors and executes none.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pytorch_reader::{PytorchError, PytorchReader};
use serde::Deserialize;

use crate::OpenError;
use crate::dtype::{Dtype, NotFloat, TensorInfo, decode_into};
use crate::file_names::WEIGHTS_FILES;
use crate::foreign::{foreign_file, foreign_folder};
use crate::json::parse_json;
use crate::safetensors_file::SafetensorsFile;
use crate::wrapped::{is_training, prefix_before, unwrapped, wrapper};

/// The opened weights of a model, in one file or several.
#[derive(Debug)]
pub struct ModelFile {
    path: PathBuf,
    files: Vec<WeightsFile>,
    /// By name, that of a wrapper taken away.
    tensors: BTreeMap<String, Stored>,
    /// The names of what stands beside a wrapper, a training state left out.
    outside: Vec<String>,
    /// Names that an index gives a file which does not hold them, that of a wrapper taken away, with
    /// that file.
    promised: BTreeMap<String, String>,
    /// Pairs of tensors that were compared, and whether they are equal.
    compared: Mutex<BTreeMap<(String, String), bool>>,
}

/// Where a tensor is.
#[derive(Debug)]
struct Stored {
    /// Position among the files.
    file: usize,
    /// The name in the file.
    name: String,
    info: TensorInfo,
}

impl ModelFile {
    /// Opens the weights of a model folder, or one given file: .safetensors, .index.json, or
    /// anything else as what `torch.save` writes.
    ///
    /// # Errors
    /// If nothing suitable is there, a file is damaged, or an index and its files disagree.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let metadata = std::fs::metadata(path).map_err(|reason| OpenError::read(path, reason))?;
        let path = if metadata.is_dir() {
            let mut candidates = WEIGHTS_FILES.iter().map(|name| path.join(name));
            candidates
                .find(|candidate| candidate.is_file())
                .ok_or_else(|| no_model(path))?
        } else {
            path.to_path_buf()
        };
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            Self::open_index(path)
        } else {
            let file = WeightsFile::open(&path)?;
            Self::new(path, vec![file], BTreeMap::new())
        }
    }

    /// The file the weights come from: the index where there are several.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Leaves aside the tensors whose names `is_wanted` refuses, as if the file did not hold them.
    pub fn keep(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.tensors.retain(|name, _| is_wanted(name));
    }

    /// Takes `prefix` away from every name that begins with it; where the rest is another tensor's name
    /// already, it stays.
    pub fn strip_prefix(&mut self, prefix: &str) {
        let names: Vec<String> = self.tensors.keys().cloned().collect();
        for name in names {
            let Some(bare) = name.strip_prefix(prefix) else {
                continue;
            };
            if !self.tensors.contains_key(bare)
                && let Some(stored) = self.tensors.remove(&name)
            {
                self.tensors.insert(bare.to_owned(), stored);
            }
        }
    }

    /// The names of tensors that are not the model's, since they stand beside what it was wrapped in.
    pub(crate) fn outside(&self) -> impl Iterator<Item = &str> {
        self.outside.iter().map(String::as_str)
    }

    /// Type and shape of a tensor.
    #[must_use]
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name).map(|stored| &stored.info)
    }

    /// The elements of a tensor as float32, row-major; F64, F16 and BF16 are cast.
    ///
    /// # Errors
    /// If there is no such tensor, its elements are not floating point numbers, or the file cannot
    /// be read.
    pub fn read(&self, name: &str) -> Result<Vec<f32>, OpenError> {
        let found = self.tensors.get(name);
        let (file, stored) = found
            .and_then(|stored| Some((self.files.get(stored.file)?, stored)))
            .ok_or_else(|| OpenError::NoTensor {
                path: self.path.clone(),
                name: name.to_owned(),
            })?;
        if !stored.info.is_float() {
            return Err(OpenError::Dtype {
                path: file.path().to_path_buf(),
                name: name.to_owned(),
                dtype: stored.info.dtype.to_string(),
            });
        }
        file.read(&stored.name)
    }

    /// Whether two tensors are equal as float32, bit for bit. They are compared once.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(crate) fn are_equal(&self, copy: &str, owner: &str) -> Result<bool, OpenError> {
        let pair = (copy.to_owned(), owner.to_owned());
        // Nothing panics while the lock is held.
        let compared = || self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&equal) = compared().get(&pair) {
            return Ok(equal);
        }
        let shape = |name: &str| self.info(name).map(|info| &info.shape);
        let equal = shape(copy) == shape(owner) && {
            let (copy, owner) = (self.read(copy)?, self.read(owner)?);
            copy.iter()
                .map(|x| x.to_bits())
                .eq(owner.iter().map(|x| x.to_bits()))
        };
        compared().insert(pair, equal);
        Ok(equal)
    }

    /// Why a parameter with the names `candidates` is not there, if more can be said of it: an
    /// index promised it, or it stands behind a prefix that nobody knows.
    pub(crate) fn absence(&self, candidates: &[String]) -> Option<OpenError> {
        let prefixed = || {
            candidates.iter().find_map(|name| {
                let prefix = prefix_before(self.names(), name)?;
                Some(OpenError::Prefixed {
                    path: self.path.clone(),
                    prefix: prefix.to_owned(),
                    stored: format!("{prefix}{name}"),
                    name: name.clone(),
                })
            })
        };
        self.broken_promise(candidates).or_else(prefixed)
    }

    /// That an index promised a parameter with the names `candidates`, which is not there.
    pub(crate) fn broken_promise(&self, candidates: &[String]) -> Option<OpenError> {
        candidates.iter().find_map(|name| {
            let shard = self.promised.get(name)?;
            let problem = format!("says that {shard} holds {name}, which it does not");
            Some(OpenError::malformed(&self.path, problem))
        })
    }

    fn new(
        path: PathBuf,
        files: Vec<WeightsFile>,
        index: BTreeMap<String, String>,
    ) -> Result<Self, OpenError> {
        let mut all: BTreeMap<String, Stored> = BTreeMap::new();
        let mut doubled = BTreeSet::new();
        for (at, file) in files.iter().enumerate() {
            for (name, info) in file.tensors() {
                let stored = Stored {
                    file: at,
                    name: name.clone(),
                    info,
                };
                match all.entry(name) {
                    Entry::Vacant(place) => {
                        place.insert(stored);
                    }
                    Entry::Occupied(place) => {
                        doubled.insert(place.key().clone());
                    }
                }
            }
        }
        for name in &doubled {
            check_doubled(&path, &files, name)?;
        }
        let wrapper = wrapper(all.keys().map(String::as_str));
        let promised = index.into_iter();
        let promised = promised.filter(|(name, _)| !all.contains_key(name));
        let promised = promised.filter_map(|(name, shard)| {
            let name = unwrapped(&wrapper, &name)?.to_owned();
            Some((name, shard))
        });
        let promised = promised.collect();
        let (mut tensors, mut outside) = (BTreeMap::new(), Vec::new());
        for (name, stored) in all {
            if let Some(name) = unwrapped(&wrapper, &name) {
                tensors.insert(name.to_owned(), stored);
            } else if !is_training(&name) {
                outside.push(name);
            }
        }
        Ok(Self {
            tensors,
            outside,
            path,
            files,
            promised,
            compared: Mutex::default(),
        })
    }

    fn open_index(path: PathBuf) -> Result<Self, OpenError> {
        let text = std::fs::read(&path).map_err(|reason| OpenError::read(&path, reason))?;
        let index: ShardIndex = parse_json(&text).map_err(|reason| match foreign_file(&path) {
            Some(what) => OpenError::Foreign {
                path: path.clone(),
                what,
            },
            None => OpenError::Json {
                path: path.clone(),
                reason,
            },
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut shards: Vec<&String> = index.weight_map.values().collect();
        shards.sort_unstable();
        shards.dedup();
        let mut files = Vec::with_capacity(shards.len());
        for shard in shards {
            // An index reaches no file outside its own folder.
            let plain = Path::new(shard)
                .file_name()
                .is_some_and(|name| name == shard.as_str());
            let file = folder.join(shard);
            if !plain || !file.is_file() {
                let shard = shard.clone();
                return Err(OpenError::MissingShard { path, shard });
            }
            files.push(WeightsFile::open(&file)?);
        }
        Self::new(path, files, index.weight_map)
    }
}

/// Why a folder has no weights.
fn no_model(folder: &Path) -> OpenError {
    let path = folder.to_path_buf();
    match foreign_folder(folder) {
        Some(what) => OpenError::Foreign { path, what },
        None => OpenError::NoModel { path },
    }
}

/// A tensor may stand in two files if it is the same in both.
fn check_doubled(path: &Path, files: &[WeightsFile], name: &str) -> Result<(), OpenError> {
    let mut first: Option<Vec<u32>> = None;
    for file in files {
        let tensors = file.tensors();
        let info = tensors.iter().find(|(found, _)| found == name);
        // Whole numbers are nobody's parameters.
        if !info.is_some_and(|(_, info)| info.is_float()) {
            continue;
        }
        let bits: Vec<u32> = file.read(name)?.iter().map(|x| x.to_bits()).collect();
        match &first {
            Some(first) if *first != bits => {
                let problem = format!("{name} is in two of the files it names, and differs");
                return Err(OpenError::malformed(path, problem));
            }
            Some(_) => {}
            None => first = Some(bits),
        }
    }
    Ok(())
}

/// Which file holds which tensor.
#[derive(Debug, Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

#[derive(Debug)]
enum WeightsFile {
    Safetensors(SafetensorsFile),
    Pytorch {
        path: PathBuf,
        reader: PytorchReader,
    },
}

impl WeightsFile {
    fn open(path: &Path) -> Result<Self, OpenError> {
        if path
            .extension()
            .is_some_and(|extension| extension == "safetensors")
        {
            let file = SafetensorsFile::open(path).map_err(|error| foreign_or(path, error))?;
            return Ok(Self::Safetensors(file));
        }
        let reader = PytorchReader::new(path).map_err(|error| match error {
            PytorchError::Io(reason) => OpenError::read(path, reason),
            error => OpenError::malformed(path, error.to_string()),
        });
        let reader = reader.map_err(|error| foreign_or(path, error))?;
        Ok(Self::Pytorch {
            path: path.to_path_buf(),
            reader,
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Safetensors(file) => file.path(),
            Self::Pytorch { path, .. } => path,
        }
    }

    fn tensors(&self) -> Vec<(String, TensorInfo)> {
        match self {
            Self::Safetensors(file) => file.tensors(),
            Self::Pytorch { reader, .. } => {
                let mut tensors: Vec<_> = reader
                    .tensors()
                    .iter()
                    .map(|(name, tensor)| {
                        let dtype = pytorch_dtype(tensor.dtype());
                        let shape = tensor.shape().to_vec();
                        (name.clone(), TensorInfo { dtype, shape })
                    })
                    .collect();
                // The reader keeps them in a hash map, whose order changes from run to run.
                tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
                tensors
            }
        }
    }

    fn read(&self, name: &str) -> Result<Vec<f32>, OpenError> {
        match self {
            Self::Safetensors(file) => file.read(name),
            Self::Pytorch { path, reader } => {
                let tensor = reader.get(name).ok_or_else(|| OpenError::NoTensor {
                    path: path.clone(),
                    name: name.to_owned(),
                })?;
                let bytes = tensor
                    .read()
                    .map_err(|reason| OpenError::read(path, reason))?;
                let mut data = Vec::with_capacity(tensor.num_elements());
                let dtype = pytorch_dtype(tensor.dtype());
                decode_into(dtype, &bytes, &mut data).map_err(|NotFloat| OpenError::Dtype {
                    path: path.clone(),
                    name: name.to_owned(),
                    dtype: dtype.to_string(),
                })?;
                Ok(data)
            }
        }
    }
}

/// `error`, or what the file is instead of a damaged one.
fn foreign_or(path: &Path, error: OpenError) -> OpenError {
    match (error, foreign_file(path)) {
        (OpenError::Malformed { path, .. }, Some(what)) => OpenError::Foreign { path, what },
        (error, _) => error,
    }
}

fn pytorch_dtype(dtype: pytorch_reader::DType) -> Dtype {
    use pytorch_reader::DType as Torch;
    match dtype {
        Torch::F64 => Dtype::F64,
        Torch::F32 => Dtype::F32,
        Torch::F16 => Dtype::F16,
        Torch::BF16 => Dtype::BF16,
        Torch::I64 => Dtype::I64,
        Torch::I32 => Dtype::I32,
        Torch::I16 => Dtype::I16,
        Torch::I8 => Dtype::I8,
        Torch::U64 => Dtype::U64,
        Torch::U32 => Dtype::U32,
        Torch::U16 => Dtype::U16,
        Torch::U8 => Dtype::U8,
        Torch::Bool => Dtype::BOOL,
    }
}
