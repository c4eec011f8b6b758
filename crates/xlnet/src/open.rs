//! Hugging Face model folders to modules and back.

use std::path::Path;

use burn::module::Module;
use kiln_checkpoint::{
    ConfigFile, LoadReport, ModelFile, NamedTensor, OpenError, WriteError, check_shapes,
    load_module, module_tensors, write_model,
};
use kiln_tasks::model_config;

use crate::config::ALIASES;
use crate::names::{LOAD_OPTIONS, NAMES, QUERY_BIASES};
use crate::{XlnetClass, XlnetConfig};

/// Reads and checks a folder's config.json.
///
/// # Errors
/// If the file is unreadable, or a field has a value that XLNet or Kiln cannot have.
pub fn open_config(folder: &Path) -> Result<XlnetConfig, OpenError> {
    model_config::open_config(folder, ALIASES, XlnetConfig::validate)
}

/// Gives a module the weights of a folder. What the file lacks keeps the values it had and stands in
/// the report: the caller decides what may start fresh.
///
/// # Errors
/// If the weights are unreadable or do not fit the module.
pub fn open_weights<M: Module>(module: M, file: &ModelFile) -> Result<(M, LoadReport), OpenError> {
    load_module(module, &NAMES, file, &LOAD_OPTIONS)
}

/// Holds the tensors that decide a model's size against its configuration, before anything of that
/// size is made: a damaged config.json then costs an error and not all memory.
///
/// # Errors
/// If a tensor's shape is another than the configuration says, or the last layer is not there.
pub fn check_sizes(config: &XlnetConfig, file: &ModelFile) -> Result<(), OpenError> {
    let last = config.n_layer.saturating_sub(1);
    let expected = [
        (
            "word_embedding.weight".to_owned(),
            [config.vocab_size, config.d_model],
        ),
        (
            format!("layer.{last}.ff.layer_1.weight"),
            [config.d_inner, config.d_model],
        ),
        (
            format!("layer.{last}.rel_attn.r_w_bias"),
            [config.n_head, config.head_size()],
        ),
    ];
    check_shapes(file, &LOAD_OPTIONS, &expected)
}

/// Holds the vectors that are added to queries in all layers against the first one's, which a model
/// that shares them is trained with in their place.
///
/// # Errors
/// If the configuration shares them, and the file has others, or lacks them.
pub fn check_shared(config: &XlnetConfig, file: &ModelFile) -> Result<(), OpenError> {
    if !config.ties_biases() {
        return Ok(());
    }
    let is_whole = file.names().any(|name| name.starts_with("transformer."));
    let prefix = if is_whole { "transformer." } else { "" };
    for bias in QUERY_BIASES {
        let name = |layer: usize| format!("{prefix}layer.{layer}.rel_attn.{bias}");
        let owner = file.read(&name(0))?;
        for layer in 1..config.n_layer {
            if file.read(&name(layer))? != owner {
                return Err(OpenError::Untied {
                    path: file.path().to_path_buf(),
                    copy: name(layer),
                    owner: name(0),
                    remedy: "set untie_r to true in config.json to train those of each layer"
                        .to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// Writes config.json and model.safetensors into an existing folder, as transformers would.
///
/// # Errors
/// If a file cannot be written or a parameter not be read back from its device.
pub fn write_folder<M: Module>(
    module: &M,
    config: &XlnetConfig,
    class: XlnetClass,
    folder: &Path,
) -> Result<(), WriteError> {
    let mut file = ConfigFile::new(config, "xlnet", &[class.name()])?;
    file.declare_float32();
    file.write(folder)?;
    let mut tensors = module_tensors(module, &NAMES)?;
    if config.ties_biases() {
        tensors.extend(copies(&tensors, config.n_layer));
    }
    write_model(folder, &tensors, None)
}

/// The first layer's vectors under the names of all others.
fn copies(tensors: &[NamedTensor], n_layer: usize) -> Vec<NamedTensor> {
    let is_shared = |tensor: &&NamedTensor| {
        let mut names = QUERY_BIASES.iter();
        names.any(|name| tensor.name.ends_with(&format!("layer.0.rel_attn.{name}")))
    };
    let of_first = tensors.iter().filter(is_shared);
    let copies = of_first.flat_map(|tensor| {
        (1..n_layer).map(|layer| NamedTensor {
            name: tensor.name.replace("layer.0.", &format!("layer.{layer}.")),
            ..tensor.clone()
        })
    });
    copies.collect()
}
