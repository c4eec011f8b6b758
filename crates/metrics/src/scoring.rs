//! Rows to scores: the one way there is.

use crate::MetricsError;
use crate::kinds;
use crate::rows::Row;
use crate::sample;
use crate::scores::{Score, ScoreOptions, Scores};

/// Scores the rows of one task.
///
/// The order of rows does not matter but for resampling and for equal odds of SQuAD's thresholds.
///
/// # Errors
/// No rows; rows of several tasks; rows without a target; rows that contradict themselves; options that do
/// not fit the rows.
pub fn score(rows: &[Row], options: &ScoreOptions) -> Result<Scores, MetricsError> {
    let rows: Vec<&Row> = rows.iter().collect();
    let sample = kinds::prepare(&rows, options)?;
    let names = sample.names();
    let main = kinds::main(sample.as_ref(), options)?;
    let intervals = match options.resamples {
        0 => vec![None; names.len()],
        resamples => sample::intervals(sample.as_ref(), resamples, options.seed),
    };
    let values = sample.values(None);
    let mut scores = Vec::with_capacity(names.len());
    let numbers = values.into_iter().zip(sample.baselines()).zip(intervals);
    for (name, ((value, baseline), interval)) in names.into_iter().zip(numbers) {
        scores.push(Score {
            higher_is_better: sample::higher_is_better(&name),
            value,
            baseline,
            // An interval around nothing would say more than is known.
            interval: value.and(interval),
            name,
        });
    }
    let mut details = sample.details();
    let undefined: Vec<&str> = scores
        .iter()
        .filter(|score| score.value.is_none())
        .map(|score| score.name.as_str())
        .collect();
    if !undefined.is_empty() {
        details.notes.push(format!(
            "undefined on these examples: {}",
            undefined.join(", ")
        ));
    }
    if details.collapsed {
        let how = match rows.first() {
            Some(Row::Numbers(_)) => "the same to a hundredth of the targets' spread",
            _ => "one and the same, the targets are not",
        };
        details.notes.push(format!(
            "all predictions are {how}: the model has learned nothing from its input"
        ));
    }
    Ok(Scores {
        examples: sample.examples(),
        main,
        scores,
        per_class: details.per_class,
        confusion: details.confusion,
        facts: details.facts,
        collapsed: details.collapsed,
        notes: details.notes,
    })
}

#[cfg(test)]
mod tests;
