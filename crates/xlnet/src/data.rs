//! The batches of an XLNet's run: corpora on disk to lanes of text with their orders of prediction.

use std::sync::Arc;

use kiln_learner::LearnError;
use kiln_tasks::RunData;
use kiln_tasks::documents::open_documents;
use kiln_tasks::settings::{PermutedLmSettings, RunSettings};
use kiln_text::Vocabulary;
use kiln_text::examples::PermutedSettings;
use kiln_text::tokenizer::Tokenizer;

use crate::config::XlnetConfig;

/// Of a share of tokens to be predicted the spans' stretch is made, as a fraction over this.
const STRETCH_PARTS: usize = 1_000;

/// Opens the corpora that `settings` name, to be read as `permuted` says.
///
/// # Errors
/// If a corpus can't be read, is another than the settings say, or is too short for its lanes.
pub(crate) fn open_permuted(
    settings: &RunSettings,
    permuted: PermutedSettings,
    tokenizer: &Tokenizer,
    vocabulary: &Arc<Vocabulary>,
    is_fresh: bool,
) -> Result<RunData, LearnError> {
    let permuted = PermutedSettings {
        end_of_document: tokenizer.end_of_document(),
        ..permuted
    };
    Ok(RunData::permuted(
        open_documents(settings, tokenizer, is_fresh)?,
        permuted,
        vocabulary,
        Some(settings.data.eval_batches),
    )?)
}

/// How batches are made, without the tokenizer's part.
pub(crate) fn permuted(
    settings: &RunSettings,
    objective: &PermutedLmSettings,
    config: &XlnetConfig,
) -> PermutedSettings {
    let (seq_len, training) = (settings.data.seq_len, &settings.training);
    let published = PermutedSettings::published(seq_len);
    let reuse_len = config.reuse_len().unwrap_or(published.reuse_len);
    PermutedSettings {
        reuse_len,
        perm_size: objective
            .perm_size
            .unwrap_or_else(|| common_divisor(reuse_len, seq_len - reuse_len.min(seq_len))),
        num_predict: objective.num_predict,
        max_gram: objective.max_gram,
        alpha: (STRETCH_PARTS as f64 / objective.rate).round() as usize,
        beta: STRETCH_PARTS,
        bi_data: config.bi_data,
        batch_size: training.batch_size,
        // Each micro-batch of a step reads lanes of its own.
        micro_batches: settings
            .devices
            .len()
            .max(1)
            .saturating_mul(training.accumulate.max(1)),
        seed: training.seed,
        ..published
    }
}

/// The longest stretch of which both parts of a sequence are made.
fn common_divisor(mut larger: usize, mut smaller: usize) -> usize {
    while smaller > 0 {
        (larger, smaller) = (smaller, larger % smaller);
    }
    larger
}
