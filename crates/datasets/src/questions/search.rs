//! The spans of a window that a model points at most, and the best of all windows of a question.
//!
//! Hugging Face's `postprocess_qa_predictions`. The best positions are sought among all tokens of a row,
//! its question and special tokens included, padding excluded; what does not lie in the context is
//! then left out. Scores are sums of logits as they are, compared across windows.

use std::cmp::Ordering;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Feature, TokenMap};

/// How answers are sought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// How many starts and ends of a window are looked at, and how many spans of a question are kept.
    pub n_best: usize,
    /// Tokens of an answer at most.
    pub max_answer_tokens: usize,
    /// Whether there are questions without an answer in their context (SQuAD 2.0).
    pub allow_no_answer: bool,
    /// The answer is "none" where the score of none is higher by more than this than the best span's.
    pub null_threshold: f64,
}

impl Default for SearchSettings {
    /// 20 spans of 30 tokens at most, an answer to every question; threshold 0 (`run_qa.py`).
    fn default() -> Self {
        Self {
            n_best: 20,
            max_answer_tokens: 30,
            allow_no_answer: false,
            null_threshold: 0.0,
        }
    }
}

/// What a model says of a row's tokens, without those of padding.
#[derive(Debug, Clone, Copy)]
pub struct SpanLogits<'a> {
    /// `[tokens]`: how much the answer begins at each.
    pub start: &'a [f32],
    /// `[tokens]`: how much it ends at each.
    pub end: &'a [f32],
}

impl<'a> SpanLogits<'a> {
    /// Those of a padded row's own tokens: so many, behind `padding_before` positions of padding (XLNet
    /// has it on the left). None if the row is shorter.
    pub fn of_row(
        start: &'a [f32],
        end: &'a [f32],
        padding_before: usize,
        tokens: usize,
    ) -> Option<Self> {
        let own = padding_before..padding_before.checked_add(tokens)?;
        Some(Self {
            start: start.get(own.clone())?,
            end: end.get(own)?,
        })
    }
}

/// A span of a context that may be the answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The first character.
    pub start: u32,
    /// Behind the last character.
    pub end: u32,
    /// The higher, the better.
    pub score: f64,
}

impl Candidate {
    /// Best first. Equals in the order of the context: which window came first changes nothing.
    fn order(&self, other: &Self) -> Ordering {
        let place = |candidate: &Self| (candidate.start, candidate.end);
        other
            .score
            .total_cmp(&self.score)
            .then_with(|| place(self).cmp(&place(other)))
    }
}

/// What was found of a question in its windows so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// Best first.
    pub(super) best: Vec<Candidate>,
    /// How much there is no answer: the least over all windows, as one that lacks the answer says
    /// so rightly.
    pub(super) null: f64,
}

impl Found {
    /// Adds what another window gave. The same text twice stays twice, as in Hugging Face's search.
    pub(super) fn add(&mut self, other: Self, n_best: usize) {
        self.best.extend(other.best);
        self.best.sort_by(Candidate::order);
        self.best.truncate(n_best);
        self.null = self.null.min(other.null);
    }
}

/// A row's map, as the search needs it.
pub(super) struct Context<'a> {
    characters: &'a [Option<(u32, u32)>],
    starts: Range<u32>,
    pub(super) no_answer: usize,
}

impl<'a> Context<'a> {
    /// # Errors
    /// If the row is none of a question.
    pub(super) fn of(feature: &'a Feature) -> Result<Self, String> {
        match &feature.map {
            TokenMap::Context {
                characters,
                starts,
                no_answer,
            } => Ok(Self {
                characters,
                starts: starts.clone(),
                no_answer: *no_answer as usize,
            }),
            _ => Err("its row is none of a question with a context".to_string()),
        }
    }

    /// Tokens of the row.
    pub(super) fn tokens(&self) -> usize {
        self.characters.len()
    }

    /// The span from one token to another, if it can be an answer.
    pub(super) fn span(
        &self,
        (first, last): (usize, usize),
        score: f64,
        max_answer_tokens: usize,
    ) -> Option<Candidate> {
        let may_begin = u32::try_from(first).is_ok_and(|first| self.starts.contains(&first));
        if !may_begin || last < first || last - first >= max_answer_tokens {
            return None;
        }
        let (start, _) = (*self.characters.get(first)?)?;
        let (_, end) = (*self.characters.get(last)?)?;
        Some(Candidate { start, end, score })
    }
}

/// The best spans of a window, and its score for none.
///
/// # Errors
/// If the logits are no numbers, or not as many as the row has tokens.
pub(super) fn search(
    feature: &Feature,
    logits: SpanLogits<'_>,
    settings: &SearchSettings,
) -> Result<Found, String> {
    let context = Context::of(feature)?;
    for (name, logits) in [("start", logits.start), ("end", logits.end)] {
        if logits.len() != context.tokens() {
            return Err(format!(
                "its row has {} tokens, but there are {} {name} logits; take those of padding away",
                context.tokens(),
                logits.len()
            ));
        }
        check_finite(name, logits)?;
    }
    let score = |first: usize, last: usize| {
        let (start, end) = (logits.start.get(first)?, logits.end.get(last)?);
        Some(f64::from(*start) + f64::from(*end))
    };
    let starts = best(logits.start, settings.n_best);
    let ends = best(logits.end, settings.n_best);
    let mut candidates = Vec::new();
    for &first in &starts {
        for &last in &ends {
            let score = score(first, last).unwrap_or(f64::NEG_INFINITY);
            candidates.extend(context.span((first, last), score, settings.max_answer_tokens));
        }
    }
    let null = score(context.no_answer, context.no_answer)
        .ok_or("its row lacks the token that stands for no answer")?;
    let mut found = Found {
        best: Vec::new(),
        null,
    };
    let best = candidates;
    found.add(Found { best, null }, settings.n_best);
    Ok(found)
}

/// # Errors
/// If one is not finite: where.
pub(super) fn check_finite(name: &str, values: &[f32]) -> Result<(), String> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(format!(
            "the model's {name} logit {at} is {}, not a number to compare; its weights have probably \
             diverged: train again with a smaller learning rate, or take an earlier checkpoint",
            values.get(at).copied().unwrap_or(f32::NAN)
        )),
    }
}

/// The positions of the `n` largest, largest first, of equals the first one.
fn best(logits: &[f32], n: usize) -> Vec<usize> {
    let logit = |at: &usize| logits.get(*at).copied().unwrap_or(f32::NEG_INFINITY);
    let mut positions: Vec<usize> = (0..logits.len()).collect();
    positions.sort_by(|a, b| logit(b).total_cmp(&logit(a)).then(a.cmp(b)));
    positions.truncate(n);
    positions
}

#[cfg(test)]
pub(in crate::questions) mod tests;
