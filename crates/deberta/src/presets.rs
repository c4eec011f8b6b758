//! The published sizes of v3 and v1 (their config.json files), and a tiny one for machines of two
//! cores. The feed-forward width is always four hidden sizes and a head always 64 wide.

use kiln_learner::{OptimizerSettings, ScheduleKind};
use kiln_tasks::architecture::Recipe;

use crate::config::{DebertaConfig, DebertaVersion};
use crate::pos_att_type::PosAttType;

/// A size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The preset's name.
    pub name: &'static str,
    /// Which attention it has.
    pub version: DebertaVersion,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Width.
    pub hidden_size: usize,
    /// Logarithmic buckets for distances on either side; 0: a row for each distance.
    pub position_buckets: u16,
}

/// All presets, smallest first, v3's before v1's.
///
/// `tiny` is BERT's preset of that name with v3's attention. Its buckets tell distances apart up to
/// 64, so that they still count for something in sequences of 128. Its weights are drawn five times as wide as
/// the published ones (about one over the root of its width), and nothing is dropped: with weights as
/// published its attention begins all but even.
pub const PRESETS: [Preset; 7] = [
    v3("tiny", 2, 128, 128),
    v3("xsmall", 12, 384, 256),
    v3("small", 6, 768, 256),
    v3("base", 12, 768, 256),
    v3("large", 24, 1024, 256),
    v1("v1-base", 12, 768),
    v1("v1-large", 24, 1024),
];

const fn v3(
    name: &'static str,
    num_hidden_layers: usize,
    hidden_size: usize,
    position_buckets: u16,
) -> Preset {
    Preset {
        name,
        version: DebertaVersion::V2,
        num_hidden_layers,
        hidden_size,
        position_buckets,
    }
}

const fn v1(name: &'static str, num_hidden_layers: usize, hidden_size: usize) -> Preset {
    Preset {
        name,
        version: DebertaVersion::V1,
        num_hidden_layers,
        hidden_size,
        position_buckets: 0,
    }
}

impl Preset {
    /// The preset called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }

    /// Whether it is the size that nobody published.
    fn is_tiny(self) -> bool {
        self.name == "tiny"
    }

    /// The preset's configuration for a vocabulary of `vocab_size` words.
    pub fn config(self, vocab_size: usize) -> DebertaConfig {
        let published = match self.version {
            DebertaVersion::V1 => DebertaConfig::v1(),
            DebertaVersion::V2 => DebertaConfig::v2(),
        };
        let (initializer_range, dropout) = if self.is_tiny() {
            (0.1, 0.0)
        } else {
            (published.initializer_range, published.hidden_dropout_prob)
        };
        let common = DebertaConfig {
            initializer_range,
            hidden_dropout_prob: dropout,
            attention_probs_dropout_prob: dropout,
            vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.hidden_size / 64,
            intermediate_size: 4 * self.hidden_size,
            position_biased_input: false,
            relative_attention: true,
            // The head that pretraining leaves behind, under the names of the published files.
            legacy: false,
            ..published
        };
        match self.version {
            DebertaVersion::V1 => DebertaConfig {
                pos_att_type: Some(PosAttType::Words("c2p|p2c".to_owned())),
                ..common
            },
            DebertaVersion::V2 => DebertaConfig {
                pos_att_type: Some(PosAttType::Words("p2c|c2p".to_owned())),
                position_buckets: Some(self.position_buckets.into()),
                share_att_key: Some(true),
                norm_rel_ebd: Some("layer_norm".to_owned()),
                ..common
            },
        }
    }
}

impl Preset {
    /// Adam without bias correction under the original's schedule (`XAdam` and `warmup_linear`),
    /// with the peak rates of its scripts: 3e-4 for xsmall, 1e-4 from there up. `tiny`, which nobody
    /// published, has what docs/results.md has found, with the correction and a linear schedule.
    pub fn recipe(self) -> Recipe {
        Recipe {
            optimizer: OptimizerSettings {
                learning_rate: match self.name {
                    "tiny" => 1e-3,
                    "xsmall" => 3e-4,
                    _ => 1e-4,
                },
                bias_correction: self.is_tiny(),
                ..OptimizerSettings::default()
            },
            schedule: if self.is_tiny() {
                ScheduleKind::Linear
            } else {
                ScheduleKind::Original
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use kiln_nn::Init;

    use super::*;
    use crate::DebertaModel;

    #[test]
    fn presets_have_the_published_numbers_of_parameters() {
        // Counted on the models that Hugging Face's classes make from the same numbers; those of v3
        // are also published.
        for (name, vocab_size, parameters) in [
            ("xsmall", 128_100, 70_682_112),
            ("small", 128_100, 141_304_320),
            ("base", 128_100, 183_831_552),
            ("base", 251_000, 278_218_752),
            ("large", 128_100, 434_012_160),
            ("v1-base", 50_265, 138_601_728),
            ("v1-large", 50_265, 405_163_008),
        ] {
            let config = Preset::by_name(name).unwrap().config(vocab_size);
            assert_eq!(config.validate(), Ok(()));
            assert_eq!(config.encoder_parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn v2s_convolution_counts_too() {
        // v2 xlarge and xxlarge, counted likewise.
        for (layers, parameters) in [(24, 884_593_152), (48, 1_564_549_632)] {
            let config = DebertaConfig {
                num_hidden_layers: layers,
                conv_kernel_size: Some(3),
                ..DebertaConfig {
                    hidden_size: 1_536,
                    num_attention_heads: 24,
                    intermediate_size: 6_144,
                    ..Preset::by_name("base").unwrap().config(128_100)
                }
            };
            assert_eq!(config.validate(), Ok(()));
            assert_eq!(config.encoder_parameters(), parameters);
        }
    }

    #[test]
    fn a_model_has_as_many_parameters_as_its_configuration_says() {
        let device = kiln_testing::devices().remove(0).1;
        let plain = DebertaConfig {
            relative_attention: false,
            position_biased_input: true,
            type_vocab_size: 2,
            embedding_size: Some(96),
            ..Preset::by_name("tiny").unwrap().config(50)
        };
        let own = DebertaConfig {
            share_att_key: None,
            conv_kernel_size: Some(3),
            conv_groups: Some(2),
            ..Preset::by_name("tiny").unwrap().config(50)
        };
        let v1 = DebertaConfig {
            num_hidden_layers: 1,
            ..Preset::by_name("v1-base").unwrap().config(50)
        };
        for config in [plain, own, v1] {
            assert_eq!(config.validate(), Ok(()));
            let model = DebertaModel::new(&config, &mut Init::zeros(&device));
            assert_eq!(
                Module::num_params(&model) as u128,
                config.encoder_parameters()
            );
        }
    }

    #[test]
    fn every_preset_can_have_a_mask_decoder() {
        for preset in PRESETS {
            let config = preset.config(100);
            assert_eq!(config.validate(), Ok(()), "{}", preset.name);
            assert_eq!(config.validate_mask_decoder(), Ok(()), "{}", preset.name);
        }
    }
}
