//! Heads that fine-tuning trains: labels from a batch on the host, and what is measured beside the loss.
//!
//! | what is learned | buffers of the batch |
//! | --- | --- |
//! | a label a sequence | `labels` `[batch]`, whole numbers; −100 is not scored |
//! | yes or no for each label | `labels` `[batch, num_labels]`, real numbers 0 or 1 |
//! | a number a sequence | `labels` `[batch]`, real numbers |
//! | a label a token | `labels` `[batch, seq_len]`, whole numbers; −100 is not scored |
//! | one of several continuations | `labels` `[batch]`; rows are `[batch * num_choices, seq_len]` |
//! | a span | `start_positions`, `end_positions` `[batch]`; one beyond the sequence is not scored |
//! | a span with a beam | the same; `is_impossible` `[batch]`, `cls_index` `[batch]`, `p_mask` `[batch, seq_len]`, each if it is there |
//!
//! With `example_weight` `[batch]` a row weighs as much as it says: 0 where it only fills up an
//! evaluation.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use kiln_datasets::Problem;
use kiln_learner::Measure;
use kiln_learner::upload::missing;
use kiln_text::HostBatch;

use super::sequence::{SequenceLabels, SequenceLogits};
use super::tokens::{SpanLogits, TokenLogits};
use super::{ClassLoss, Head, LossTerm};
use crate::labels::{HostLabels, Labels, Numbers};
use crate::masked_lm;

/// Labels on the host, of all terms of a loss.
pub trait HostTargets: Sized {
    /// The labels on a device.
    type Targets;

    /// By what each term's sum is divided, in the order of [`Head::TERMS`].
    fn weights(&self) -> Vec<f64>;

    /// How many rows of [`TrainedHead::rows`] count.
    fn num_rows(&self) -> f64;

    /// These labels, where they are classes, with a loss that is weighed and smoothed so.
    #[must_use]
    fn with_loss(self, loss: &Arc<ClassLoss>) -> Self;

    /// Moves them to a device.
    fn upload(self, device: &Device) -> Self::Targets;
}

/// A head that fine-tuning trains.
pub trait TrainedHead: Head {
    /// What it is scored by, on the host.
    type Host: HostTargets<Targets = Self::Targets>;

    /// The keys of its losses in `metrics.jsonl`, in the order of [`Head::TERMS`].
    const LOSSES: &'static [&'static str] = &["task_loss"];

    /// The labels of a batch for a model that has `num_labels`; `problem` says what those of sequences
    /// mean.
    ///
    /// # Panics
    /// If the batch lacks a buffer or has a label that the model does not: an objective and the source
    /// that feeds it are written together.
    fn host_targets(batch: &HostBatch, problem: Problem, num_labels: usize) -> Self::Host;

    /// The names of [`Self::measures`].
    fn measure_names(problem: Problem) -> Vec<&'static str>;

    /// What is to be reported beside the loss.
    fn measures(&self, targets: &Self::Targets) -> Vec<Measure>;

    /// [`Self::measures`] and [`Head::losses`] in one.
    fn scored(self, targets: Self::Targets) -> (Vec<Measure>, Vec<LossTerm>) {
        (self.measures(&targets), self.losses(targets))
    }

    /// Predictions row by row, each over its labels `[rows, labels]`, as `targets` has the rows.
    fn rows(&self, targets: &Self::Targets) -> Tensor<2>;

    /// `[rows]`, what each row weighs.
    fn row_weights(targets: &Self::Targets) -> Tensor<1>;
}

impl HostTargets for HostLabels {
    type Targets = Labels;

    fn weights(&self) -> Vec<f64> {
        vec![self.divisor()]
    }

    fn num_rows(&self) -> f64 {
        self.count()
    }

    fn with_loss(self, loss: &Arc<ClassLoss>) -> Self {
        Self::with_loss(self, loss)
    }

    fn upload(self, device: &Device) -> Labels {
        HostLabels::upload(self, device)
    }
}

impl HostTargets for (HostLabels, HostLabels) {
    type Targets = (Labels, Labels);

