//! What a tokenizer puts around a text and around a pair, as its files say.

use tokenizers::{Encoding, Token};

use super::Tokenizer;
use super::words::find;
use crate::error::TextError;

/// The special tokens of a sequence, each with its `token_type_id`, and where texts stand between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// Before the first text.
    pub before: Vec<(u32, u8)>,
    /// Between the two texts of a pair.
    pub between: Vec<(u32, u8)>,
    /// Behind the last text.
    pub after: Vec<(u32, u8)>,
    /// The type of the first text's tokens, and of the second's.
    pub types: [u8; 2],
}

impl Around {
    /// How many special tokens there are.
    pub fn special_tokens(&self) -> usize {
        self.before.len() + self.between.len() + self.after.len()
    }
}

impl Tokenizer {
    /// What stands around a text, or around two: what [`Tokenizer::encode_with_specials`] adds. Nothing
    /// where its files have no `post_processor`.
    ///
    /// # Errors
    /// If its files put texts into another order, or twice.
    pub fn around(&self, is_pair: bool) -> Result<Around, TextError> {
        let text = |type_id| {
            let token = Token::new(0, String::new(), (0, 0));
            Encoding::from_tokens(vec![token], type_id)
        };
        let whole = self
            .inner
            .post_process(text(0), is_pair.then(|| text(1)), true)
            .map_err(|reason| self.failed(reason.to_string()))?;
        let mut parts: [Vec<(u32, u8)>; 3] = Default::default();
        let (mut types, mut texts) = ([0; 2], 0);
        let is_special = whole.get_special_tokens_mask().iter();
        let tokens = whole.get_ids().iter().zip(whole.get_type_ids());
        for ((&id, &type_id), &is_special) in tokens.zip(is_special) {
            let type_id = u8::try_from(type_id).unwrap_or(u8::MAX);
            if is_special == 1 {
                if let Some(part) = parts.get_mut(texts) {
                    part.push((id, type_id));
                }
            } else {
                if let Some(slot) = types.get_mut(texts) {
                    *slot = type_id;
                }
                texts += 1;
            }
        }
        let in_order = (0..whole.len())
            .filter_map(|at| whole.token_to_sequence(at))
            .is_sorted();
        if texts != 1 + usize::from(is_pair) || !in_order {
            return Err(self.failed(
                "its post_processor does not put each text once and in order into a sequence; use \
                 the tokenizer.json of a model of the BERT family"
                    .to_string(),
            ));
        }
        let [before, mut between, mut after] = parts;
        if !is_pair {
            after = std::mem::take(&mut between);
        }
        Ok(Around {
            before,
            between,
            after,
            types,
        })
    }

    /// Whether a word that is tokenised by itself needs a space before it to get the pieces that it has
    /// within a text: byte-level BPE, unless its files put one there (`add_prefix_space`).
    pub fn words_need_space(&self) -> bool {
        let pre_tokenizer = serde_json::to_value(self.inner.get_pre_tokenizer());
        pre_tokenizer.is_ok_and(|steps| {
            find(&steps, "ByteLevel").is_some_and(|step| step["add_prefix_space"] == false)
        })
    }
}

#[cfg(test)]
mod tests;
