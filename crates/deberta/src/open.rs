//! How folders of masked language models are written.

use std::path::Path;

use kiln_checkpoint::WriteError;
use kiln_tasks::family::write_folder;

use crate::{DebertaConfig, DebertaForMaskedLm};

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
