//! `report.html`: one page that shows how a run went; `compare.html`: one that shows several beside each
//! other.
//!
//! | file | what |
//! | --- | --- |
//! | `history.rs` | records to values by name, and their sums |
//! | `series.rs` | thinning, smoothing |
//! | `curve.rs`, `axis.rs`, `plot.rs`, `chart.rs` | one chart, as SVG |
//! | `figures.rs` | which charts there are |
//! | `facts.rs` | what a run's files do not tell |
//! | `card.rs`, `summary.rs`, `settings_table.rs` | the head and the foot of the page |
//! | `page.rs`, `table.rs` | the frame of a page, tables |
//! | `tuning/` | pages of fine-tuning runs: scores, confusion, examples; groups of runs; comparisons |
//! | `html.rs`, `shell.rs` | text that is safe in a page, a path that is one word of a command |
//! | `number.rs`, `style.css` | numbers as text, looks |
//!
//! The page needs nothing beside itself: no script, no font, no image. Its policy forbids the
//! browser to fetch anything.

mod axis;
mod card;
mod chart;
mod curve;
mod error;
mod facts;
mod figures;
mod history;
mod html;
mod number;
mod page;
mod plot;
mod series;
mod settings_table;
mod shell;
mod summary;
mod table;
mod tuning;

use std::path::{Path, PathBuf};

use kiln_learner::{RunFolder, Stop};
use kiln_tasks::RunSettings;

use figures::Extras;
use page::{folder_name, page};

pub use error::ReportError;
pub use facts::ReportFacts;
pub use history::History;
pub use number::grouped;
pub use shell::shell;
pub use tuning::{write_comparison, write_tuning_report};

/// The page for the run in `run`, whose path names it and stands in its commands.
///
/// # Errors
/// If nothing is recorded.
fn render(
    run: &Path,
    settings: &RunSettings,
    history: &History,
    facts: &ReportFacts,
) -> Result<String, ReportError> {
    let name = folder_name(run);
    let Some(last_step) = history.last_step else {
        return Err(ReportError::NoRecords {
            metrics: run.join("metrics.jsonl"),
            run: run.into(),
        });
    };
    let steps = settings.training.steps;
    let stop = facts
        .finished
        .or_else(|| (last_step >= steps).then_some(Stop::Done));
    let tables =
        settings_table::render(settings).map_err(|reason| ReportError::Settings { reason })?;

    let summary = summary::render(&name, settings, history, facts, (last_step, stop));
    let charts = figures::sections(history, &Extras::entropy(facts.unigram_entropy), last_step);
    let commands = settings_table::commands(run, stop, steps);
    Ok(page(
        &name,
        &summary,
        &format!("{charts}{tables}{commands}"),
    ))
}

/// Writes the page into the run's folder and gives its path.
///
/// # Errors
/// If nothing is recorded, or the file can't be written; an older page is then whole.
pub fn write_report(
    run: &RunFolder,
    settings: &RunSettings,
    history: &History,
    facts: &ReportFacts,
) -> Result<PathBuf, ReportError> {
    let page = render(run.path(), settings, history, facts)?;
    let path = run.report();
    // Whoever has the page open never reads half of it.
    kiln_files::write(&path, page.as_bytes())?;
    // What an earlier version left when it was killed.
    let _ = std::fs::remove_file(path.with_extension("html.tmp"));
    Ok(path)
}

#[cfg(test)]
mod tests;
