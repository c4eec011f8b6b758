//! The text that a tokenizer is trained on: which of its characters get pieces, how much of it is
//! read, and what is told of it.

use std::num::NonZeroUsize;

use clap::Args;
use kiln_text::reading::Inputs;
use kiln_text::tokenizer::{
    self as tokenizers, DEFAULT_SAMPLE_BYTES, DroppedCharacters, SampleSize, TextSummary,
    TokenizerKind, TrainSettings, Trained,
};
use kiln_text::{AlphabetFit, TextError};
use serde_json::{Value, json};

use crate::console::Console;
use crate::corpus::number;
use crate::failure::Failure;
use crate::out_of_memory::{self, Work};
use crate::task_progress::TaskProgress;
use crate::wording::{bytes, count, share};

// Characters and text.
#[derive(Args, Clone, Copy)]
pub(crate) struct AlphabetArgs {
    /// Characters that word-piece has entries for, the most frequent ones; words with another are
    /// unknown. Default: all up to 1000, and of rarer ones as many as 0.9999 of the text take and the
    /// vocabulary has room for
    #[arg(long, value_name = "N")]
    pub(crate) limit_alphabet: Option<NonZeroUsize>,
    /// Share of the text's characters that unigram has pieces for; the rarest of the others are
    /// unknown. Default: 0.9995, xlnet's 0.99995
    #[arg(long, value_name = "X")]
    pub(crate) character_coverage: Option<f64>,
    /// Text that the tokenizer is trained on, e.g. 500MB, spread over all of it; more takes more
    /// memory and time. all: all of it. Default: all where words come again, and 50MB of larger
    /// texts without spaces, such as Chinese, Japanese and Thai
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) tokenizer_sample: Option<SampleSize>,
}

impl AlphabetArgs {
    /// Names of the flags that are given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        [
            (self.limit_alphabet.is_some(), "--limit-alphabet"),
            (self.character_coverage.is_some(), "--character-coverage"),
            (self.tokenizer_sample.is_some(), "--tokenizer-sample"),
        ]
        .into_iter()
        .find_map(|(is_given, name)| is_given.then_some(name))
    }

    /// Refuses flags that are not for a kind, and shares that are none.
    ///
    /// # Errors
    /// Names the flag.
    pub(crate) fn check(&self, kind: TokenizerKind) -> Result<(), Failure> {
        if self.limit_alphabet.is_some() && kind != TokenizerKind::WordPiece {
            return Err(Failure::usage(format_args!(
                "--limit-alphabet: only word-piece has a limit, and this tokenizer is {}; leave it \
                 out{}",
                kind.name(),
                if kind.is_unigram() {
                    ", or choose a --character-coverage"
                } else {
                    ""
                }
            )));
        }
        let Some(coverage) = self.character_coverage else {
            return Ok(());
        };
        if !kind.is_unigram() {
            return Err(Failure::usage(format_args!(
                "--character-coverage: only unigram has one, and this tokenizer is {}; leave it out{}",
                kind.name(),
                if kind == TokenizerKind::WordPiece {
                    ", or choose a --limit-alphabet"
                } else {
                    ""
                }
            )));
        }
        if coverage > 0.0 && coverage <= 1.0 {
            return Ok(());
        }
        Err(Failure::usage(format_args!(
            "--character-coverage {coverage}: choose a share of the characters above 0 and up to 1"
        )))
    }
}

/// `500MB`, `2 GB`, `1000000`, `all`.
fn parse_size(text: &str) -> Result<SampleSize, String> {
    let wrong = || "write a size such as 500MB or 2GB, or all".to_string();
    let text = text.trim().to_ascii_lowercase();
    if text == "all" {
        return Ok(SampleSize::All);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..).unwrap_or_default() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        _ => return Err(wrong()),
    };
    let number: f64 = digits.trim().parse().map_err(|_| wrong())?;
    let size = number * factor;
    if (1.0..9e18).contains(&size) {
        Ok(SampleSize::Bytes(size as u64))
    } else {
        Err(wrong())
    }
}

/// Where a tokenizer is trained: what can be advised differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trainer {
    /// `kiln tokenizer train`.
    Command,
    /// `kiln prepare`, for whatever architecture.
    Prepare,
    /// `kiln pretrain`, for this architecture.
    Run(&'static str),
}

