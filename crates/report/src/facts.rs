//! What a run's files do not tell.

use kiln_learner::Stop;

/// What is worth showing and not in a run's files. Each may be unknown.
#[derive(Debug, Clone, Default)]
pub struct ReportFacts {
    /// Entropy of the corpus' word frequencies in nats: the loss of knowing those and no more.
    pub unigram_entropy: Option<f64>,
    /// Trainable numbers in the model.
    pub parameters: Option<u64>,
    /// Why the run ended; unknown: finished if all its steps are recorded.
    pub finished: Option<Stop>,
}
