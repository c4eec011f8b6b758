//! `kiln report`: a run's curves as one HTML page.

use std::path::PathBuf;

use clap::Args;
use kiln_learner::RunFolder;
use kiln_report::{History, ReportFacts, write_report};
use kiln_tasks::RunSettings;
use kiln_text::{Corpus, Tokenizer};

use crate::console::Console;
use crate::failure::Failure;

const EXAMPLES: &str = "Examples:
  kiln report runs/first
  xdg-open \"$(kiln report runs/first)\"";

// Which run.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// The run's folder; report.html in it is replaced. The run may be at work meanwhile
    #[arg(value_name = "RUN")]
    run: PathBuf,
}

/// Writes the page and prints its path.
///
/// # Errors
/// If there is no run, or it has no step yet, or the page can't be written.
pub(crate) fn run(args: &ReportArgs, console: Console) -> Result<(), Failure> {
    let (run, settings): (_, RunSettings) = RunFolder::open(&args.run)?;
    let history = History::read(&run.metrics())?;
    // The corpus may be gone; the page then lacks one line of its chart.
    let entropy = Tokenizer::open(&run.tokenizer())
        .and_then(|tokenizer| Corpus::open(&settings.data.shards, &tokenizer))
        .map(|corpus| corpus.unigram_entropy());
    let facts = ReportFacts {
        unigram_entropy: entropy.ok(),
        ..ReportFacts::default()
    };
    let path = write_report(&run, &settings, &history, &facts)?;
    console.out(path.display())
}
