//! The paired test of two runs, where they were asked the same.

use kiln_metrics::rows::Row;
use kiln_metrics::{MetricsError, Paired, compare};
use kiln_tasks::labelled::Development;

use super::examples::{right, said};
use super::files::Tuned;
use super::scores::{between, notes};
use super::wrong::{Judge, say_the_same};
use crate::error::ReportError;
use crate::number::{grouped, score};
use crate::table::{Cell, NONE, Table, UNDEFINED};

/// Resamples and exchanges of a test.
const RESAMPLES: usize = 1000;
/// Examples shown of those that two runs answer differently.
const SHOWN: usize = 12;
/// A probability of chance below which a difference is called one.
const LEVEL: f64 = 0.05;

/// What a test of two runs gave.
pub(super) enum Tested {
    /// The numbers.
    Paired(Box<Paired>),
    /// No test, and why.
    Left(String),
}

/// Compares `second` with `first` on their examples.
///
/// # Errors
/// If predictions can't be read.
pub(super) fn test(
    (first, of_first): (&Tuned, Option<&[Row]>),
    (second, of_second): (&Tuned, Option<&[Row]>),
) -> Result<Tested, ReportError> {
    for (run, rows) in [(first, of_first), (second, of_second)] {
        if rows.is_none() {
            return Ok(Tested::Left(match run {
                Tuned::Run(_) => format!("{} has no predictions yet", run.name()),
                Tuned::Group(_) => format!(
                    "{} is several runs with predictions of their own; compare one of them",
                    run.name()
                ),
            }));
        }
    }
    if !same_files(first, second) {
        let names = (first.name(), second.name());
        return Ok(Tested::Left(format!(
            "{} and {} were scored on different files",
            names.0, names.1
        )));
    }
    let (Some(a), Some(b)) = (
        first.runs().first().copied(),
        second.runs().first().copied(),
    ) else {
        return Ok(Tested::Left("a group without runs".to_owned()));
    };
    let mut options = a.settings.task.score_options(RESAMPLES);
    if options.no_answer_threshold != b.settings.task.score_options(0).no_answer_threshold {
        // Each by its own threshold: as the answers stand in the rows.
        options.no_answer_threshold = None;
    }
    let rows = (of_first.unwrap_or_default(), of_second.unwrap_or_default());
    match compare(rows.0, rows.1, &options) {
        Ok(paired) => Ok(Tested::Paired(Box::new(paired))),
        Err(MetricsError::Compare(why)) => Ok(Tested::Left(why)),
        Err(error) => Ok(Tested::Left(error.to_string())),
    }
}

/// Whether both have the same development files by content, if any.
fn same_files(first: &Tuned, second: &Tuned) -> bool {
    let digests = |run: &Tuned| -> Option<Vec<String>> {
        match &run.runs().first()?.settings.data.development {
            Development::Files { identity, .. } => {
                Some(identity.iter().map(|file| file.sha256.clone()).collect())
            }
            _ => None,
        }
    };
    match (digests(first), digests(second)) {
        (Some(a), Some(b)) => a == b,
        // The examples themselves will tell.
        _ => true,
    }
}

/// The table of all tests against the run called `first`, and what a reader must know.
pub(super) fn table(first: &str, tests: &[(&str, &Tested)]) -> String {
    let mut table = Table::new(format!("Against {first}, example by example"))
        .texts("run")
        .numbers("score")
        .numbers("difference")
        .numbers("95 % interval")
        .numbers("p of the difference")
        .texts("it is")
        .numbers(format!("right in {first} alone"))
        .numbers("right here alone")
        .numbers("p of that (McNemar)");
    let mut left = Vec::new();
    let mut about = None;
    for (name, tested) in tests {
        match tested {
            Tested::Paired(paired) => {
                table.push(row(name, paired));
                about = Some(paired);
            }
            Tested::Left(why) => left.push(format!("{name} is not tested against {first}: {why}")),
        }
    }
    if let Some(paired) = about {
        let direction = if paired.higher_is_better {
            ""
        } else {
            ", of which less is better"
        };
        let several = if tests.len() > 1 {
            " Of several tests one in twenty calls chance a difference; the p are not corrected for their number."
        } else {
            ""
        };
        table = table.note(format!(
            "{} on {} examples{direction}. Interval: over resampled examples. p: how often runs whose \
             predictions are exchanged by chance differ as much.{several}",
            paired.main,
            grouped(paired.examples as u64),
        ));
    }
    format!("{}{}", notes(&left), table.render())
}

/// A difference with its sign.
pub(super) fn signed(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", score(value))
}

fn row(name: &str, paired: &Paired) -> Vec<Cell> {
    let mcnemar = paired.mcnemar.as_ref();
    let count = |value: Option<u64>| Cell::number(value.map_or_else(|| NONE.to_owned(), grouped));
    vec![
        Cell::text(name),
        Cell::value(paired.second, UNDEFINED),
        Cell::number(
            paired
                .difference
                .map_or_else(|| UNDEFINED.to_owned(), signed),
        ),
        Cell::number(paired.interval.map_or_else(|| NONE.to_owned(), between)),
        Cell::number(paired.p_value.map_or_else(|| NONE.to_owned(), probability)),
        Cell::text(verdict(paired)),
        count(mcnemar.map(|test| test.only_first)),
        count(mcnemar.map(|test| test.only_second)),
        Cell::number(mcnemar.map_or_else(|| NONE.to_owned(), |test| probability(test.p_value))),
    ]
}

/// What may be said of a difference.
fn verdict(paired: &Paired) -> &'static str {
    match (paired.difference, paired.p_value) {
        (Some(difference), Some(p)) if p < LEVEL && difference != 0.0 => {
            if (difference > 0.0) == paired.higher_is_better {
                "better"
            } else {
                "worse"
            }
        }
        (Some(_), Some(_)) => "not told apart from chance",
        _ => "not known",
    }
}

/// A probability to three places.
pub(super) fn probability(p: f64) -> String {
    if p < 0.001 {
        "below 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

/// The examples that two runs answer most differently: right or nearly so in one, most wrong in the other.
pub(super) fn apart(
    (first, of_first): (&Tuned, &[Row]),
    (second, of_second): (&Tuned, &[Row]),
) -> String {
    let judge = |run: &Tuned| run.runs().first().map(|run| Judge::of(&run.settings.task));
    let (Some(judge_first), Some(judge_second)) = (judge(first), judge(second)) else {
        return String::new();
    };
    let mut found = Vec::new();
    for (place, (a, b)) in of_first.iter().zip(of_second).enumerate() {
        let wrong = |judge: Judge, row| judge.wrong(row).map_or(0.0, |wrong| wrong.0);
        let difference = (wrong(judge_first, a) - wrong(judge_second, b)).abs();
        if difference > 0.0 && say_the_same(a, b) == Some(false) {
            found.push((difference, place, a, b));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let all = found.len();
    let mut table = Table::new(format!("{} and {}", first.name(), second.name()))
        .texts("example")
        .texts("is")
        .texts(first.name())
        .texts(second.name());
    for (_, _, a, b) in found.into_iter().take(SHOWN) {
        table.push(vec![
            Cell::text(a.id()),
            right(a),
            said(a, judge_first),
            said(b, judge_second),
        ]);
    }
    let note = format!(
        "{} of {} examples are answered differently and not equally well; those that are furthest apart come \
         first.",
        grouped(all as u64),
        grouped(of_first.len() as u64)
    );
    table.note(note).render()
}
