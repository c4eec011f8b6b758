//! A question with windows of its context, for contexts longer than a model reads at once.

use std::ops::Range;
use std::sync::Arc;

use kiln_text::Tokenizer;
use serde::{Deserialize, Serialize};

use super::labels::answer_tokens;
use super::layout::QuestionLayout;
use crate::features::FeatureCounts;
use crate::{Answer, DataError, Example, Feature, Input, RowTarget, Target, TokenMap};

/// How far windows go on from one to the next. Two readings of one setting are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stride {
    /// Hugging Face's `stride`: so many tokens of a window are in the next one again. An answer may begin
    /// anywhere in a window.
    Overlap(usize),
    /// `doc_stride` of the original BERT: so many tokens are between the starts of two windows. An answer
    /// begins in the window that has most of the tokens around its first one.
    Starts(usize),
}

/// How a context is cut into windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSettings {
    /// Tokens of a row at most, question and special tokens included.
    pub max_length: usize,
    /// How far windows go on.
    pub stride: Stride,
}

impl Default for WindowSettings {
    /// 384 tokens, 128 of which are in the next window again (Hugging Face's `run_qa.py`).
    fn default() -> Self {
        Self {
            max_length: 384,
            stride: Stride::Overlap(128),
        }
    }
}

/// A token's id and the characters that it stands for.
type Tokens = Vec<(u32, Range<usize>)>;

/// Makes the rows of questions, one question after the other.
#[derive(Debug)]
pub struct QuestionWindows<'a> {
    tokenizer: &'a Tokenizer,
    layout: QuestionLayout,
    settings: WindowSettings,
    /// The last context: the next question is often on the same one.
    context: Option<(Arc<str>, Tokens)>,
    counts: FeatureCounts,
}

impl<'a> QuestionWindows<'a> {
    /// For a tokenizer and the order of its model's rows.
    ///
    /// # Errors
    /// If windows would never go on.
    pub fn new(
        tokenizer: &'a Tokenizer,
        layout: QuestionLayout,
        settings: WindowSettings,
    ) -> Result<Self, DataError> {
        let WindowSettings { max_length, stride } = settings;
        match stride {
            Stride::Starts(0) => Err(DataError::Settings(
                "--doc-stride 0: all windows would begin at the same token; choose 1 at least"
                    .into(),
            )),
            Stride::Overlap(stride) if stride >= max_length => Err(DataError::Settings(format!(
                "--stride {stride}: so many tokens cannot be in two windows of --max-len \
                 {max_length}; choose a shorter --stride, a third of --max-len is usual"
            ))),
            _ => Ok(Self {
                tokenizer,
                layout,
                settings,
                context: None,
                counts: FeatureCounts::default(),
            }),
        }
    }

    /// What became of questions so far.
    pub fn counts(&self) -> FeatureCounts {
        self.counts
    }

