//! Tokenizers: trained, loaded and saved in Hugging Face's formats.
//!
//! The rules of splitting and matching are those of the `tokenizers` crate, which transformers uses
//! as well, so that ids are equal: every kind becomes a tokenizer.json.
//!
//! | kind | its rules | its trainer | its own files |
//! | --- | --- | --- | --- |
//! | WordPiece | `bert.rs` | `word_piece.rs` | vocab.txt |
//! | SentencePiece, unigram and BPE | `sentence_piece.rs`; XLNet's `xlnet.rs` | `unigram.rs` | spm.model; XLNet's spiece.model |
//! | byte-level BPE | `byte_bpe.rs`, `byte_level.rs` | `byte_bpe.rs` | vocab.json, merges.txt; bpe_encoder.bin |
//!
//! All trainers learn from counted words (`word_counts.rs`), of all of the text or of a sample of it
//! (`text_sample.rs`); which characters get pieces is decided in `alphabet.rs`.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::TextError;
use crate::vocabulary::Vocabulary;

mod added;
mod alphabet;
mod around;
mod bert;
mod bpe_encoder;
mod byte_bpe;
mod byte_level;
mod choice;
mod class;
mod config;
mod cuts;
mod encoder;
mod files;
mod offsets;
mod open;
mod pair_merges;
mod pickle;
mod progress;
mod rebuilt;
mod save;
mod sentence_piece;
mod special;
mod splitter;
mod template;
mod text_sample;
mod train;
mod unigram;
mod word_counts;
mod word_piece;
mod words;
mod xlnet;

use added::Added;
pub use alphabet::DroppedCharacters;
pub use around::Around;
pub use byte_bpe::{ByteBpeLayout, ByteBpeSettings};
use cuts::Cuts;
pub use encoder::{Encoder, Met};
pub use progress::TrainProgress;
pub use special::SpecialTokens;
use template::Template;
pub use text_sample::{DEFAULT_SAMPLE_BYTES, SampleSettings, SampleSize};
pub use train::{
    CountedText, TokenizerKind, TrainSettings, Trained, count_text, train, train_byte_bpe,
    train_byte_bpe_on_texts, train_unigram, train_unigram_on_texts, train_word_piece,
    train_word_piece_on_texts,
};
pub use unigram::{UnigramLayout, UnigramSettings};
pub use word_counts::TextSummary;
pub use word_piece::WordPieceSettings;
use words::WordMarks;
pub use xlnet::XlnetLetters;

/// Text to ids and back.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    /// Longest sequence of the model it belongs to; `None` = not known.
    model_max_length: Option<u32>,
    /// Where it came from, for messages.
    origin: String,
    vocab_size: u32,
    word_marks: WordMarks,
    identity: [u8; 32],
    /// Where a text may be cut so that its ids are those of its parts in a row.
    cuts: Cuts,
    /// The name and the bytes of SentencePiece's model: `spm.model`, `spiece.model`.
    sentence_piece: Option<(&'static str, Arc<[u8]>)>,
    /// Ids of the vocabulary without what was added to it are below it.
    base_size: u32,
    /// Special tokens that no file has.
    lacking: Vec<String>,
    /// The fields of the files that it was read from, to be written again.
    written: Map<String, Value>,
    /// What its user should know.
    notes: Vec<String>,
}

/// What the files beside a vocabulary say of it.
#[derive(Debug, Default)]
struct Parts {
    special: SpecialTokens,
    /// Special tokens by the names that are usual there. Where the vocabulary lacks one of these, it
    /// is another model's: transformers would give it a new id.
    usual: SpecialTokens,
    model_max_length: Option<u32>,
    added: Added,
    /// What is put around texts, if not what the file says.
    template: Option<Template>,
    /// Whether special tokens in texts are taken apart like other words.
    splits_special: bool,
    written: Map<String, Value>,
    notes: Vec<String>,
}

impl Tokenizer {
    /// From a tokenizer.json; `origin` says in messages where it came from.
    fn from_json(
        json: &Value,
        special: SpecialTokens,
        model_max_length: Option<u32>,
        origin: String,
    ) -> Result<Self, String> {
        let parts = Parts {
            usual: special.clone(),
            special,
            model_max_length,
            ..Parts::default()
        };
        Self::from_parts(json, parts, origin)
    }

