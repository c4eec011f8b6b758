//! Text files as commands take them: how they are read, and what is said of those left out.

use std::path::PathBuf;

use clap::Args;
use kiln_text::reading::{Counted, Inputs, LeftOut, OnInvalid, Reading};
use serde_json::{Value, json};

use crate::console::Console;
use crate::failure::Failure;
use crate::task_progress::TaskProgress;
use crate::wording::{bytes, count};

// How text is taken out of files.
#[derive(Args)]
pub(crate) struct ReadArgs {
    /// The field of a JSON record that holds its text; a.b for b in the object a. Default: text
    #[arg(long, value_name = "K")]
    pub(crate) text_field: Option<String>,
    /// Leave out lines that are not UTF-8 and JSON records without text, and count them. Default:
    /// stop at the first, naming file and line
    #[arg(long)]
    pub(crate) skip_invalid: bool,
}

impl ReadArgs {
    fn reading(&self) -> Reading {
        let default = Reading::default();
        Reading {
            on_invalid: if self.skip_invalid {
                OnInvalid::Skip
            } else {
                OnInvalid::Refuse
            },
            text_field: self.text_field.clone().unwrap_or(default.text_field),
        }
    }

    /// Finds what `paths` stand for, and says what of it is left out.
    ///
    /// # Errors
    /// If something can't be read or is no text.
    pub(crate) fn find(&self, paths: &[PathBuf], console: Console) -> Result<Inputs, Failure> {
        let inputs = Inputs::find(paths, self.reading())?;
        if let Some((files, first)) = inputs.json_by_content() {
            let first = first.display();
            console.note(if files == 1 {
                format!("{first}: holds JSON, and is read as such")
            } else {
                format!(
                    "{first} and {} other files hold JSON, and are read as such",
                    count(files - 1)
                )
            });
        }
        Ok(inputs)
    }
}

/// Copies pipes to temporary files, so that they can be read twice, and says how large they are.
///
/// # Errors
/// If nothing comes through one, or the disk is full.
pub(crate) fn keep_pipes(inputs: &mut Inputs, console: Console) -> Result<(), Failure> {
    if inputs.is_kept() {
        return Ok(());
    }
    let mut sizes: Vec<(String, u64)> = Vec::new();
    let mut progress = TaskProgress::new(console, "keeping a copy of what comes through the pipe");
    inputs.keep_pipes(&mut |name, size| {
        let name = name.display().to_string();
        match sizes.last_mut() {
            Some((last, known)) if *last == name => *known = size,
            _ => sizes.push((name, size)),
        }
        progress.copying(size);
    })?;
    drop(progress);
    for (name, size) in sizes {
        console.note(format_args!(
            "{name}: {}, kept in a temporary file until the text is tokenised",
            bytes(size)
        ));
    }
    Ok(())
}

/// Says how many files were read, if that is not plain, and what was left out beside lines; `name`
/// begins the lines of a corpus that is not the only one.
pub(crate) fn tell(files: u64, counted: &Counted, name: &str, console: Console) {
    let left_out = &counted.left_out;
    if !left_out.is_empty() {
        console.note(format_args!(
            "{name}{} read, {} left out: {left_out}",
            number(files, "file"),
            count(left_out.files())
        ));
    } else if files > 1 {
        console.note(format_args!("{name}{} read", number(files, "file")));
    }
    if counted.skipped_lines > 0 {
        console.note(format_args!(
            "warning: {name}{} lines that are not UTF-8 were left out",
            count(counted.skipped_lines)
        ));
    }
    if counted.skipped_records > 0 {
        console.note(format_args!(
            "warning: {name}left out: {} without text",
            number(counted.skipped_records, "JSON record")
        ));
    }
    if counted.replaced_surrogates > 0 {
        console.note(format_args!(
            "warning: {name}read as U+FFFD, since it is no character: {} without the other half in JSON",
            number(counted.replaced_surrogates, "surrogate")
        ));
    }
}

/// `1 file`, `1,234 files`
pub(crate) fn number(number: u64, name: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {name}{plural}", count(number))
}

/// Files that were left out, for programs: the reason, how many, the first.
pub(crate) fn left_out_json(left_out: &LeftOut) -> Value {
    left_out
        .reasons()
        .map(|(reason, it)| json!({ "reason": reason, "files": it.files, "first": it.first }))
        .collect()
}
