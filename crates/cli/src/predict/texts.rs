//! The texts that a command is given.

use std::io::BufRead as _;

use crate::failure::Failure;

/// The texts given, or else the lines of stdin.
pub(super) fn texts_or_lines(given: &[String]) -> Result<Vec<String>, Failure> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let mut texts = Vec::new();
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line.map_err(|error| {
            Failure::run(format_args!(
                "stdin: line {number}: cannot be read ({error}); write it as UTF-8"
            ))
        })?;
        if !line.trim().is_empty() {
            texts.push(line);
        }
    }
    if texts.is_empty() {
        return Err(Failure::usage(
            "no text given; pass texts as arguments, or lines on stdin",
        ));
    }
    Ok(texts)
}
