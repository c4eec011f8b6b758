//! Texts side by side, padded to one length.

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_nn::EncoderInputs;

/// Texts in one batch at most.
const ROWS: usize = 16;

/// Positions in one batch at most that are asked for, empty slots included: each may get a
/// probability for every word.
const SLOTS: usize = 256;

/// A text as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Which of the texts it is.
    pub index: usize,
    /// The text's tokens, special ones included.
    pub ids: Vec<u32>,
    /// The places that are asked for, each below the number of tokens.
    pub positions: Vec<usize>,
}

/// Texts that a model reads at once: `[batch, seq_len]`, where seq_len is the longest text's.
#[derive(Debug, Clone, Copy)]
pub struct TextBatch<'a> {
    texts: &'a [Text],
}

impl<'a> TextBatch<'a> {
    /// All texts in batches, those of about one length together.
    pub(super) fn all(texts: &'a mut [Text]) -> Vec<Self> {
        texts.sort_by_key(|text| (text.ids.len(), text.positions.len()));
        let fit = |texts: &[Text]| texts.len() * TextBatch { texts }.num_positions() <= SLOTS;
        let batches = split(texts, ROWS, fit).into_iter();
        batches.map(|texts| TextBatch { texts }).collect()
    }

    /// The texts, a row each.
    pub fn texts(&self) -> &'a [Text] {
        self.texts
    }

    /// The tokens of the longest text.
    pub fn seq_len(&self) -> usize {
        let lengths = self.texts.iter().map(|text| text.ids.len());
        lengths.max().unwrap_or(0)
    }

    /// The positions of the text that has most.
    pub fn num_positions(&self) -> usize {
        let counts = self.texts.iter().map(|text| text.positions.len());
        counts.max().unwrap_or(0)
    }

    /// A number for each token, and `padding` elsewhere: `[batch, seq_len]`.
    pub fn tokens(
        &self,
        number: impl Fn(u32) -> i32,
        padding: i32,
        device: &Device,
    ) -> Tensor<2, Int> {
        let row = |text: &'a Text| text.ids.iter().map(|&id| number(id)).collect();
        self.matrix(row, self.seq_len(), padding, device)
    }

    /// What an encoder reads of texts of one segment. Without padding there is no mask.
    pub fn inputs(&self, device: &Device) -> EncoderInputs {
        let seq_len = self.seq_len();
        let is_padded = self.texts.iter().any(|text| text.ids.len() < seq_len);
        EncoderInputs {
            // Any id would do for padding; every table has a first row.
            input_ids: self.tokens(|id| id as i32, 0, device),
            attention_mask: is_padded.then(|| self.tokens(|_| 1, 0, device)),
            token_type_ids: Tensor::zeros([self.texts.len(), seq_len], device),
        }
    }

    /// The positions asked for, `[batch, num_positions]`; 0 in an empty slot.
    pub fn positions(&self, device: &Device) -> Tensor<2, Int> {
        let row = |text: &'a Text| text.positions.iter().map(|&at| at as i32).collect();
        self.matrix(row, self.num_positions(), 0, device)
    }

    fn matrix(
        &self,
        row: impl Fn(&'a Text) -> Vec<i32>,
        width: usize,
        padding: i32,
        device: &Device,
    ) -> Tensor<2, Int> {
        let rows = self.texts.iter().flat_map(|text| {
            let mut row = row(text);
            row.resize(width, padding);
            row
        });
        let values = rows.collect();
        Tensor::from_data(TensorData::new(values, [self.texts.len(), width]), device)
    }
}

/// Parts of `rows`, one behind the other, each as long as its rows `fit` together, `most` or less, but of
/// one at least.
pub(super) fn split<T>(rows: &[T], most: usize, fit: impl Fn(&[T]) -> bool) -> Vec<&[T]> {
    let mut rest = rows;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let fits = |&count: &usize| count == 1 || fit(&rest[..count]);
        let counts = 1..=rest.len().min(most);
        let (part, after) = rest.split_at(counts.take_while(fits).last().unwrap_or(1));
        parts.push(part);
        rest = after;
    }
    parts
}

/// Answers in the order of the texts.
pub(super) fn in_order<T>(mut answers: Vec<(usize, T)>) -> Vec<T> {
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
