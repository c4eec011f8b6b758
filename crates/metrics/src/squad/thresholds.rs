//! From which odds on no answer should be given, as the official scorer of SQuAD 2.0 finds it.

use crate::weights::{Weights, times};

/// The best score over all thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    /// In per cent of the scored questions.
    pub(crate) score: f64,
    /// No answer where the odds are above it. 0 where answering nothing at all is best, as the official
    /// scorer has it: that answers the questions below 0 all the same.
    pub(crate) threshold: f64,
}

/// The order in which thresholds are tried: rising odds, equal ones as they stand.
pub(crate) fn order(null_odds: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..null_odds.len()).collect();
    // Not the total order: 0 and −0 are equal to the official scorer.
    order.sort_by(|&a, &b| {
        let pair = null_odds.get(a).zip(null_odds.get(b));
        pair.and_then(|(a, b)| a.partial_cmp(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    order
}

/// Gives one question after the other its best non-empty answer, in `order`.
///
/// `gains`: what answering a question adds: its own score where it has an answer, −1 where it has none
/// and the answer is not empty, else 0. `has_answer` as in the file. `weights`: how often each question
/// counts. None without questions.
pub(crate) fn best_threshold(
    order: &[usize],
    null_odds: &[f64],
    gains: &[f64],
    has_answer: &[bool],
    weights: Weights<'_>,
) -> Option<Best> {
    let weight = |index: usize| f64::from(times(weights, index));
    let (mut total, mut current) = (0.0, 0.0);
    for (index, &has_answer) in has_answer.iter().enumerate() {
        total += weight(index);
        if !has_answer {
            current += weight(index);
        }
    }
    let mut best = Best {
        score: current,
        threshold: 0.0,
    };
    for &index in order {
        let (Some(gain), Some(&odds)) = (gains.get(index), null_odds.get(index)) else {
            continue;
        };
        current += weight(index) * gain;
        if current > best.score {
            best = Best {
                score: current,
                threshold: odds,
            };
        }
    }
    best.score = 100.0 * best.score / total;
    (total > 0.0).then_some(best)
}
