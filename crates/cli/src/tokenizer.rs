//! `kiln tokenizer train`: a vocabulary from plain text.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use kiln_text::corpus::{OnInvalid, hex};
use kiln_text::tokenizer::{WordPieceSettings, train_word_piece};
use serde_json::json;

use crate::architectures::{self, Named};
use crate::console::Console;
use crate::failure::Failure;
use crate::task_progress::TaskProgress;
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
    /// Text files, or folders of them: one paragraph a line and a blank line between documents, or
    /// JSON Lines with a "text" field; .gz and .zst too
    #[arg(long, value_name = "F", required = true, num_args = 1..)]
    corpus: Vec<PathBuf>,
    /// Entries in the vocabulary, special tokens included; more keep words whole and make the model
    /// larger. Published: 30522
    #[arg(long, value_name = "N")]
    vocab_size: u32,
    /// Folder for tokenizer.json, vocab.txt and tokenizer_config.json; must be new or empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    letters: LetterArgs,
    /// Times a pair of pieces must occur to be joined; higher leaves rare words in pieces
    #[arg(long, value_name = "N", default_value_t = 2)]
    min_frequency: u64,
    /// Leave out lines that are not UTF-8. Default: stop at the first, naming file and byte
    #[arg(long)]
    skip_invalid: bool,
    /// Threads that count words; the result is the same for any number. Default: one a core
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Print one JSON object instead of a sentence
    #[arg(long)]
    json: bool,
}

// What a tokenizer keeps of letters.
#[derive(Args, Clone, Copy)]
pub(crate) struct LetterArgs {
    /// Keep capital letters: better for names, needs a larger vocabulary. Default: all lower case
    #[arg(long)]
    pub(crate) cased: bool,
    /// Keep accents, so that й, ё and é stay letters of their own. Default: kept only with --cased
    #[arg(long)]
    pub(crate) keep_accents: bool,
}

impl LetterArgs {
    /// As the trainer takes them.
    pub(crate) fn apply(self, settings: &mut WordPieceSettings) {
        settings.lowercase = !self.cased;
        settings.strip_accents = self.keep_accents.then_some(false);
    }
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
    crate::pretrain::refuse_used_folder(&args.output, "")?;
    let mut settings = WordPieceSettings {
        vocab_size: args.vocab_size,
        min_frequency: args.min_frequency,
        on_invalid: on_invalid(args.skip_invalid),
        threads: args.threads,
        ..WordPieceSettings::default()
    };
    args.letters.apply(&mut settings);
    let mut progress = TaskProgress::new(console, "training the tokenizer");
    let tokenizer = train_word_piece(&args.corpus, &settings, &mut |p| progress.training(p))?;
    drop(progress);
    tokenizer.save(&args.output)?;

    if tokenizer.vocab_size() < args.vocab_size {
        console.note(format_args!(
            "warning: the text has pairs for {} entries only, not for {}; add text, or lower \
             --min-frequency",
            count(tokenizer.vocab_size().into()),
            count(args.vocab_size.into())
        ));
    }
    if args.json {
        return console.json(&json!({
            "architecture": args.arch.0.name(),
            "output": args.output.display().to_string(),
            "vocab_size": tokenizer.vocab_size(),
            "identity": hex(&tokenizer.identity()),
        }));
    }
    console.out(format_args!(
        "{}: a tokenizer with {} entries; next: kiln prepare --tokenizer {} --corpus …",
        args.output.display(),
        count(tokenizer.vocab_size().into()),
        shell(&args.output)
    ))
}

/// What a flag says about lines that are not UTF-8.
pub(crate) fn on_invalid(skip: bool) -> OnInvalid {
    if skip {
        OnInvalid::Skip
    } else {
        OnInvalid::Refuse
    }
}
