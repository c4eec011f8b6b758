//! What is told of a tokenised corpus: nothing of a text is lost in silence, whether it was
//! tokenised now or is in the cache since yesterday.

use kiln_text::corpus::Header;
use serde_json::{Value, json};

use crate::console::Console;
use crate::corpus;
use crate::tokenizer_text::{Trainer, times};
use crate::wording::share;

/// A larger share of unknown tokens is a mistake more often than not: text in another language or
/// script than the tokenizer's.
const LARGE_UNKNOWN_SHARE: f64 = 0.02;

/// Where the tokenizer of a corpus came from: what can be done about it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A folder that was passed.
    Given,
    /// The model that the run starts from.
    Model,
    /// The tokenizer was trained for this run.
    Trained,
}

impl Origin {
    fn remedy(self) -> &'static str {
        match self {
            Self::Given => {
                "train a tokenizer on this text with kiln tokenizer train, or pass one that was made \
                 for its language"
            }
            Self::Model => "start from a model whose tokenizer was made for this language",
            Self::Trained => "choose a larger --vocab-size, or a tokenizer with --tokenizer",
        }
    }
}

/// Says what of a corpus is unknown, left out, or taken for something else; `name` begins the lines
/// of a corpus that is not the only one.
pub(crate) fn tell(
    header: &Header,
    name: &str,
    origin: Origin,
    trainer: Trainer,
    console: Console,
) {
    corpus::tell(header.inputs.len() as u64, &header.counted(), name, console);
    let of = |text: String| console.note(format_args!("warning: {name}{text}"));
    let unknown = header.unknown_share();
    if unknown > LARGE_UNKNOWN_SHARE {
        let examples = header
            .notes
            .as_ref()
            .map(|notes| notes.unknown_examples.join(" "))
            .filter(|examples| !examples.is_empty())
            .map(|examples| format!(", first in: {examples}"))
            .unwrap_or_default();
        of(format!(
            "{} of the tokens are unknown{examples}; {}",
            share(unknown),
            origin.remedy()
        ));
    }
    let Some(notes) = &header.notes else {
        return;
    };
    if notes.long_words > 0 {
        of(format!(
            "{} of more characters than the tokenizer takes (word-piece: 100) became unknown; {}",
            corpus::number(notes.long_words, "word"),
            trainer.other_kind()
        ));
    }
    if !notes.special_tokens.is_empty() {
        of(format!(
            "the text has special tokens typed in: {}; they stand in the tokens as what they name and \
             are never predicted. Change them in the text if they are mere words",
            times(&notes.special_tokens)
        ));
    }
}

/// What `header` tells of a corpus, for a program to read.
pub(crate) fn to_json(header: &Header) -> Value {
    let notes = header.notes.as_ref();
    json!({
        "documents": header.num_documents,
        "sentences": header.num_sentences,
        "tokens": header.num_tokens,
        "text_bytes": header.text_bytes,
        "unknown_share": header.unknown_share(),
        "unknown_examples": notes.map(|notes| &notes.unknown_examples),
        "files": header.inputs.len(),
        "left_out": corpus::left_out_json(&header.counted().left_out),
        "skipped_lines": header.skipped_lines,
        "skipped_records": header.skipped_records,
        "replaced_surrogates": header.replaced_surrogates,
        "long_words": notes.map(|notes| notes.long_words),
        "special_tokens": notes.map(|notes| &notes.special_tokens),
    })
}