    /// The rows of a question, one at least, in the order of the context; `number` is the example's among
    /// those of its file. Rows without the answer are among them. Of several answers the first one is
    /// what a row is to say.
    ///
    /// # Errors
    /// If the example is no question, if the question leaves no room for its context, or if the answer
    /// is not where the example says.
    pub fn features(&mut self, number: u64, example: &Example) -> Result<Vec<Feature>, DataError> {
        let refused = |problem: String| DataError::Record {
            place: example.place.clone(),
            problem: format!("question {:?}: {problem}", example.id),
        };
        let Input::Question { question, context } = &example.input else {
            return Err(refused("there is no question with a context in it".into()));
        };
        let is_last =
            |(last, _): &(Arc<str>, Tokens)| Arc::ptr_eq(last, context) || last == context;
        if !self.context.as_ref().is_some_and(is_last) {
            if u32::try_from(context.len()).is_err() {
                return Err(refused("its context has more than 4 GB; divide it".into()));
            }
            let tokens = self.tokenizer.encode_with_offsets(context)?;
            self.context = Some((Arc::clone(context), tokens));
        }
        let tokens = match &self.context {
            Some((_, tokens)) => tokens.as_slice(),
            None => &[],
        };
        let question = self.tokenizer.encode(question.trim_start())?;

        let taken = question.len() + self.layout.around.special_tokens();
        let max_length = self.settings.max_length;
        let room = max_length.saturating_sub(taken);
        let windows = windows(tokens.len(), room, self.settings.stride)
            .ok_or_else(|| refused(no_room(question.len(), room, &self.settings)))?;
        let answer = match &example.target {
            Some(Target::Answers(answers)) => {
                let answer = match answers.first() {
                    None => None,
                    Some(answer) => {
                        let range = place_of(answer, context).map_err(refused)?;
                        let found = answer_tokens(tokens, range.clone());
                        self.counts.unread_answers += u64::from(found.is_none());
                        let is_wider = found.is_some_and(|found| is_wider(tokens, found, &range));
                        self.counts.widened_answers += u64::from(is_wider);
                        found
                    }
                };
                Some(answer)
            }
            None => None,
            Some(_) => {
                return Err(refused(
                    "what it is to be answered with is no answer".into(),
                ));
            }
        };
        let owned = match self.settings.stride {
            Stride::Overlap(_) => windows.clone(),
            Stride::Starts(_) => owned(tokens.len(), &windows),
        };
        self.counts.examples += 1;
        self.counts.features += windows.len() as u64;
        let rows = windows.into_iter().zip(owned);
        Ok(rows
            .map(|(window, owned)| {
                let row = Row::new(&self.layout, &question, tokens, &window);
                row.feature(number, &window, &owned, answer)
            })
            .collect())
    }
}

/// Why a question of so many tokens that leaves `room` to its context has no windows. The command line's
/// words: a setting's name in the library is no flag.
fn no_room(question: usize, room: usize, settings: &WindowSettings) -> String {
    let max_length = settings.max_length;
    let leaves = format!(
        "it has {question} tokens and leaves {room} of --max-len {max_length} to its context"
    );
    match settings.stride {
        Stride::Overlap(stride) if room > 0 => format!(
            "{leaves}, not more than --stride {stride}, so windows would never go on; shorten the \
             question, or choose a longer --max-len or a --stride below {room}"
        ),
        _ => format!(
            "{leaves}, which is nothing; shorten the question, or choose a longer --max-len"
        ),
    }
}

/// Whether the tokens from the first to the last stand for characters outside of `answer`, too.
fn is_wider(
    tokens: &[(u32, Range<usize>)],
    (first, last): (usize, usize),
    answer: &Range<usize>,
) -> bool {
    let begins_before = tokens
        .get(first)
        .is_some_and(|(_, range)| range.start < answer.start);
    let ends_behind = tokens
        .get(last)
        .is_some_and(|(_, range)| range.end > answer.end);
    begins_before || ends_behind
}

/// The characters of an answer in its context.
fn place_of(answer: &Answer, context: &str) -> Result<Range<usize>, String> {
    let end = answer.start.saturating_add(answer.text.chars().count());
    let found = context.chars().skip(answer.start);
    if found.take(end - answer.start).eq(answer.text.chars()) {
        return Ok(answer.start..end);
    }
    let found: String = context
        .chars()
        .skip(answer.start)
        .take(end - answer.start)
        .collect();
    Err(format!(
        "its answer {:?} should begin at character {} of the context, where {found:?} stands; correct \
         answer_start, which counts characters from 0",
        answer.text, answer.start
    ))
}

/// Which tokens of a context of so many are in each window that has room for `room`; none if the windows
/// would never reach the end.
fn windows(tokens: usize, room: usize, stride: Stride) -> Option<Vec<Range<usize>>> {
    if room == 0 {
        return None;
    }
    let step = match stride {
        _ if tokens <= room => room,
        Stride::Overlap(stride) => room.checked_sub(stride).filter(|step| *step > 0)?,
        Stride::Starts(stride) => stride.min(room),
    };
    let mut windows = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + room).min(tokens);
        windows.push(start..end);
        if end == tokens {
            return Some(windows);
        }
        start += step;
    }
}

