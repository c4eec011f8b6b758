//! The texts that a command is given.

use std::io::{BufRead as _, Lines, StdinLock};

use crate::failure::Failure;

/// Texts in a window at most: that many are held in memory.
const WINDOW: usize = 1024;

/// The texts given, or else the lines of stdin.
pub(super) fn texts_or_lines(given: &[String]) -> Result<Vec<String>, Failure> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let mut texts = Vec::new();
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line.map_err(|error| unreadable(number, &error))?;
        if !line.trim().is_empty() {
            texts.push(line);
        }
    }
    if texts.is_empty() {
        return Err(none_given());
    }
    Ok(texts)
}

/// The texts given, or else all lines of stdin, empty ones too, in windows: memory does not grow with
/// what comes.
pub(super) struct Windows<'a> {
    given: std::slice::Iter<'a, String>,
    lines: Option<Lines<StdinLock<'static>>>,
    /// Texts in the windows so far.
    count: usize,
}

impl<'a> Windows<'a> {
    pub(super) fn new(given: &'a [String]) -> Self {
        let lines = || std::io::stdin().lock().lines();
        Self {
            given: given.iter(),
            lines: given.is_empty().then(lines),
            count: 0,
        }
    }

    /// The next texts; none where there are no more.
    ///
    /// # Errors
    /// If a line can't be read, or there is no text at all.
    pub(super) fn next(&mut self) -> Result<Vec<String>, Failure> {
        let mut window: Vec<String> = self.given.by_ref().take(WINDOW).cloned().collect();
        if let Some(lines) = &mut self.lines {
            for line in lines.take(WINDOW) {
                let number = self.count + window.len() + 1;
                let mut line = line.map_err(|error| unreadable(number, &error))?;
                if number == 1 && line.starts_with('\u{feff}') {
                    line.remove(0);
                }
                window.push(line);
            }
        }
        if window.is_empty() && self.count == 0 {
            return Err(none_given());
        }
        self.count += window.len();
        Ok(window)
    }
}

fn unreadable(number: usize, error: &std::io::Error) -> Failure {
    Failure::run(format_args!(
        "stdin: line {number}: cannot be read ({error}); write it as UTF-8"
    ))
}

fn none_given() -> Failure {
    Failure::usage("no text given; pass texts as arguments, or lines on stdin")
}
