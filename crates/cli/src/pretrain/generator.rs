//! The generator of replaced token detection: its config, and where its weights come from.

use std::path::Path;

use kiln_checkpoint::{ConfigFile, ModelFile};
use kiln_tasks::architecture::Architecture;
use kiln_tasks::replaced_tokens::PairFolder;
use kiln_tasks::settings::{DetectionSettings, Sharing};
use serde_json::Value;

use super::given::Given;
use crate::failure::Failure;
use crate::folders::absolute;
use crate::model_folder::refuse_file;

/// Puts into `settings` what the files say that the flags name, or the pair that weights come from.
///
/// # Errors
/// If a flag asks for a size that the generator can't have, or a file can't be read.
pub(super) fn find(
    settings: &mut DetectionSettings,
    given: &Given,
    architecture: &dyn Architecture,
    init_from: Option<&Path>,
) -> Result<(), Failure> {
    let path = |flag| given.get(flag).and_then(Value::as_str).map(Path::new);
    let of_pair = init_from.and_then(PairFolder::find);
    let of_pair = of_pair.and_then(|pair| pair.generator());
    let sizes = ["generator-size", "generator-layers"];
    if let Some(flag) = sizes.into_iter().find(|flag| given.get(flag).is_some()) {
        check_size(flag, settings.sharing, of_pair.as_deref())?;
    }
    let init_generator = path("init-generator");
    if let Some(folder) = init_generator {
        refuse_file(folder)?;
        // Only the list of tensors is read.
        ModelFile::open(folder)?;
    }
    let config = [path("generator-config"), init_generator, of_pair.as_deref()];
    settings.generator = match config.into_iter().flatten().next() {
        Some(path) if !settings.uniform_generator => Some(read_config(path, architecture)?),
        _ => None,
    };
    settings.init_generator = init_generator.map(absolute).transpose()?;
    Ok(())
}

/// The fields of a generator's config.json.
fn read_config(path: &Path, architecture: &dyn Architecture) -> Result<Value, Failure> {
    let file = ConfigFile::open(path)?;
    // As the model's own, it need not say what it is.
    let known = architecture.model_types();
    let model_type = file.model_type();
    if let Some(other) = model_type.filter(|name| !known.contains(name)) {
        let architecture = architecture.name();
        return Err(Failure::usage(format_args!(
            "{}: model_type = {other}: not of {architecture}; pass the config of a generator of \
             {architecture}",
            file.path().display()
        )));
    }
    Ok(Value::Object(file.fields().clone()))
}

/// Refuses a size that nothing would have.
fn check_size(flag: &str, sharing: Sharing, of_pair: Option<&Path>) -> Result<(), Failure> {
    if sharing == Sharing::All {
        return Err(Failure::usage(format_args!(
            "--{flag}: with --share all generator and discriminator have one size; leave one of the \
             two flags out"
        )));
    }
    match of_pair {
        Some(generator) => Err(Failure::usage(format_args!(
            "--{flag}: the generator in {} has a size; leave the flag out, or pass the \
             discriminator's folder alone to start a fresh generator",
            generator.display()
        ))),
        None => Ok(()),
    }
}
