//! The evaluation within training: the way that `kiln evaluate` and `kiln predict` take.

use std::sync::Arc;

use burn::tensor::Device;
use kiln_learner::{Evaluator, LearnError, Objective};
use kiln_metrics::{ScoreOptions, score};

use super::data::DevExamples;
use super::metrics_error;
use super::pipeline::TaskPipeline;
use crate::fine_tuning::{FineTuned, TunedModelOf, TunedObjective};

/// Scores a model on labelled examples.
pub(super) struct TaskEvaluator<F: FineTuned> {
    pub(super) objective: TunedObjective<F>,
    pub(super) pipeline: Arc<TaskPipeline>,
    pub(super) dev: DevExamples,
    pub(super) batch_size: usize,
    pub(super) options: ScoreOptions,
}

impl<F: FineTuned> Evaluator<TunedModelOf<F>> for TaskEvaluator<F> {
    /// The mean loss of the labels, and each score that is defined, by its name.
    fn evaluate(
        &self,
        model: &TunedModelOf<F>,
        device: &Device,
    ) -> Result<Vec<(String, f64)>, LearnError> {
        let mut rows = Vec::new();
        let asked = self.pipeline.predict(
            self.dev.examples(),
            self.batch_size,
            &mut |batch| self.objective.answers(model, batch, device),
            &mut |_, row| {
                rows.push(row);
                Ok(())
            },
        )?;
        let terms = self.objective.terms();
        let terms = terms.iter().zip(&asked.losses);
        let loss = terms.map(|(term, (sum, weight))| term.coefficient * sum / weight);
        let mut values = vec![("loss".to_owned(), loss.sum())];
        let scores = score(&rows, &self.options).map_err(metrics_error)?;
        values.extend(
            scores
                .scores
                .into_iter()
                .filter_map(|score| Some((score.name, score.value?))),
        );
        Ok(values)
    }
}
