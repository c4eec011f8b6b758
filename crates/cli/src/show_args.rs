//! Flags of all commands that train: how a run is watched.

use clap::Args;

// What is shown of a run.
#[derive(Args, Clone, Copy)]
pub(crate) struct ShowArgs {
    /// Show burn-train's dashboard on the terminal, where it is compiled in (feature dashboard).
    /// Default: one line
    #[arg(long)]
    pub(crate) dashboard: bool,
    /// Print one JSON object at the end instead of a summary
    #[arg(long)]
    pub(crate) json: bool,
}

// The same, of a run that begins.
#[derive(Args, Clone, Copy)]
pub(crate) struct ProgressArgs {
    /// Steps between lines of progress off a terminal; metrics.jsonl has every step
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) log_every: u64,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
}
