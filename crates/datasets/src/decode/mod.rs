//! What a model says of features, to one row of predictions an example.
//!
//! Questions have a decoder of their own.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use kiln_metrics::rows::{ChoiceRow, ClassRow, LabelsRow, NumbersRow, Row, TagsRow};

use crate::probabilities::{arg_max, sigmoid, softmax};
use crate::{DataError, Example, Feature, Input, Labels, Problem, Target, TokenMap};

/// The tag of a word that the model has not read.
const OUTSIDE: &str = "O";

/// How logits become predictions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeSettings {
    /// A label is said where its probability is above it, of several labels each by itself.
    pub threshold: f64,
}

impl Default for DecodeSettings {
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

/// Gathers what a model says of features, in any order, and gives rows example by example.
///
/// Of each example that was not taken yet it keeps probabilities, numbers or tags, never logits.
#[derive(Debug)]
pub struct Decoder {
    problem: Problem,
    labels: Labels,
    settings: DecodeSettings,
    found: BTreeMap<u64, Found>,
}

/// What was said of an example.
#[derive(Debug)]
enum Found {
    /// The most probable class or continuation, and the probabilities of all.
    One(usize, Vec<f64>),
    /// The probability of each label by itself.
    Each(Vec<f64>),
    Numbers(Vec<f64>),
    /// The label of each word that was read.
    Tags(BTreeMap<u32, usize>),
}

impl Decoder {
    /// For a problem other than [`Problem::Span`] and the labels of the model.
    ///
    /// # Errors
    /// If the threshold is no probability.
    pub fn new(
        problem: Problem,
        labels: Labels,
        settings: DecodeSettings,
    ) -> Result<Self, DataError> {
        if problem == Problem::Span {
            return Err(DataError::Settings(
                "answers are found by a decoder of their own".into(),
            ));
        }
        let threshold = settings.threshold;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(DataError::Settings(format!(
                "threshold = {threshold}: choose a probability, from 0 to 1"
            )));
        }
        Ok(Self {
            problem,
            labels,
            settings,
            found: BTreeMap::new(),
        })
    }

    /// Adds what the model says of a feature.
    ///
    /// `logits` are the row's own: `[num_labels]`, of continuations `[num_choices]`, of tags
    /// `[seq_len, num_labels]` of the padded row, in which the feature's first token stands at
    /// `first_token`.
    ///
    /// # Errors
    /// If a logit is not a finite number, or if they do not fit the feature or the labels.
    pub fn push(
        &mut self,
        feature: &Feature,
        logits: &[f32],
        first_token: usize,
    ) -> Result<(), DataError> {
        let refused = |problem: String| DataError::Logits {
            example: feature.example,
            problem,
        };
        if let Some(logit) = logits.iter().find(|logit| !logit.is_finite()) {
            return Err(refused(format!(
                "the model says {logit}, which is no number to predict from; its training has \
                 failed, use another checkpoint"
            )));
        }
        let num_labels = self.labels.len();
        let fits = |expected: usize| {
            if logits.len() == expected {
                return Ok(());
            }
            Err(refused(format!(
                "the model gives {} numbers for it in place of {expected}; its config.json and its \
                 labels do not belong together",
                logits.len()
            )))
        };
        let wide = || logits.iter().map(|&logit| f64::from(logit));
        let found = match self.problem {
            Problem::SingleLabel => {
                fits(num_labels)?;
                Found::One(arg_max(logits), softmax(wide(), 1.0))
            }
            Problem::Choice => {
                fits(feature.ids.len())?;
                Found::One(arg_max(logits), softmax(wide(), 1.0))
            }
            Problem::MultiLabel => {
                fits(num_labels)?;
                Found::Each(wide().map(sigmoid).collect())
            }
            Problem::Regression => Found::Numbers(wide().collect()),
            Problem::Tags => Found::Tags(
                tags(feature, logits, first_token, num_labels).ok_or_else(|| {
                    refused(format!(
                        "{} numbers are no tags of a row with {num_labels} labels",
                        logits.len()
                    ))
                })?,
            ),
            Problem::Span => return Err(refused("not an answer".into())),
        };
        match (self.found.entry(feature.example), found) {
            (Entry::Vacant(entry), found) => {
                entry.insert(found);
            }
            (Entry::Occupied(mut entry), Found::Tags(new)) => {
                if let Found::Tags(tags) = entry.get_mut() {
                    tags.extend(new);
                }
            }
            (Entry::Occupied(_), _) => {
                return Err(refused("the model has read it twice".into()));
            }
        }
        Ok(())
    }

