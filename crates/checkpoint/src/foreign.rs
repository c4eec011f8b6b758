//! What a file or a folder is where it is not what was looked for, with the remedy.
//!
//! People have more than model folders: pointers of a version control system, web pages saved
//! under a file's name, caches, folders of training scripts, checkpoints of other frameworks.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::OpenError;
use crate::file_names::{CONFIG_FILE, WEIGHTS_FILES};
use crate::json::parse_json;

/// Bytes read to tell what a file is.
const BEGINNING: u64 = 512;

/// What the file at `path` is by its first bytes, if it is none of a model's.
pub(crate) fn foreign_file(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    file.take(BEGINNING).read_to_end(&mut bytes).ok()?;
    foreign_bytes(&bytes, size, path)
}

fn foreign_bytes(bytes: &[u8], size: u64, path: &Path) -> Option<String> {
    let is_safetensors = path
        .extension()
        .is_some_and(|extension| extension == "safetensors");
    // Weights that are empty are damaged like any that were cut.
    if size == 0 {
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        return is_json.then(|| "is empty; download or copy it again".to_owned());
    }
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Some(
            "is a Git LFS pointer to the file, not the file; run git lfs pull in its folder, or \
             download the file itself"
                .to_owned(),
        );
    }
    // The length it begins with may look like anything.
    if is_safetensors && is_like_safetensors(bytes, size) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |word: &str| {
        text.get(..word.len())
            .is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
    };
    if begins("<!doctype html") || begins("<html") {
        return Some(
            "is a web page saved under the file's name; download the file itself".to_owned(),
        );
    }
    if begins("<?xml") {
        return Some(
            "is an XML document, such as a server's error message; download the file itself"
                .to_owned(),
        );
    }
    let kind = [
        (&b"GGUF"[..], "a GGUF file"),
        (b"\x89HDF", "an HDF5 file, as Keras writes them,"),
        (b"\x1f\x8b", "compressed by gzip"),
        (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
        (b"\xfd7zXZ", "compressed by xz"),
        (b"BZh", "compressed by bzip2"),
    ]
    .into_iter()
    .find(|(magic, _)| bytes.starts_with(magic));
    match kind {
        Some((_, kind)) if kind.starts_with("compressed") => {
            Some(format!("is {kind}; unpack it first"))
        }
        Some((_, kind)) => Some(format!("is {kind} and no {EXPECTED}")),
        None if is_safetensors && bytes.starts_with(b"PK\x03\x04") => Some(
            "is what torch.save writes and no safetensors file; rename it to pytorch_model.bin"
                .to_owned(),
        ),
        None if !is_safetensors && is_like_safetensors(bytes, size) => Some(
            "is a safetensors file under another name; rename it to model.safetensors".to_owned(),
        ),
        None => None,
    }
}

/// The end of a message on other formats.
const EXPECTED: &str =
    "safetensors or PyTorch file; convert it with its framework, or download model.safetensors";

/// Whether the bytes begin with a length that fits the file, and an object of JSON behind it.
fn is_like_safetensors(bytes: &[u8], size: u64) -> bool {
    let length = bytes
        .first_chunk::<8>()
        .map(|length| u64::from_le_bytes(*length));
    bytes.get(8) == Some(&b'{') && length.is_some_and(|length| length < size)
}

/// What `folder` is if it holds no config.json, or config.json without weights.
pub(crate) fn foreign_folder(folder: &Path) -> Option<String> {
    let entries = Entries::read(folder)?;
    entries
        .adapter()
        .or_else(|| entries.cache())
        .or_else(|| entries.run())
        .or_else(|| entries.pair())
        .or_else(|| entries.trainer())
        .or_else(|| entries.sentence_transformers())
        .or_else(|| entries.parts_of_training())
        .or_else(|| entries.renamed())
        .or_else(|| entries.other_framework())
        .or_else(|| entries.broken_link())
        .or_else(|| entries.inner_model())
}

/// What `folder` is if its config.json is no model's.
pub fn foreign_config(folder: &Path) -> Option<OpenError> {
    let what = Entries::read(folder)?.sentence_transformers()?;
    let path = folder.to_path_buf();
    Some(OpenError::Foreign { path, what })
}

/// The names in a folder, sorted.
struct Entries<'a> {
    folder: &'a Path,
    names: Vec<String>,
}

