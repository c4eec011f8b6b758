//! The kinds of masked language models, and which one a file holds.

use kiln_checkpoint::{ModelFile, OpenError};

use crate::DebertaConfig;
use crate::names::BACKBONE_PREFIXES;

/// The three kinds of masked language models that checkpoints hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskedLmForm {
    /// `cls.predictions` on the last layer: Hugging Face's own.
    Legacy,
    /// `lm_predictions.lm_head` on the last layer: Hugging Face's with `legacy` false.
    Plain,
    /// `lm_predictions.lm_head` on the enhanced mask decoder: the original's.
    Enhanced,
}

impl MaskedLmForm {
    /// config.json's `legacy`.
    pub fn legacy(self) -> bool {
        self == Self::Legacy
    }
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
