//! Scores of continuations, of which one is right.

use burn::tensor::{Int, Tensor};
use kiln_datasets::Problem;
use kiln_learner::{LearnError, Measure};
use kiln_text::HostBatch;

use super::named::Named;
use super::trained::{TrainedHead, accuracy, buffer, rows, weighed_classes};
use super::{Head, LossTerm, cross_entropy};
use crate::arguments::Inputs;
use crate::labels::{HostLabels, Labels};

/// A score for each of several continuations: the highest is the most probable one.
///
/// The continuations of an example are rows one behind the other, as many for each example of a batch.
#[derive(Debug, Clone)]
pub struct ChoiceLogits {
    /// `[batch * num_choices]`
    pub scores: Tensor<1>,
}

impl ChoiceLogits {
    /// One score a row.
    ///
    /// # Shapes
    /// - `logits`: `[batch * num_choices, 1]`
    pub fn of_column(logits: Tensor<2>) -> Self {
        Self {
            scores: logits.squeeze_dim::<1>(1),
        }
    }

    /// The scores of so many examples, `[batch, num_choices]`.
    ///
    /// # Panics
    /// If they have not as many continuations each: the caller's mistake.
    pub fn logits(&self, batch: usize) -> Tensor<2> {
        let [rows] = self.scores.dims();
        self.scores.clone().reshape([batch, rows / batch.max(1)])
    }

    fn logits_for(&self, labels: &Tensor<1, Int>) -> Tensor<2> {
        let [batch] = labels.dims();
        self.logits(batch)
    }
}

impl Head for ChoiceLogits {
    const TASK: &'static str = "choose";
    const OUTPUTS: &'static [&'static str] = &["logits"];
    const LABELS: &'static [&'static str] = &["labels"];
    const CHOOSES: bool = true;
    const PROBLEM: Option<Problem> = Some(Problem::Choice);

    type Targets = Labels;

    fn named(&self, batch: usize) -> Vec<Named> {
        vec![Named::new("logits", self.logits(batch))]
    }

    fn targets(&self, inputs: &Inputs<'_>, _: Option<&str>) -> Result<Option<Labels>, LearnError> {
        Ok(inputs.labels("labels", &[inputs.examples()], inputs.num_choices)?)
    }

    fn losses(self, labels: Labels) -> Vec<LossTerm> {
        let logits = self.logits_for(&labels.labels);
        vec![cross_entropy("loss", logits, labels)]
    }
}

impl TrainedHead for ChoiceLogits {
    type Host = HostLabels;

    /// The number of continuations is a batch's `num_choices` `[1]`, or without one that of its rows over
    /// that of its labels.
    fn host_targets(batch: &HostBatch, _: Problem, _: usize) -> HostLabels {
        let given = batch.ints.get("num_choices");
        let given = given.and_then(|buffer| buffer.data.first().copied());
        let given = given.and_then(|count| usize::try_from(count).ok());
        let labels = buffer(batch, "labels").len();
        let (rows, num_choices) = (rows(batch), given.unwrap_or(rows(batch) / labels.max(1)));
        assert!(
            rows == labels * num_choices,
            "{rows} rows for {labels} labels: each has {num_choices} continuations"
        );
        weighed_classes(batch, num_choices)
    }

    fn measure_names(_: Problem) -> Vec<&'static str> {
        vec!["label_accuracy"]
    }

    fn measures(&self, labels: &Labels) -> Vec<Measure> {
        vec![accuracy("label_accuracy", self.rows(labels), labels)]
    }

    fn rows(&self, labels: &Labels) -> Tensor<2> {
        self.logits_for(&labels.labels)
    }

    fn row_weights(labels: &Labels) -> Tensor<1> {
        labels.weights.clone()
    }
}