impl<'a> Entries<'a> {
    fn read(folder: &'a Path) -> Option<Self> {
        let entries = fs::read_dir(folder).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        Some(Self { folder, names })
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|found| found == name)
    }

    /// The folder within this one that has a config.json, if it has.
    fn model(&self, name: &str) -> Option<PathBuf> {
        let path = self.folder.join(name);
        path.join(CONFIG_FILE).is_file().then_some(path)
    }

    /// The folders within this one that have a config.json and pass `is_meant`.
    fn models(&self, is_meant: impl Fn(&str) -> bool) -> Vec<PathBuf> {
        let names = self.names.iter().filter(|name| is_meant(name));
        names.filter_map(|name| self.model(name)).collect()
    }

    fn adapter(&self) -> Option<String> {
        if !self.has("adapter_config.json") {
            return None;
        }
        let text = fs::read(self.folder.join("adapter_config.json")).ok();
        let config: Option<Value> = text.and_then(|text| parse_json(&text).ok());
        let base = config.as_ref().and_then(|config| {
            let base = config.get("base_model_name_or_path")?.as_str()?;
            Some(format!(" to {base}"))
        });
        Some(format!(
            "holds an adapter{} (LoRA, PEFT), not a whole model; merge it into that model first \
             (kiln merge, or merge_and_unload of peft) and pass the folder of the result",
            base.unwrap_or_default()
        ))
    }

    /// A cache of Hugging Face's: that of one model, its snapshots, or all of it.
    fn cache(&self) -> Option<String> {
        if self.has("snapshots") {
            let snapshot = snapshot(self.folder)?;
            return Some(format!(
                "is a model's folder in the cache of Hugging Face; pass the snapshot in it: {}",
                snapshot.display()
            ));
        }
        if self
            .folder
            .file_name()
            .is_some_and(|name| name == "snapshots")
        {
            let snapshot = snapshot(self.folder.parent()?)?;
            return Some(format!(
                "holds the snapshots of a model in the cache of Hugging Face; pass one: {}",
                snapshot.display()
            ));
        }
        let inner = if self.has("hub") { "hub" } else { "" };
        let cache = self.folder.join(inner);
        let models = Entries::read(&cache)?;
        let models = models
            .names
            .iter()
            .filter(|name| name.starts_with("models--"));
        let mut snapshots = models.filter_map(|name| snapshot(&cache.join(name)));
        let first = snapshots.next()?;
        Some(match snapshots.count() {
            0 => format!(
                "is the cache of Hugging Face; pass the model's snapshot in it: {}",
                first.display()
            ),
            more => format!(
                "is the cache of Hugging Face with {} models; pass a model's snapshot in it, such \
                 as {}",
                more + 1,
                first.display()
            ),
        })
    }

    /// A run of Kiln's, or its checkpoints.
    fn run(&self) -> Option<String> {
        let is_step = |name: &String| name.starts_with("step-");
        if self.has("checkpoints") {
            let checkpoints = self.folder.join("checkpoints");
            let steps = Entries::read(&checkpoints)?;
            let newest = steps.names.iter().rev().find(|name| is_step(name))?;
            return Some(format!(
                "is a run of Kiln's; pass a checkpoint in it, such as {}",
                checkpoints.join(newest).display()
            ));
        }
        let newest = self.names.iter().rev().find(|name| is_step(name))?;
        let newest = self.folder.join(newest);
        let is_whole = newest.join(CONFIG_FILE).is_file()
            || Entries::read(&newest).is_some_and(|inner| inner.pair().is_some());
        is_whole.then(|| {
            format!(
                "holds the checkpoints of a run of Kiln's; pass one, such as {}",
                newest.display()
            )
        })
    }

    fn pair(&self) -> Option<String> {
        let halves = ["discriminator", "generator"].map(|half| self.model(half));
        let [Some(discriminator), Some(generator)] = halves else {
            return None;
        };
        Some(format!(
            "holds a pair of models; pass one of the two: {} or {}",
            discriminator.display(),
            generator.display()
        ))
    }

    /// A folder that Hugging Face's `Trainer` writes its checkpoints into.
    fn trainer(&self) -> Option<String> {
        let number = |name: &str| name.strip_prefix("checkpoint-")?.parse::<u64>().ok();
        let mut checkpoints: Vec<(u64, PathBuf)> = self
            .names
            .iter()
            .filter_map(|name| Some((number(name)?, self.model(name)?)))
            .collect();
        checkpoints.sort_unstable();
        let (_, newest) = checkpoints.pop()?;
        Some(format!(
            "holds checkpoints of a training script but no model itself; pass one, such as {}",
            newest.display()
        ))
    }

    /// A folder of the library sentence-transformers whose model stands in a folder of its own.
    fn sentence_transformers(&self) -> Option<String> {
        let is_numbered = |name: &str| {
            let number = name.split_once('_').map(|(number, _)| number);
            number.is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        let is_known = self.has("modules.json") || self.has("config_sentence_transformers.json");
        let model = self.models(is_numbered).into_iter().next()?;
        is_known.then(|| {
            format!(
                "is a folder of sentence-transformers; pass the encoder in it: {}",
                model.display()
            )
        })
    }

    /// A model as a training library leaves it, spread over the processes that trained it.
    fn parts_of_training(&self) -> Option<String> {
        let name = self
            .names
            .iter()
            .find(|name| name.starts_with("pytorch_model_fsdp"));
        if self.has("zero_to_fp32.py") {
            Some(
                "holds a model in the parts that DeepSpeed trained; run the script \
                 zero_to_fp32.py in it to make one pytorch_model.bin of them"
                    .to_owned(),
            )
        } else {
            name.map(|name| {
                format!(
                    "holds a model in the parts that FSDP trained ({name}); make one file of them \
                     with accelerate merge-weights"
                )
            })
        }
    }

    /// A model under file names that nobody looks for.
    fn renamed(&self) -> Option<String> {
        let has_config = self.has(CONFIG_FILE);
        let weights = |name: &&String| {
            let is_state = [
                "optimizer",
                "scheduler",
                "training_args",
                "rng_state",
                "scaler",
            ]
            .iter()
            .any(|state| name.starts_with(state));
            let is_weights = [".safetensors", ".bin", ".pt", ".pth"]
                .iter()
                .any(|ending| name.ends_with(ending));
            is_weights && !is_state && !WEIGHTS_FILES.contains(&name.as_str())
        };
        let first = self.names.iter().find(weights);
        if !has_config {
            let old = self.names.iter().find(|name| {
                name.ends_with("_config.json")
                    && ["bert", "electra"]
                        .iter()
                        .any(|word| name.starts_with(word))
            });
            let mut usual = WEIGHTS_FILES.iter();
            let has_weights = first.is_some() || usual.any(|name| self.has(name));
            return match old {
                Some(old) if has_weights => Some(format!(
                    "holds no {CONFIG_FILE}, but {old}, the name of years ago; copy it to \
                     {CONFIG_FILE} and add \"model_type\""
                )),
                _ => None,
            };
        }
        let first = first?;
        let is_shard = first.contains("-of-");
        let right = match first.ends_with(".safetensors") {
            true => "model.safetensors",
            false => "pytorch_model.bin",
        };
        Some(if is_shard {
            format!(
                "holds {first} and perhaps others of its kind, but no {right}.index.json that says \
                 what is where; copy that file, too"
            )
        } else {
            format!("holds {first}, but weights are looked for in {right}; rename it")
        })
    }

    /// A checkpoint of another framework.
    fn other_framework(&self) -> Option<String> {
        let ends = |ending: &str| self.names.iter().find(|name| name.ends_with(ending));
        let is_tensorflow = |name: &&String| {
            let is_part = [".index", ".meta"].iter().any(|end| name.ends_with(end));
            (name.contains("ckpt") && is_part) || name.contains(".data-00000-of-")
        };
        let found = [
            (
                self.names.iter().find(is_tensorflow),
                "a TensorFlow checkpoint",
            ),
            (ends(".h5"), "a TensorFlow model"),
            (ends("saved_model.pb"), "a TensorFlow model"),
            (ends(".msgpack"), "a Flax model"),
            (ends(".gguf"), "a GGUF file"),
            (ends(".onnx"), "an ONNX model"),
            (ends(".ot"), "a model of rust-bert"),
            (ends(".tflite"), "a TensorFlow Lite model"),
            (ends(".mlmodel"), "a Core ML model"),
            (ends(".mlpackage"), "a Core ML model"),
            (ends("openvino_model.xml"), "an OpenVINO model"),
            (ends(".tar.gz"), "an archive"),
            (ends(".tgz"), "an archive"),
            (ends(".zip"), "an archive"),
        ];
        let (name, kind) = found
            .into_iter()
            .find_map(|(name, kind)| Some((name?, kind)))?;
        let remedy = if kind == "an archive" {
            "unpack it, and pass the folder that comes out"
        } else {
            "Kiln reads safetensors and PyTorch files; convert it with its framework, or download \
             the model's model.safetensors or pytorch_model.bin"
        };
        Some(format!("holds {kind} ({name}) alone; {remedy}"))
    }

    /// A link of a model's name that leads nowhere.
    fn broken_link(&self) -> Option<String> {
        let looked_for = [CONFIG_FILE].into_iter().chain(WEIGHTS_FILES);
        looked_for
            .filter(|name| self.has(name))
            .find(|name| !self.folder.join(name).exists())
            .map(|name| {
                format!("holds a link {name} to a file that is not there; download the model again")
            })
    }

    /// The one folder within this one that holds a model.
    fn inner_model(&self) -> Option<String> {
        if self.has(CONFIG_FILE) {
            return None;
        }
        let models = self.models(|_| true);
        let [model] = models.as_slice() else {
            return None;
        };
        Some(format!(
            "holds no {CONFIG_FILE}, but a folder that does; pass {}",
            model.display()
        ))
    }
}

/// The snapshot of a model's folder in Hugging Face's cache: the one that its branch `main` names,
/// or else the last that was written.
fn snapshot(model: &Path) -> Option<PathBuf> {
    let snapshots = model.join("snapshots");
    let main = fs::read_to_string(model.join("refs/main")).ok();
    let main = main.map(|revision| snapshots.join(revision.trim()));
    if let Some(main) = main.filter(|main| main.is_dir() && *main != snapshots) {
        return Some(main);
    }
    let entries = fs::read_dir(&snapshots).ok()?.filter_map(Result::ok);
    let folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    folders.max_by_key(|path| {
        let written = fs::metadata(path).and_then(|metadata| metadata.modified());
        (path.join(CONFIG_FILE).exists(), written.ok(), path.clone())
    })
}

#[cfg(test)]
mod tests;
