//! The batches of a run: those to train on and those to evaluate on, built alike from two sets of
//! documents.

use std::sync::Arc;

use kiln_learner::{EvalData, TrainingSettings};
use kiln_text::examples::{
    Documents, Examples, MaskedLmEvaluation, MaskedLmSource, PermutedEvaluation, PermutedSettings,
    PermutedSource,
};
use kiln_text::masking::Masking;
use kiln_text::{BatchSource, TextError, Vocabulary};

/// The batches of a run.
pub struct RunData {
    /// Training batches.
    pub train: Arc<dyn BatchSource>,
    /// Held-out batches, if there are any.
    pub eval: Option<EvalData>,
}

impl RunData {
    /// Batches of masked words: `examples` makes sequences of the documents to train on, and of those
    /// held out. Of the latter at most `eval_batches` batches are evaluated; none: all.
    ///
    /// # Errors
    /// If `examples` fails, or a number can't be used.
    pub fn masked(
        (documents, held_out): (Documents, Documents),
        examples: impl Fn(Documents) -> Result<Arc<dyn Examples>, TextError>,
        masking: Masking,
        vocabulary: &Arc<Vocabulary>,
        training: &TrainingSettings,
        eval_batches: Option<u64>,
    ) -> Result<Self, TextError> {
        let (batch_size, seed) = (training.batch_size, training.seed);
        let train = MaskedLmSource::new(
            examples(documents)?,
            masking.clone(),
            vocabulary.clone(),
            batch_size,
            seed,
        )?;
        let eval = if held_out.is_empty() || eval_batches == Some(0) {
            None
        } else {
            let source = MaskedLmEvaluation::new(
                examples(held_out)?,
                masking,
                vocabulary.clone(),
                batch_size,
                seed,
                eval_batches.map(|batches| batches.saturating_mul(batch_size as u64)),
            )?;
            Some(EvalData {
                batches: source.num_batches(),
                source: Arc::new(source),
            })
        };
        Ok(Self {
            train: Arc::new(train),
            eval,
        })
    }

    /// Batches of permuted text, read as `permuted` says. Of the held-out documents at most
    /// `eval_batches` batches are evaluated; none: all.
    ///
    /// # Errors
    /// If a number can't be used, or there is too little text to train on.
    pub fn permuted(
        (documents, held_out): (Documents, Documents),
        permuted: PermutedSettings,
        vocabulary: &Arc<Vocabulary>,
        eval_batches: Option<u64>,
    ) -> Result<Self, TextError> {
        let train = PermutedSource::new(documents, vocabulary.clone(), permuted.clone())?;
        let eval = if held_out.is_empty() || eval_batches == Some(0) {
            None
        } else {
            let vocabulary = vocabulary.clone();
            let source = PermutedEvaluation::new(held_out, vocabulary, permuted, eval_batches)?;
            Some(EvalData {
                batches: source.num_batches(),
                source: Arc::new(source),
            })
        };
        Ok(Self {
            train: Arc::new(train),
            eval,
        })
    }
}
