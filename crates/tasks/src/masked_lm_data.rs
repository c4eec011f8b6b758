//! The batches of a masked language model's run: corpora on disk, examples, masks, held-out text.
//!
//! BERT trains on them as they are; so does ELECTRA's generator, and its discriminator on what the
//! generator makes of them.

use std::sync::Arc;

use kiln_learner::LearnError;
use kiln_text::examples::{
    ContinuousSegments, Documents, Examples, PackedSequences, SentencePairs,
};
use kiln_text::masking::Masking;
use kiln_text::tokenizer::Tokenizer;
use kiln_text::{TextError, Vocabulary};

use crate::documents::open_documents;
use crate::family::Sizes;
use crate::run_data::RunData;
use crate::settings::{ExampleKind, ExampleSettings, ObjectiveSettings, RunSettings};

/// Opens the corpora that `settings` name and builds masked examples over them.
///
/// A fresh run reads the corpus through once and verifies its checksums; a resumed one starts
/// at once.
///
/// # Errors
/// If a corpus can't be read, is another than the settings say, or a setting can't be used.
pub fn open_masked(
    settings: &RunSettings,
    tokenizer: &Tokenizer,
    vocabulary: &Arc<Vocabulary>,
    is_fresh: bool,
) -> Result<RunData, LearnError> {
    let (masking, how) = masked(&settings.objective)?;
    Ok(RunData::masked(
        open_documents(settings, tokenizer, is_fresh)?,
        |documents| examples(documents, settings, how, vocabulary),
        masking.clone(),
        vocabulary,
        &settings.training,
        Some(settings.data.eval_batches),
    )?)
}

fn examples(
    documents: Documents,
    settings: &RunSettings,
    how: &ExampleSettings,
    vocabulary: &Vocabulary,
) -> Result<Arc<dyn Examples>, TextError> {
    let (seq_len, seed) = (settings.data.seq_len, settings.training.seed);
    let short = how.short_seq_prob;
    Ok(match how.kind {
        ExampleKind::Pairs => {
            let pairs = SentencePairs::new(documents, vocabulary, seq_len, short, seed)?;
            Arc::new(if how.next_from_others {
                pairs
            } else {
                pairs.from_parts()
            })
        }
        ExampleKind::Segments => Arc::new(ContinuousSegments::new(
            documents, vocabulary, seq_len, short, seed,
        )?),
        ExampleKind::Packed => {
            Arc::new(PackedSequences::new(documents, vocabulary, seq_len, seed)?)
        }
    })
}

/// Refuses what can't be trained on masked sequences, before the corpus is tokenised: `sizes` are the
/// rows that the model reads, `segments` says what segments need where it has too few types.
///
/// # Errors
/// A sentence that names the field and the remedy.
pub fn check_masked_run(
    settings: &RunSettings,
    sizes: Sizes,
    segments: &str,
) -> Result<(), LearnError> {
    let (objective, seq_len) = (&settings.objective, settings.data.seq_len);
    let (masking, examples) = masked(objective)?;
    check_seq_len(seq_len, sizes)?;
    if examples.kind != ExampleKind::Packed && sizes.type_vocab_size < 2 {
        return Err(LearnError::Settings(format!(
            "type_vocab_size = {}: {segments}",
            sizes.type_vocab_size
        )));
    }
    masking.validate()?;
    let next_sentence = match objective {
        ObjectiveSettings::MaskedLm(objective) => objective.next_sentence == Some(true),
        ObjectiveSettings::ReplacedTokens(_) | ObjectiveSettings::PermutedLm(_) => false,
    };
    if next_sentence != (examples.kind == ExampleKind::Pairs) {
        return Err(LearnError::Settings(
            "examples: next sentence prediction needs pairs, and pairs need it: half of them do \
             not belong together; choose segments or packed without it"
                .into(),
        ));
    }
    // Special tokens, and a token of text in each segment.
    let shortest = if examples.kind == ExampleKind::Packed {
        3
    } else {
        5
    };
    if seq_len < shortest {
        return Err(LearnError::Settings(format!(
            "seq_len = {seq_len}: too short for a sequence with its special tokens; choose at \
             least {shortest}"
        )));
    }
    if masking.max_predictions > seq_len {
        return Err(LearnError::Settings(format!(
            "max_predictions = {}: a sequence has {seq_len} tokens; choose at most that many",
            masking.max_predictions
        )));
    }
    if !(0.0..=1.0).contains(&examples.short_seq_prob) {
        return Err(LearnError::Settings(format!(
            "short_seq_prob = {}: choose a share from 0 to 1",
            examples.short_seq_prob
        )));
    }
    settings.training.validate().map_err(LearnError::Settings)
}

/// Refuses sequences of more tokens than there are positions.
pub(crate) fn check_seq_len(seq_len: usize, sizes: Sizes) -> Result<(), LearnError> {
    if seq_len <= sizes.longest() {
        return Ok(());
    }
    Err(LearnError::Settings(format!(
        "seq_len = {seq_len}: the model has {} positions; choose at most that many",
        sizes.longest()
    )))
}

fn masked(objective: &ObjectiveSettings) -> Result<(&Masking, &ExampleSettings), LearnError> {
    objective.masked().ok_or_else(|| {
        LearnError::Settings("objective: nothing is masked; choose one with masks".into())
    })
}
