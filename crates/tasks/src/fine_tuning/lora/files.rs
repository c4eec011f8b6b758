//! `adapter/` in PEFT's layout: what was trained, and nothing of the model that it belongs to.
//!
//! ```text
//! adapter/adapter_config.json           PeftConfig
//! adapter/adapter_model.safetensors     base_model.model.NAME.lora_A.weight, …lora_B.weight, the head
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::module::Module;
use kiln_checkpoint::{
    LoadReport, ModelFile, OpenError, Parameter, WriteError, load_module, parameters,
    tensors_where, write_json, write_safetensors,
};

use super::super::place::Place;
use super::attach::is_adapter;
use super::peft_config::PeftConfig;
use crate::family::Family;

/// What PEFT puts before the names of the model.
const PREFIX: &str = "base_model.model.";

/// The names of the weights' file, the usual one first.
const WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// Writes an adapter and the head beside it into `folder`, which exists.
///
/// # Errors
/// If a file can't be written, or a parameter not be read back from its device.
pub(in crate::fine_tuning) fn write<F: Family, M: Module>(
    model: &M,
    mut config: PeftConfig,
    folder: &Path,
) -> Result<(), WriteError> {
    config.modules_to_save = head_modules::<F, M>(model);
    write_json(&folder.join(PeftConfig::FILE), &config.to_value())?;
    let mut tensors = tensors_where(model, F::FILE_NAMES.names, is_trained)?;
    for tensor in &mut tensors {
        tensor.name.insert_str(0, PREFIX);
    }
    write_safetensors(&folder.join(WEIGHTS[0]), &tensors)
}

/// Makes a folder in one that exists.
///
/// # Errors
/// If the file system refuses.
pub(in crate::fine_tuning) fn make_folder(path: PathBuf) -> Result<PathBuf, WriteError> {
    std::fs::create_dir_all(&path).map_err(|reason| WriteError::Other {
        path: path.clone(),
        problem: reason.to_string(),
    })?;
    Ok(path)
}

/// Whether it is an adapter's or the head's.
fn is_trained(parameter: &Parameter) -> bool {
    is_adapter(&parameter.path) || Place::of(&parameter.path) == Place::Head
}

/// The modules of the head, as PEFT names them: by the first word behind the encoder's prefix, such as
/// `classifier`, and `pooler` for `bert.pooler`.
fn head_modules<F: Family, M: Module>(model: &M) -> Vec<String> {
    let prefix = F::FILE_NAMES.options.base_prefix.unwrap_or_default();
    let parameters = parameters(model, F::FILE_NAMES.names);
    let head = parameters
        .iter()
        .filter(|parameter| Place::of(&parameter.path) == Place::Head);
    let modules: BTreeSet<String> = head
        .map(|parameter| {
            let name = &parameter.name;
            let inner = name.strip_prefix(prefix).unwrap_or(name);
            inner.split('.').next().unwrap_or(inner).to_owned()
        })
        .collect();
    modules.into_iter().collect()
}

/// The weights in the folder of an adapter, by the names of the model.
#[derive(Debug)]
pub struct AdapterFile(ModelFile);

impl AdapterFile {
    /// Opens them.
    ///
    /// # Errors
    /// If they are missing or unreadable.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let mut paths = WEIGHTS.iter().map(|name| folder.join(name));
        let path = paths.find(|path| path.is_file());
        let mut file = ModelFile::open(path.unwrap_or_else(|| folder.join(WEIGHTS[0])))?;
        file.strip_prefix(PREFIX);
        Ok(Self(file))
    }

    /// The file that they come from.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The shape of one, by the model's name for it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.0.info(name).map(|info| info.shape.as_slice())
    }

    /// The layers that have an adapter, by their names.
    pub fn layers(&self) -> Vec<String> {
        let names = self.0.names();
        let layers = names.filter_map(|name| name.strip_suffix(".lora_A.weight"));
        layers.map(str::to_owned).collect()
    }
}

/// Gives a model with adapters what a file holds: all of every adapter, and of the head what is there.
///
/// # Errors
/// If an adapter's part is missing, a tensor has no place, or one does not fit.
pub(in crate::fine_tuning) fn load<F: Family, M: Module>(
    model: M,
    AdapterFile(file): &AdapterFile,
) -> Result<(M, LoadReport), OpenError> {
    let (model, report) = load_module(model, F::FILE_NAMES.names, file, F::FILE_NAMES.options)?;
    let is_factor = |name: &&String| name.contains(".lora_A.") || name.contains(".lora_B.");
    let missing: Vec<String> = report.missing.iter().filter(is_factor).cloned().collect();
    if missing.is_empty() && report.unused.is_empty() {
        return Ok((model, report));
    }
    Err(OpenError::Incomplete {
        path: file.path().to_path_buf(),
        missing,
        unused: report.unused,
    })
}
