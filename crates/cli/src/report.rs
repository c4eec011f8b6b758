//! `kiln report`: a run's curves, scores and settings as one HTML page; several fine-tuning runs beside each
//! other as another.

use std::path::{Path, PathBuf};

use clap::Args;
use kiln_learner::RunFolder;
use kiln_report::{History, ReportFacts, write_comparison, write_report, write_tuning_report};
use kiln_tasks::RunSettings;
use kiln_tasks::labelled::RunKind;
use kiln_text::{Corpus, Tokenizer};

use crate::console::Console;
use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  kiln report runs/first
  kiln report runs/topics-bert runs/topics-electra --output comparison.html
  xdg-open \"$(kiln report runs/first)\"";

// Which runs, and where a comparison goes.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// The run's folder; report.html in it is replaced. The run may be at work meanwhile. Several
    /// fine-tuning runs are compared, the others with the first: curves, scores, and a paired test where
    /// they were scored on the same examples. Several pretraining runs have a page each
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The page of a comparison, replaced. Default: compare.html in the first run
    #[arg(long, value_name = "F.html")]
    output: Option<PathBuf>,
}

/// Writes the page, or the pages, and prints the path of each.
///
/// # Errors
/// If there is no run, or it has no step yet, or a page can't be written; if runs can't be compared.
pub(crate) fn run(args: &ReportArgs, console: Console) -> Result<(), Failure> {
    let kinds = args.runs.iter().map(|run| RunKind::of(run));
    let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
    let pretraining = kinds.iter().filter(|kind| **kind == RunKind::Pretraining);
    let compares = match (pretraining.count(), kinds.len()) {
        (0, count) => count > 1,
        (pretraining, count) if pretraining == count => false,
        _ => {
            return Err(Failure::usage(
                "pretraining runs and fine-tuning runs have no common page; report the former by \
                 themselves",
            ));
        }
    };
    if args.output.is_some() && !compares {
        return Err(Failure::usage(
            "--output is for the page of several fine-tuning runs; a run's own page is report.html in it",
        ));
    }
    if compares {
        let path = write_comparison(&args.runs, args.output.as_deref())?;
        return console.out(path.display());
    }
    for (run, kind) in args.runs.iter().zip(kinds) {
        let path = match kind {
            RunKind::Pretraining => pretraining_page(run)?,
            RunKind::FineTuning | RunKind::Group => write_tuning_report(&RunFolder::at(run))?,
        };
        console.out(path.display())?;
    }
    Ok(())
}

fn pretraining_page(run: &Path) -> Result<PathBuf, Failure> {
    let (run, settings): (_, RunSettings) = RunFolder::open(run)?;
    let history = History::read(&run.metrics())?;
    // The corpus may be gone; the page then lacks one line of its chart.
    let entropy = Tokenizer::open(&run.tokenizer())
        .and_then(|tokenizer| Corpus::open(&settings.data.shards, &tokenizer))
        .map(|corpus| corpus.unigram_entropy());
    let facts = ReportFacts {
        unigram_entropy: entropy.ok(),
        ..ReportFacts::default()
    };
    Ok(write_report(&run, &settings, &history, &facts)?)
}
