//! Examples to [`Feature`]s: texts, pairs, sentences of words, continuations. Questions have windows of
//! their own.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `layout.rs` | what stands around texts, padding, what is cut off |
//! | `counts.rs` | what became of examples |
//! | `words.rs` | sentences of words, windows of long ones |
//! | here | the rest |

use kiln_text::Tokenizer;
use kiln_text::tokenizer::Encoder;

use crate::{DataError, Example, Feature, Input, Labels, Problem, RowTarget, Target, TokenMap};

mod counts;
pub mod layout;
mod words;

pub use counts::FeatureCounts;
pub use layout::{Layout, Padding, Sequence, longest_first};
use words::WordRules;

/// How examples become rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSettings {
    /// Tokens of a sequence at most, special ones included.
    pub max_len: usize,
    /// Whether the later tokens of a word are learned too, `B-` as `I-` (run_ner's `label_all_tokens`).
    pub label_all_tokens: bool,
    /// Tokens that two windows of a long sentence have in common; none: half of a window.
    pub overlap: Option<usize>,
    /// Whether the model learned from pairs of texts; none: nobody knows, or from both.
    pub pairs: Option<bool>,
}

impl Default for FeatureSettings {
    /// 128 tokens, a word's first token learned.
    fn default() -> Self {
        Self {
            max_len: 128,
            label_all_tokens: false,
            overlap: None,
            pairs: None,
        }
    }
}

/// Makes rows of examples, one after the other.
#[derive(Debug)]
pub struct Featurizer<'a> {
    encoder: Encoder<'a>,
    layout: Layout,
    problem: Problem,
    num_labels: usize,
    max_len: usize,
    words: WordRules,
    /// Of the examples so far, all of which have as many.
    num_choices: Option<usize>,
    pairs: Option<bool>,
    counts: FeatureCounts,
}

impl<'a> Featurizer<'a> {
    /// For a problem other than [`Problem::Span`]; `layout` is the tokenizer's, `labels` are the model's.
    ///
    /// # Errors
    /// If sequences have no room for text, or windows would never go on.
    pub fn new(
        tokenizer: &'a Tokenizer,
        layout: Layout,
        problem: Problem,
        labels: &Labels,
        settings: &FeatureSettings,
    ) -> Result<Self, DataError> {
        let max_len = settings.max_len;
        let least = match problem {
            Problem::Span => {
                return Err(DataError::Settings(
                    "questions become rows by windows of their own".into(),
                ));
            }
            Problem::Tags => layout.around(false).special_tokens() + 1,
            _ => layout.around(true).special_tokens() + 2,
        };
        if max_len < least {
            return Err(DataError::Settings(format!(
                "--max-len {max_len}: special tokens leave no room for text; choose {least} at least"
            )));
        }
        let room = max_len - layout.around(false).special_tokens();
        let overlap = settings.overlap.unwrap_or(room / 2);
        if problem == Problem::Tags && overlap >= room {
            return Err(DataError::Settings(format!(
                "--overlap {overlap}: a window has room for {room} tokens and would never go on; \
                 choose less, half of it is usual"
            )));
        }
        let all_tokens = settings.label_all_tokens.then_some(labels);
        Ok(Self {
            encoder: tokenizer.encoder(),
            words: WordRules::new(tokenizer.words_need_space(), room, overlap, all_tokens),
            layout,
            problem,
            num_labels: labels.len(),
            max_len,
            num_choices: None,
            pairs: settings.pairs,
            counts: FeatureCounts::default(),
        })
    }

    /// What became of examples so far.
    pub fn counts(&self) -> FeatureCounts {
        self.counts
    }

