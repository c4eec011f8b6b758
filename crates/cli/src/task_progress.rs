//! Progress of work on files, before training: a live line on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kiln_text::corpus::PrepareProgress;
use kiln_text::tokenizer::TrainProgress;

use crate::console::Console;
use crate::wording::{bytes, count};

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far something is.
pub(crate) struct TaskProgress {
    console: Console,
    name: &'static str,
    bar: Option<ProgressBar>,
    shown: Instant,
}

impl TaskProgress {
    /// For work called `name`, e.g. `tokenising`.
    pub(crate) fn new(console: Console, name: &'static str) -> Self {
        let bar = console.is_live().then(live_line);
        Self {
            console,
            name,
            bar,
            shown: Instant::now(),
        }
    }

    /// The tokenizer's trainer got further.
    pub(crate) fn training(&mut self, progress: TrainProgress) {
        self.show(|| match progress {
            TrainProgress::Counting {
                total_bytes,
                bytes_read,
                words,
            } => format!(
                "{} of {} read, {} words",
                bytes(bytes_read),
                bytes(total_bytes),
                count(words as u64)
            ),
            TrainProgress::Merging {
                entries,
                vocab_size,
            }
            | TrainProgress::Pruning {
                entries,
                vocab_size,
            } => {
                format!(
                    "{} of {} entries",
                    count(entries as u64),
                    count(vocab_size as u64)
                )
            }
        });
    }

    /// Preparation got further.
    pub(crate) fn preparing(&mut self, progress: PrepareProgress) {
        self.show(|| {
            format!(
                "{} of {} read, {} documents, {} tokens",
                bytes(progress.bytes_read),
                bytes(progress.total_bytes),
                count(progress.documents),
                count(progress.tokens)
            )
        });
    }

    /// A copy got further.
    pub(crate) fn copying(&mut self, size: u64) {
        self.show(|| bytes(size));
    }

    fn show(&mut self, text: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: {}", self.name, text())),
            None if self.shown.elapsed() >= PLAIN_INTERVAL => {
                self.shown = Instant::now();
                self.console.note(format_args!("{}: {}", self.name, text()));
            }
            None => {}
        }
    }
}

impl Drop for TaskProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line on stderr that is drawn over.
pub(crate) fn live_line() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