impl Trainer {
    /// How to get a tokenizer that takes words of any length.
    pub(crate) fn other_kind(self) -> String {
        match self {
            Self::Command => "--kind byte-bpe and --kind unigram take words of any length".into(),
            Self::Prepare => "byte-bpe and unigram take words of any length: kiln tokenizer train \
                              --kind byte-bpe …"
                .into(),
            Self::Run(architecture) => format!(
                "byte-bpe and unigram take words of any length: kiln tokenizer train --arch \
                 {architecture} --kind byte-bpe …, and pass its folder with --tokenizer"
            ),
        }
    }
}

/// Reads the text, says how much of it where that is a sample, trains a tokenizer on it, of
/// `by_text(bytes of text)` entries if that is given, and says which characters have no piece.
///
/// # Errors
/// If text can't be read, or has nothing to train on.
pub(crate) fn train(
    inputs: &Inputs,
    kind: TokenizerKind,
    settings: TrainSettings,
    sample: Option<SampleSize>,
    trainer: Trainer,
    console: Console,
    by_text: Option<fn(u64) -> u32>,
) -> Result<Trained, Failure> {
    let failed = |error| failure(error, trainer);
    let _memory = out_of_memory::during(Work::Tokenizer);
    let mut progress = TaskProgress::new(console, "training the tokenizer");
    let counted =
        tokenizers::count_text(inputs, &settings, &mut |p| progress.training(p)).map_err(failed)?;
    drop(progress);
    let text = counted.summary();
    tell_sample(text, sample, console);
    let settings = match by_text {
        Some(entries) => settings.with_vocab_size(entries(text.text_bytes)),
        None => settings,
    };
    let mut progress = TaskProgress::new(console, "training the tokenizer");
    let trained = counted
        .train(&settings, &mut |p| progress.training(p))
        .map_err(failed)?;
    drop(progress);
    tell_dropped(
        trained.dropped.as_ref(),
        kind,
        settings.vocab_size(),
        console,
    );
    Ok(trained)
}

/// A failed training, in the words of the command line.
fn failure(error: TextError, trainer: Trainer) -> Failure {
    match error {
        TextError::LongWords { inputs, most } => Failure::run(format_args!(
            "{inputs}: every word in it has more than {most} characters, and word-piece takes such \
             words for unknown; {}",
            trainer.other_kind()
        )),
        TextError::Alphabet {
            vocab_size,
            needed,
            fit,
        } => {
            let or = match fit {
                Some(AlphabetFit::Characters(most)) => {
                    format!(", or a --limit-alphabet of {most} at most")
                }
                Some(AlphabetFit::Coverage(most)) => {
                    format!(", or a --character-coverage of {most} at most")
                }
                None => String::new(),
            };
            Failure::usage(format_args!(
                "--vocab-size {vocab_size}: the alphabet of this text takes {needed}; choose at \
                 least that{or}"
            ))
        }
        TextError::Setting {
            field: "sample",
            value,
            remedy,
        } => Failure::usage(format_args!("--tokenizer-sample {value}: {remedy}")),
        error => error.into(),
    }
}

/// Says which part of a text is trained on, where that is not all.
fn tell_sample(text: &TextSummary, size: Option<SampleSize>, console: Console) {
    let Some(sampled) = text.sampled_bytes else {
        return;
    };
    let reason = match size {
        None | Some(SampleSize::Auto) => format!(
            ", because its words hardly come again, as in scripts without spaces, and it is larger \
             than {}",
            bytes(DEFAULT_SAMPLE_BYTES)
        ),
        Some(_) => String::new(),
    };
    console.note(format_args!(
        "the tokenizer is trained on a sample of {} of the {} of text{reason}; --tokenizer-sample \
         2GB takes more, --tokenizer-sample all everything",
        bytes(sampled),
        bytes(text.text_bytes)
    ));
}

