//! Spans with a beam: ends that depend on starts, and whether there is an answer.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_datasets::Problem;
use kiln_learner::{LearnError, Measure};
use kiln_nn::loss::binary_cross_entropy_sum;
use kiln_text::HostBatch;

use super::named::Named;
use super::trained::{HostTargets, TrainedHead, accuracy, ints, row_weights, shape, weighed};
use super::{ClassLoss, Head, LossTerm, cross_entropy};
use crate::arguments::Inputs;
use crate::beam::{SpanBeam, states_at};
use crate::labels::{HostLabels, Labels, Numbers};

/// What a span's start, its end and its absence are computed from; Hugging Face
/// `XLNetForQuestionAnswering`. Positions among the outputs are whole numbers.
#[derive(Debug, Clone)]
pub struct BeamLogits {
    /// `[batch, seq_len, width]`
    pub hidden_states: Tensor<3>,
    /// The head's layers.
    pub beam: SpanBeam,
    /// `[batch, seq_len]`, 1 where no answer can be; none: an answer can be anywhere.
    pub p_mask: Option<Tensor<2>>,
    /// `[batch]`, the position of `<cls>`; none: the last one.
    pub cls_index: Option<Tensor<1, Int>>,
    /// How many starts a search keeps, and how many ends for each of them.
    pub n_top: [usize; 2],
}

/// What a span with a beam is scored by.
#[derive(Debug, Clone)]
pub struct BeamTargets {
    /// `[batch]`, where spans start, those of impossible ones at `<cls>`.
    pub starts: Labels,
    /// `[batch]`, where they end.
    pub ends: Labels,
    /// `[batch]`, 1 where there is no answer; none: this is not scored.
    pub impossible: Option<Numbers>,
}

impl BeamLogits {
    /// `[batch, seq_len]`
    fn starts(&self) -> Tensor<2> {
        let hidden_states = self.hidden_states.clone();
        self.beam.start(hidden_states, self.p_mask.as_ref())
    }

    /// Ends of the spans that start there: `[batch, seq_len]`.
    fn ends_of(&self, starts: &Labels) -> Tensor<2> {
        let hidden_states = self.hidden_states.clone();
        let starts = starts.labels.clone().unsqueeze_dim::<2>(1);
        let ends = self.beam.ends(hidden_states, starts, self.p_mask.as_ref());
        ends.squeeze_dim::<2>(1)
    }

    /// `[batch]`, from the true starts.
    fn no_answer_of(&self, starts: &Labels) -> Tensor<1> {
        let at = |positions| states_at(self.hidden_states.clone(), positions);
        let start_states = at(Some(&starts.labels));
        self.beam
            .no_answer(start_states, at(self.cls_index.as_ref()))
    }
}

