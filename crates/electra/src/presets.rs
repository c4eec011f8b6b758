//! The published sizes (Clark et al. 2020, table 6) and a tiny one for machines of two cores.

use kiln_learner::{OptimizerSettings, ScheduleKind};
use kiln_tasks::architecture::Recipe;
use kiln_tasks::settings::DetectionSettings;

use crate::ElectraConfig;

/// A size, with the settings that belong to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// The preset's name.
    pub name: &'static str,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Width of the discriminator; heads are 64 wide, the feed-forward block four times this.
    pub hidden_size: usize,
    /// Width of the embeddings.
    pub embedding_size: usize,
    /// The generator's width as a share of the discriminator's.
    pub generator_size: f64,
    /// Share of the tokens that the generator predicts.
    pub mask_rate: f64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Standard deviation that weights are drawn with.
    pub initializer_range: f64,
    /// Of hidden states and of attention.
    pub dropout: f64,
}

/// All presets, smallest first.
///
/// `tiny` is BERT's preset of that name with a generator half as wide: a quarter, as in `small`,
/// would be 32 wide and too weak to fool anyone. Its weights are drawn five times as wide as the published
/// ones (about one over the root of its width), and nothing is dropped: else its attention begins all
/// but even, and the discriminator takes more than twice as many steps until it tells anything apart.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "tiny",
        num_hidden_layers: 2,
        hidden_size: 128,
        embedding_size: 128,
        generator_size: 0.5,
        mask_rate: 0.15,
        learning_rate: 1e-3,
        initializer_range: 0.1,
        dropout: 0.0,
    },
    Preset {
        name: "small",
        num_hidden_layers: 12,
        hidden_size: 256,
        embedding_size: 128,
        generator_size: 0.25,
        mask_rate: 0.15,
        learning_rate: 5e-4,
        initializer_range: 0.02,
        dropout: 0.1,
    },
    Preset {
        name: "base",
        num_hidden_layers: 12,
        hidden_size: 768,
        embedding_size: 768,
        generator_size: 1.0 / 3.0,
        mask_rate: 0.15,
        learning_rate: 2e-4,
        initializer_range: 0.02,
        dropout: 0.1,
    },
    Preset {
        name: "large",
        num_hidden_layers: 24,
        hidden_size: 1024,
        embedding_size: 1024,
        generator_size: 0.25,
        mask_rate: 0.25,
        learning_rate: 2e-4,
        initializer_range: 0.02,
        dropout: 0.1,
    },
];

impl Preset {
    /// The preset called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }

    /// The discriminator's configuration for a vocabulary of `vocab_size` words.
    pub fn config(self, vocab_size: usize) -> ElectraConfig {
        ElectraConfig {
            vocab_size,
            embedding_size: Some(self.embedding_size),
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.hidden_size / 64,
            intermediate_size: 4 * self.hidden_size,
            initializer_range: self.initializer_range,
            hidden_dropout_prob: self.dropout,
            attention_probs_dropout_prob: self.dropout,
            ..ElectraConfig::default()
        }
    }

    /// Replaced token detection with this size's generator.
    pub fn detection(self) -> DetectionSettings {
        DetectionSettings {
            generator_size: self.generator_size,
            ..DetectionSettings::electra()
        }
    }

    /// Adam without bias correction under the original's schedule, as the published models were
    /// trained (Clark et al. 2020, appendix A, and the original's `optimization.py`).
    pub fn recipe(self) -> Recipe {
        Recipe {
            optimizer: OptimizerSettings {
                learning_rate: self.learning_rate,
                bias_correction: false,
                ..OptimizerSettings::default()
            },
            schedule: ScheduleKind::Electra,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator_of;

    #[test]
    fn presets_have_the_published_numbers_of_parameters() {
        // Counted on the models that Hugging Face's ElectraModel makes from the same numbers.
        for (name, parameters) in [
            ("small", 13_483_008),
            ("base", 108_891_648),
            ("large", 334_092_288),
        ] {
            let config = Preset::by_name(name).unwrap().config(30_522);
            assert_eq!(config.validate(), Ok(()));
            assert_eq!(config.encoder_parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn every_preset_has_a_generator_that_can_be_made() {
        for preset in PRESETS {
            let discriminator = preset.config(30_522);
            let generator = generator_of(&discriminator, preset.generator_size, 1.0);
            assert_eq!(generator.validate(), Ok(()), "{}", preset.name);
        }
    }
}
