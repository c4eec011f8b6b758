//! How to train: everything of a run that is not the model or the data.

use serde::{Deserialize, Serialize};

use crate::precision::Precision;
use crate::selection::Selection;

/// Sequences that a step has at most on one device; more is a slip of the hand.
const MOST_SEQUENCES: usize = 1 << 30;

/// How the learning rate runs after warmup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Linear to zero at the last step (Hugging Face `get_linear_schedule_with_warmup`).
    Linear,
    /// Half a cosine to zero at the last step (`get_cosine_schedule_with_warmup`).
    Cosine,
    /// Constant after warmup.
    Constant,
    /// The original BERT code's: a line to zero that starts at step 0, cut into by the warmup, so
    /// the rate drops a little where warmup ends.
    Original,
    /// The original ELECTRA code's: the same line multiplied by the warmup, so that the rate never
    /// reaches its peak.
    Electra,
}

/// AdamW's constants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay; none on biases and LayerNorm.
    pub weight_decay: f64,
    /// Divide the moments by 1 - beta^t, as PyTorch does and the original BERT code does not.
    pub bias_correction: bool,
    /// Gradients are scaled down to this norm over all tensors together; 0: never.
    pub clip_norm: f64,
}

impl Default for OptimizerSettings {
    /// The constants of the BERT paper (appendix A.2), with bias correction.
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            betas: (0.9, 0.999),
            epsilon: 1e-6,
            weight_decay: 0.01,
            bias_correction: true,
            clip_norm: 1.0,
        }
    }
}

/// The first steps of a run, or those behind an earlier stretch, made with another number of
/// sequences a step than what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// The last step of the stretch.
    pub until: u64,
    /// Sequences in each of its steps: micro-batch, accumulation and devices multiplied.
    pub sequences: u64,
}

/// The learner's settings. Written into the run; a resumed run reads them from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Optimizer updates in all.
    pub steps: u64,
    /// Sequences in a micro-batch.
    pub batch_size: usize,
    /// Micro-batches a step takes on each device.
    pub accumulate: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// The float type of forward and backward passes.
    #[serde(default, skip_serializing_if = "Precision::is_float32")]
    pub precision: Precision,
    /// The optimizer.
    pub optimizer: OptimizerSettings,
    /// The schedule.
    pub schedule: ScheduleKind,
    /// Steps of linear warmup.
    pub warmup: u64,
    /// Steps between evaluations; 0: at the end alone.
    pub eval_every: u64,
    /// Steps between checkpoints; 0: at the end alone.
    pub save_every: u64,
    /// Newest checkpoints kept.
    pub keep_last: usize,
    /// Checkpoints kept for the best evaluations, beside the newest.
    pub keep_best: usize,
    /// Which evaluation is the best.
    #[serde(default, skip_serializing_if = "Selection::is_default")]
    pub select: Selection,
    /// Steps between lines of progress.
    pub log_every: u64,
    /// Evaluations that are no better after which the run stops; none: never.
    pub early_stop: Option<usize>,
    /// Steps in a row with a gradient that is not finite after which the run stops.
    pub max_bad_steps: u64,
    /// Threads that build batches ahead.
    pub data_threads: usize,
    /// Micro-batches built ahead.
    pub data_ahead: usize,
    /// What was made with other batches before, oldest first: data goes on behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stretches: Vec<Stretch>,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch_size: 32,
            accumulate: 1,
            seed: 1,
            precision: Precision::default(),
            optimizer: OptimizerSettings::default(),
            schedule: ScheduleKind::Linear,
            warmup: 100,
            eval_every: 0,
            save_every: 0,
            keep_last: 3,
            keep_best: 1,
            select: Selection::default(),
            log_every: 10,
            early_stop: None,
            max_bad_steps: 5,
            data_threads: 1,
            data_ahead: 8,
            stretches: Vec::new(),
        }
    }
}

impl TrainingSettings {
    /// Sequences in a step on `devices` devices.
    pub fn sequences(&self, devices: usize) -> u64 {
        let micro_batches = self.accumulate.saturating_mul(devices);
        self.batch_size.saturating_mul(micro_batches) as u64
    }