/// Says which characters of the text a tokenizer has no piece for.
fn tell_dropped(
    dropped: Option<&DroppedCharacters>,
    kind: TokenizerKind,
    vocab_size: u32,
    console: Console,
) {
    let Some(dropped) = dropped else {
        return;
    };
    let named: Vec<String> = dropped.most_frequent.iter().map(|c| named(*c)).collect();
    let more = if dropped.characters > named.len() as u64 {
        " …"
    } else {
        ""
    };
    let keeps = if kind.is_unigram() {
        "--character-coverage 1".to_owned()
    } else {
        format!("--limit-alphabet {}", dropped.all_characters)
    };
    let room = if u64::from(vocab_size) < dropped.vocab_size_for_all {
        format!(" --vocab-size {}", dropped.vocab_size_for_all)
    } else {
        String::new()
    };
    let remedy = match (dropped.has_null, dropped.characters) {
        (true, 1) => "no SentencePiece model can have it; take it out of the text".to_owned(),
        (true, _) => format!(
            "{keeps}{room} keeps all but U+0000, which no SentencePiece model can have; take that out \
             of the text"
        ),
        (false, _) => format!("{keeps}{room} keeps all"),
    };
    console.note(format_args!(
        "warning: {} of the text's {} characters, {} of it, have no piece and are unknown: {}{more}; \
         {remedy}",
        count(dropped.characters),
        count(dropped.all_characters),
        share(dropped.share),
        named.join(" ")
    ));
}

/// A character as a message can show it.
fn named(c: char) -> String {
    if c.is_control() || c.is_whitespace() || !shows(c) {
        format!("U+{:04X}", u32::from(c))
    } else {
        c.to_string()
    }
}

/// Not one that joins the character before it, or has no shape.
fn shows(c: char) -> bool {
    c.is_alphanumeric()
        || c.is_ascii_punctuation()
        || !matches!(u32::from(c), 0xad | 0x300..0x370 | 0x200b..0x2070 | 0xfe00..0xfe10 | 0xfeff | 0xe0000..)
}

/// Says what of the text is lost on the tokenizer beside characters: lines, words, names.
pub(crate) fn tell_text(text: &TextSummary, console: Console) {
    if text.long_words > 0 {
        console.note(format_args!(
            "warning: {} of more characters than word-piece takes, {} of the text, will be unknown; {}",
            number(text.long_words, "word"),
            share(text.long_word_share),
            Trainer::Command.other_kind()
        ));
    }
    if !text.special_tokens.is_empty() {
        console.note(format_args!(
            "warning: the text has special tokens typed in: {}; the tokenizer takes them for what \
             they name, not for text. Change them in the text if they are mere words",
            times(&text.special_tokens)
        ));
    }
}

/// `[MASK] 12 times, [SEP] once`
pub(crate) fn times<'a>(tokens: impl IntoIterator<Item = (&'a String, &'a u64)>) -> String {
    let tokens = tokens.into_iter().map(|(token, times)| match times {
        1 => format!("{token} once"),
        times => format!("{token} {} times", count(*times)),
    });
    tokens.collect::<Vec<_>>().join(", ")
}

/// What there is to say of a training, for a program.
pub(crate) fn to_json(text: &TextSummary, dropped: Option<&DroppedCharacters>) -> Value {
    json!({
        "text_bytes": text.text_bytes,
        "sampled_bytes": text.sampled_bytes,
        "skipped_lines": text.counted.skipped_lines,
        "long_words": text.long_words,
        "long_word_share": text.long_word_share,
        "special_tokens": text.special_tokens,
        "dropped_characters": dropped.map(|dropped| json!({
            "characters": dropped.characters,
            "of": dropped.all_characters,
            "share": dropped.share,
            "most_frequent": dropped.most_frequent,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, expected) in [
            ("500MB", SampleSize::Bytes(500_000_000)),
            ("2 gb", SampleSize::Bytes(2_000_000_000)),
            ("1.5M", SampleSize::Bytes(1_500_000)),
            ("1000", SampleSize::Bytes(1000)),
            ("ALL", SampleSize::All),
        ] {
            assert_eq!(parse_size(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "-5MB", "5 miles", "MB", "nan", "1e99", "some"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn characters_without_a_shape_are_named_by_number() {
        let shown = ['é', '龘', '"', '😀', '\u{301}', '\u{200d}', '\u{3000}'].map(named);
        assert_eq!(shown, ["é", "龘", "\"", "😀", "U+0301", "U+200D", "U+3000"]);
    }
}
