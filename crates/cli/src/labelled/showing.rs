//! Scores for people, and what of the examples is not read.

use kiln_datasets::features::FeatureCounts;
use kiln_metrics::{Score, Scores, Summary};

use crate::console::Console;
use crate::failure::Failure;
use crate::wording::count;

/// Classes whose scores are shown each by itself.
const CLASSES: usize = 20;

/// Says what of the examples the model does not read as it stands.
pub(crate) fn tell_counts(counts: &FeatureCounts, console: Console) {
    let told = [
        (
            counts.other_shape,
            "examples have another number of texts than those that the model learned from; --text and \
             --second name the columns, and in a line a tab stands between two texts",
        ),
        (
            counts.cut,
            "texts are longer than the model reads here, and lose their ends",
        ),
        (
            counts.long_sentences,
            "sentences are longer than the model reads at once, and are read in windows",
        ),
        (
            counts.cut_words,
            "words are longer than a window, and are decided by their beginning",
        ),
        (
            counts.unread_words,
            "words are nothing to the tokenizer, and count as O",
        ),
        (
            counts.unread_answers,
            "answers are nothing to the tokenizer, and are learned as none",
        ),
        (
            counts.widened_answers,
            "answers begin or end within a token, and are learned with the rest of it",
        ),
    ];
    for (number, what) in told.into_iter().filter(|(number, _)| *number > 0) {
        console.note(format_args!("{} {what}", count(number)));
    }
}

/// Warns of runs that have learned nothing.
pub(crate) fn warn_collapsed(summaries: &[&Summary], console: Console) {
    let names: Vec<&str> = summaries
        .iter()
        .flat_map(|summary| summary.collapsed.iter().map(String::as_str))
        .collect();
    if !names.is_empty() {
        console.note(format_args!(
            "warning: these runs say the same of every example, they have learned nothing: {}",
            names.join(", ")
        ));
    }
}

/// A score with its interval and baseline, as one phrase.
pub(crate) fn describe(score: &Score) -> String {
    let mut text = value(score.value);
    if let Some((low, high)) = score.interval {
        text.push_str(&format!("  [{}, {}]", value(Some(low)), value(Some(high))));
    }
    if let Some(baseline) = score.baseline {
        text.push_str(&format!("  baseline {}", value(Some(baseline))));
    }
    text
}

/// A number of a score; a score that is not defined says so.
pub(crate) fn value(value: Option<f64>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"))
}

/// All scores, a line each, the one that counts most first.
///
/// # Errors
/// If stdout is closed.
pub(crate) fn show(scores: &Scores, console: Console) -> Result<(), Failure> {
    let width = scores.scores.iter().map(|score| score.name.len()).max();
    let width = width.unwrap_or(0).max(8);
    console.out(format_args!(
        "{:width$}  {}",
        "examples",
        count(scores.examples as u64)
    ))?;
    let main = scores
        .scores
        .iter()
        .filter(|score| score.name == scores.main);
    let others = scores
        .scores
        .iter()
        .filter(|score| score.name != scores.main);
    for score in main.chain(others) {
        console.out(format_args!("{:width$}  {}", score.name, describe(score)))?;
    }
    for fact in &scores.facts {
        console.out(format_args!("{:width$}  {}", fact.name, fact.value))?;
    }
    if !scores.per_class.is_empty() {
        let name = scores
            .per_class
            .iter()
            .map(|class| class.name.chars().count());
        let name = name.max().unwrap_or(0).max(5);
        console.out(format_args!(
            "\n{:name$}  {:>9}  {:>9}  {:>9}  {:>7}  {:>9}",
            "label", "precision", "recall", "f1", "actual", "predicted"
        ))?;
        for class in scores.per_class.iter().take(CLASSES) {
            console.out(format_args!(
                "{:name$}  {:>9}  {:>9}  {:>9}  {:>7}  {:>9}",
                class.name,
                value(class.precision),
                value(class.recall),
                value(Some(class.f1)),
                class.actual,
                class.predicted
            ))?;
        }
        if scores.per_class.len() > CLASSES {
            let more = scores.per_class.len() - CLASSES;
            console.out(format_args!(
                "… and {more} more; --json and the report have all"
            ))?;
        }
    }
    for note in &scores.notes {
        console.note(note);
    }
    Ok(())
}
