//! `kiln predict`: a trained model at work.

mod embed;
mod labelled;
mod replaced_tokens;
mod texts;
mod vectors_file;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use kiln_tasks::architecture::{FillMaskRequest, MaskFilling};
use serde_json::{Value, json};

use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::model_folder::ModelFolder;
use embed::EmbedArgs;
use kiln_datasets::Task;
use labelled::LabelledArgs;
use replaced_tokens::ReplacedTokensArgs;
use texts::texts_or_lines;

const EXAMPLES: &str = "Examples:
  kiln predict fill-mask --model runs/first \"The capital of France is [MASK].\"
  kiln predict fill-mask --model bert-base-uncased --top-k 3 --json < texts.txt";

// The commands under `kiln predict`.
#[derive(Subcommand)]
pub(crate) enum PredictCommand {
    /// Fill the masked words of a text
    FillMask(FillMaskArgs),
    /// Tell which tokens of a text do not belong there, with a discriminator
    ReplacedTokens(ReplacedTokensArgs),
    /// Say the label of each text or pair of texts, or its labels
    Classify(Box<LabelledArgs>),
    /// Say a number, or several, for each text or pair of texts
    Regress(Box<LabelledArgs>),
    /// Say the tag of each word
    Tag(Box<LabelledArgs>),
    /// Answer questions with a piece of their context
    Qa(Box<LabelledArgs>),
    /// Say which continuation fits
    Choose(Box<LabelledArgs>),
    /// Make a vector of each text, for search, clustering, or a classifier of another kind
    Embed(EmbedArgs),
}

// Which texts, and which model.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FillMaskArgs {
    /// Hugging Face model folder, a checkpoint, or a run, whose newest checkpoint is taken
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Candidates shown for a mask, best first
    #[arg(long, value_name = "N", default_value = "5")]
    top_k: NonZeroUsize,
    /// Print one JSON object a text: text, masks (position, candidates (token, id, score))
    #[arg(long)]
    json: bool,
    // Not a doc comment: rustdoc takes the mask token for a link.
    #[arg(
        value_name = "TEXT",
        help = "Texts with the mask token, usually [MASK], once or several times. Default: the \
                lines of stdin"
    )]
    texts: Vec<String>,
}

/// Runs a command under `kiln predict`.
///
/// # Errors
/// As its command.
pub(crate) fn run(
    command: &PredictCommand,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    match command {
        PredictCommand::FillMask(args) => fill_mask(args, backend, console),
        PredictCommand::ReplacedTokens(args) => replaced_tokens::run(args, backend, console),
        PredictCommand::Classify(args) => labelled::run(Task::Classify, args, backend, console),
        PredictCommand::Regress(args) => labelled::run(Task::Regress, args, backend, console),
        PredictCommand::Tag(args) => labelled::run(Task::Tag, args, backend, console),
        PredictCommand::Qa(args) => labelled::run(Task::Qa, args, backend, console),
        PredictCommand::Choose(args) => labelled::run(Task::Choose, args, backend, console),
        PredictCommand::Embed(args) => embed::run(args, backend, console),
    }
}

fn fill_mask(args: &FillMaskArgs, backend: &[String], console: Console) -> Result<(), Failure> {
    let model = ModelFolder::open(&args.model)?;
    let device = devices::open_one(backend)?;
    let texts = texts_or_lines(&args.texts)?;
    let request = FillMaskRequest {
        model: model.path,
        texts,
        top_k: args.top_k.get(),
        device,
        warn: Console::warn,
    };
    let filled = model.architecture.fill_mask(&request)?;
    for (text, masks) in request.texts.iter().zip(&filled) {
        if args.json {
            console.json(&to_json(text, masks))?;
        } else {
            print(text, masks, console)?;
        }
    }
    Ok(())
}

fn to_json(text: &str, masks: &[MaskFilling]) -> Value {
    let masks: Vec<Value> = masks
        .iter()
        .map(|mask| {
            let candidates: Vec<Value> = mask
                .candidates
                .iter()
                .map(|candidate| {
                    json!({
                        "token": candidate.token,
                        "id": candidate.id,
                        "score": candidate.score,
                    })
                })
                .collect();
            json!({ "position": mask.position, "candidates": candidates })
        })
        .collect();
    json!({ "text": text, "masks": masks })
}

fn print(text: &str, masks: &[MaskFilling], console: Console) -> Result<(), Failure> {
    console.out(text)?;
    for (number, mask) in (1..).zip(masks) {
        console.out(format_args!("  mask {number}"))?;
        for candidate in &mask.candidates {
            console.out(format_args!(
                "    {:<20} {:.4}",
                candidate.token, candidate.score
            ))?;
        }
    }
    Ok(())
}
