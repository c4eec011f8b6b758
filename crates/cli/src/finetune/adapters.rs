//! `--lora`, `--lora-alpha`, `--lora-targets`, `--lora-dropout`.

use std::collections::BTreeSet;
use std::path::Path;

use kiln_checkpoint::ModelFile;
use kiln_tasks::fine_tuning::LoraSettings;

use super::args::FinetuneArgs;
use crate::failure::Failure;

/// The adapters that a command asks for, beside the layers `usual` where it does not say which, of the
/// model in `folder`.
///
/// # Errors
/// If the model has no layer of a name that is given: before anything is written. What layers can have an
/// adapter, the run decides.
pub(super) fn adapters(
    args: &FinetuneArgs,
    usual: &[&str],
    folder: &Path,
) -> Result<Option<LoraSettings>, Failure> {
    let given = &args.training;
    let Some(rank) = given.lora else {
        return Ok(None);
    };
    let settings = LoraSettings::new(rank, usual);
    let targets = given.lora_targets.iter().map(|name| name.trim().to_owned());
    let settings = LoraSettings {
        alpha: given.lora_alpha.unwrap_or(settings.alpha),
        dropout: given.lora_dropout.unwrap_or(settings.dropout),
        targets: match given.lora_targets.as_slice() {
            [] => settings.targets,
            _ => targets.collect(),
        },
        ..settings
    };
    check_names(&settings, folder)?;
    Ok(Some(settings))
}

/// Refuses names that no matrix of the model's file has.
fn check_names(settings: &LoraSettings, folder: &Path) -> Result<(), Failure> {
    let file = ModelFile::open(folder)?;
    let is_matrix = |name: &str| file.info(name).is_some_and(|info| info.shape.len() == 2);
    let matrices = file.names().filter(|name| is_matrix(name));
    let matrices: Vec<&str> = matrices
        .filter_map(|name| name.strip_suffix(".weight"))
        .collect();
    for target in &settings.targets {
        if matrices
            .iter()
            .any(|name| LoraSettings::means(target, name))
        {
            continue;
        }
        let of_layers = matrices.iter().filter(|name| name.contains("layer."));
        let words = of_layers.filter_map(|name| name.rsplit('.').next());
        let words: BTreeSet<&str> = words.collect();
        let words: Vec<&str> = words.into_iter().collect();
        return Err(Failure::usage(format_args!(
            "--lora-targets {target}: the model has no such layer; its layers have {}",
            words.join(", ")
        )));
    }
    Ok(())
}
