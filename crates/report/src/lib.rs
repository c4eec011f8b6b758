//! `report.html`: one page that shows how a run went.
//!
//! | file | what |
//! | --- | --- |
//! | `history.rs` | records to values by name, and their sums |
//! | `series.rs` | thinning, smoothing |
//! | `curve.rs`, `axis.rs`, `plot.rs`, `chart.rs` | one chart, as SVG |
//! | `figures.rs` | which charts there are |
//! | `facts.rs` | what a run's files do not tell |
//! | `summary.rs`, `settings_table.rs` | the head and the foot of the page |
//! | `html.rs`, `shell.rs` | text that is safe in a page, a path that is one word of a command |
//! | `number.rs`, `style.css` | numbers as text, looks |
//!
//! The page needs nothing beside itself: no script, no font, no image. Its policy forbids the
//! browser to fetch anything.

mod axis;
mod chart;
mod curve;
mod facts;
mod figures;
mod history;
mod html;
mod number;
mod plot;
mod series;
mod settings_table;
mod shell;
mod summary;

use std::path::{Path, PathBuf};

use kiln_files::FileError;
use kiln_learner::{RunFolder, Stop};
use kiln_tasks::RunSettings;

pub use facts::ReportFacts;
pub use history::History;
pub use number::grouped;
pub use shell::shell;

const STYLE: &str = include_str!("style.css");

/// Why there is no report. The message is the whole line a user needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ReportError {
    /// The run has no records.
    #[error(
        "{}: no step is recorded yet; start the run's first steps with: kiln resume {}",
        metrics.display(), shell(run)
    )]
    NoRecords { metrics: PathBuf, run: PathBuf },
    /// The settings hold what JSON can't say.
    #[error("the run's settings cannot be shown ({reason}); config.json may be damaged")]
    Settings { reason: serde_json::Error },
    /// The page could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

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

    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title} · Kiln report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         {summary}<main>\n{charts}{tables}{commands}</main>\n\
         <footer>Losses in nats. Thin lines keep every bucket's lowest and highest value. \
         Point at a chart for its numbers.</footer>\n</body>\n</html>\n",
        title = html::escape(&name),
        summary = summary::render(&name, settings, history, facts, (last_step, stop)),
        charts = figures::sections(history, facts.unigram_entropy, last_step),
        commands = settings_table::commands(run, stop, steps),
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

/// The own name of a run's folder, also where the path is `.`.
fn folder_name(run: &Path) -> String {
    let full = run
        .file_name()
        .map(|_| run.to_path_buf())
        .or_else(|| run.canonicalize().ok());
    let name = full.as_deref().and_then(Path::file_name);
    name.unwrap_or(run.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
