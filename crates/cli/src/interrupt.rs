//! Ctrl-C and the polite kill: the first stops a run after its step, the second at once.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::train::Interrupter;

use crate::console::Console;
use crate::failure::Failure;

/// What shells report for a program ended by Ctrl-C: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Listens from now on to SIGINT, SIGTERM and SIGHUP.
///
/// # Errors
/// If the system refuses a signal handler.
pub(crate) fn stop_on_signal(interrupter: &Interrupter, console: Console) -> Result<(), Failure> {
    let interrupter = interrupter.clone();
    let asked = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            console.note("stopped at once; the last checkpoint is whole");
            leave();
        }
        console.note("stopping after this step to save; once more: leave at once without saving");
        interrupter.stop(Some("asked to stop"));
    })
    .map_err(|error| Failure::run(format_args!("Ctrl-C: cannot be listened to ({error})")))
}

#[expect(
    clippy::exit,
    reason = "the second Ctrl-C must not wait for a step that may hang"
)]
fn leave() -> ! {
    std::process::exit(INTERRUPTED)
}
