//! `kiln tokenizer train`: a vocabulary from plain text.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use kiln_text::reading::hex;
use kiln_text::tokenizer::{
    ByteBpeLayout, ByteBpeSettings, SampleSettings, TokenizerKind, TrainSettings, UnigramSettings,
    WordPieceSettings, XlnetLetters,
};
use serde_json::json;

use crate::architectures::{self, Named};
use crate::console::Console;
use crate::corpus::{ReadArgs, keep_pipes, left_out_json, tell};
use crate::failure::Failure;
use crate::tokenizer_text::{self, AlphabetArgs, Trainer};
use crate::wording::{count, shell};

const EXAMPLES: &str = "Examples:
  kiln tokenizer train --arch bert --corpus text/ --vocab-size 8000 --output tokenizer
  kiln tokenizer train --arch bert --corpus ru.txt.gz --vocab-size 30000 --cased --output ru";

// The commands under `kiln tokenizer`.
#[derive(Subcommand)]
pub(crate) enum TokenizerCommand {
    /// Train a tokenizer on plain text
    Train(TrainArgs),
}

// What to train, and on what.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrainArgs {
    /// The architecture that will use it; it decides the kind of tokenizer
    #[arg(long, value_name = "A", value_parser = architectures::parser())]
    arch: Named,
    /// Another kind of tokenizer than the architecture's usual one, e.g. byte-bpe for DeBERTa v1
    #[arg(long, value_name = "K", value_parser = kinds())]
    kind: Option<TokenizerKind>,
    /// Text, or folders of it, or - for standard input: one paragraph a line and a blank line between
    /// documents, or JSON with a "text" in each record; plain or in .gz, .zst, .bz2, .xz, .tar, .zip
    #[arg(long, value_name = "F", required = true, num_args = 1..)]
    corpus: Vec<PathBuf>,
    /// Entries in the vocabulary, special tokens included; more keep words whole and make the model
    /// larger. Published: 30522 for BERT, 128000 for DeBERTa
    #[arg(long, value_name = "N")]
    vocab_size: u32,
    /// Folder for tokenizer.json, tokenizer_config.json and the vocabulary; must be new or empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    letters: LetterArgs,
    #[command(flatten)]
    alphabet: AlphabetArgs,
    /// Seed of the choice of text, where the tokenizer is trained on a sample
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Times a pair of pieces must occur to be joined; higher leaves rare words in pieces. Not for
    /// unigram. Default: 2
    #[arg(long, value_name = "N")]
    min_frequency: Option<u64>,
    #[command(flatten)]
    read: ReadArgs,
    /// Threads that count words; the result is the same for any number. Default: one a core
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Print one JSON object instead of a sentence
    #[arg(long)]
    json: bool,
}

// What a tokenizer keeps of letters. XLNet's always keeps capital ones; kinds other than XLNet's and
// WordPiece keep all.
#[derive(Args, Clone, Copy)]
pub(crate) struct LetterArgs {
    /// Keep capital letters: better for names, needs a larger vocabulary. Default: all lower case
    #[arg(long)]
    pub(crate) cased: bool,
    /// Keep accents, so that й, ё and é stay letters of their own. Default: kept only with --cased
    #[arg(long)]
    pub(crate) keep_accents: bool,
}

/// A tokenizer to train, as flags say it.
pub(crate) struct Wanted {
    pub(crate) kind: TokenizerKind,
    pub(crate) vocab_size: u32,
    pub(crate) letters: LetterArgs,
    pub(crate) alphabet: AlphabetArgs,
    pub(crate) seed: u64,
    pub(crate) min_frequency: Option<u64>,
    pub(crate) model_max_length: Option<u32>,
    pub(crate) threads: usize,
}

