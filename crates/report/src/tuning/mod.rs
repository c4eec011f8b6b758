//! Pages of fine-tuning runs, from their files alone.
//!
//! | file | what |
//! | --- | --- |
//! | `files.rs` | what a run and a group of runs have in their folders |
//! | `single.rs`, `group.rs`, `comparison.rs` | one page each: a run, runs of one task, runs beside each other |
//! | `heading.rs` | what all of them say at the top |
//! | `adapted.rs` | what adapting a model to text was worth |
//! | `scores.rs`, `confusion.rs` | scores, classes, who was taken for whom |
//! | `spread.rs` | scores over runs |
//! | `wrong.rs`, `worst.rs` | how wrong an answer is; the examples most wrong, of a run or of several |
//! | `examples.rs` | rows of predictions as rows of a table |
//! | `curves.rs` | the curves of several runs in one chart |
//! | `differences.rs` | settings that are not the same |
//! | `pairs.rs` | the paired test |

mod adapted;
mod comparison;
mod confusion;
mod curves;
mod differences;
mod examples;
mod files;
mod group;
mod heading;
mod pairs;
mod scores;
mod single;
mod spread;
mod worst;
mod wrong;

pub use comparison::write_comparison;

use std::path::PathBuf;

use kiln_learner::RunFolder;

use crate::error::ReportError;
use files::{Group, Tuned, TunedRun};

/// Writes the page of a fine-tuning run, or of a group of them, into its folder and gives its path. The runs
/// of a group get their own pages too, as soon as they have a step.
///
/// # Errors
/// If there is no fine-tuning run, nothing is recorded, a file of it can't be read, or the page can't be
/// written; an older page is then whole.
pub fn write_tuning_report(run: &RunFolder) -> Result<PathBuf, ReportError> {
    match Tuned::read(run.path())? {
        Tuned::Run(run) => write_run(&run),
        Tuned::Group(group) => write_group(&group),
    }
}

fn write_run(run: &TunedRun) -> Result<PathBuf, ReportError> {
    let page = single::render(run)?;
    let path = run.folder.report();
    // Whoever has the page open never reads half of it.
    kiln_files::write(&path, page.as_bytes())?;
    Ok(path)
}

fn write_group(group: &Group) -> Result<PathBuf, ReportError> {
    for run in group.begun() {
        write_run(run)?;
    }
    let page = group::render(group)?;
    let path = group.folder.report();
    kiln_files::write(&path, page.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests;
