//! Hugging Face model folders to modules and back.

use std::path::Path;

use burn::module::Module;
use kiln_checkpoint::{
    ConfigFile, LoadReport, ModelFile, OpenError, WriteError, check_shapes, load_module,
    module_tensors, write_model,
};
use kiln_tasks::model_config;

use crate::names::{BACKBONE_PREFIXES, FileNames, NAMES, names_of};
use crate::{DebertaClass, DebertaConfig, DebertaForMaskedLm, MaskedLmForm};

/// Reads and checks a folder's config.json.
///
/// # Errors
/// If the file is unreadable, or a field has a value that DeBERTa or Kiln cannot have.
pub fn open_config(folder: &Path) -> Result<DebertaConfig, OpenError> {
    model_config::open_config(folder, &[], DebertaConfig::validate)
}

/// Which kind of masked language model a file holds: its head's names say which, and where both or
/// neither are there, config.json's `legacy`. A position table that the input does not use belongs
/// to the mask decoder.
///
/// # Errors
/// If the file has a mask decoder that cannot be.
pub fn masked_lm_form(config: &DebertaConfig, file: &ModelFile) -> Result<MaskedLmForm, OpenError> {
    let has_legacy = file
        .info("cls.predictions.transform.dense.weight")
        .is_some();
    let has_own = file.info("lm_predictions.lm_head.dense.weight").is_some();
    let is_legacy = if has_legacy == has_own {
        config.legacy
    } else {
        has_legacy
    };
    let has_positions = BACKBONE_PREFIXES.iter().any(|prefix| {
        let name = format!("{prefix}embeddings.position_embeddings.weight");
        file.info(&name).is_some()
    });
    if is_legacy {
        return Ok(MaskedLmForm::Legacy);
    }
    if config.position_biased_input || !has_positions {
        return Ok(MaskedLmForm::Plain);
    }
    let checked = config.validate_mask_decoder();
    checked.map_err(|error| error.in_file(file.path()))?;
    Ok(MaskedLmForm::Enhanced)
}

/// Gives a module the weights of a folder. What the file lacks keeps the values it had and stands in
/// the report: the caller decides what may start fresh.
///
/// # Errors
/// If the weights are unreadable or do not fit the module.
pub fn open_weights<M: Module>(module: M, file: &ModelFile) -> Result<(M, LoadReport), OpenError> {
    let FileNames { names, options } = names_of(file);
    load_module(module, names, file, options)
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
pub fn check_sizes(config: &DebertaConfig, file: &ModelFile) -> Result<(), OpenError> {
    let (embedding_size, hidden_size) = (config.embedding_size(), config.hidden_size);
    let last = config.num_hidden_layers.saturating_sub(1);
    let table = |name: &str, rows| (format!("embeddings.{name}.weight"), [rows, embedding_size]);
    let mut expected = vec![
        table("word_embeddings", config.vocab_size),
        (
            format!("encoder.layer.{last}.intermediate.dense.weight"),
            [config.intermediate_size, hidden_size],
        ),
    ];
    if config.position_biased_input {
        expected.push(table("position_embeddings", config.max_position_embeddings));
    }
    if config.type_vocab_size > 0 {
        expected.push(table("token_type_embeddings", config.type_vocab_size));
    }
    if config.has_projection() {
        let projection = "embeddings.embed_proj.weight".to_owned();
        expected.push((projection, [hidden_size, embedding_size]));
    }
    if config.relative_attention {
        let relative = "encoder.rel_embeddings.weight".to_owned();
        expected.push((relative, [2 * config.span(), hidden_size]));
    }
    check_shapes(file, names_of(file).options, &expected)
}

/// The same, with the mask decoder's positions where a masked language model has them.
///
/// # Errors
/// As [`check_sizes`].
pub(crate) fn check_masked_lm_sizes(
    config: &DebertaConfig,
    form: MaskedLmForm,
    file: &ModelFile,
) -> Result<(), OpenError> {
    check_sizes(config, file)?;
    if form != MaskedLmForm::Enhanced {
        return Ok(());
    }
    let positions = (
        "embeddings.position_embeddings.weight".to_owned(),
        [config.max_position_embeddings, config.hidden_size],
    );
    check_shapes(file, names_of(file).options, &[positions])
}

/// Writes config.json and model.safetensors into an existing folder, as transformers would.
///
/// # Errors
/// If a file cannot be written or a parameter not be read back from its device.
pub fn write_folder<M: Module>(
    module: &M,
    config: &DebertaConfig,
    class: DebertaClass,
    folder: &Path,
) -> Result<(), WriteError> {
    let version = config.version();
    let mut file = ConfigFile::new(config, version.model_type(), &[class.name(version)])?;
    file.declare_float32();
    file.write(folder)?;
    write_model(folder, &module_tensors(module, &NAMES)?, None)
}

/// Writes a masked language model; `legacy` in its config.json says which head it has, so that
/// transformers finds it.
///
/// # Errors
/// As [`write_folder`].
pub fn write_masked_lm(
    model: &DebertaForMaskedLm,
    config: &DebertaConfig,
    folder: &Path,
) -> Result<(), WriteError> {
    let config = DebertaConfig {
        legacy: model.form().legacy(),
        ..config.clone()
    };
    write_folder(model, &config, DebertaClass::MaskedLm, folder)
}
