//! The published sizes (Liu et al. 2019, table 9), which are BERT's, and BERT's tiny one for machines
//! of two cores.

use kiln_learner::{OptimizerSettings, ScheduleKind};
use kiln_tasks::architecture::Recipe;

use crate::RobertaConfig;

/// A size, with the peak learning rate that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// BERT's size of this name.
    pub size: kiln_bert::Preset,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// All presets, smallest first. `tiny` was not published: it has the rate that small models of other
/// architectures bear.
pub const PRESETS: [Preset; 3] = [
    preset(kiln_bert::Preset::new("tiny", 2, 128), 5e-4),
    preset(kiln_bert::Preset::new("base", 12, 768), 6e-4),
    preset(kiln_bert::Preset::new("large", 24, 1024), 4e-4),
];

const fn preset(size: kiln_bert::Preset, learning_rate: f64) -> Preset {
    Preset {
        size,
        learning_rate,
    }
}

impl Preset {
    /// The preset called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.size.name == name)
    }

    /// Its configuration for a vocabulary of `vocab_size` words: one segment type and room for 512
    /// tokens, as in the published files.
    pub fn config(self, vocab_size: usize) -> RobertaConfig {
        self.size.sized(RobertaConfig {
            vocab_size,
            max_position_embeddings: 514,
            type_vocab_size: 1,
            layer_norm_eps: 1e-5,
            ..RobertaConfig::default()
        })
    }

    /// Adam as published (section 3.1 and table 9), for batches of 8,192 sequences: BERT's epsilon and
    /// weight decay, another second beta, no clipping.
    pub fn recipe(self) -> Recipe {
        Recipe {
            optimizer: OptimizerSettings {
                learning_rate: self.learning_rate,
                betas: (0.9, 0.98),
                clip_norm: 0.0,
                ..OptimizerSettings::default()
            },
            schedule: ScheduleKind::Linear,
        }
    }
}