    /// How many examples were seen and not taken yet.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether all that were seen were taken.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The row of an example all of whose features were added, and forgets it; `number` is the
    /// example's among those of its file.
    ///
    /// # Errors
    /// If no feature of it was added, or its target is not this problem's.
    pub fn take(&mut self, number: u64, example: &Example) -> Result<Row, DataError> {
        let refused = |problem: &str| DataError::Record {
            place: example.place.clone(),
            problem: problem.into(),
        };
        let found = self
            .found
            .remove(&number)
            .ok_or_else(|| refused("the model has not read it"))?;
        let name = |id: usize| {
            let name = self.labels.name(id).map(str::to_string);
            name.ok_or_else(|| refused(&format!("label {id}: the model has none of this number")))
        };
        let named = |values: Vec<f64>| {
            let names = self.labels.names().iter().cloned();
            names.zip(values).collect::<Vec<_>>()
        };
        let id = example.id.clone();
        let target = example.target.as_ref();
        let other = || refused("what it is labelled with is another task's");
        match (self.problem, found) {
            (Problem::SingleLabel, Found::One(class, probabilities)) => Ok(Row::Class(ClassRow {
                id,
                label: match target {
                    None => None,
                    Some(Target::Class(class)) => Some(name(*class)?),
                    Some(_) => return Err(other()),
                },
                prediction: name(class)?,
                probabilities: named(probabilities),
            })),
            (Problem::MultiLabel, Found::Each(probabilities)) => {
                let said = probabilities.iter().enumerate();
                let said = said.filter(|(_, probability)| **probability > self.settings.threshold);
                Ok(Row::Labels(LabelsRow {
                    id,
                    labels: match target {
                        None => None,
                        Some(Target::Classes(ids)) => {
                            Some(ids.iter().map(|&id| name(id)).collect::<Result<_, _>>()?)
                        }
                        Some(_) => return Err(other()),
                    },
                    predictions: said.map(|(id, _)| name(id)).collect::<Result<_, _>>()?,
                    probabilities: named(probabilities),
                }))
            }
            (Problem::Regression, Found::Numbers(predictions)) => {
                let targets: Option<Vec<f64>> = match target {
                    None => None,
                    Some(Target::Numbers(numbers)) => {
                        Some(numbers.iter().map(|&number| as_written(number)).collect())
                    }
                    Some(_) => return Err(other()),
                };
                let given = targets.as_ref().map_or(predictions.len(), Vec::len);
                if given != predictions.len() {
                    let gives = predictions.len();
                    return Err(refused(&format!(
                        "{given} numbers, the model gives {gives}"
                    )));
                }
                Ok(Row::Numbers(NumbersRow {
                    id,
                    targets,
                    predictions,
                }))
            }
            (Problem::Choice, Found::One(prediction, probabilities)) => {
                Ok(Row::Choice(ChoiceRow {
                    id,
                    label: match target {
                        None => None,
                        Some(Target::Choice(choice)) => Some(*choice),
                        Some(_) => return Err(other()),
                    },
                    prediction,
                    probabilities,
                }))
            }
            (Problem::Tags, Found::Tags(tags)) => {
                let Input::Words(words) = &example.input else {
                    return Err(refused("there is no sentence of words in it"));
                };
                let said = (0..words.len() as u32).map(|word| match tags.get(&word) {
                    Some(&tag) => name(tag),
                    None => Ok(OUTSIDE.to_string()),
                });
                Ok(Row::Tags(TagsRow {
                    id,
                    words: words.clone(),
                    tags: match target {
                        None => None,
                        Some(Target::Tags(tags)) if tags.len() == words.len() => Some(
                            tags.iter()
                                .map(|&tag| name(tag))
                                .collect::<Result<_, _>>()?,
                        ),
                        Some(_) => return Err(other()),
                    },
                    predictions: said.collect::<Result<_, _>>()?,
                    unread: words.len().saturating_sub(tags.len()),
                }))
            }
            _ => Err(other()),
        }
    }
}

/// The label of each word that a row decides; none where logits do not fit.
fn tags(
    feature: &Feature,
    logits: &[f32],
    first_token: usize,
    num_labels: usize,
) -> Option<BTreeMap<u32, usize>> {
    let TokenMap::Words(words) = &feature.map else {
        return None;
    };
    if num_labels == 0 || !logits.len().is_multiple_of(num_labels) {
        return None;
    }
    let tag = |&(word, position): &(u32, u32)| {
        let start = (first_token + position as usize).checked_mul(num_labels)?;
        let logits = logits.get(start..start + num_labels)?;
        Some((word, arg_max(logits)))
    };
    words.iter().map(tag).collect()
}

/// The number that a file has, not the nearest one of 32 bits: 3.8 is 3.8.
fn as_written(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

#[cfg(test)]
mod tests;
