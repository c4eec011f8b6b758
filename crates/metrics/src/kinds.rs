//! Each kind of row as a [`Sample`].

mod answers;
mod choices;
mod classes;
mod labels;
mod names;
mod numbers;
mod tags;

use crate::MetricsError;
use crate::rows::Row;
use crate::sample::Sample;
use crate::scores::{GlueTask, ScoreOptions};

/// Rows of one task, ready to be scored.
pub(crate) fn prepare(
    rows: &[&Row],
    options: &ScoreOptions,
) -> Result<Box<dyn Sample>, MetricsError> {
    let first = rows.first().ok_or(MetricsError::Empty)?;
    check(rows, first.kind())?;
    glue_fits(first, options)?;
    Ok(match first {
        Row::Class(_) => Box::new(classes::Classes::new(rows, options)?),
        Row::Labels(_) => Box::new(labels::LabelSets::new(rows, options)),
        Row::Numbers(_) => Box::new(numbers::Numbers::new(rows, options)?),
        Row::Tags(_) => Box::new(tags::Tags::new(rows, options)),
        Row::Answer(_) => Box::new(answers::Answers::new(rows, options)),
        Row::Choice(_) => Box::new(choices::Choices::new(rows)),
    })
}

/// The name of the score for model selection: the one asked for, or the task's own.
pub(crate) fn main(sample: &dyn Sample, options: &ScoreOptions) -> Result<String, MetricsError> {
    let Some(asked) = &options.main else {
        return Ok(sample.main().to_owned());
    };
    let names = sample.names();
    if names.contains(asked) {
        return Ok(asked.clone());
    }
    Err(MetricsError::Options(format!(
        "there is no score {asked} here; choose one of {}",
        names.join(", ")
    )))
}

fn check(rows: &[&Row], expected: &'static str) -> Result<(), MetricsError> {
    for row in rows {
        if row.kind() != expected {
            return Err(MetricsError::Mixed {
                id: row.id().to_owned(),
                expected,
                found: row.kind(),
            });
        }
        row.check().map_err(|problem| MetricsError::Row {
            id: row.id().to_owned(),
            problem,
        })?;
    }
    let mut missing = rows.iter().filter(|row| !row.has_target());
    if let Some(first) = missing.next() {
        return Err(MetricsError::NoTarget {
            missing: 1 + missing.count(),
            total: rows.len(),
            first: first.id().to_owned(),
        });
    }
    Ok(())
}

fn glue_fits(first: &Row, options: &ScoreOptions) -> Result<(), MetricsError> {
    let Some(task) = options.glue else {
        return Ok(());
    };
    let (fits, wants) = match task {
        GlueTask::Stsb => (matches!(first, Row::Numbers(_)), "numbers"),
        _ => (matches!(first, Row::Class(_)), "class"),
    };
    if fits {
        return Ok(());
    }
    Err(MetricsError::Options(format!(
        "{task} has rows of {wants}, these are rows of {}; leave the task of GLUE out",
        first.kind()
    )))
}

#[cfg(test)]
mod tests;