impl Head for BeamLogits {
    const TASK: &'static str = "qa-beam";
    const OUTPUTS: &'static [&'static str] = &[
        "start_top_log_probs",
        "start_top_index",
        "end_top_log_probs",
        "end_top_index",
        "cls_logits",
    ];
    const LABELS: &'static [&'static str] = &["start_positions", "end_positions"];
    const ARGUMENTS: &'static [&'static str] = &["is_impossible", "cls_index", "p_mask"];
    const TERMS: &'static [&'static str] = &["start_loss", "end_loss", "answer_class_loss"];
    const OPTIONAL_TERMS: usize = 1;
    const COEFFICIENT: f64 = 0.5;
    const PROBLEM: Option<Problem> = Some(Problem::Span);

    type Targets = BeamTargets;

    fn named(&self, _: usize) -> Vec<Named> {
        let found = self.beam.search(
            self.hidden_states.clone(),
            self.p_mask.as_ref(),
            self.cls_index.as_ref(),
            self.n_top,
        );
        let [
            start_probabilities,
            starts,
            end_probabilities,
            ends,
            no_answer,
        ] = [0, 1, 2, 3, 4].map(|index| Self::OUTPUTS.get(index).copied().unwrap_or_default());
        vec![
            Named::new(start_probabilities, found.start_probabilities),
            Named::new(starts, found.starts.float()),
            Named::new(
                end_probabilities,
                found.end_probabilities.flatten::<2>(1, 2),
            ),
            Named::new(ends, found.ends.float().flatten::<2>(1, 2)),
            Named::new(no_answer, found.no_answer),
        ]
    }

    /// Whether there is an answer is scored where `is_impossible` and `cls_index` are given, as in Hugging
    /// Face, which leaves the one alone out without a word.
    fn targets(
        &self,
        inputs: &Inputs<'_>,
        _: Option<&str>,
    ) -> Result<Option<BeamTargets>, LearnError> {
        let [batch, seq_len, _] = self.hidden_states.dims();
        let starts = inputs.positions("start_positions", seq_len)?;
        let ends = inputs.positions("end_positions", seq_len)?;
        let impossible = inputs.probabilities("is_impossible", &[batch])?;
        if impossible.is_some() && self.cls_index.is_none() {
            return Err(LearnError::Batch(
                "is_impossible: it is scored by the state of <cls>; pass cls_index as well".into(),
            ));
        }
        let impossible = impossible.map(|values| Numbers {
            weights: values.ones_like(),
            factors: None,
            values,
            rows: batch,
            count: batch as f64,
        });
        let spans = starts.zip(ends);
        Ok(spans.map(|(starts, ends)| BeamTargets {
            starts,
            ends,
            impossible,
        }))
    }

    fn losses(self, targets: BeamTargets) -> Vec<LossTerm> {
        let ends = self.ends_of(&targets.starts);
        self.losses_of([self.starts(), ends], targets)
    }
}

impl BeamLogits {
    /// The terms, from the scores `[batch, seq_len]` of starts and of the true starts' ends.
    fn losses_of(&self, [start, end]: [Tensor<2>; 2], targets: BeamTargets) -> Vec<LossTerm> {
        let BeamTargets {
            starts,
            ends,
            impossible,
        } = targets;
        let answer_class = impossible.map(|numbers| LossTerm {
            name: "answer_class_loss",
            sum: binary_cross_entropy_sum(
                self.no_answer_of(&starts),
                numbers.values,
                numbers.weights,
            ),
            weight: numbers.count,
        });
        let spans = [
            cross_entropy("start_loss", start, starts),
            cross_entropy("end_loss", end, ends),
        ];
        spans.into_iter().chain(answer_class).collect()
    }

    /// What is measured, from the same scores.
    fn measures_of([start, end]: [Tensor<2>; 2], targets: &BeamTargets) -> Vec<Measure> {
        vec![
            accuracy("start_accuracy", start, &targets.starts),
            accuracy("end_accuracy", end, &targets.ends),
        ]
    }
}

/// What a span with a beam is scored by, on the host.
#[derive(Debug, Clone)]
pub struct HostBeam {
    starts: HostLabels,
    ends: HostLabels,
    /// `[batch]`, 1 where there is no answer.
    impossible: Vec<f32>,
    /// `[batch]`, 0 where that is not known, else the row's weight.
    row_weights: Vec<f32>,
}

impl HostTargets for HostBeam {
    type Targets = BeamTargets;

    fn weights(&self) -> Vec<f64> {
        let rows = self.row_weights.iter().map(|&row| f64::from(row)).sum();
        vec![self.starts.count(), self.ends.count(), rows]
    }

    fn num_rows(&self) -> f64 {
        self.starts.count() + self.ends.count()
    }

    fn with_loss(self, _: &Arc<ClassLoss>) -> Self {
        self
    }

    fn upload(self, device: &Device) -> BeamTargets {
        let rows = self.row_weights.len();
        let count = self.row_weights.iter().map(|&row| f64::from(row)).sum();
        let flat = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [rows]), device);
        BeamTargets {
            starts: self.starts.upload(device),
            ends: self.ends.upload(device),
            impossible: Some(Numbers {
                values: flat(self.impossible),
                weights: flat(self.row_weights),
                factors: None,
                rows,
                count,
            }),
        }
    }
}

impl TrainedHead for BeamLogits {
    type Host = HostBeam;

