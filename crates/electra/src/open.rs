//! Hugging Face model folders to modules and back.

use std::path::Path;

use burn::module::Module;
use kiln_checkpoint::{
    ConfigFile, LoadReport, ModelFile, OpenError, WriteError, check_shapes, load_module,
    module_tensors, write_model,
};
use kiln_tasks::model_config;

use crate::names::{LOAD_OPTIONS, NAMES};
use crate::{ElectraClass, ElectraConfig};

/// Reads and checks a folder's config.json.
///
/// # Errors
/// If the file is unreadable, or a field has a value that ELECTRA or Kiln cannot have.
pub fn open_config(folder: &Path) -> Result<ElectraConfig, OpenError> {
    model_config::open_config(folder, &[], ElectraConfig::validate)
}

/// Gives a module the weights of a folder. What the file lacks keeps the values it had and stands in
/// the report: the caller decides what may start fresh.
///
/// # Errors
/// If the weights are unreadable or do not fit the module.
pub fn open_weights<M: Module>(module: M, file: &ModelFile) -> Result<(M, LoadReport), OpenError> {
    load_module(module, &NAMES, file, &LOAD_OPTIONS)
}

/// The same where every parameter has to be there: a fresh head would give random results in
/// silence.
///
/// # Errors
/// As [`open_weights`], and if a parameter is missing.
pub(crate) fn open_all_weights<M: Module>(module: M, file: &ModelFile) -> Result<M, OpenError> {
    let (module, report) = open_weights(module, file)?;
    report.require_all(file.path())?;
    Ok(module)
}

/// Holds the tensors that decide a model's size against its configuration, before anything of that
/// size is made: a damaged config.json then costs an error and not all memory.
///
/// # Errors
/// If a tensor's shape is another than the configuration says, or the last layer is not there.
pub fn check_sizes(config: &ElectraConfig, file: &ModelFile) -> Result<(), OpenError> {
    let (embedding_size, hidden_size) = (config.embedding_size, config.hidden_size);
    let last = config.num_hidden_layers.saturating_sub(1);
    let table = |name: &str, rows| (format!("embeddings.{name}.weight"), [rows, embedding_size]);
    let mut expected = vec![
        table("word_embeddings", config.vocab_size),
        table("position_embeddings", config.max_position_embeddings),
        table("token_type_embeddings", config.type_vocab_size),
        (
            format!("encoder.layer.{last}.intermediate.dense.weight"),
            [config.intermediate_size, hidden_size],
        ),
    ];
    if config.has_projection() {
        let projection = "embeddings_project.weight".to_owned();
        expected.push((projection, [hidden_size, embedding_size]));
    }
    check_shapes(file, &LOAD_OPTIONS, &expected)
}

/// Writes config.json and model.safetensors into an existing folder, as transformers would.
///
/// # Errors
/// If a file cannot be written or a parameter not be read back from its device.
pub fn write_folder<M: Module>(
    module: &M,
    config: &ElectraConfig,
    class: ElectraClass,
    folder: &Path,
) -> Result<(), WriteError> {
    let mut file = ConfigFile::new(config, "electra", &[class.name()])?;
    file.declare_float32();
    file.write(folder)?;
    write_model(folder, &module_tensors(module, &NAMES)?, None)
}
