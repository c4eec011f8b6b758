//! mimalloc, and the end of the process where there is no memory left.
//!
//! Where memory runs out, Rust would abort with a trace and no remedy: here one line says what can
//! be done, and the exit code is that of any failure. Nothing could go on from there: tensors are
//! made in the middle of operations that have no way to fail.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use mimalloc::MiMalloc;

use crate::failure::leave;

/// What the process is at: it decides what helps against too little memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Work {
    /// Anything else, e.g. a prediction.
    Other = 0,
    /// A tokenizer is being trained.
    Tokenizer,
    /// Text is being tokenised.
    Tokenising,
    /// A model is being trained.
    Training,
    /// The training of a model goes on.
    Resuming,
    /// A model is being fine-tuned.
    Tuning,
    /// The fine-tuning of a model goes on, which it does as it began.
    TuningOn,
}

impl Work {
    const ALL: [Self; 7] = [
        Self::Other,
        Self::Tokenizer,
        Self::Tokenising,
        Self::Training,
        Self::Resuming,
        Self::Tuning,
        Self::TuningOn,
    ];

    fn remedy(self) -> &'static str {
        match self {
            Self::Other => "take a smaller model or less text at once, or another device",
            Self::Tokenizer => {
                "train the tokenizer on a part of the text with --tokenizer-sample, or choose a \
                 smaller --vocab-size or fewer --threads"
            }
            Self::Tokenising => "choose fewer --threads",
            Self::Training => {
                "choose a smaller --batch-size or --seq-len (and --accumulate for the same step)"
            }
            Self::Resuming => {
                "choose a smaller --batch-size (and a larger --accumulate for the same step)"
            }
            Self::Tuning => {
                "choose a smaller --batch-size or --max-len (and --accumulate for the same step)"
            }
            Self::TuningOn => {
                "go on on a device with more memory with --backend, or start again with a smaller \
                 --batch-size"
            }
        }
    }
}

/// A [`Work`]'s number.
static WORK: AtomicU8 = AtomicU8::new(Work::Other as u8);

/// What to do before the process ends for want of memory.
static LAST_DEED: Mutex<Option<LastDeed>> = Mutex::new(None);

type LastDeed = Box<dyn Fn() + Send>;

/// The work before, taken up again when this is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct During(u8);

/// From now on, and until the result is dropped, the process is at `work`.
pub(crate) fn during(work: Work) -> During {
    During(WORK.swap(work as u8, Ordering::Relaxed))
}

impl Drop for During {
    fn drop(&mut self) {
        WORK.store(self.0, Ordering::Relaxed);
    }
}

/// Has `deed` done if memory runs out, in place of the one before. It may allocate a little: what
/// fails is mostly a large tensor, beside which small things have room.
pub(crate) fn before_the_end(deed: Option<LastDeed>) {
    if let Ok(mut slot) = LAST_DEED.lock() {
        *slot = deed;
    }
}

/// mimalloc, but for what happens where it has no memory.
pub(crate) struct Allocator;

/// Calls of the allocator below, which never returns null.
#[expect(unsafe_code, reason = "an allocator has no safe interface")]
// SAFETY: every call is handed on to mimalloc as it came, and what it gives back is returned unless
// it is null, in which case the process ends.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that mimalloc asks for.
        let memory = unsafe { MiMalloc.alloc(layout) };
        found(memory, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { MiMalloc.alloc_zeroed(layout) };
        found(memory, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let memory = unsafe { MiMalloc.realloc(memory, layout, size) };
        found(memory, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe { MiMalloc.dealloc(memory, layout) }
    }
}

#[inline]
fn found(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        out_of_memory(bytes);
    }
    memory
}

/// Says so, does the last deed and ends the process.
#[cold]
fn out_of_memory(bytes: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    thread_local! {
        /// Whether this thread is the one that ends the process.
        static IS_MINE: Cell<bool> = const { Cell::new(false) };
    }
    if ENDING.swap(true, Ordering::SeqCst) && !IS_MINE.get() {
        // Another thread is at it.
        loop {
            std::thread::park();
        }
    }
    if IS_MINE.replace(true) {
        // The last deed has no memory either.
        leave(1);
    }
    say(bytes);
    // Unwinding out of an allocator is not allowed.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if let Ok(deed) = LAST_DEED.try_lock()
            && let Some(deed) = &*deed
        {
            deed();
        }
    }));
    leave(1)
}

/// The one line, without memory of its own.
fn say(bytes: usize) {
    let work = usize::from(WORK.load(Ordering::Relaxed));
    let work = Work::ALL.get(work).copied().unwrap_or(Work::Other);
    let mut line = [0; 400];
    let mut rest = line.as_mut_slice();
    // On a terminal the line of progress gives way.
    let is_live = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let start = if is_live { "\r\x1b[2K" } else { "" };
    let _ = writeln!(
        rest,
        "{start}error: not enough memory (no room for {} kB more); {}",
        bytes.div_ceil(1000),
        work.remedy()
    );
    let unused = rest.len();
    let text = line.get(..line.len() - unused).unwrap_or_default();
    write_error(text);
}

/// Writes to stderr past its lock, which this very thread may hold.
#[cfg(unix)]
#[expect(unsafe_code, reason = "stderr without its lock is a bare descriptor")]
fn write_error(text: &[u8]) {
    use std::os::fd::FromRawFd as _;
    // SAFETY: 2 is open as long as the process lives, or writing to it gives an error; the file is
    // never dropped, so it is not closed.
    let stderr = unsafe { std::fs::File::from_raw_fd(2) };
    let _ = std::mem::ManuallyDrop::new(stderr).write_all(text);
}

#[cfg(not(unix))]
fn write_error(text: &[u8]) {
    let _ = std::io::stderr().write_all(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_within_work_gives_way_to_the_one_around_it() {
        let at = || WORK.load(Ordering::Relaxed);
        let around = during(Work::Training);
        let within = during(Work::Tokenising);
        assert_eq!(at(), Work::Tokenising as u8);
        drop(within);
        assert_eq!(at(), Work::Training as u8);
        drop(around);
        assert_eq!(at(), Work::Other as u8);
        for (number, work) in Work::ALL.into_iter().enumerate() {
            assert_eq!(work as usize, number);
        }
    }
}