    fn weights(&self) -> Vec<f64> {
        vec![self.0.count(), self.1.count()]
    }

    fn num_rows(&self) -> f64 {
        self.0.count() + self.1.count()
    }

    fn with_loss(self, _: &Arc<ClassLoss>) -> Self {
        self
    }

    fn upload(self, device: &Device) -> (Labels, Labels) {
        (self.0.upload(device), self.1.upload(device))
    }
}

/// What a sequence classifier is scored by, on the host.
#[derive(Debug, Clone)]
pub enum HostSequence {
    /// One class for each sequence.
    Class(HostLabels),
    /// Real numbers, `per_row` for each sequence.
    Real {
        /// What they mean: [`SequenceLabels::Numbers`] or [`SequenceLabels::YesOrNo`].
        meaning: fn(Numbers) -> SequenceLabels,
        /// `[batch * per_row]`
        values: Vec<f32>,
        /// `[batch]`
        row_weights: Vec<f32>,
        /// Numbers a sequence.
        per_row: usize,
        /// How those that mean yes or no weigh; none: all alike.
        loss: Option<Arc<ClassLoss>>,
    },
}

impl HostTargets for HostSequence {
    type Targets = SequenceLabels;

    fn weights(&self) -> Vec<f64> {
        match self {
            Self::Class(labels) => labels.weights(),
            Self::Real { per_row, .. } => vec![self.num_rows() * *per_row as f64],
        }
    }

    fn num_rows(&self) -> f64 {
        match self {
            Self::Class(labels) => labels.num_rows(),
            Self::Real { row_weights, .. } => sum(row_weights),
        }
    }

    fn with_loss(self, loss: &Arc<ClassLoss>) -> Self {
        match self {
            Self::Class(labels) => Self::Class(labels.with_loss(loss)),
            Self::Real {
                meaning,
                values,
                row_weights,
                per_row,
                ..
            } => Self::Real {
                meaning,
                values,
                row_weights,
                per_row,
                loss: Some(loss.clone()),
            },
        }
    }

    fn upload(self, device: &Device) -> SequenceLabels {
        match self {
            Self::Class(labels) => SequenceLabels::Class(labels.upload(device)),
            Self::Real {
                meaning,
                values,
                row_weights,
                per_row,
                loss,
            } => {
                let positives = loss.and_then(|loss| loss.of_positives(&values));
                let (values, factors) = match positives {
                    Some((values, factors)) => (values, Some(factors)),
                    None => (values, None),
                };
                let count = sum(&row_weights) * per_row as f64;
                let rows = row_weights.len();
                let weights: Vec<f32> = row_weights
                    .into_iter()
                    .flat_map(|weight| std::iter::repeat_n(weight, per_row))
                    .collect();
                let flat = |values: Vec<f32>| {
                    let n = values.len();
                    Tensor::from_data(TensorData::new(values, [n]), device)
                };
                meaning(Numbers {
                    values: flat(values),
                    weights: flat(weights),
                    factors: factors.map(flat),
                    rows,
                    count,
                })
            }
        }
    }
}

impl TrainedHead for SequenceLogits {
    type Host = HostSequence;

    fn host_targets(batch: &HostBatch, problem: Problem, num_labels: usize) -> HostSequence {
        let meaning = match problem {
            Problem::MultiLabel => SequenceLabels::YesOrNo,
            Problem::Regression => SequenceLabels::Numbers,
            // No other problem is one of sequences.
            _ => return HostSequence::Class(weighed_classes(batch, num_labels)),
        };
        let values = batch.floats.get("labels").map(|buffer| buffer.data.clone());
        let values = values.unwrap_or_else(|| missing("labels"));
        let row_weights = row_weights(batch).map(<[f32]>::to_vec);
        let row_weights = row_weights.unwrap_or_else(|| vec![1.0; rows(batch)]);
        HostSequence::Real {
            meaning,
            per_row: values.len() / row_weights.len().max(1),
            values,
            row_weights,
            loss: None,
        }
    }

