//! A panic of Burn or of a driver as an error text.
//!
//! Most of Burn's devices open at first use and panic where an adapter, a driver or a library is
//! missing. For whoever asked for that device this is an answer, not a crash.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Longest error text taken over; drivers and Burn may print pages.
const LONGEST_REASON: usize = 300;

thread_local! {
    /// Whether a panic of this thread is about to be caught by [`catch_panic`].
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `operation`; a panic in it becomes `Err` with its message on one line, and prints nothing.
///
/// # Errors
/// With what the panic said. Only panics of the calling thread: a runtime's own threads print theirs as usual.
pub fn catch_panic<T>(operation: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });

    let was_quiet = QUIET.replace(true);
    // What the operation leaves half-done is Burn's state for a device that is then not handed out.
    let outcome = panic::catch_unwind(AssertUnwindSafe(operation));
    QUIET.set(was_quiet);
    outcome.map_err(|payload| one_line(panic_text(&*payload)))
}

/// What a panic said.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("panic without a message")
}

/// The text without line breaks and not longer than an error line should be.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_on_one_line() {
        let caught: Result<(), String> =
            catch_panic(|| panic!("no adapter\n  found for {}", "wgpu"));
        assert_eq!(caught, Err("no adapter found for wgpu".to_owned()));
        assert_eq!(catch_panic(|| 7), Ok(7));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let line = one_line(&"ü ".repeat(1000));
        assert_eq!(line.chars().count(), LONGEST_REASON + 1);
    }
}