impl Wanted {
    /// As the trainer takes it.
    ///
    /// # Errors
    /// If a flag is not for this kind.
    pub(crate) fn settings(self) -> Result<TrainSettings, Failure> {
        let Self {
            kind,
            vocab_size,
            letters,
            alphabet,
            seed,
            min_frequency,
            model_max_length,
            threads,
        } = self;
        alphabet.check(kind)?;
        let sample = SampleSettings {
            size: alphabet.tokenizer_sample.unwrap_or_default(),
            seed,
        };
        let refused = |flags: &str, reason: &str| {
            Err(Failure::usage(format_args!(
                "{flags}: {reason}, and this tokenizer is {}; leave it out",
                kind.name()
            )))
        };
        let is_refused = match kind {
            TokenizerKind::WordPiece => false,
            TokenizerKind::XlnetUnigram => letters.cased,
            TokenizerKind::Unigram | TokenizerKind::ByteBpe | TokenizerKind::RobertaByteBpe => {
                letters.cased || letters.keep_accents
            }
        };
        if is_refused {
            return refused(
                "--cased, --keep-accents",
                "only word-piece changes letters otherwise, unigram-xlnet accents alone",
            );
        }
        if kind.is_unigram() && min_frequency.is_some() {
            return refused("--min-frequency", "only pairs that are joined have one");
        }
        Ok(match kind {
            TokenizerKind::WordPiece => {
                let default = WordPieceSettings::default();
                TrainSettings::WordPiece(WordPieceSettings {
                    vocab_size,
                    lowercase: !letters.cased,
                    strip_accents: letters.keep_accents.then_some(false),
                    min_frequency: min_frequency.unwrap_or(default.min_frequency),
                    limit_alphabet: alphabet.limit_alphabet.map(NonZeroUsize::get),
                    sample,
                    model_max_length,
                    threads,
                })
            }
            TokenizerKind::Unigram | TokenizerKind::XlnetUnigram => {
                let default = if kind == TokenizerKind::XlnetUnigram {
                    // Cased, as published.
                    UnigramSettings::xlnet(XlnetLetters {
                        keep_accents: letters.keep_accents,
                        ..XlnetLetters::default()
                    })
                } else {
                    UnigramSettings::default()
                };
                TrainSettings::Unigram(UnigramSettings {
                    vocab_size,
                    character_coverage: alphabet
                        .character_coverage
                        .unwrap_or(default.character_coverage),
                    sample,
                    model_max_length,
                    threads,
                    ..default
                })
            }
            TokenizerKind::ByteBpe | TokenizerKind::RobertaByteBpe => {
                let default = ByteBpeSettings::default();
                TrainSettings::ByteBpe(ByteBpeSettings {
                    vocab_size,
                    layout: match kind {
                        TokenizerKind::RobertaByteBpe => ByteBpeLayout::Roberta,
                        _ => default.layout,
                    },
                    min_frequency: min_frequency.unwrap_or(default.min_frequency),
                    sample,
                    model_max_length,
                    threads,
                })
            }
        })
    }
}

/// Takes exactly the names of the kinds.
fn kinds() -> impl TypedValueParser<Value = TokenizerKind> {
    let kinds = TokenizerKind::ALL;
    PossibleValuesParser::new(kinds.map(TokenizerKind::name)).try_map(move |name| {
        kinds
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("no kind of tokenizer is called {name}"))
    })
}

/// Runs a command under `kiln tokenizer`.
///
/// # Errors
/// As its command.
pub(crate) fn run(command: &TokenizerCommand, console: Console) -> Result<(), Failure> {
    match command {
        TokenizerCommand::Train(args) => train(args, console),
    }
}

fn train(args: &TrainArgs, console: Console) -> Result<(), Failure> {
    crate::folders::refuse_used_folder(&args.output, "")?;
    let kind = args.kind.unwrap_or_else(|| args.arch.0.tokenizer(None));
    let settings = Wanted {
        kind,
        vocab_size: args.vocab_size,
        letters: args.letters,
        alphabet: args.alphabet,
        seed: args.seed,
        min_frequency: args.min_frequency,
        model_max_length: WordPieceSettings::default().model_max_length,
        threads: args.threads,
    }
    .settings()?;
    let mut inputs = args.read.find(&args.corpus, console)?;
    // A sample reads the text twice.
    keep_pipes(&mut inputs, console)?;
    let sample = args.alphabet.tokenizer_sample;
    let trained = tokenizer_text::train(
        &inputs,
        kind,
        settings,
        sample,
        Trainer::Command,
        console,
        None,
    )?;
    let tokenizer = trained.tokenizer;
    tokenizer.save(&args.output)?;

    if tokenizer.vocab_size() < args.vocab_size {
        let found = if kind.is_unigram() {
            "strings"
        } else {
            "pairs"
        };
        console.note(format_args!(
            "warning: the text has {found} for {} entries only, not for {}; add text, or lower \
             --vocab-size",
            count(tokenizer.vocab_size().into()),
            count(args.vocab_size.into())
        ));
    }
    let dropped = trained.dropped.as_ref();
    let (files, counted) = (inputs.num_files() as u64, &trained.text.counted);
    tell(files, counted, "", console);
    tokenizer_text::tell_text(&trained.text, console);
    if args.json {
        return console.json(&json!({
            "architecture": args.arch.0.name(),
            "kind": kind.name(),
            "output": args.output.display().to_string(),
            "vocab_size": tokenizer.vocab_size(),
            "identity": hex(&tokenizer.identity()),
            "text": tokenizer_text::to_json(&trained.text, dropped),
            "files": files,
            "left_out": left_out_json(&counted.left_out),
            "skipped_records": counted.skipped_records,
            "replaced_surrogates": counted.replaced_surrogates,
        }));
    }
    console.out(format_args!(
        "{}: a tokenizer with {} entries; next: kiln prepare --tokenizer {} --corpus …",
        args.output.display(),
        count(tokenizer.vocab_size().into()),
        shell(&args.output)
    ))
}
