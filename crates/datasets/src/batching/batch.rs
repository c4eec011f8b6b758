//! Rows of one length, as a device takes them.
//!
//! | problem | buffers beside `input_ids`, `attention_mask`, `token_type_ids` |
//! | --- | --- |
//! | a label a sequence | `labels` `[batch]`; −100: not known |
//! | labels, numbers | `labels` `[batch, num_labels]`, real; of one number `[batch]` |
//! | a label a token | `labels` `[batch, seq_len]`; −100 where none is scored |
//! | a span | `start_positions`, `end_positions` `[batch]`; `seq_len`: not known. For heads that ask whether there is an answer `is_impossible` `[batch]`, real: 1 where the row has none. Beside the targets `cls_index` `[batch]` and `p_mask` `[batch, seq_len]`, real: 0 for what may be an answer, `[CLS]` included, else 1 |
//! | a continuation | `labels` `[batch]`; −100: not known; `num_choices` `[1]`. Rows are `[batch * num_choices, seq_len]`, those of an example one behind the other |
//!
//! `example_weight` `[batch]` is 0 for rows that only fill up and for those whose target is not known,
//! else 1. Targets are left out where none is known, but not in training and evaluation: there such a
//! batch weighs nothing.

use kiln_text::HostBatch;

use crate::feature::NO_LABEL;
use crate::features::Padding;
use crate::{DataError, Feature, Problem, RowTarget, TokenMap};

/// To what length rows are padded: few different ones, so that shapes repeat and a device makes few
/// kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PadTo {
    /// The next multiple of it, `max_len` at most. 1: the longest row's length.
    pub multiple: usize,
}

impl Default for PadTo {
    /// Multiples of 8, which matrix units of GPUs want.
    fn default() -> Self {
        Self { multiple: 8 }
    }
}

/// How rows become batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// What labels mean.
    pub problem: Problem,
    /// Numbers a row where labels are real.
    pub num_labels: usize,
    /// What fills rows up.
    pub padding: Padding,
    /// To what length.
    pub pad_to: PadTo,
    /// No row is longer.
    pub max_len: usize,
}

/// Makes batches of rows.
#[derive(Debug, Clone)]
pub struct Batcher {
    settings: BatchSettings,
}

impl Batcher {
    /// Batches by these settings.
    ///
    /// # Errors
    /// If rows would be padded to nothing.
    pub fn new(settings: BatchSettings) -> Result<Self, DataError> {
        let refuse = |problem: &str| Err(DataError::Settings(problem.into()));
        if settings.max_len == 0 {
            return refuse("max_len = 0: rows would have no tokens; choose 1 at least");
        }
        if settings.pad_to.multiple == 0 {
            return refuse("pad_to = a multiple of 0: choose 1 at least, 8 is usual");
        }
        Ok(Self { settings })
    }

    /// The length to which rows are padded whose longest one has so many tokens.
    pub fn padded(&self, longest: usize) -> usize {
        let PadTo { multiple } = self.settings.pad_to;
        let padded = longest.max(1).div_ceil(multiple) * multiple;
        padded.min(self.settings.max_len)
    }

    /// The position of a row's first token where rows are padded to `seq_len`.
    pub fn first_token(&self, seq_len: usize, tokens: usize) -> usize {
        self.settings.padding.first_token(seq_len, tokens)
    }

    /// A batch of `size` rows: these, and the last one again, without weight, until there are as many.
    ///
    /// # Errors
    /// If there is no row, one is longer than `max_len`, or they do not go together.
    pub fn batch(&self, rows: &[Feature], size: usize) -> Result<HostBatch, DataError> {
        self.batch_with(rows, size, false)
    }

    /// A batch that has targets even if none of its rows' is known.
    pub(super) fn labelled(&self, rows: &[Feature], size: usize) -> Result<HostBatch, DataError> {
        self.batch_with(rows, size, true)
    }

