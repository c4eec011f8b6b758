//! Hugging Face folders of masked language models: which kind they hold, and how they are written.

use std::path::Path;

use kiln_checkpoint::{ModelFile, OpenError, WriteError};
use kiln_tasks::family::write_folder;

use crate::names::BACKBONE_PREFIXES;
use crate::{DebertaConfig, DebertaForMaskedLm, MaskedLmForm};

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

/// Writes a masked language model; `legacy` in its config.json says which head it has, so that
/// transformers finds it.
///
/// # Errors
/// If a file cannot be written or a parameter not be read back from its device.
pub fn write_masked_lm(
    model: &DebertaForMaskedLm,
    config: &DebertaConfig,
    folder: &Path,
) -> Result<(), WriteError> {
    let config = DebertaConfig {
        legacy: model.form().legacy(),
        ..config.clone()
    };
    write_folder(model, &config, folder)
}
