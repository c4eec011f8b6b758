//! The published sizes, and two small ones for machines of two cores.

use kiln_learner::{OptimizerSettings, ScheduleKind};
use kiln_tasks::architecture::Recipe;

use crate::config::XlnetConfig;

/// A size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The preset's name.
    pub name: &'static str,
    /// Layers.
    pub n_layer: usize,
    /// Width.
    pub d_model: usize,
}

/// All presets, smallest first.
pub const PRESETS: [Preset; 4] = [
    Preset {
        name: "tiny",
        n_layer: 2,
        d_model: 128,
    },
    Preset {
        name: "small",
        n_layer: 6,
        d_model: 512,
    },
    Preset {
        name: "base",
        n_layer: 12,
        d_model: 768,
    },
    Preset {
        name: "large",
        n_layer: 24,
        d_model: 1_024,
    },
];

impl Preset {
    /// The preset called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }

    /// Whether it is the size that nobody published.
    fn is_tiny(self) -> bool {
        self.name == "tiny"
    }

    /// The preset's configuration for a vocabulary of `vocab_size` pieces and sequences of `seq_len`:
    /// half of a sequence is reused, and states of three quarters of one are kept, as published (256
    /// and 384 of 512).
    ///
    /// Weights of `tiny` are drawn five times as wide as the published ones (about one over the root of its
    /// width), and nothing is dropped in its stack: with weights as published its attention begins all but even.
    pub fn config(self, vocab_size: usize, seq_len: usize) -> XlnetConfig {
        let published = XlnetConfig::default();
        let (initializer_range, dropout) = if self.is_tiny() {
            (0.1, 0.0)
        } else {
            (published.initializer_range, published.dropout)
        };
        XlnetConfig {
            initializer_range,
            dropout,
            vocab_size,
            d_model: self.d_model,
            n_layer: self.n_layer,
            n_head: self.d_model / 64,
            d_inner: 4 * self.d_model,
            mem_len: length(seq_len.saturating_mul(3) / 4),
            reuse_len: length(seq_len / 2),
            use_mems_train: true,
            bi_data: true,
            ..published
        }
    }

    /// Adam without bias correction, as the original with weight decay; the peak rate of large is the
    /// paper's, smaller models bear more. `tiny`, which nobody published, has what docs/results.md has found,
    /// with the correction.
    pub fn recipe(self) -> Recipe {
        Recipe {
            optimizer: OptimizerSettings {
                learning_rate: if self.is_tiny() { 2e-3 } else { 4e-4 },
                bias_correction: self.is_tiny(),
                ..OptimizerSettings::default()
            },
            schedule: ScheduleKind::Linear,
        }
    }
}

/// A length as config.json has it.
fn length(length: usize) -> Option<i64> {
    i64::try_from(length).ok()
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use kiln_nn::Init;

    use super::*;
    use crate::{XlnetLmHeadModel, XlnetModel};

    #[test]
    fn presets_have_the_published_numbers_of_parameters() {
        // Counted on the models that Hugging Face's classes make from the same numbers.
        for (name, parameters) in [("base", 116_718_336), ("large", 360_268_800)] {
            let config = Preset::by_name(name).unwrap().config(32_000, 512);
            assert_eq!(config.validate(), Ok(()));
            assert_eq!(config.encoder_parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn a_model_has_as_many_parameters_as_its_configuration_says() {
        let device = kiln_testing::devices().remove(0).1;
        let config = Preset::by_name("tiny").unwrap().config(50, 64);
        let model = XlnetModel::new(&config, &mut Init::zeros(&device));
        let found = Module::num_params(&model) as u128;
        assert_eq!(found, config.encoder_parameters());
        let model = XlnetLmHeadModel::new(&config, &mut Init::zeros(&device));
        assert_eq!(Module::num_params(&model) as u128, found + 50);
        let tied = XlnetConfig {
            untie_r: Some(false),
            ..config
        };
        let model = XlnetModel::new(&tied, &mut Init::zeros(&device));
        assert_eq!(
            Module::num_params(&model) as u128,
            tied.encoder_parameters()
        );
        assert_eq!(found - tied.encoder_parameters(), 3 * 128);
    }

    #[test]
    fn published_memory_is_that_of_512_tokens() {
        let config = Preset::by_name("base").unwrap().config(32_000, 512);
        assert_eq!((config.mem_len, config.reuse_len), (Some(384), Some(256)));
    }
}
