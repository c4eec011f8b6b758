//! How a tokenizer's model reads a text and a pair: special tokens, types, padding, and what is cut off.
//!
//! | | sequence | types | padding |
//! | --- | --- | --- | --- |
//! | BERT, ELECTRA, DeBERTa 2 and 3 | `[CLS] A [SEP] (B [SEP])` | 0 for A, 1 for B | on the right, type 0 |
//! | DeBERTa 1 | `[CLS] A [SEP] ([SEP] B [SEP])` | 0 | on the right, type 0 |
//! | RoBERTa | `<s> A </s> (</s> B </s>)` | 0 | on the right, type 0 |
//! | XLNet | `A <sep> (B <sep>) <cls>` | 0 for A, 1 for B, 2 for `<cls>` | on the left, type 3 |
//!
//! The ids are those of transformers' `tokenizer(a, b, truncation=True)`, and what is cut off is what its
//! `longest_first` cuts off (5.23). Special tokens and types are those of the tokenizer's files: where a
//! tokenizer.json says otherwise, as older ones of DeBERTa 1 with one `[SEP]` in the middle, it is right.

use kiln_text::Tokenizer;
use kiln_text::tokenizer::Around;

use crate::DataError;
use crate::questions::QuestionLayout;

/// XLNet's type of padding as transformers' class declares it (5.23 pads with 0 all the same); the
/// original has 4. Attention never reaches it.
const XLNET_PADDING_TYPE: u8 = 3;

/// What fills a row up, and on which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Padding {
    /// Whether it stands before the tokens.
    pub left: bool,
    /// The id of padding.
    pub id: u32,
    /// Its `token_type_id`.
    pub type_id: u8,
}

impl Padding {
    /// The position of a sequence's first token in a padded row.
    pub fn first_token(&self, seq_len: usize, tokens: usize) -> usize {
        if self.left {
            seq_len.saturating_sub(tokens)
        } else {
            0
        }
    }
}

/// A sequence as a model reads it, not yet padded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Ids, special tokens included.
    pub ids: Vec<u32>,
    /// `token_type_ids`, as many.
    pub type_ids: Vec<u8>,
    /// The position of the first text's first token.
    pub first_text: usize,
}

impl Sequence {
    fn extend(&mut self, ids: &[u32], type_id: u8) {
        self.ids.extend_from_slice(ids);
        self.type_ids.resize(self.ids.len(), type_id);
    }

    fn add_special(&mut self, tokens: &[(u32, u8)]) {
        for &(id, type_id) in tokens {
            self.extend(&[id], type_id);
        }
    }
}

/// How texts become sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    single: Around,
    pair: Around,
    padding: Padding,
    /// A type that the model's table lacks is 0.
    type_vocab_size: usize,
}

impl Layout {
    /// That of a tokenizer, for a model that knows types below `type_vocab_size`: 0 or 1 where it has
    /// none, any large number where it has no table of them (XLNet).
    ///
    /// # Errors
    /// If the tokenizer's files put nothing around texts, or name no padding.
    pub fn new(tokenizer: &Tokenizer, type_vocab_size: usize) -> Result<Self, DataError> {
        let origin = tokenizer.origin();
        let [single, pair] = [tokenizer.around(false)?, tokenizer.around(true)?];
        if single.special_tokens() == 0 || pair.between.is_empty() {
            return Err(DataError::Settings(format!(
                "{origin}: the tokenizer puts no special tokens around texts, so no model can tell \
                 where they end; name its class in tokenizer_config.json, as BertTokenizer"
            )));
        }
        let pad = &tokenizer.special_tokens().pad;
        let id = tokenizer.id(pad).ok_or_else(|| {
            DataError::Settings(format!(
                "{origin}: the vocabulary has no {pad:?}, which is to fill rows up; name pad_token \
                 in tokenizer_config.json"
            ))
        })?;
        let left = tokenizer.is_xlnet();
        let known = |type_id: u8| usize::from(type_id) < type_vocab_size;
        let type_id = Some(XLNET_PADDING_TYPE).filter(|&type_id| left && known(type_id));
        Ok(Self {
            single,
            pair,
            padding: Padding {
                left,
                id,
                type_id: type_id.unwrap_or(0),
            },
            type_vocab_size,
        })
    }

    /// What fills rows up.
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// What stands around a text, or around two.
    pub fn around(&self, is_pair: bool) -> &Around {
        if is_pair { &self.pair } else { &self.single }
    }

    /// A sequence of one text.
    pub fn single(&self, text: &[u32]) -> Sequence {
        self.sequence(&self.single, text, None)
    }

    /// A sequence of two texts.
    pub fn pair(&self, first: &[u32], second: &[u32]) -> Sequence {
        self.sequence(&self.pair, first, Some(second))
    }

    fn sequence(&self, around: &Around, first: &[u32], second: Option<&[u32]>) -> Sequence {
        let [first_type, second_type] = around.types;
        let mut sequence = Sequence {
            first_text: around.before.len(),
            ..Sequence::default()
        };
        sequence.add_special(&around.before);
        sequence.extend(first, first_type);
        if let Some(second) = second {
            sequence.add_special(&around.between);
            sequence.extend(second, second_type);
        }
        sequence.add_special(&around.after);
        for type_id in &mut sequence.type_ids {
            *type_id = self.known(*type_id);
        }
        sequence
    }

    /// A type that the model has: 0 in the place of one that it lacks.
    fn known(&self, type_id: u8) -> u8 {
        if usize::from(type_id) < self.type_vocab_size {
            type_id
        } else {
            0
        }
    }

    /// The order of a question and its context: the question is what is asked first, but for XLNet, and
    /// "no answer" is `[CLS]`.
    pub fn questions(&self) -> QuestionLayout {
        let special = |tokens: &[(u32, u8)]| {
            let known = |&(id, type_id): &(u32, u8)| (id, self.known(type_id));
            tokens.iter().map(known).collect::<Vec<_>>()
        };
        QuestionLayout {
            question_first: !self.padding.left,
            around: Around {
                before: special(&self.pair.before),
                between: special(&self.pair.between),
                after: special(&self.pair.after),
                types: self.pair.types.map(|type_id| self.known(type_id)),
            },
        }
    }
}

/// How many tokens of two texts stay where there is room for so many together: transformers'
/// `longest_first`.
///
/// The longer one is cut to what the shorter leaves; if both must be cut, the shorter gets half of the
/// room, rounded down, and the longer the rest, the second one where they are equal. The original BERT
/// drops from the end of the longer one, of the second where they are equal: two texts of 100 tokens
/// become 63 and 62 there where there is room for 125, here 62 and 63.
pub fn longest_first(first: usize, second: usize, room: usize) -> [usize; 2] {
    if first + second <= room {
        return [first, second];
    }
    let (shorter, longer) = (first.min(second), first.max(second));
    let [shorter, longer] = if shorter <= room / 2 {
        [shorter, longer.min(room - shorter)]
    } else {
        [room / 2, room - room / 2]
    };
    if first > second {
        [longer, shorter]
    } else {
        [shorter, longer]
    }
}
