//! Answers out of a text, as the official scorers of SQuAD 1.1 and 2.0 count them.
//!
//! Rajpurkar et al. 2016 and 2018; the scripts that came with both data sets. Scores are per cent.
//!
//! Differences between the two, kept as they are: an answer without words (`the`) has F1 0 in 1.1 even if
//! both sides lack words, and 1 in 2.0.

mod normalise;
mod thresholds;

use std::collections::BTreeMap;

use normalise::normalise;
pub(crate) use thresholds::{Best, best_threshold, order};

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Every question has an answer.
    V1,
    /// Questions may have none.
    V2,
}

/// What one question has earned, each in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Earned {
    /// 1 where the normalised prediction equals a normalised answer.
    pub exact: f64,
    /// The best F1 over the answers.
    pub f1: f64,
}

/// Scores `prediction` against the best of `answers`; no answers: there is none in the text.
///
/// 1.1 without answers earns nothing: its data have none of these questions.
pub fn question<A: AsRef<str>>(prediction: &str, answers: &[A], version: Version) -> Earned {
    let prediction = normalise(prediction);
    let mut golds: Vec<String> = answers.iter().map(|a| normalise(a.as_ref())).collect();
    if version == Version::V2 {
        golds.retain(|gold| !gold.is_empty());
        if golds.is_empty() {
            golds.push(String::new());
        }
    }
    let mut best = Earned {
        exact: 0.0,
        f1: 0.0,
    };
    for gold in &golds {
        best.exact = best.exact.max(f64::from(u8::from(*gold == prediction)));
        best.f1 = best.f1.max(words_f1(&prediction, gold, version));
    }
    best
}

/// F1 of two normalised texts as bags of words.
fn words_f1(prediction: &str, gold: &str, version: Version) -> f64 {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut of_gold, mut of_prediction, mut same) = (0usize, 0usize, 0usize);
    // Normalised: single spaces between words, and nothing else.
    for word in gold.split(' ').filter(|word| !word.is_empty()) {
        *left.entry(word).or_default() += 1;
        of_gold += 1;
    }
    for word in prediction.split(' ').filter(|word| !word.is_empty()) {
        of_prediction += 1;
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    if version == Version::V2 && (of_gold == 0 || of_prediction == 0) {
        return if of_gold == of_prediction { 1.0 } else { 0.0 };
    }
    if same == 0 {
        return 0.0;
    }
    let precision = same as f64 / of_prediction as f64;
    let recall = same as f64 / of_gold as f64;
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests;