    const LOSSES: &'static [&'static str] = &["start_loss", "end_loss", "answer_class_loss"];

    /// Without `is_impossible` there is no answer where a span starts at `<cls>`: at `cls_index`, or
    /// without one at the last position.
    fn host_targets(batch: &HostBatch, _: Problem, _: usize) -> HostBeam {
        let [_, seq_len] = shape(batch);
        let places = |name| weighed(batch, HostLabels::places(ints(batch, name), seq_len));
        let starts = places("start_positions");
        let (positions, is_known) = starts.parts();
        let last = i32::try_from(seq_len).unwrap_or(i32::MAX) - 1;
        let cls = batch.ints.get("cls_index").map(|buffer| &buffer.data);
        let is_cls = |(row, &position): (usize, &i32)| {
            let cls = cls.and_then(|cls| cls.get(row)).copied();
            f32::from(u8::from(position == cls.unwrap_or(last)))
        };
        let given = batch.floats.get("is_impossible");
        let impossible = given.map(|buffer| buffer.data.clone());
        let impossible =
            impossible.unwrap_or_else(|| positions.iter().enumerate().map(is_cls).collect());
        let told = row_weights(batch).filter(|_| given.is_some());
        let row_weights = match (given, told) {
            (Some(_), Some(rows)) => rows.to_vec(),
            (Some(_), None) => vec![1.0; positions.len()],
            (None, _) => is_known.to_vec(),
        };
        HostBeam {
            impossible,
            row_weights,
            ends: places("end_positions"),
            starts,
        }
    }

    fn measure_names(_: Problem) -> Vec<&'static str> {
        vec!["start_accuracy", "end_accuracy"]
    }

    /// Ends are those of the true starts.
    fn measures(&self, targets: &BeamTargets) -> Vec<Measure> {
        let ends = self.ends_of(&targets.starts);
        Self::measures_of([self.starts(), ends], targets)
    }

    /// The scores are computed once for both.
    fn scored(self, targets: BeamTargets) -> (Vec<Measure>, Vec<LossTerm>) {
        let scores = [self.starts(), self.ends_of(&targets.starts)];
        let measures = Self::measures_of(scores.clone(), &targets);
        (measures, self.losses_of(scores, targets))
    }

    /// The starts of all sequences, then the ends of the true starts.
    fn rows(&self, targets: &BeamTargets) -> Tensor<2> {
        Tensor::cat(vec![self.starts(), self.ends_of(&targets.starts)], 0)
    }

    fn row_weights(targets: &BeamTargets) -> Tensor<1> {
        let weights = |labels: &Labels| labels.weights.clone();
        Tensor::cat(vec![weights(&targets.starts), weights(&targets.ends)], 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three windows of four tokens; the second has no answer, the third only fills up.
    fn batch() -> HostBatch {
        let mut batch = HostBatch::default();
        batch.insert_ints("input_ids", vec![1; 12], &[3, 4]);
        batch.insert_ints("start_positions", vec![1, 3, 4], &[3]);
        batch.insert_ints("end_positions", vec![2, 3, 4], &[3]);
        batch.insert_floats("example_weight", vec![1.0, 1.0, 0.0], &[3]);
        batch
    }

    fn host(batch: &HostBatch) -> HostBeam {
        BeamLogits::host_targets(batch, Problem::Regression, 2)
    }

    #[test]
    fn a_span_at_cls_is_no_answer_where_nothing_else_is_said() {
        let targets = host(&batch());
        assert_eq!(targets.impossible[..2], [0.0, 1.0]);
        assert_eq!(targets.weights(), [2.0, 2.0, 2.0]);
        assert_eq!(targets.num_rows(), 4.0);

        let mut told = batch();
        told.insert_ints("cls_index", vec![1, 0, 0], &[3]);
        assert_eq!(host(&told).impossible[..2], [1.0, 0.0]);
    }

    #[test]
    fn what_is_said_of_answers_holds() {
        let mut batch = batch();
        batch.insert_floats("is_impossible", vec![1.0, 0.0, 1.0], &[3]);
        let targets = host(&batch);
        assert_eq!(targets.impossible, [1.0, 0.0, 1.0]);
        assert_eq!(targets.weights(), [2.0, 2.0, 2.0]);
        batch.floats.remove("example_weight");
        assert_eq!(host(&batch).weights(), [2.0, 2.0, 3.0]);
    }
}