    fn batch_with(
        &self,
        rows: &[Feature],
        size: usize,
        needs_targets: bool,
    ) -> Result<HostBatch, DataError> {
        let refused = |problem: &str| Err(DataError::Settings(problem.into()));
        let Some(last) = rows.last() else {
            return refused("a batch of no rows; choose batches of 1 at least");
        };
        let longest = rows.iter().map(Feature::longest).max().unwrap_or(0);
        let max_len = self.settings.max_len;
        if longest > max_len {
            return Err(DataError::Settings(format!(
                "max_len = {max_len}: a row has {longest} tokens; make rows with the same max_len"
            )));
        }
        let num_choices = last.ids.len();
        if num_choices == 0 || rows.iter().any(|row| row.ids.len() != num_choices) {
            return refused("rows with different numbers of sequences cannot be one batch");
        }
        let seq_len = self.padded(longest);
        let size = size.max(rows.len());
        let filled = || {
            rows.iter()
                .chain(std::iter::repeat_n(last, size - rows.len()))
        };

        let mut batch = HostBatch::default();
        let shape = [size * num_choices, seq_len];
        let Padding { id, type_id, .. } = self.settings.padding;
        let ids = || filled().flat_map(|row| &row.ids);
        let matrix = |row: &mut dyn FnMut(&mut Vec<i32>)| {
            let mut data = Vec::with_capacity(shape.iter().product());
            row(&mut data);
            data
        };
        batch.insert_ints(
            "input_ids",
            matrix(&mut |data| {
                ids().for_each(|ids| self.pad(ids, |id| *id as i32, id as i32, seq_len, data));
            }),
            &shape,
        );
        batch.insert_ints(
            "attention_mask",
            matrix(&mut |data| ids().for_each(|ids| self.pad(ids, |_| 1, 0, seq_len, data))),
            &shape,
        );
        batch.insert_ints(
            "token_type_ids",
            matrix(&mut |data| {
                for row in filled() {
                    for (ids, types) in row.ids.iter().zip(&row.type_ids) {
                        let types = types.iter().copied().chain(std::iter::repeat(0));
                        let types: Vec<u8> = types.take(ids.len()).collect();
                        self.pad(&types, |&id| i32::from(id), type_id.into(), seq_len, data);
                    }
                }
            }),
            &shape,
        );
        if self.settings.problem == Problem::Choice {
            batch.insert_ints("num_choices", vec![num_choices as i32], &[1]);
        }
        if self.settings.problem == Problem::Span {
            let (cls_index, p_mask) = self.span_inputs(filled(), size, seq_len)?;
            batch.insert_ints("cls_index", cls_index, &[size]);
            batch.insert_floats("p_mask", p_mask, &[size, seq_len]);
        }
        batch.insert_floats("example_weight", Self::weights(rows, size), &[size]);
        if needs_targets || rows.iter().any(is_known) {
            self.insert_targets(&mut batch, rows, size, seq_len)?;
        }
        batch.real_tokens = rows.iter().flat_map(|row| &row.ids).map(Vec::len).sum();
        batch.all_tokens = shape.iter().product();
        Ok(batch)
    }

    /// Appends a sequence's numbers and its padding.
    fn pad<T>(
        &self,
        values: &[T],
        number: impl Fn(&T) -> i32,
        padding: i32,
        seq_len: usize,
        into: &mut Vec<i32>,
    ) {
        let first = self.first_token(seq_len, values.len());
        let end = into.len() + seq_len;
        into.extend(std::iter::repeat_n(padding, first));
        into.extend(values.iter().map(number));
        into.resize(end, padding);
    }

    /// What rows weigh: those that fill up nothing.
    fn weights(rows: &[Feature], size: usize) -> Vec<f32> {
        let weight = |row: &Feature| f32::from(u8::from(is_known(row)));
        let mut weights: Vec<f32> = rows.iter().map(weight).collect();
        weights.resize(size, 0.0);
        weights
    }

