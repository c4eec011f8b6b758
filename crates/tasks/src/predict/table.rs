//! Whether a model's table has a row for what its tokenizer gives.

use std::path::Path;

use kiln_learner::LearnError;
use kiln_text::tokenizer::Tokenizer;

use crate::family::Sizes;

/// Refuses a tokenizer of another model. One that got tokens which the model's table has no rows for
/// is none: texts without them are read.
pub(crate) fn check_table(
    tokenizer: &Tokenizer,
    folder: &Path,
    sizes: Sizes,
) -> Result<(), LearnError> {
    if tokenizer.base_size() as usize <= sizes.vocab_size {
        return Ok(());
    }
    match tokenizer.mismatch(sizes.vocab_size) {
        Some(mismatch) => Err(LearnError::Settings(format!(
            "{}: {mismatch}",
            folder.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses a text with a token that the table has no row for.
pub(crate) fn check_ids(
    tokenizer: &Tokenizer,
    ids: &[u32],
    excerpt: &str,
    sizes: Sizes,
) -> Result<(), LearnError> {
    let rows = sizes.vocab_size;
    let Some(id) = ids.iter().find(|&&id| id as usize >= rows) else {
        return Ok(());
    };
    Err(LearnError::Settings(format!(
        "\"{excerpt}\": {} has id {id}, but the model's table has {rows} rows: the token was added \
         to the tokenizer alone; leave it out, or give it a row with transformers' \
         model.resize_token_embeddings({}) and save_pretrained",
        tokenizer.content(*id).unwrap_or_default(),
        tokenizer.vocab_size()
    )))
}