/// Which tokens of each window are its own: each token is the own one of the window in which it has most
/// context (`_check_is_max_context` of the original BERT).
fn owned(tokens: usize, windows: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut owned: Vec<Range<usize>> = windows
        .iter()
        .map(|window| window.end..window.end)
        .collect();
    for token in 0..tokens {
        // In hundredths of a token: the smaller side, and a hundredth of the window's length.
        let score = |window: &Range<usize>| {
            let (left, right) = (token - window.start, window.end - 1 - token);
            100 * left.min(right) + window.len()
        };
        // Windows begin and end one behind the other: those that hold a token lie in a row.
        let first = windows.partition_point(|window| window.end <= token);
        let behind = windows.partition_point(|window| window.start <= token);
        let holding = windows.get(first..behind).unwrap_or_default();
        // The first one of equals.
        let best = holding
            .iter()
            .enumerate()
            .rev()
            .max_by_key(|(_, window)| score(window));
        if let Some((best, _)) = best
            && let Some(owned) = owned.get_mut(first + best)
        {
            // They lie in a row: from one window to the next the difference of scores only falls.
            owned.start = owned.start.min(token);
            owned.end = token + 1;
        }
    }
    owned
}

/// A row while it is put together.
struct Row {
    ids: Vec<u32>,
    type_ids: Vec<u8>,
    characters: Vec<Option<(u32, u32)>>,
    /// Where the context begins.
    context: usize,
    no_answer: usize,
}

impl Row {
    fn new(
        layout: &QuestionLayout,
        question: &[u32],
        tokens: &[(u32, Range<usize>)],
        window: &Range<usize>,
    ) -> Self {
        let length = question.len() + window.len() + layout.around.special_tokens();
        let mut row = Self {
            ids: Vec::with_capacity(length),
            type_ids: Vec::with_capacity(length),
            characters: Vec::with_capacity(length),
            context: 0,
            no_answer: if layout.no_answer_last() {
                length - 1
            } else {
                0
            },
        };
        let context = tokens.get(window.clone()).unwrap_or_default();
        let around = &layout.around;
        let [first, second] = around.types;
        row.add_special(&around.before);
        if layout.question_first {
            row.add_question(question, first);
            row.add_special(&around.between);
            row.add_context(context, second);
        } else {
            row.add_context(context, first);
            row.add_special(&around.between);
            row.add_question(question, second);
        }
        row.add_special(&around.after);
        row
    }

    fn add(&mut self, id: u32, type_id: u8, characters: Option<(u32, u32)>) {
        self.ids.push(id);
        self.type_ids.push(type_id);
        self.characters.push(characters);
    }

    fn add_special(&mut self, special: &[(u32, u8)]) {
        for &(id, type_id) in special {
            self.add(id, type_id, None);
        }
    }

    fn add_question(&mut self, question: &[u32], type_id: u8) {
        for &id in question {
            self.add(id, type_id, None);
        }
    }

    fn add_context(&mut self, tokens: &[(u32, Range<usize>)], type_id: u8) {
        self.context = self.ids.len();
        for (id, range) in tokens {
            // No answer begins or ends at what stands for no character.
            let characters = (!range.is_empty()).then(|| (narrow(range.start), narrow(range.end)));
            self.add(*id, type_id, characters);
        }
    }

    /// `answer`: none if nothing is known of it.
    fn feature(
        self,
        example: u64,
        window: &Range<usize>,
        owned: &Range<usize>,
        answer: Option<Option<(usize, usize)>>,
    ) -> Feature {
        let position = |token: usize| narrow(self.context + token - window.start);
        let no_answer = narrow(self.no_answer);
        let target = match answer {
            None => RowTarget::None,
            Some(Some((first, last))) if window.start <= first && last < window.end => {
                RowTarget::Span {
                    start: position(first),
                    end: position(last),
                }
            }
            Some(_) => RowTarget::Span {
                start: no_answer,
                end: no_answer,
            },
        };
        Feature {
            example,
            target,
            map: TokenMap::Context {
                characters: self.characters,
                starts: position(owned.start)..position(owned.end),
                no_answer,
            },
            ids: vec![self.ids],
            type_ids: vec![self.type_ids],
        }
    }
}

/// Positions and characters: a context has fewer than 4 G bytes, as was seen above.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