    /// How many steps of today's size hold the data that the first `step` steps took, on `devices`
    /// devices: as many, unless batches changed in between. Then the last of them is only begun, and
    /// its rest goes unread: where examples are numbered, a change never reads anything twice.
    /// Texts that are read from batch to batch are cut anew for other batches, and hold other text at
    /// the same step.
    pub fn data_steps(&self, step: u64, devices: usize) -> u64 {
        let mut place = 0_u64;
        let mut from = 0;
        let mut stretches = self.stretches.iter().peekable();
        while let Some(stretch) = stretches.next() {
            let until = stretch.until.min(step);
            let made = place.saturating_add(until.saturating_sub(from));
            let taken = made.saturating_mul(stretch.sequences);
            let next = stretches
                .peek()
                .map_or_else(|| self.sequences(devices), |next| next.sequences);
            place = taken.div_ceil(next.max(1));
            from = until;
        }
        place.saturating_add(step - from)
    }

    /// Refuses settings that can't train.
    ///
    /// # Errors
    /// A sentence that names the field, its value and the remedy.
    pub fn validate(&self) -> Result<(), String> {
        let optimizer = &self.optimizer;
        let bad = |field: &str, value: &dyn std::fmt::Display, remedy: &str| {
            Err(format!("{field} = {value}: {remedy}"))
        };
        if self.steps == 0 {
            return bad("steps", &self.steps, "train at least one step");
        }
        if self.batch_size == 0 {
            return bad("batch_size", &self.batch_size, "at least one sequence");
        }
        if self.accumulate == 0 {
            return bad(
                "accumulate",
                &self.accumulate,
                "at least one micro-batch a step",
            );
        }
        if self.batch_size.saturating_mul(self.accumulate) > MOST_SEQUENCES {
            return bad(
                "accumulate",
                &self.accumulate,
                "more sequences in a step than there is text; choose less, or a smaller batch_size",
            );
        }
        if self.warmup > self.steps {
            return bad("warmup", &self.warmup, "choose at most the number of steps");
        }
        if self.keep_last == 0 {
            return bad(
                "keep_last",
                &self.keep_last,
                "keep at least one checkpoint to resume from",
            );
        }
        if self.log_every == 0 {
            return bad("log_every", &self.log_every, "at least 1");
        }
        if self.max_bad_steps == 0 {
            return bad("max_bad_steps", &self.max_bad_steps, "at least 1");
        }
        if !(optimizer.learning_rate.is_finite() && optimizer.learning_rate >= 0.0) {
            return bad(
                "learning_rate",
                &optimizer.learning_rate,
                "a number from 0 up, e.g. 1e-4",
            );
        }
        for (field, beta) in [
            ("betas.0", optimizer.betas.0),
            ("betas.1", optimizer.betas.1),
        ] {
            if !(0.0..1.0).contains(&beta) {
                return bad(field, &beta, "choose a number from 0 up to but not 1");
            }
        }
        if !(optimizer.epsilon.is_finite() && optimizer.epsilon > 0.0) {
            return bad("epsilon", &optimizer.epsilon, "a number above 0, e.g. 1e-6");
        }
        for (field, value) in [
            ("weight_decay", optimizer.weight_decay),
            ("clip_norm", optimizer.clip_norm),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return bad(field, &value, "a number from 0 up");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(batch_size: usize, stretches: &[(u64, u64)]) -> TrainingSettings {
        let stretch = |&(until, sequences)| Stretch { until, sequences };
        TrainingSettings {
            batch_size,
            stretches: stretches.iter().map(stretch).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn data_goes_on_behind_what_steps_of_other_sizes_took() {
        // Nothing changed: a step of data a step.
        assert_eq!(settings(8, &[]).data_steps(10, 1), 10);
        // 10 steps of 8 are 80 sequences, 20 steps of 4; then a step a step.
        let halved = settings(4, &[(10, 8)]);
        assert_eq!(
            (halved.data_steps(10, 1), halved.data_steps(13, 1)),
            (20, 23)
        );
        // 30 sequences are 3 steps of 8 and a begun one.
        assert_eq!(settings(8, &[(10, 3)]).data_steps(10, 1), 4);
        // Two devices take two micro-batches: 80 sequences are 5 steps of 16.
        assert_eq!(settings(8, &[(10, 8)]).data_steps(10, 2), 5);
        // 10 steps of 8, then 5 of 4: 100 sequences, 13 steps of 8.
        assert_eq!(settings(8, &[(10, 8), (15, 4)]).data_steps(15, 1), 13);
        // Equal sizes change nothing, whatever they are made of.
        assert_eq!(settings(4, &[(10, 4)]).data_steps(12, 1), 12);
    }
}
