//! The spans that XLNet's head with a beam points at.
//!
//! The head gives some starts with their probabilities, for each of them some ends with theirs, and
//! how much there is no answer. A span's score is the logarithm of the product of its two
//! probabilities, as in the original; Hugging Face's `run_qa_beam_search.py` adds up the probabilities
//! themselves, which ranks an unlikely end of a sure start before two good ones. It also reads the
//! ends in the wrong order: they lie by end first, then by start, and it takes each end with another
//! start than the one it was computed from. Here both are put right.

use super::search::{Context, Found, SearchSettings, check_finite};
use crate::Feature;

/// What the head says of a row: the outputs of transformers' `XLNetForQuestionAnswering` under the same
/// names, where what is called `log_probs` are probabilities.
#[derive(Debug, Clone, Copy)]
pub struct BeamOutput<'a> {
    /// `[start_n_top]`: probabilities.
    pub start_top_log_probs: &'a [f32],
    /// `[start_n_top]`: positions in the row, padding included.
    pub start_top_index: &'a [u32],
    /// `[end_n_top, start_n_top]`, flat: the best end of each start, then the second best of each.
    pub end_top_log_probs: &'a [f32],
    /// As the probabilities of ends.
    pub end_top_index: &'a [u32],
    /// How much there is no answer: the logit of its probability.
    pub cls_logits: f32,
    /// How many positions of padding stand before the row's first token.
    pub padding_before: usize,
}

/// The best spans of a window, and the logit of there being none.
///
/// # Errors
/// If the outputs are no probabilities, or not as many as they should be.
pub(super) fn search(
    feature: &Feature,
    output: BeamOutput<'_>,
    settings: &SearchSettings,
) -> Result<Found, String> {
    let context = Context::of(feature)?;
    let starts = output.start_top_log_probs.len();
    let ends = output.end_top_log_probs.len();
    if starts == 0
        || output.start_top_index.len() != starts
        || output.end_top_index.len() != ends
        || !ends.is_multiple_of(starts)
    {
        return Err(format!(
            "its row has {starts} starts at {} positions and {ends} ends at {}; there should be as many \
             positions, and as many ends for each start",
            output.start_top_index.len(),
            output.end_top_index.len()
        ));
    }
    check_finite("start", output.start_top_log_probs)?;
    check_finite("end", output.end_top_log_probs)?;
    check_finite("answer class", &[output.cls_logits])?;
    let below_zero = |values: &[f32]| values.iter().any(|value| *value < 0.0);
    if below_zero(output.start_top_log_probs) || below_zero(output.end_top_log_probs) {
        return Err(
            "a probability of its row is below 0; give probabilities, not their logarithms".into(),
        );
    }
    let position = |index: u32| (index as usize).checked_sub(output.padding_before);
    let firsts = output
        .start_top_index
        .iter()
        .zip(output.start_top_log_probs);
    let firsts = firsts.cycle();
    let lasts = output.end_top_index.iter().zip(output.end_top_log_probs);
    let candidates = firsts.zip(lasts).filter_map(|(first, last)| {
        let score = f64::from(*first.1).ln() + f64::from(*last.1).ln();
        // A probability that float32 has as 0 has no logarithm; it is no answer.
        let span = (position(*first.0)?, position(*last.0)?);
        let span = context.span(span, score, settings.max_answer_tokens);
        span.filter(|_| score.is_finite())
    });
    let null = f64::from(output.cls_logits);
    let mut found = Found {
        best: Vec::new(),
        null,
    };
    let best = candidates.collect();
    found.add(Found { best, null }, settings.n_best);
    Ok(found)
}