    /// `cls_index` and `p_mask` of questions' rows.
    fn span_inputs<'a>(
        &self,
        rows: impl Iterator<Item = &'a Feature>,
        size: usize,
        seq_len: usize,
    ) -> Result<(Vec<i32>, Vec<f32>), DataError> {
        let mut cls_index = Vec::with_capacity(size);
        let mut p_mask = vec![1.0; size * seq_len];
        for (row, mask) in rows.zip(p_mask.chunks_mut(seq_len)) {
            let TokenMap::Context {
                characters,
                no_answer,
                ..
            } = &row.map
            else {
                return Err(DataError::Settings(format!(
                    "example {}: its row is no question's; make rows of questions",
                    row.example + 1
                )));
            };
            let first = self.first_token(seq_len, row.ids.first().map_or(0, Vec::len));
            let no_answer = *no_answer as usize;
            cls_index.push((first + no_answer) as i32);
            for (token, slot) in mask.iter_mut().skip(first).enumerate() {
                if token == no_answer || characters.get(token).is_some_and(Option::is_some) {
                    *slot = 0.0;
                }
            }
        }
        Ok((cls_index, p_mask))
    }

    fn insert_targets(
        &self,
        batch: &mut HostBatch,
        rows: &[Feature],
        size: usize,
        seq_len: usize,
    ) -> Result<(), DataError> {
        let other = |row: &Feature| {
            DataError::Settings(format!(
                "example {}: its target is another problem's; make rows for {:?}",
                row.example + 1,
                self.settings.problem
            ))
        };
        match self.settings.problem {
            Problem::SingleLabel | Problem::Choice => {
                let mut labels = Vec::with_capacity(size);
                for row in rows {
                    labels.push(match row.target {
                        RowTarget::Class(id) => id as i32,
                        RowTarget::None => NO_LABEL,
                        _ => return Err(other(row)),
                    });
                }
                labels.resize(size, NO_LABEL);
                batch.insert_ints("labels", labels, &[size]);
            }
            Problem::MultiLabel | Problem::Regression => {
                let width = self.settings.num_labels;
                let mut labels = Vec::with_capacity(size * width);
                for row in rows {
                    match &row.target {
                        RowTarget::Numbers(numbers) if numbers.len() == width => {
                            labels.extend_from_slice(numbers);
                        }
                        RowTarget::None => labels.extend(std::iter::repeat_n(0.0, width)),
                        RowTarget::Numbers(numbers) => {
                            return Err(DataError::Settings(format!(
                                "example {}: {} numbers, the model gives {width}; train a model \
                                 with as many",
                                row.example + 1,
                                numbers.len()
                            )));
                        }
                        _ => return Err(other(row)),
                    }
                }
                labels.resize(size * width, 0.0);
                if width == 1 && self.settings.problem == Problem::Regression {
                    batch.insert_floats("labels", labels, &[size]);
                } else {
                    batch.insert_floats("labels", labels, &[size, width]);
                }
            }
            Problem::Tags => {
                let mut labels = Vec::with_capacity(size * seq_len);
                for row in rows {
                    let tags = match &row.target {
                        RowTarget::Tokens(tags) => tags.as_slice(),
                        RowTarget::None => &[],
                        _ => return Err(other(row)),
                    };
                    self.pad(tags, |tag| *tag, NO_LABEL, seq_len, &mut labels);
                }
                labels.resize(size * seq_len, NO_LABEL);
                batch.insert_ints("labels", labels, &[size, seq_len]);
            }
            Problem::Span => {
                let mut positions = [Vec::with_capacity(size), Vec::with_capacity(size)];
                let mut is_impossible = Vec::with_capacity(size);
                for row in rows {
                    let tokens = row.ids.first().map_or(0, Vec::len);
                    let first = self.first_token(seq_len, tokens);
                    let no_answer = match row.map {
                        TokenMap::Context { no_answer, .. } => Some(no_answer),
                        _ => None,
                    };
                    let has_none = matches!(
                        row.target,
                        RowTarget::Span { start, .. } if Some(start) == no_answer
                    );
                    is_impossible.push(f32::from(u8::from(has_none)));
                    let [start, end] = match row.target {
                        RowTarget::Span { start, end } => {
                            [start, end].map(|at| (first + at as usize) as i32)
                        }
                        RowTarget::None => [seq_len as i32; 2],
                        _ => return Err(other(row)),
                    };
                    let [starts, ends] = &mut positions;
                    starts.push(start);
                    ends.push(end);
                }
                let names = ["start_positions", "end_positions"];
                for (name, mut positions) in names.into_iter().zip(positions) {
                    positions.resize(size, seq_len as i32);
                    batch.insert_ints(name, positions, &[size]);
                }
                is_impossible.resize(size, 0.0);
                batch.insert_floats("is_impossible", is_impossible, &[size]);
            }
        }
        Ok(())
    }
}

fn is_known(row: &Feature) -> bool {
    row.target != RowTarget::None
}
