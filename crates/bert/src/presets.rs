//! The published sizes: BERT base and large (Devlin et al. 2019), the smaller ones (Turc et al.
//! 2019, "Well-Read Students Learn Better"). The feed-forward width is always four hidden sizes and
//! a head always 64 wide.

use kiln_tasks::architecture::Recipe;

use crate::{BertConfig, EncoderConfig};

/// A published size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The preset's name.
    pub name: &'static str,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Width.
    pub hidden_size: usize,
}

/// All presets, smallest first.
pub const PRESETS: [Preset; 6] = [
    Preset::new("tiny", 2, 128),
    Preset::new("mini", 4, 256),
    Preset::new("small", 4, 512),
    Preset::new("medium", 8, 512),
    Preset::new("base", 12, 768),
    Preset::new("large", 24, 1024),
];

impl Preset {
    /// A size of so many layers of this width.
    pub const fn new(name: &'static str, num_hidden_layers: usize, hidden_size: usize) -> Self {
        Self {
            name,
            num_hidden_layers,
            hidden_size,
        }
    }

    /// The preset called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }

    /// The preset's configuration for a vocabulary of `vocab_size` words.
    pub fn config(self, vocab_size: usize) -> BertConfig {
        self.sized(BertConfig {
            vocab_size,
            ..BertConfig::default()
        })
    }

    /// The settings of the paper, but for `tiny`'s peak rate: in runs as short as two cores allow it learns
    /// next to nothing with that of large models, and bears twenty times as much.
    pub fn recipe(self) -> Recipe {
        let mut recipe = Recipe::default();
        if self.name == "tiny" {
            recipe.optimizer.learning_rate = 2e-3;
        }
        recipe
    }

    /// `config` with this size's layers and widths.
    pub fn sized<K>(self, config: EncoderConfig<K>) -> EncoderConfig<K> {
        EncoderConfig {
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.hidden_size / 64,
            intermediate_size: 4 * self.hidden_size,
            ..config
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BertForPreTraining;
    use burn::module::Module;
    use burn::tensor::Device;
    use kiln_nn::Init;

    #[test]
    fn presets_have_the_published_numbers_of_parameters() {
        for (name, vocab_size, encoder, pretraining) in [
            ("tiny", 30_522, 4_385_920, 4_433_468),
            ("mini", 30_522, 11_170_560, 11_267_900),
            ("small", 30_522, 28_763_648, 29_058_876),
            ("medium", 30_522, 41_373_184, 41_668_412),
            ("base", 30_522, 109_482_240, 110_106_428),
            ("large", 30_522, 335_141_888, 336_226_108),
            ("base", 28_996, 108_310_272, 108_932_934),
            ("large", 28_996, 333_579_264, 334_661_958),
        ] {
            let config = Preset::by_name(name).unwrap().config(vocab_size);
            assert_eq!(config.validate(), Ok(()));
            assert_eq!(config.encoder_parameters(), encoder, "{name}");
            assert_eq!(config.pretraining_parameters(), pretraining, "{name}");
        }
    }

    #[test]
    fn a_model_has_as_many_parameters_as_its_configuration_says() {
        let device: Device = kiln_testing::devices().remove(0).1;
        let config = Preset::by_name("tiny").unwrap().config(30_522);
        let model = BertForPreTraining::new(&config, &mut Init::zeros(&device));
        assert_eq!(Module::num_params(&model) as u128, 4_433_468);
        assert_eq!(Module::num_params(&model.bert) as u128, 4_385_920);
        let mut untied = config;
        untied
            .other
            .insert("tie_word_embeddings".into(), false.into());
        let model = BertForPreTraining::new(&untied, &mut Init::zeros(&device));
        let parameters = Module::num_params(&model) as u128;
        assert_eq!(parameters, untied.pretraining_parameters());
        assert_eq!(parameters, 4_433_468 + 30_522 * (128 + 1));
    }
}
