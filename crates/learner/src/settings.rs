//! How to train: everything of a run that is not the model or the data.

use serde::{Deserialize, Serialize};

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
    /// Checkpoints kept for the lowest evaluation loss, beside the newest.
    pub keep_best: usize,
    /// Steps between lines of progress.
    pub log_every: u64,
    /// Evaluations without a lower loss after which the run stops; none: never.
    pub early_stop: Option<usize>,
    /// Steps in a row with a gradient that is not finite after which the run stops.
    pub max_bad_steps: u64,
    /// Threads that build batches ahead.
    pub data_threads: usize,
    /// Micro-batches built ahead.
    pub data_ahead: usize,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch_size: 32,
            accumulate: 1,
            seed: 1,
            optimizer: OptimizerSettings::default(),
            schedule: ScheduleKind::Linear,
            warmup: 100,
            eval_every: 0,
            save_every: 0,
            keep_last: 3,
            keep_best: 1,
            log_every: 10,
            early_stop: None,
            max_bad_steps: 5,
            data_threads: 1,
            data_ahead: 8,
        }
    }
}

impl TrainingSettings {
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
