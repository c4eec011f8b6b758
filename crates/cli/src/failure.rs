//! How a command ends when it does not succeed.

use kiln_backend::BackendError;
use kiln_checkpoint::{OpenError, WriteError};
use kiln_learner::LearnError;
use kiln_report::ReportError;
use kiln_text::TextError;

/// Why a command stopped: each kind has its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line asks for something that can't be: exit code 2.
    Usage(String),
    /// Something went wrong on the way: exit code 1.
    Run(String),
    /// Stdout was closed by its reader: exit code 0, no message.
    ClosedPipe,
    /// Somebody stopped a run, which is saved and has said so: the exit code, no message.
    Interrupted(u8),
}

impl Failure {
    pub(crate) fn usage(message: impl ToString) -> Self {
        Self::Usage(message.to_string())
    }

    pub(crate) fn run(message: impl ToString) -> Self {
        Self::Run(message.to_string())
    }

    /// The one line that says what happened; none for a closed pipe.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            // Libraries underneath may put line breaks into their messages.
            Self::Usage(message) | Self::Run(message) => {
                Some(message.lines().map(str::trim).collect::<Vec<_>>().join(" "))
            }
            Self::ClosedPipe | Self::Interrupted(_) => None,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Run(_) => 1,
            Self::ClosedPipe => 0,
            Self::Interrupted(code) => *code,
        }
    }
}

/// What `operation` gives, or the message of its panic: Burn answers with one where a device or a
/// kernel fails. With `RUST_BACKTRACE` set the panic prints its trace as well.
///
/// # Errors
/// If it panics.
pub(crate) fn caught<T>(operation: impl FnOnce() -> T) -> Result<T, String> {
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        return kiln_backend::catch_panic(operation);
    }
    // What a panic leaves half-done is dropped with `operation`.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(operation))
        .map_err(|_| "the panic above".to_owned())
}

/// Ends the process at once, without what other libraries want to do at its end: their threads may
/// be in the middle of a step.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the standard library has no such exit")]
pub(crate) fn leave(code: u8) -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code.into()) }
}

/// Ends the process at once.
#[cfg(not(unix))]
#[expect(
    clippy::exit,
    reason = "there is nothing to go on with, or to wait for"
)]
pub(crate) fn leave(code: u8) -> ! {
    std::process::exit(code.into())
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Setting { .. } => Self::usage(error),
            _ => Self::run(error),
        }
    }
}

impl From<LearnError> for Failure {
    fn from(error: LearnError) -> Self {
        match error {
            LearnError::Settings(message) => Self::Usage(message),
            LearnError::Data(error) => error.into(),
            _ => Self::run(error),
        }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::UnknownName { .. }
            | BackendError::Malformed { .. }
            | BackendError::NotCompiledIn { .. }
            | BackendError::Variable { .. }
            | BackendError::NothingToChoose { .. } => Self::usage(error),
            _ => Self::run(error),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::run(error)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::run(error)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::run(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_lines_is_shown_on_one() {
        let failure = Failure::run("cannot open\n  the file");
        assert_eq!(failure.message().unwrap(), "cannot open the file");
    }

    #[test]
    fn a_panic_is_an_error_whether_its_trace_is_wanted_or_not() {
        let said = caught(|| panic!("no such length")).map(|()| "nothing");
        // Where RUST_BACKTRACE is set, the trace has said so.
        assert!(
            ["no such length", "the panic above"]
                .iter()
                .any(|text| said == Err((*text).to_owned())),
            "{said:?}"
        );
    }

    #[test]
    fn a_closed_pipe_is_a_quiet_success() {
        assert_eq!(Failure::ClosedPipe.exit_code(), 0);
        assert_eq!(Failure::ClosedPipe.message(), None);
    }
}
