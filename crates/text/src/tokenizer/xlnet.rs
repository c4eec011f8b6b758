//! What XLNet's tokenizer does otherwise than DeBERTa's, both being SentencePiece unigram models.
//!
//! | | |
//! | --- | --- |
//! | pieces | `<unk>` `<s>` `</s>` `<cls>` `<sep>` `<pad>` `<mask>` `<eod>` `<eop>`, eight signs that are always pieces by themselves, then the learned ones |
//! | before SentencePiece | two grave accents or apostrophes become a quotation mark, accents are dropped, letters made small if wanted |
//! | around a text | A `<sep>` `<cls>`, and A `<sep>` B `<sep>` `<cls>` with types 0, 1 and 2 |
//! | padding | on the left |
//!
//! The steps are those of transformers' `XLNetTokenizer` (5.23), one by one, so that ids are equal
//! where it is given the pieces or a tokenizer.json. The original has one more, which transformers
//! lacks and so does this: a piece that ends in a digit and a comma (`000,`) is cut before the comma.
//! Two differences are transformers' own: the original drops accents by combining class, not by
//! category, which differs in marks of Indic scripts and in variation selectors; and its
//! SentencePiece joins Korean letters, which stay apart here. The rules of a model that is trained
//! here have the steps in them, so that SentencePiece's library gives the same pieces for a text as it
//! stands. Given `spiece.model` alone where its class is named, transformers takes the signs out of
//! the text before all else and begins a word after each, and so does this; where no class is named,
//! signs are found as the original finds them.

use serde_json::{Map, Value};

use super::bert::parse_bool;
use super::class::Class;
use super::special::Place::{Cls, Sep, Text};
use super::special::{self, SpecialTokens};

/// The token after a document.
pub(super) const END_OF_DOCUMENT: &str = "<eod>";

/// The token after a paragraph. Nothing writes it but text that has it typed in.
pub(super) const END_OF_PARAGRAPH: &str = "<eop>";

/// Pieces of a fresh model: those that text gives only by their names, in the order of their ids.
pub(super) const CONTROLS: [&str; 7] = [
    "<s>",
    "</s>",
    "<cls>",
    "<sep>",
    "<pad>",
    "<mask>",
    END_OF_DOCUMENT,
];

/// Names of all pieces of a fresh model that stand for something else than text.
pub(super) fn special_names() -> Vec<String> {
    let special = SpecialTokens::of_class(Class::Xlnet);
    let own = [special.unk.as_str(), END_OF_PARAGRAPH];
    let names = CONTROLS.into_iter().chain(own).map(str::to_string);
    names.collect()
}

/// Signs that are pieces by themselves wherever they stand, in the order of their ids.
pub(super) const SIGNS: [char; 8] = ['.', '(', ')', '"', '-', '–', '£', '€'];

/// What becomes a quotation mark.
pub(super) const QUOTES: [&str; 2] = ["``", "''"];

/// What is done to letters before SentencePiece's own normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct XlnetLetters {
    /// All text in lower case (`do_lower_case`). The published models are cased.
    pub lowercase: bool,
    /// Whether é stays é, and й й (`keep_accents`). The published models drop accents.
    pub keep_accents: bool,
}

impl XlnetLetters {
    /// From tokenizer_config.json; what is missing is as in the published models.
    pub(super) fn parse(config: &Map<String, Value>) -> Result<Self, String> {
        Ok(Self {
            lowercase: parse_bool(config, "do_lower_case")?.unwrap_or(false),
            keep_accents: parse_bool(config, "keep_accents")?.unwrap_or(false),
        })
    }

    /// From the whole tokenizer.json.
    pub(super) fn of(full: &Value) -> Self {
        let has = |kind: &str| {
            steps(&full["normalizer"])
                .iter()
                .any(|step| step["type"] == kind)
        };
        Self {
            lowercase: has("Lowercase"),
            keep_accents: !has("StripAccents"),
        }
    }
}

/// Whether these are XLNet's pieces: whether there are its special tokens and not BERT's.
pub(super) fn has_its_pieces(has: impl Fn(&str) -> bool) -> bool {
    let bert = SpecialTokens::default();
    let own = SpecialTokens::of_class(Class::Xlnet);
    has(&own.cls) && has(&own.sep) && !has(&bert.cls) && !has(&bert.sep)
}

/// Whether tokenizer.json's `post_processor` puts special tokens where XLNet has them: `<cls>` last,
/// of type 2.
pub(super) fn is_xlnet(post_processor: &Value) -> bool {
    let template = &post_processor["single"];
    template.as_array().is_some_and(|single| {
        single
            .last()
            .is_some_and(|last| last["SpecialToken"]["type_id"] == 2)
    })
}

/// A `<sep>` `<cls>`, and A `<sep>` B `<sep>` `<cls>`.
pub(super) fn template_json(special: &SpecialTokens, cls: u64, sep: u64) -> Value {
    special::template_json(
        special,
        [cls, sep],
        &[Text("A", 0), Sep(0), Cls(2)],
        &[Text("A", 0), Sep(0), Text("B", 1), Sep(1), Cls(2)],
    )
}

/// Adds to a tokenizer_config.json what transformers, and the opening of `spiece.model`, need.
pub(super) fn write_config(full: &Value, config: &mut Map<String, Value>) {
    let letters = XlnetLetters::of(full);
    config.insert("padding_side".to_string(), Value::from("left"));
    config.insert("do_lower_case".to_string(), Value::from(letters.lowercase));
    config.insert(
        "keep_accents".to_string(),
        Value::from(letters.keep_accents),
    );
}

/// The steps of a tokenizer.json's normaliser.
pub(super) fn steps(normalizer: &Value) -> &[Value] {
    normalizer["normalizers"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}
