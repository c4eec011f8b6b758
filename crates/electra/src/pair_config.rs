//! The configs of generator and discriminator, as the settings of replaced token detection have them.

use kiln_learner::LearnError;
use kiln_tasks::Family;
use kiln_tasks::replaced_tokens::{check_fit, in_generator, of_generator};
use kiln_tasks::settings::{DetectionSettings, Sharing};

use crate::{ElectraConfig, generator_of};

/// The sizes of both models, and what they share.
#[derive(Debug, Clone, PartialEq)]
pub struct PairConfig {
    /// The discriminator's.
    pub discriminator: ElectraConfig,
    /// The generator's; none where there is no generator.
    pub generator: Option<ElectraConfig>,
    /// What the two have in common.
    pub sharing: Sharing,
}

impl PairConfig {
    /// `discriminator` with the generator that `settings` name or derive from it.
    ///
    /// # Errors
    /// If the settings are another architecture's, or the two models can't share what they have them
    /// share.
    pub fn new(
        discriminator: ElectraConfig,
        settings: &DetectionSettings,
    ) -> Result<Self, LearnError> {
        settings.validate().map_err(LearnError::Settings)?;
        let sharing = settings.sharing;
        if sharing == Sharing::GradientDisentangled || settings.alternating {
            return Err(LearnError::Settings(
                "replaced_tokens: gradient-disentangled sharing and alternating steps are \
                 deberta's; choose others, or train deberta"
                    .into(),
            ));
        }
        let generator = match &settings.generator {
            _ if settings.uniform_generator => None,
            Some(config) => Some(ElectraConfig::parse(config).map_err(in_generator)?),
            None if sharing == Sharing::All => Some(discriminator.clone()),
            None => {
                let (size, layers) = (settings.generator_size, settings.generator_layers);
                let mut generator = generator_of(&discriminator, size, layers);
                if sharing == Sharing::None {
                    generator.embedding_size = Some(generator.hidden_size);
                }
                Some(generator)
            }
        };
        if let Some(generator) = &generator {
            generator.validate().map_err(of_generator)?;
            check_fit(&shared_sizes(&discriminator, generator, sharing))?;
        }
        Ok(Self {
            discriminator,
            generator,
            sharing,
        })
    }
}

/// The sizes that two models have to have in common, the discriminator's first.
fn shared_sizes(
    ours: &ElectraConfig,
    theirs: &ElectraConfig,
    sharing: Sharing,
) -> Vec<(&'static str, usize, usize)> {
    let size = |field, of: fn(&ElectraConfig) -> usize| (field, of(ours), of(theirs));
    // Both read the same ids.
    let mut sizes = vec![
        size("vocab_size", |config| config.vocab_size),
        size("max_position_embeddings", |config| {
            config.max_position_embeddings
        }),
        size("type_vocab_size", |config| config.type_vocab_size),
    ];
    if sharing != Sharing::None {
        sizes.push(size("embedding_size", ElectraConfig::embedding_size));
    }
    if sharing == Sharing::All {
        sizes.extend([
            size("hidden_size", |config| config.hidden_size),
            size("num_hidden_layers", |config| config.num_hidden_layers),
            size("num_attention_heads", |config| config.num_attention_heads),
            size("intermediate_size", |config| config.intermediate_size),
        ]);
    }
    sizes
}