    fn measure_names(problem: Problem) -> Vec<&'static str> {
        match problem {
            Problem::MultiLabel | Problem::Regression => Vec::new(),
            _ => vec!["label_accuracy"],
        }
    }

    fn measures(&self, targets: &SequenceLabels) -> Vec<Measure> {
        match targets {
            SequenceLabels::Class(labels) => {
                vec![accuracy("label_accuracy", self.logits.clone(), labels)]
            }
            _ => Vec::new(),
        }
    }

    fn rows(&self, _: &SequenceLabels) -> Tensor<2> {
        self.logits.clone()
    }

    fn row_weights(targets: &SequenceLabels) -> Tensor<1> {
        match targets {
            SequenceLabels::Class(labels) => labels.weights.clone(),
            SequenceLabels::Numbers(numbers)
            | SequenceLabels::YesOrNo(numbers)
            | SequenceLabels::Probabilities(numbers) => {
                let [n] = numbers.weights.dims();
                let weights = numbers.weights.clone();
                let weights = weights.reshape([numbers.rows, n / numbers.rows.max(1)]);
                weights.narrow(1, 0, 1).squeeze_dim::<1>(1)
            }
        }
    }
}

impl TrainedHead for TokenLogits {
    type Host = HostLabels;

    fn host_targets(batch: &HostBatch, _: Problem, num_labels: usize) -> HostLabels {
        weighed_classes(batch, num_labels)
    }

    fn measure_names(_: Problem) -> Vec<&'static str> {
        vec!["label_accuracy"]
    }

    fn measures(&self, labels: &Labels) -> Vec<Measure> {
        vec![accuracy("label_accuracy", self.rows(labels), labels)]
    }

    fn rows(&self, _: &Labels) -> Tensor<2> {
        self.logits.clone().flatten(0, 1)
    }

    fn row_weights(labels: &Labels) -> Tensor<1> {
        labels.weights.clone()
    }
}

impl TrainedHead for SpanLogits {
    type Host = (HostLabels, HostLabels);

    const LOSSES: &'static [&'static str] = &["start_loss", "end_loss"];

    fn host_targets(batch: &HostBatch, _: Problem, _: usize) -> Self::Host {
        let [_, seq_len] = shape(batch);
        let places = |name| weighed(batch, HostLabels::places(ints(batch, name), seq_len));
        (places("start_positions"), places("end_positions"))
    }

    fn measure_names(_: Problem) -> Vec<&'static str> {
        vec!["start_accuracy", "end_accuracy"]
    }

    fn measures(&self, (starts, ends): &(Labels, Labels)) -> Vec<Measure> {
        vec![
            accuracy("start_accuracy", self.start.clone(), starts),
            accuracy("end_accuracy", self.end.clone(), ends),
        ]
    }

    /// The starts of all sequences, then the ends.
    fn rows(&self, _: &Self::Targets) -> Tensor<2> {
        Tensor::cat(vec![self.start.clone(), self.end.clone()], 0)
    }

    fn row_weights((starts, ends): &(Labels, Labels)) -> Tensor<1> {
        Tensor::cat(vec![starts.weights.clone(), ends.weights.clone()], 0)
    }
}

pub(super) fn accuracy(name: &'static str, logits: Tensor<2>, labels: &Labels) -> Measure {
    let (classes, weights) = (labels.labels.clone(), labels.weights.clone());
    masked_lm::accuracy(name, logits, classes, weights)
}

pub(super) fn weighed_classes(batch: &HostBatch, num_labels: usize) -> HostLabels {
    let labels = ints(batch, "labels");
    for &label in &labels {
        // On a device a wrong label may be an unchecked read.
        let is_known = usize::try_from(label).is_ok_and(|label| label < num_labels);
        assert!(
            is_known || label < 0,
            "label {label}: the model has {num_labels} labels"
        );
    }
    weighed(batch, HostLabels::classes(labels))
}

pub(super) fn weighed(batch: &HostBatch, labels: HostLabels) -> HostLabels {
    match row_weights(batch) {
        Some(rows) => labels.weighed(rows),
        None => labels,
    }
}

pub(super) fn row_weights(batch: &HostBatch) -> Option<&[f32]> {
    let weights = batch.floats.get("example_weight")?;
    Some(&weights.data)
}

