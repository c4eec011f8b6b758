//! First weights from another model's folder.

use std::path::Path;

use burn::module::Module;
use kiln_checkpoint::{LoadReport, ModelFile, OpenError};
use kiln_learner::{LearnError, Observer};

use crate::family::Family;

/// [`start_from`], where all of the encoder is needed but for a pooler.
///
/// # Errors
/// As [`start_from`].
pub fn start_with_encoder<F: Family, M: Module>(
    model: M,
    (folder, file): (&Path, &ModelFile),
    observer: &dyn Observer,
) -> Result<M, LearnError> {
    let encoder = F::names_of(file).options.base_prefix.unwrap_or_default();
    let is_needed = |name: &str| {
        let of_encoder = name.strip_prefix(encoder);
        of_encoder.is_some_and(|rest| !rest.starts_with("pooler."))
    };
    start_from::<F, M>(model, (folder, file), is_needed, observer)
}

/// Gives `model` the weights in `file` of a Hugging Face folder of family `F`. Parameters that the
/// folder lacks stay fresh; `observer` is told their names, and those of tensors that the model has no
/// use for.
///
/// # Errors
/// If the weights are unreadable, do not fit, hold nothing of the model, or lack a parameter that
/// `is_needed`: a head may start fresh, half an encoder would train in silence.
pub fn start_from<F: Family, M: Module>(
    model: M,
    (folder, file): (&Path, &ModelFile),
    is_needed: impl Fn(&str) -> bool,
    observer: &dyn Observer,
) -> Result<M, LearnError> {
    let (model, report) = F::open_weights(model, file)?;
    let LoadReport {
        loaded,
        mut missing,
        fresh,
        unused,
        ..
    } = report;
    let refuse = |problem: String| {
        Err(LearnError::Run {
            path: file.path().to_path_buf(),
            problem,
        })
    };
    let first_missing = missing.iter().find(|name| is_needed(name));
    if let Some(error) =
        first_missing.and_then(|name| F::names_of(file).options.why_missing(file, name))
    {
        return Err(error.into());
    }
    if loaded.is_empty() {
        return refuse(
            "holds none of the model's parameters; pass a folder of the same architecture".into(),
        );
    }
    if let Some(name) = first_missing {
        return refuse(format!(
            "{name} is missing; only heads may be: copy or download the folder again"
        ));
    }
    missing.extend(fresh);
    for (what, names) in [
        ("freshly initialised, not in", missing),
        ("not used from", unused),
    ] {
        if !names.is_empty() {
            let list = names.join(", ");
            observer.warning(&format!("{what} {}: {list}", folder.display()));
        }
    }
    Ok(model)
}

/// The weights of a folder, without the heads of its model where they are not wanted.
///
/// # Errors
/// If there are none, or they are unreadable.
pub(crate) fn weights_of<F: Family>(
    folder: &Path,
    keeps_head: bool,
) -> Result<ModelFile, OpenError> {
    let mut file = ModelFile::open(folder)?;
    let encoder = F::names_of(&file).options.base_prefix.unwrap_or_default();
    let has_heads = file.names().any(|name| name.starts_with(encoder));
    if !keeps_head && has_heads {
        file.keep(|name| name.starts_with(encoder));
    }
    Ok(file)
}