    /// The rows of an example, one at least; `number` is its number among those of its file, from 0.
    ///
    /// # Errors
    /// If the example is none of the problem's, or the tokenizer's rules fail on its text.
    pub fn features(&mut self, number: u64, example: &Example) -> Result<Vec<Feature>, DataError> {
        let refused = |problem: String| DataError::Record {
            place: example.place.clone(),
            problem,
        };
        let rows = match (&example.input, self.problem) {
            (
                Input::Text { first, second },
                Problem::SingleLabel | Problem::MultiLabel | Problem::Regression,
            ) => {
                let target = self.target(example.target.as_ref()).map_err(refused)?;
                let mut was_cut = false;
                let sequence = self.sequence(first, second.as_deref(), &mut was_cut)?;
                self.counts.cut += u64::from(was_cut);
                let is_other = self.pairs.is_some_and(|pairs| pairs != second.is_some());
                self.counts.other_shape += u64::from(is_other);
                vec![whole(number, vec![sequence], target)]
            }
            (Input::Choices { first, endings }, Problem::Choice) => {
                self.check_choices(endings.len()).map_err(refused)?;
                let target = self.target(example.target.as_ref()).map_err(refused)?;
                let mut was_cut = false;
                let mut sequences = Vec::with_capacity(endings.len());
                for ending in endings {
                    sequences.push(self.sequence(first, Some(ending), &mut was_cut)?);
                }
                self.counts.cut += u64::from(was_cut);
                vec![whole(number, sequences, target)]
            }
            (Input::Words(words), Problem::Tags) => {
                let tags = match &example.target {
                    None => None,
                    Some(Target::Tags(tags)) if tags.len() == words.len() => {
                        if let Some(&tag) = tags.iter().find(|&&tag| tag >= self.num_labels) {
                            return Err(refused(self.unknown(tag)));
                        }
                        Some(tags.as_slice())
                    }
                    Some(Target::Tags(tags)) => {
                        let (words, tags) = (words.len(), tags.len());
                        return Err(refused(format!(
                            "{words} words, but {tags} tags; give each word one"
                        )));
                    }
                    Some(_) => return Err(refused(other_target())),
                };
                let encoder = &mut self.encoder;
                let counts = &mut self.counts;
                self.words
                    .features(number, words, tags, encoder, &self.layout, counts)?
            }
            _ => return Err(refused("not an example of this task".into())),
        };
        self.counts.examples += 1;
        self.counts.features += rows.len() as u64;
        Ok(rows)
    }

    /// A text, or two, as long as there is room.
    fn sequence(
        &mut self,
        first: &str,
        second: Option<&str>,
        was_cut: &mut bool,
    ) -> Result<Sequence, DataError> {
        let mut ids = Vec::new();
        self.encoder.encode(first, &mut ids)?;
        let first_len = ids.len();
        let Some(second) = second else {
            let room = self.room(false);
            *was_cut |= ids.len() > room;
            ids.truncate(room);
            return Ok(self.layout.single(&ids));
        };
        self.encoder.encode(second, &mut ids)?;
        let (first, second) = ids.split_at(first_len);
        let [keep_first, keep_second] = longest_first(first.len(), second.len(), self.room(true));
        *was_cut |= keep_first < first.len() || keep_second < second.len();
        let (first, _) = first.split_at(keep_first);
        let (second, _) = second.split_at(keep_second);
        Ok(self.layout.pair(first, second))
    }

    fn room(&self, is_pair: bool) -> usize {
        self.max_len - self.layout.around(is_pair).special_tokens()
    }

    fn check_choices(&mut self, found: usize) -> Result<(), String> {
        if found == 0 {
            return Err("no continuation; give at least one".into());
        }
        match *self.num_choices.get_or_insert(found) {
            known if known == found => Ok(()),
            known => Err(format!(
                "{found} continuations, the examples before have {known}; give all as many"
            )),
        }
    }

    fn target(&self, target: Option<&Target>) -> Result<RowTarget, String> {
        let Some(target) = target else {
            return Ok(RowTarget::None);
        };
        let class = |id: usize, count: usize| {
            let class = u32::try_from(id).ok().filter(|_| id < count);
            class.map(RowTarget::Class)
        };
        match (target, self.problem) {
            (Target::Class(id), Problem::SingleLabel) => {
                class(*id, self.num_labels).ok_or_else(|| self.unknown(*id))
            }
            (Target::Choice(id), Problem::Choice) => {
                let count = self.num_choices.unwrap_or(0);
                class(*id, count).ok_or_else(|| {
                    format!(
                        "continuation {id} is to be right, but there are {count}; count them from 0"
                    )
                })
            }
            (Target::Classes(ids), Problem::MultiLabel) => {
                let mut numbers = vec![0.0; self.num_labels];
                for &id in ids {
                    *numbers.get_mut(id).ok_or_else(|| self.unknown(id))? = 1.0;
                }
                Ok(RowTarget::Numbers(numbers))
            }
            (Target::Numbers(numbers), Problem::Regression) => {
                Ok(RowTarget::Numbers(numbers.clone()))
            }
            _ => Err(other_target()),
        }
    }

    fn unknown(&self, id: usize) -> String {
        let known = self.num_labels;
        format!("label {id}: the model has {known} labels, numbered from 0")
    }
}

fn other_target() -> String {
    "what it is labelled with is another task's".into()
}

fn whole(example: u64, sequences: Vec<Sequence>, target: RowTarget) -> Feature {
    let (ids, type_ids) = sequences
        .into_iter()
        .map(|sequence| (sequence.ids, sequence.type_ids))
        .unzip();
    Feature {
        example,
        ids,
        type_ids,
        target,
        map: TokenMap::Whole,
    }
}

#[cfg(test)]
mod tests;