    /// From a tokenizer.json and what the files beside it say; `origin` as above.
    fn from_parts(json: &Value, parts: Parts, origin: String) -> Result<Self, String> {
        let Parts {
            special,
            usual,
            model_max_length,
            added,
            template,
            splits_special,
            written,
            mut notes,
        } = parts;
        sentence_piece::check_charsmaps(&json["normalizer"])?;
        let bytes = serde_json::to_vec(json).map_err(|reason| reason.to_string())?;
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|reason| {
            format!("not a usable tokenizer.json ({reason}); get the file again")
        })?;
        // Some files carry the lengths of a past run. Lengths are the example builder's business.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|reason| reason.to_string())?;
        // A blank line of a vocab.txt is no token.
        let vocab = inner.get_vocab(false).into_iter();
        let ids: Vec<u32> = vocab
            .filter_map(|(token, id)| (!token.is_empty()).then_some(id))
            .collect();
        let end = |last: Option<u32>| last.map_or(0, |last| last.saturating_add(1));
        let base_size = end(ids.iter().max().copied());
        let present = inner.get_added_tokens_decoder();
        // A table over all ids is made in several places; this bounds it. The largest published
        // vocabularies have about a million entries.
        let size = base_size.max(end(present.keys().max().copied())) as usize;
        let tokens = ids.len() + present.len();
        if size > tokens.saturating_mul(16).saturating_add(1 << 20) {
            return Err(format!(
                "the largest id is {}, but there are only {tokens} tokens",
                size - 1,
            ));
        }
        if let tokenizers::ModelWrapper::WordPiece(model) = inner.get_model()
            && inner.token_to_id(&model.unk_token).is_none()
        {
            return Err(format!(
                "the vocabulary has no {}, which stands for unknown words; add it",
                model.unk_token
            ));
        }
        let lacking = special
            .names()
            .into_iter()
            .zip(usual.names())
            .filter(|(name, usual)| name == usual && inner.token_to_id(name).is_none())
            .map(|(name, _)| name.to_string())
            .filter(|name| !name.is_empty() && !added.gives(name))
            .collect();
        let present: Vec<_> = present.into_values().collect();
        inner
            .add_tokens(added.to_add(&present))
            .map_err(|reason| format!("its added tokens: {reason}"))?;
        notes.extend(added.other_ids(|token| inner.token_to_id(token)));
        inner.set_encode_special_tokens(splits_special);
        if let Some(template) = template
            && let (Some(cls), Some(sep)) = (
                inner.token_to_id(&special.cls),
                inner.token_to_id(&special.sep),
            )
        {
            let json = template.json(&special, cls.into(), sep.into()).to_string();
            let processor: tokenizers::PostProcessorWrapper =
                serde_json::from_str(&json).map_err(|reason| reason.to_string())?;
            inner.with_post_processor(Some(processor));
        }
        let full = serde_json::to_value(&inner).map_err(|reason| reason.to_string())?;
        Ok(Self {
            cuts: Cuts::of(&inner, &full),
            word_marks: WordMarks::of(&full),
            identity: identity(&full, &special, splits_special),
            vocab_size: base_size.max(end(inner.get_added_tokens_decoder().into_keys().max())),
            inner,
            special,
            model_max_length,
            origin,
            sentence_piece: None,
            base_size,
            lacking,
            written,
            notes,
        })
    }

    /// Ids of a text, without special tokens around them.
    ///
    /// # Errors
    /// If the tokenizer's rules fail on the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        self.encode_text(text, false)
    }

    /// Ids of a text as a model takes it: `[CLS] text [SEP]`, XLNet's `text <sep> <cls>`.
    ///
    /// # Errors
    /// If the tokenizer's rules fail on the text.
    pub fn encode_with_specials(&self, text: &str) -> Result<Vec<u32>, TextError> {
        self.encode_text(text, true)
    }

    fn encode_text(&self, text: &str, add_specials: bool) -> Result<Vec<u32>, TextError> {
        let encoding = self
            .inner
            .encode_fast(text, add_specials)
            .map_err(|reason| self.failed(reason.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids, without special tokens.
    ///
    /// # Errors
    /// If an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        if let Some(id) = ids.iter().find(|&&id| id >= self.vocab_size) {
            return Err(self.failed(format!(
                "id {id} is outside the vocabulary of {}",
                self.vocab_size
            )));
        }
        self.inner
            .decode(ids, true)
            .map_err(|reason| self.failed(reason.to_string()))
    }

    fn failed(&self, reason: String) -> TextError {
        TextError::Encode {
            origin: self.origin.clone(),
            reason,
        }
    }

    /// The token with this id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The token with this id as its file writes it: one that was added, before it is normalised.
    pub fn content(&self, id: u32) -> Option<String> {
        let added = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        match added.get(&id) {
            Some(token) => Some(token.content.clone()),
            None => self.token(id),
        }
    }

    /// The id of this token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The number that every id is below: the size of a model's table.
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// The number that ids of the vocabulary itself are below; added tokens have the ids from here on.
    pub fn base_size(&self) -> u32 {
        self.base_size
    }

    /// What is wrong with this tokenizer for a model whose table has `rows` entries; nothing if all ids are
    /// below that.
    pub fn mismatch(&self, rows: usize) -> Option<String> {
        let (size, base_size) = (self.vocab_size as usize, self.base_size as usize);
        if size <= rows {
            return None;
        }
        if base_size > rows {
            return Some(format!(
                "the tokenizer has {size} tokens, the model {rows}; they do not belong together; \
                 use the tokenizer that the model was trained with"
            ));
        }
        let first = self.content(u32::try_from(rows).unwrap_or(u32::MAX));
        Some(format!(
            "the tokenizer has {size} tokens, the model {rows}: {} and what else was added to the \
             tokenizer has no row in the model's table; give it one with transformers' \
             model.resize_token_embeddings({size}) and save_pretrained",
            first.unwrap_or_default()
        ))
    }

    /// What a user should know of the tokenizer's files, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The names of the special tokens. They need not be in the vocabulary;
    /// [`Tokenizer::vocabulary`] checks that.
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.special
    }

    /// The id of the token that stands after a document, `<eod>`; XLNet's alone has one.
    pub fn end_of_document(&self) -> Option<u32> {
        self.id(xlnet::END_OF_DOCUMENT)
    }

    /// Longest sequence of the model that the tokenizer belongs to, where that is known.
    pub fn model_max_length(&self) -> Option<u32> {
        self.model_max_length
    }

    /// Sets what [`Tokenizer::save`] writes as `model_max_length`.
    pub fn set_model_max_length(&mut self, length: u32) {
        self.model_max_length = Some(length);
    }

    /// What example building needs to know.
    ///
    /// # Errors
    /// If one of the five special tokens is missing; names it.
    pub fn vocabulary(&self) -> Result<Vocabulary, TextError> {
        self.find_vocabulary(true)
    }

    /// What tokenising a corpus needs to know: [`Tokenizer::vocabulary`], but a tokenizer that is
    /// said to have no mask has the unknown token's id there.
    ///
    /// # Errors
    /// As [`Tokenizer::vocabulary`].
    pub(crate) fn corpus_vocabulary(&self) -> Result<Vocabulary, TextError> {
        self.find_vocabulary(!self.special.mask.is_empty())
    }

    fn find_vocabulary(&self, needs_mask: bool) -> Result<Vocabulary, TextError> {
        let find = |field: &'static str, token: &str| {
            if token.is_empty() {
                return Err(TextError::NoSpecialToken {
                    origin: self.origin.clone(),
                    field,
                });
            }
            self.id(token)
                .filter(|_| !self.lacking.iter().any(|lacking| lacking == token))
                .ok_or_else(|| TextError::MissingSpecialToken {
                    origin: self.origin.clone(),
                    token: token.to_string(),
                })
        };
        let SpecialTokens {
            pad,
            unk,
            cls,
            sep,
            mask,
        } = &self.special;
        let (pad, unk) = (find("pad_token", pad)?, find("unk_token", unk)?);
        let (cls, sep) = (find("cls_token", cls)?, find("sep_token", sep)?);
        let mask = if needs_mask {
            find("mask_token", mask)?
        } else {
            unk
        };
        let mut is_special = vec![false; self.vocab_size as usize];
        let added: Vec<u32> = self
            .inner
            .get_added_tokens_decoder()
            .into_iter()
            .filter_map(|(id, token)| token.special.then_some(id))
            .collect();
        for id in added.into_iter().chain([pad, cls, sep, mask]) {
            if let Some(entry) = is_special.get_mut(id as usize) {
                *entry = id != unk;
            }
        }
        let is_continuation = (0..self.vocab_size)
            .zip(&is_special)
            .map(|(id, &is_special)| {
                // What was added is a word of its own, whatever it begins with.
                let is_piece = !is_special && id != unk && id < self.base_size;
                let token = self.token(id).filter(|_| is_piece);
                token.is_some_and(|token| self.word_marks.continues(&token))
            })
            .collect();
        Ok(Vocabulary {
            size: self.vocab_size,
            pad,
            unk,
            cls,
            sep,
            mask,
            is_special,
            is_continuation,
        })
    }

    /// Whether special tokens are put where XLNet reads them: `<sep>` and `<cls>` behind the text.
    pub fn is_xlnet(&self) -> bool {
        serde_json::to_value(self.inner.get_post_processor())
            .is_ok_and(|post_processor| xlnet::is_xlnet(&post_processor))
    }

    /// A hash of all that decides about ids and their parts. Equal tokenizers have the same one,
    /// whichever files they came from.
    pub fn identity(&self) -> [u8; 32] {
        self.identity
    }

    /// Where the tokenizer came from, for messages: a path, or how it was made.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// Hash of the canonical form: what decides about ids, with defaults written out.
fn identity(full: &Value, special: &SpecialTokens, splits_special: bool) -> [u8; 32] {
    let mut normalizer = full["normalizer"].clone();
    if let Some(normalisation) = bert::Normalisation::of(&normalizer) {
        normalizer["strip_accents"] = Value::from(normalisation.strips_accents());
    }
    let mut canonical = json!({
        "added_tokens": full["added_tokens"],
        "normalizer": normalizer,
        "pre_tokenizer": full["pre_tokenizer"],
        "model": full["model"],
        "special_tokens": special.names(),
    });
    if splits_special {
        canonical["split_special_tokens"] = Value::from(true);
    }
    Sha256::digest(canonical.to_string()).into()
}

#[cfg(test)]
mod tests;
