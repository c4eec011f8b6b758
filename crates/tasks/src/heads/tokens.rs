//! Scores of tokens.

use burn::tensor::Tensor;
use kiln_datasets::Problem;
use kiln_learner::LearnError;
use kiln_nn::loss::binary_cross_entropy_sum;

use super::named::Named;
use super::{Head, LossTerm, cross_entropy};
use crate::arguments::Inputs;
use crate::labels::{Labels, Numbers};

/// A label for each token.
#[derive(Debug, Clone)]
pub struct TokenLogits {
    /// `[batch, seq_len, num_labels]`
    pub logits: Tensor<3>,
}

impl Head for TokenLogits {
    const TASK: &'static str = "tag";
    const OUTPUTS: &'static [&'static str] = &["logits"];
    const LABELS: &'static [&'static str] = &["labels"];
    const PROBLEM: Option<Problem> = Some(Problem::Tags);

    type Targets = Labels;

    fn named(&self, _: usize) -> Vec<Named> {
        vec![Named::new("logits", self.logits.clone())]
    }

    fn targets(&self, inputs: &Inputs<'_>, _: Option<&str>) -> Result<Option<Labels>, LearnError> {
        let [batch, seq_len, num_labels] = self.logits.dims();
        Ok(inputs.labels("labels", &[batch, seq_len], num_labels)?)
    }

    fn losses(self, labels: Labels) -> Vec<LossTerm> {
        vec![cross_entropy(
            "loss",
            self.logits.flatten::<2>(0, 1),
            labels,
        )]
    }
}

/// How well each token starts, and how well it ends, an answer; the softmax runs over all positions,
/// padding included.
#[derive(Debug, Clone)]
pub struct SpanLogits {
    /// `[batch, seq_len]`
    pub start: Tensor<2>,
    /// `[batch, seq_len]`
    pub end: Tensor<2>,
}

impl SpanLogits {
    /// Two numbers a token, the start's first.
    ///
    /// # Shapes
    /// - `logits`: `[batch, seq_len, 2]`
    pub fn of_columns(logits: Tensor<3>) -> Self {
        let column = |index| logits.clone().narrow(2, index, 1).squeeze_dim::<2>(2);
        Self {
            start: column(0),
            end: column(1),
        }
    }
}

impl Head for SpanLogits {
    const TASK: &'static str = "qa";
    const OUTPUTS: &'static [&'static str] = &["start_logits", "end_logits"];
    const LABELS: &'static [&'static str] = &["start_positions", "end_positions"];
    const TERMS: &'static [&'static str] = &["start_loss", "end_loss"];
    const COEFFICIENT: f64 = 0.5;
    const PROBLEM: Option<Problem> = Some(Problem::Span);

    /// Of the start and of the end.
    type Targets = (Labels, Labels);

    fn named(&self, _: usize) -> Vec<Named> {
        vec![
            Named::new("start_logits", self.start.clone()),
            Named::new("end_logits", self.end.clone()),
        ]
    }

    fn targets(
        &self,
        inputs: &Inputs<'_>,
        _: Option<&str>,
    ) -> Result<Option<Self::Targets>, LearnError> {
        let [_, width] = self.start.dims();
        let starts = inputs.positions("start_positions", width)?;
        let ends = inputs.positions("end_positions", width)?;
        Ok(starts.zip(ends))
    }

    fn losses(self, (starts, ends): Self::Targets) -> Vec<LossTerm> {
        vec![
            cross_entropy("start_loss", self.start, starts),
            cross_entropy("end_loss", self.end, ends),
        ]
    }
}

/// Whether each token was replaced, yes or no; Hugging Face `ElectraForPreTraining`.
///
/// The loss is the binary cross-entropy over the positions with `attention_mask` 1, over all without
/// a mask; `labels` are 0 or 1, as whole or real numbers.
#[derive(Debug, Clone)]
pub struct ReplacedLogits {
    /// `[batch, seq_len]`
    pub logits: Tensor<2>,
}

impl Head for ReplacedLogits {
    const TASK: &'static str = "replaced-tokens";
    const OUTPUTS: &'static [&'static str] = &["logits"];
    const LABELS: &'static [&'static str] = &["labels"];

    type Targets = Numbers;

    fn named(&self, _: usize) -> Vec<Named> {
        vec![Named::new("logits", self.logits.clone())]
    }

    fn targets(&self, inputs: &Inputs<'_>, _: Option<&str>) -> Result<Option<Numbers>, LearnError> {
        let Some(values) = inputs.probabilities("labels", &self.logits.dims())? else {
            return Ok(None);
        };
        let (weights, count) = inputs.attended()?;
        Ok(Some(Numbers {
            values,
            weights,
            factors: None,
            rows: inputs.batch,
            count,
        }))
    }

    fn losses(self, targets: Numbers) -> Vec<LossTerm> {
        let logits = self.logits.flatten::<1>(0, 1);
        vec![LossTerm {
            name: "loss",
            sum: binary_cross_entropy_sum(logits, targets.values, targets.weights),
            weight: targets.count,
        }]
    }
}
