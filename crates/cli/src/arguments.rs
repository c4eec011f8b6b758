//! The command line: every command, and the flags that all of them take.
//!
//! Here and in the commands' files, structs of arguments carry plain comments: clap takes a doc
//! comment on one for the help of the command that holds it.

use std::ffi::OsString;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::backends::BackendsArgs;
use crate::cache::CacheCommand;
use crate::console::Console;
use crate::evaluate::EvaluateArgs;
use crate::failure::Failure;
use crate::finetune::FinetuneArgs;
use crate::forward::ForwardArgs;
use crate::merge::MergeArgs;
use crate::predict::PredictCommand;
use crate::prepare::PrepareArgs;
use crate::pretrain::PretrainArgs;
use crate::report::ReportArgs;
use crate::resume::ResumeArgs;
use crate::tokenizer::TokenizerCommand;
use crate::{
    backends, cache, evaluate, finetune, forward, merge, predict, prepare, pretrain, report,
    resume, swallowed, tokenizer,
};

const EXAMPLES: &str = "Examples:
  kiln pretrain bert --corpus text/ --output runs/first
  kiln predict fill-mask --model runs/first \"The kiln was [MASK].\"";

/// Pretrain BERT-family encoders on any processor or GPU
#[derive(Parser)]
#[command(name = "kiln", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

// Flags that every command takes.
#[derive(Args)]
pub(crate) struct GlobalArgs {
    /// Where to compute: flex, ndarray, tch, wgpu, vulkan, metal, webgpu, cuda, rocm or remote, as
    /// far as compiled in; :1 is a backend's second device. Repeat it to train on several devices.
    /// Default: KILN_BACKEND, else a GPU that answers, else the fastest on the processor
    #[arg(
        long,
        global = true,
        value_name = "NAME[:INDEX]",
        help_heading = "Global options"
    )]
    pub(crate) backend: Vec<String>,
    /// Say more on stderr about what happens inside; twice says still more, RUST_LOG says exactly
    /// what. Default: errors alone
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    #[arg(help_heading = "Global options")]
    pub(crate) verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// List the backends in this build and which devices answer
    Backends(BackendsArgs),
    /// Train tokenizers
    #[command(subcommand)]
    Tokenizer(TokenizerCommand),
    /// Tokenise a corpus once, to be reused by every run
    Prepare(PrepareArgs),
    /// Pretrain a model from plain text
    Pretrain(Box<PretrainArgs>),
    /// Continue a run that was stopped
    Resume(Box<ResumeArgs>),
    /// Fine-tune a model on labelled files
    Finetune(Box<FinetuneArgs>),
    /// Merge an adapter (LoRA) into the model that it belongs to
    Merge(MergeArgs),
    /// Score a fine-tuned model on labelled files, or predictions
    Evaluate(Box<EvaluateArgs>),
    /// Use a trained model
    #[command(subcommand)]
    Predict(PredictCommand),
    /// Run a model on given tensors, to compare it with other implementations
    Forward(ForwardArgs),
    /// Draw a run's curves into one HTML page
    Report(ReportArgs),
    /// See and clear the cache of tokenised text
    #[command(subcommand)]
    Cache(CacheCommand),
}

impl Cli {
    /// Reads the command line. What clap has to say about it, help too, ends the process here.
    ///
    /// # Errors
    /// If a word was taken by a flag that it was not meant for.
    pub(crate) fn read() -> Result<Self, Failure> {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let error = match Self::try_parse_from(&arguments) {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        match swallowed::as_meant(&arguments, &Self::command(), &error)? {
            Some(arguments) => Ok(Self::parse_from(arguments)),
            None => error.exit(),
        }
    }

    /// Does what the command line asks for.
    ///
    /// # Errors
    /// Whatever stops the command, as the one line that the user reads.
    pub(crate) fn run(self, console: Console) -> Result<(), Failure> {
        let backend = self.global.backend.as_slice();
        match self.command {
            Command::Backends(args) => backends::run(&args, backend, console),
            Command::Tokenizer(command) => tokenizer::run(&command, console),
            Command::Prepare(args) => prepare::run(&args, console),
            Command::Pretrain(args) => pretrain::run(&args, backend, console),
            Command::Resume(args) => resume::run(&args, backend, console),
            Command::Finetune(args) => finetune::run(&args, backend, console),
            Command::Merge(args) => merge::run(&args, backend, console),
            Command::Evaluate(args) => evaluate::run(&args, backend, console),
            Command::Predict(command) => predict::run(&command, backend, console),
            Command::Forward(args) => forward::run(&args, backend),
            Command::Report(args) => report::run(&args, console),
            Command::Cache(command) => cache::run(&command, console),
        }
    }
}

/// Diagnostics on stderr: what `RUST_LOG` says, else errors, or more for each `-v`.
pub(crate) fn start_diagnostics(verbose: u8) {
    let default = match verbose {
        0 => "error",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
