//! `kiln predict replaced-tokens`: which tokens of a text a discriminator takes for another's.

use std::path::PathBuf;

use clap::Args;
use kiln_tasks::architecture::{ReplacedTokensRequest, TokenScore};
use serde_json::{Value, json};

use super::texts::texts_or_lines;
use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::model_folder::ModelFolder;

const EXAMPLES: &str = "Examples:
  kiln predict replaced-tokens --model runs/electra \"The potter ate the kiln.\"
  kiln predict replaced-tokens --model google/electra-small-discriminator --json < texts.txt";

// Which texts, and which model.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplacedTokensArgs {
    /// Hugging Face folder of a discriminator, a checkpoint, or a run, whose newest checkpoint is
    /// taken
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Probability from which a token is marked as replaced, from 0 to 1; lower finds more and is
    /// wrong more often
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    threshold: f64,
    /// Print one JSON object a text: text, tokens (position, token, id, replaced)
    #[arg(long)]
    json: bool,
    /// Texts, without masks. Default: the lines of stdin
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
}

/// Scores the tokens of all texts.
///
/// # Errors
/// If the model can't be opened or has no discriminator, or a text is too long for it.
pub(super) fn run(
    args: &ReplacedTokensArgs,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    if !(0.0..=1.0).contains(&args.threshold) {
        return Err(Failure::usage(format_args!(
            "--threshold {}: choose a probability from 0 to 1",
            args.threshold
        )));
    }
    let model = ModelFolder::open(&args.model)?;
    let device = devices::open_one(backend)?;
    let request = ReplacedTokensRequest {
        model: model.path,
        texts: texts_or_lines(&args.texts)?,
        device,
    };
    let scored = model.architecture.replaced_tokens(&request)?;
    for (text, tokens) in request.texts.iter().zip(&scored) {
        if args.json {
            console.json(&to_json(text, tokens))?;
        } else {
            print(text, tokens, args.threshold, console)?;
        }
    }
    Ok(())
}

fn to_json(text: &str, tokens: &[TokenScore]) -> Value {
    let tokens: Vec<Value> = tokens
        .iter()
        .map(|token| {
            json!({
                "position": token.position,
                "token": token.token,
                "id": token.id,
                "replaced": token.replaced,
            })
        })
        .collect();
    json!({ "text": text, "tokens": tokens })
}

fn print(
    text: &str,
    tokens: &[TokenScore],
    threshold: f64,
    console: Console,
) -> Result<(), Failure> {
    console.out(text)?;
    let letters = |token: &TokenScore| token.token.chars().count();
    let width = tokens.iter().map(letters).max().unwrap_or_default();
    for token in tokens {
        let mark = if token.replaced >= threshold {
            "  replaced"
        } else {
            ""
        };
        console.out(format_args!(
            "    {:<width$}  {:.4}{mark}",
            token.token, token.replaced
        ))?;
    }
    Ok(())
}