pub(super) fn ints(batch: &HostBatch, name: &str) -> Vec<i32> {
    buffer(batch, name).to_vec()
}

pub(super) fn buffer<'a>(batch: &'a HostBatch, name: &str) -> &'a [i32] {
    let buffer = batch.ints.get(name).map(|buffer| buffer.data.as_slice());
    buffer.unwrap_or_else(|| missing(name))
}

fn sum(weights: &[f32]) -> f64 {
    weights.iter().map(|&weight| f64::from(weight)).sum()
}

/// `[batch, seq_len]`
pub(super) fn shape(batch: &HostBatch) -> [usize; 2] {
    match batch
        .ints
        .get("input_ids")
        .map(|buffer| buffer.shape.as_slice())
    {
        Some(&[rows, seq_len]) => [rows, seq_len],
        _ => missing("input_ids"),
    }
}

pub(super) fn rows(batch: &HostBatch) -> usize {
    shape(batch)[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three sequences of two tokens, of which the last one only fills up.
    fn batch() -> HostBatch {
        let mut batch = HostBatch::default();
        batch.insert_ints("input_ids", vec![1; 6], &[3, 2]);
        batch.insert_floats("example_weight", vec![1.0, 1.0, 0.0], &[3]);
        batch
    }

    fn values(tensor: Tensor<1>) -> Vec<f32> {
        tensor.try_into_vec_as().unwrap()
    }

    #[test]
    fn a_label_below_zero_and_a_row_without_weight_are_not_scored() {
        let mut batch = batch();
        batch.insert_ints("labels", vec![-100, 4, 2, 0, 1, 1], &[3, 2]);
        let labels = TokenLogits::host_targets(&batch, Problem::SingleLabel, 5);
        assert_eq!(labels.weights(), [3.0]);
        let (name, device) = kiln_testing::devices().remove(0);
        let labels = HostTargets::upload(labels, &device);
        assert_eq!(
            values(labels.weights),
            [0.0, 1.0, 1.0, 1.0, 0.0, 0.0],
            "{name}"
        );
    }

    #[test]
    #[should_panic(expected = "label 2: the model has 2 labels")]
    fn a_label_that_the_model_does_not_have_goes_to_no_device() {
        let mut batch = batch();
        batch.insert_ints("labels", vec![-100, 1, 2], &[3]);
        let _ = SequenceLogits::host_targets(&batch, Problem::SingleLabel, 2);
    }

    #[test]
    fn a_batch_of_nothing_scored_weighs_nothing() {
        let mut batch = batch();
        batch.insert_ints("labels", vec![-100; 3], &[3]);
        let labels = SequenceLogits::host_targets(&batch, Problem::SingleLabel, 2);
        assert_eq!(labels.weights(), [0.0]);
    }

    #[test]
    fn numbers_count_for_each_label_of_a_row_that_has_a_weight() {
        for (problem, per_row) in [(Problem::Regression, 1), (Problem::MultiLabel, 4)] {
            let mut batch = batch();
            batch.insert_floats("labels", vec![0.5; 3 * per_row], &[3, per_row]);
            let labels = SequenceLogits::host_targets(&batch, problem, per_row);
            assert_eq!(labels.weights(), [2.0 * per_row as f64], "{problem:?}");
            assert_eq!(labels.num_rows(), 2.0, "{problem:?}");
            let (_, device) = kiln_testing::devices().remove(0);
            let rows = SequenceLogits::row_weights(&labels.upload(&device));
            assert_eq!(values(rows), [1.0, 1.0, 0.0], "{problem:?}");
        }
    }

    #[test]
    fn a_place_beyond_the_sequence_is_not_scored_by_itself() {
        let mut batch = batch();
        batch.insert_ints("start_positions", vec![0, 1, 1], &[3]);
        batch.insert_ints("end_positions", vec![2, -1, 1], &[3]);
        let spans = SpanLogits::host_targets(&batch, Problem::SingleLabel, 2);
        assert_eq!(spans.weights(), [2.0, 1.0]);
    }
}
