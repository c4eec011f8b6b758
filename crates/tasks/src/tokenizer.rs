//! A run's tokenizer: opened for a model, held against its config, written beside its checkpoints.

use std::path::Path;
use std::sync::Arc;

use kiln_checkpoint::WriteError;
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
