//! `--lora`, `--lora-alpha`, `--lora-targets`.

use kiln_tasks::fine_tuning::LoraSettings;

use super::args::FinetuneArgs;

/// The adapters that a command asks for, beside the layers `usual` where it does not say which.
pub(super) fn adapters(args: &FinetuneArgs, usual: &[&str]) -> Option<LoraSettings> {
    let given = &args.training;
    let settings = LoraSettings::new(given.lora?, usual);
    let targets = given.lora_targets.iter().map(|name| name.trim().to_owned());
    Some(LoraSettings {
        alpha: given.lora_alpha.unwrap_or(settings.alpha),
        targets: match given.lora_targets.as_slice() {
            [] => settings.targets,
            _ => targets.collect(),
        },
        ..settings
    })
}
