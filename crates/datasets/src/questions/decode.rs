//! What a model says of all windows to one row of predictions a question.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kiln_metrics::rows::{AnswerCandidate, AnswerRow, Row};

use super::beam::{self, BeamOutput};
use super::search::{self, Found, SearchSettings, SpanLogits};
use crate::probabilities::{sigmoid, softmax};
use crate::{DataError, Example, Feature, Input, Target};

/// Gathers what a model says of windows, in any order, and gives the answers.
///
/// Of each question that was not taken yet it keeps the best spans, never logits.
#[derive(Debug)]
pub struct AnswerDecoder {
    settings: SearchSettings,
    found: BTreeMap<u64, (NullKind, Found)>,
}

/// What the score of "no answer" is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NullKind {
    /// A sum of logits, as a span's.
    Span,
    /// The logit of its probability: XLNet's answer class.
    AnswerClass,
}

impl AnswerDecoder {
    /// Knows nothing yet.
    ///
    /// # Errors
    /// If no span could ever be found.
    pub fn new(settings: SearchSettings) -> Result<Self, DataError> {
        let counts = [
            ("n_best", settings.n_best),
            ("max_answer_tokens", settings.max_answer_tokens),
        ];
        if let Some((field, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(DataError::Settings(format!(
                "{field} = 0: nothing would be found; choose 1 at least"
            )));
        }
        if settings.null_threshold.is_nan() {
            return Err(DataError::Settings(
                "null_threshold = NaN: choose a number".into(),
            ));
        }
        Ok(Self {
            settings,
            found: BTreeMap::new(),
        })
    }

    /// Adds what a head with starts and ends says of a window of the question with this id.
    ///
    /// # Errors
    /// If a logit is not a finite number, or if they do not fit the row.
    pub fn push(
        &mut self,
        question: &str,
        feature: &Feature,
        logits: SpanLogits<'_>,
    ) -> Result<(), DataError> {
        let found = search::search(feature, logits, &self.settings);
        self.add(question, feature.example, NullKind::Span, found)
    }

    /// Adds what XLNet's head with a beam says of a window of the question with this id.
    ///
    /// # Errors
    /// If an output is not a finite number, or if they do not fit the row.
    pub fn push_beam(
        &mut self,
        question: &str,
        feature: &Feature,
        output: BeamOutput<'_>,
    ) -> Result<(), DataError> {
        let found = beam::search(feature, output, &self.settings);
        self.add(question, feature.example, NullKind::AnswerClass, found)
    }

    fn add(
        &mut self,
        question: &str,
        number: u64,
        kind: NullKind,
        found: Result<Found, String>,
    ) -> Result<(), DataError> {
        let found = found.map_err(|problem| output_error(question, problem))?;
        match self.found.entry(number) {
            Entry::Vacant(entry) => {
                entry.insert((kind, found));
            }
            Entry::Occupied(mut entry) => {
                let (known, all) = entry.get_mut();
                if *known != kind {
                    let problem =
                        "its windows were read by two kinds of heads; use one".to_string();
                    return Err(output_error(question, problem));
                }
                all.add(found, self.settings.n_best);
            }
        }
        Ok(())
    }

    /// How many questions were seen and not taken yet.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether all that were seen were taken.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The answer to a question all of whose windows were added, and forgets it; `number` is the
    /// example's among those of its file.
    ///
    /// # Errors
    /// If no window of it was added, or if the example is another one.
    pub fn take(&mut self, number: u64, example: &Example) -> Result<Row, DataError> {
        let refused = |problem: &str| output_error(&example.id, problem.to_string());
        let Input::Question { context, .. } = &example.input else {
            return Err(refused("there is no question with a context in it"));
        };
        let answers = match &example.target {
            None => None,
            Some(Target::Answers(answers)) => {
                Some(answers.iter().map(|answer| answer.text.clone()).collect())
            }
            Some(_) => return Err(refused("what it is to be answered with is no answer")),
        };
        let (kind, found) = self
            .found
            .remove(&number)
            .ok_or_else(|| refused("the model has read no window of it"))?;
        let n_best = self.n_best(kind, &found, context).ok_or_else(|| {
            refused("an answer lies outside its context; is it another question's?")
        })?;

        let best_non_empty = n_best.iter().find(|candidate| !candidate.text.is_empty());
        let null_odds = match (kind, best_non_empty) {
            // As Hugging Face has it, where a span that is not there scores 0.
            (NullKind::AnswerClass, _) | (_, None) => found.null,
            (NullKind::Span, Some(best)) => found.null - best.score,
        };
        let best_non_empty = best_non_empty.map_or_else(String::new, |best| best.text.clone());
        let is_none = self.settings.allow_no_answer && null_odds > self.settings.null_threshold;
        Ok(Row::Answer(AnswerRow {
            id: example.id.clone(),
            answers,
            prediction: if is_none {
                String::new()
            } else {
                best_non_empty.clone()
            },
            best_non_empty,
            null_odds,
            n_best,
        }))
    }

    /// The candidates with their probabilities, best first; nothing if one lies outside the context.
    fn n_best(&self, kind: NullKind, found: &Found, context: &str) -> Option<Vec<AnswerCandidate>> {
        let none = |probability| AnswerCandidate {
            text: String::new(),
            start: 0,
            end: 0,
            probability,
            score: found.null,
        };
        if found.best.is_empty() {
            return Some(vec![none(1.0)]);
        }
        let mut bytes: Vec<usize> = context.char_indices().map(|(at, _)| at).collect();
        bytes.push(context.len());
        let mut candidates = Vec::with_capacity(found.best.len() + 1);
        for candidate in &found.best {
            let (start, end) = (candidate.start as usize, candidate.end as usize);
            let text = context.get(*bytes.get(start)?..*bytes.get(end)?)?;
            candidates.push(AnswerCandidate {
                text: text.to_string(),
                start,
                end,
                probability: 0.0,
                score: candidate.score,
            });
        }
        let no_answer = self.settings.allow_no_answer;
        match kind {
            NullKind::Span if no_answer => {
                let place = candidates.partition_point(|other| other.score >= found.null);
                candidates.insert(place, none(0.0));
                // It stays where it is the last, behind n_best spans.
                let kept = self.settings.n_best;
                candidates.truncate(if place < kept { kept } else { kept + 1 });
                share(&mut candidates, 1.0);
            }
            NullKind::AnswerClass if no_answer => {
                let probability = sigmoid(found.null);
                share(&mut candidates, 1.0 - probability);
                let place = candidates.partition_point(|other| other.probability >= probability);
                candidates.insert(place, none(probability));
            }
            NullKind::Span | NullKind::AnswerClass => share(&mut candidates, 1.0),
        }
        Some(candidates)
    }
}

/// Gives candidates their probabilities by their scores, `whole` altogether.
fn share(candidates: &mut [AnswerCandidate], whole: f64) {
    let scores = candidates.iter().map(|candidate| candidate.score);
    let probabilities = softmax(scores, whole);
    for (candidate, probability) in candidates.iter_mut().zip(probabilities) {
        candidate.probability = probability;
    }
}

fn output_error(question: &str, problem: String) -> DataError {
    DataError::Output {
        question: question.to_string(),
        problem,
    }
}

#[cfg(test)]
mod tests;
