//! How a model is fine-tuned where nobody says otherwise.

use kiln_datasets::Task;
use kiln_learner::{OptimizerSettings, ScheduleKind};

use crate::fine_tuning::LayerDecay;

/// Hidden states of this width or more are of a model that was published as large.
const LARGE: usize = 1024;

/// Hidden states narrower than this are of a model far smaller than any base one.
const BASE: usize = 320;

/// Hidden states narrower than this are of a model that only BERT was published as: the narrowest ELECTRA
/// is 256 wide.
const SMALL: usize = 256;

/// Settings as they were published for an architecture and a size.
#[derive(Debug, Clone, PartialEq)]
pub struct TuningRecipe {
    /// AdamW's constants and the peak learning rate.
    pub optimizer: OptimizerSettings,
    /// The schedule.
    pub schedule: ScheduleKind,
    /// Share of the steps with a rising rate.
    pub warmup: f64,
    /// Sequences of a step.
    pub batch_size: usize,
    /// How often each example is seen.
    pub epochs: f64,
    /// Rates that fall towards the embeddings.
    pub layer_decay: Option<LayerDecay>,
}

/// How large a model is, as publications name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedSize {
    /// Narrower than 256: as Kiln's presets `tiny`, which learn for minutes.
    Tiny,
    /// Narrower than the published base models.
    Small,
    /// About 768 wide.
    Base,
    /// 1,024 wide or more.
    Large,
}

impl PublishedSize {
    /// Of a model with hidden states of this width.
    pub fn of(hidden_size: usize) -> Self {
        match hidden_size {
            LARGE.. => Self::Large,
            BASE.. => Self::Base,
            SMALL.. => Self::Small,
            _ => Self::Tiny,
        }
    }

    /// The value for this size.
    pub fn pick<T>(self, [tiny, small, base, large]: [T; 4]) -> T {
        match self {
            Self::Tiny => tiny,
            Self::Small => small,
            Self::Base => base,
            Self::Large => large,
        }
    }
}

impl TuningRecipe {
    /// BERT's (Devlin et al. 2019, appendix A.3; its repository's small models): 3 epochs of 32 sequences,
    /// a tenth of warm-up; bias correction, without which small data do not train reliably (Zhang et al.
    /// 2021).
    pub fn bert(task: Task, size: PublishedSize) -> Self {
        let choice = matches!(task, Task::Choose);
        Self {
            optimizer: OptimizerSettings {
                learning_rate: size.pick([3e-4, 3e-4, if choice { 2e-5 } else { 3e-5 }, 2e-5]),
                ..OptimizerSettings::default()
            },
            schedule: ScheduleKind::Linear,
            warmup: 0.1,
            batch_size: if choice { 16 } else { 32 },
            epochs: size.pick([4.0, 4.0, 3.0, 3.0]),
            layer_decay: None,
        }
    }

    /// The same with low-rank adapters, which want far higher rates than the weights themselves, one for all
    /// layers.
    #[must_use]
    pub fn with_lora(mut self, size: PublishedSize) -> Self {
        self.optimizer.learning_rate = size.pick([1e-3, 1e-3, 5e-4, 3e-4]);
        self.layer_decay = None;
        self
    }
}
