//! Ctrl-C and the polite kill: the first stops a run after its step, the second at once.
//!
//! A signal that was ignored when the command began stays ignored: `nohup` does so with SIGHUP, and
//! a shell with SIGINT of what it runs in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use burn::train::Interrupter;

use crate::console::Console;
use crate::failure::{Failure, leave};

/// What shells report for a program ended by a signal, above the signal's number.
const SIGNALLED: u8 = 128;

/// The code of Ctrl-C, and of whatever else asks a run to stop: 128 + SIGINT.
const INTERRUPTED: u8 = SIGNALLED + 2;

/// What has been asked for so far.
#[derive(Clone, Default)]
struct Interruption {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The exit code that belongs to the first signal; 0: none came.
    code: AtomicU8,
    /// Nothing is left to be saved.
    is_saved: AtomicBool,
}

impl Interruption {
    /// The exit code of a run that was asked to stop: 130 for Ctrl-C, 143 for SIGTERM.
    fn exit_code(&self) -> u8 {
        match self.state.code.load(Ordering::SeqCst) {
            // The dashboard's key.
            0 => INTERRUPTED,
            code => code,
        }
    }

    fn all_is_saved(&self) {
        self.state.is_saved.store(true, Ordering::SeqCst);
    }

    fn on_signal(&self, code: u8, interrupter: &Interrupter, console: Console) {
        let first = self.state.code.swap(code, Ordering::SeqCst) == 0;
        if self.state.is_saved.load(Ordering::SeqCst) {
            console.note("stopped; the run is saved");
            leave(code);
        }
        if !first {
            console.note("stopped at once; the last checkpoint is whole");
            leave(code);
        }
        console.note("stopping after this step to save; once more: leave at once without saving");
        interrupter.stop(Some("asked to stop"));
    }
}

/// Listens to signals, for all runs of a command.
pub(crate) struct Watch {
    interrupter: Interrupter,
    interruption: Interruption,
}

impl Watch {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system refuses a signal handler.
    pub(crate) fn new(console: Console) -> Result<Self, Failure> {
        let interrupter = Interrupter::new();
        let interruption = stop_on_signal(&interrupter, console)?;
        Ok(Self {
            interrupter,
            interruption,
        })
    }

    /// What stops a run after its step.
    pub(crate) fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// How a command ends that was stopped.
    pub(crate) fn stopped(&self) -> Failure {
        Failure::Interrupted(self.interruption.exit_code())
    }

    /// Ends a command that was asked to stop where nothing was being trained.
    ///
    /// # Errors
    /// If it was.
    pub(crate) fn go_on(&self) -> Result<(), Failure> {
        if self.interrupter.should_stop() {
            return Err(self.stopped());
        }
        Ok(())
    }

    /// From now on the first signal ends the command too.
    pub(crate) fn all_is_saved(&self) {
        self.interruption.all_is_saved();
    }
}

/// Listens from now on to SIGINT, SIGTERM and SIGHUP, as far as they are not ignored.
///
/// # Errors
/// If the system refuses a signal handler.
fn stop_on_signal(interrupter: &Interrupter, console: Console) -> Result<Interruption, Failure> {
    let interruption = Interruption::default();
    let (told, interrupter) = (interruption.clone(), interrupter.clone());
    listen(move |code| told.on_signal(code, &interrupter, console))
        .map_err(|error| Failure::run(format_args!("Ctrl-C: cannot be listened to ({error})")))?;
    Ok(interruption)
}

/// Calls `on_signal` with the exit code of every signal that comes.
#[cfg(unix)]
fn listen(on_signal: impl Fn(u8) + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let wanted: Vec<i32> = [SIGINT, SIGTERM, SIGHUP]
        .into_iter()
        .filter(|signal| !is_ignored(*signal))
        .collect();
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    let listener = move || {
        for signal in signals.forever() {
            on_signal(SIGNALLED.saturating_add(signal.unsigned_abs() as u8));
        }
    };
    std::thread::Builder::new()
        .name("kiln-signals".to_owned())
        .spawn(listener)
        .map(drop)
}

#[cfg(not(unix))]
fn listen(on_signal: impl Fn(u8) + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(move || on_signal(INTERRUPTED)).map_err(std::io::Error::other)
}

/// Whether whoever started the command wants it to take no notice of `signal`.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "what the system does at a signal has no safe interface"
)]
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call only writes the present one, whole, to where it is told,
    // and that is read only if it says that it has.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
