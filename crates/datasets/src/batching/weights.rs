//! How often labels come, and what classes weigh by it.

use super::rows::Rows;
use crate::{DataError, RowTarget};

/// How often each label comes in these rows: a sequence's own, each of several, a word's. A part of a
/// file, as a fold, has frequencies of its own.
///
/// # Errors
/// If a row can't be read, or has a label that the model lacks.
pub fn label_frequencies(rows: &Rows, num_labels: usize) -> Result<Vec<u64>, DataError> {
    let mut frequencies = vec![0; num_labels];
    for number in 0..rows.len() {
        let row = rows.get(number)?;
        let mut count = |label: usize| match frequencies.get_mut(label) {
            Some(frequency) => {
                *frequency += 1;
                Ok(())
            }
            None => Err(DataError::Settings(format!(
                "example {}: label {label}, the model has {num_labels}; train with its labels",
                row.example + 1
            ))),
        };
        match &row.target {
            RowTarget::Class(id) => count(*id as usize)?,
            RowTarget::Numbers(numbers) => {
                let said = numbers.iter().enumerate();
                let mut said = said.filter(|(_, number)| **number > 0.5);
                said.try_for_each(|(label, _)| count(label))?;
            }
            RowTarget::Tokens(labels) => {
                let mut scored = labels
                    .iter()
                    .filter_map(|&label| usize::try_from(label).ok());
                scored.try_for_each(count)?;
            }
            RowTarget::None | RowTarget::Span { .. } => {}
        }
    }
    Ok(frequencies)
}

/// What classes weigh that come so often: each class as much as the others in all, and a row 1 on
/// average (scikit-learn's `class_weight="balanced"`). A class that never comes has weight 1.
pub fn balanced_weights(frequencies: &[u64]) -> Vec<f32> {
    let total: u64 = frequencies.iter().sum();
    let classes = frequencies.iter().filter(|&&count| count > 0).count();
    let weight = |&count: &u64| match count {
        0 => 1.0,
        _ => (total as f64 / (classes as f64 * count as f64)) as f32,
    };
    frequencies.iter().map(weight).collect()
}
