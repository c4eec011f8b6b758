//! The one owner of stdout and stderr: results go to the first, everything else to the second.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Where text goes. No colours of its own, so nothing depends on them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    live: bool,
}

impl Console {
    pub(crate) fn new() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            live: std::io::stderr().is_terminal() && !is_dumb,
        }
    }

    /// Whether stderr is a terminal on which a line can be drawn over.
    pub(crate) fn is_live(self) -> bool {
        self.live
    }

    /// A line of the result.
    ///
    /// # Errors
    /// If the reader is gone or the disk behind stdout is full.
    pub(crate) fn out(self, text: impl Display) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{text}")
            .and_then(|()| stdout.flush())
            .map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => Failure::ClosedPipe,
                _ => Failure::run(format_args!(
                    "stdout: cannot be written ({error}); check the free space of its target"
                )),
            })
    }

    /// A line of the result as JSON.
    ///
    /// # Errors
    /// As [`Console::out`].
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value)
            .map_err(|error| Failure::run(format_args!("stdout: not JSON ({error})")))?;
        self.out(line)
    }

    /// A warning for whoever watches.
    pub(crate) fn warn(text: &str) {
        Self::new().note(format_args!("warning: {text}"));
    }

    /// A line for whoever watches. Nobody watching is no error.
    pub(crate) fn note(self, text: impl Display) {
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "{text}");
    }
}
