//! What every pretraining run begins with: its tokenizer, and first weights from another model.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use kiln_checkpoint::{LoadOptions, LoadReport, ModelFile, Names, WriteError, load_module};
use kiln_learner::{LearnError, Observer};
use kiln_text::Vocabulary;
use kiln_text::tokenizer::Tokenizer;

use crate::settings::RunSettings;

/// The tokenizer of a run, and its vocabulary, for a model of `vocab_size` words.
///
/// # Errors
/// If it can't be opened, or has more tokens than the model.
pub fn open_tokenizer(
    settings: &RunSettings,
    vocab_size: usize,
) -> Result<(Tokenizer, Arc<Vocabulary>), LearnError> {
    let tokenizer = Tokenizer::open(&settings.data.tokenizer)?;
    if let Some(mismatch) = tokenizer.mismatch(vocab_size) {
        return Err(LearnError::Settings(format!(
            "vocab_size = {vocab_size}: {mismatch}"
        )));
    }
    let vocabulary = Arc::new(tokenizer.vocabulary()?);
    Ok((tokenizer, vocabulary))
}

/// Makes the config's id of padding the tokenizer's: the row of padding is not trained, and another
/// token's must not be taken for it.
pub fn match_padding(
    pad_token_id: &mut Option<usize>,
    vocabulary: &Vocabulary,
    observer: &dyn Observer,
) {
    let known = vocabulary.pad as usize;
    if pad_token_id.is_some_and(|id| id != known) {
        observer.warning(&format!(
            "pad_token_id in the model's config is not the tokenizer's; {known} is used, and \
             written into the checkpoints"
        ));
        *pad_token_id = Some(known);
    }
}

/// Gives `model` the weights of a Hugging Face folder. What the folder lacks stays fresh, and is
/// named to `observer`, as is what it holds in vain.
///
/// # Errors
/// If the weights are unreadable, do not fit, hold nothing of the model, or lack a parameter that
/// `is_needed`: a head may start fresh, half an encoder would train in silence.
pub fn start_from<M: Module>(
    model: M,
    folder: &Path,
    (names, options): (&Names, &LoadOptions),
    is_needed: impl Fn(&str) -> bool,
    observer: &dyn Observer,
) -> Result<M, LearnError> {
    let file = ModelFile::open(folder)?;
    let (model, report) = load_module(model, names, &file, options)?;
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
    if let Some(error) = first_missing.and_then(|name| options.why_missing(&file, name)) {
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

/// Writes the tokenizer, if there is one, beside a model's files.
///
/// # Errors
/// If a file can't be written.
pub fn write_tokenizer(tokenizer: Option<&Tokenizer>, folder: &Path) -> Result<(), WriteError> {
    let Some(tokenizer) = tokenizer else {
        return Ok(());
    };
    tokenizer.save(folder).map_err(|error| WriteError::Other {
        path: folder.into(),
        problem: error.to_string(),
    })
}
