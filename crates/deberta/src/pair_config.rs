//! The configs of generator and discriminator, as the settings of replaced token detection have them.

use kiln_learner::LearnError;
use kiln_tasks::Family;
use kiln_tasks::replaced_tokens::{check_fit, in_generator, of_generator};
use kiln_tasks::settings::{DetectionSettings, Sharing};

use crate::DebertaConfig;

/// The sizes of both models, and what they share.
#[derive(Debug, Clone, PartialEq)]
pub struct PairConfig {
    /// The discriminator's.
    pub discriminator: DebertaConfig,
    /// The generator's.
    pub generator: DebertaConfig,
    /// How the word table is shared.
    pub sharing: Sharing,
}

impl PairConfig {
    /// `discriminator` with the generator that `settings` name or derive from it.
    ///
    /// # Errors
    /// If the settings are another architecture's, or the two models can't share what they have them
    /// share.
    pub fn new(
        discriminator: DebertaConfig,
        settings: &DetectionSettings,
    ) -> Result<Self, LearnError> {
        settings.validate().map_err(LearnError::Settings)?;
        let refuse = |problem: &str| Err(LearnError::Settings(problem.into()));
        if settings.uniform_generator {
            return refuse(
                "uniform_generator: deberta's discriminator reads with its generator's words; leave it \
                 out, or train electra",
            );
        }
        let sharing = settings.sharing;
        if sharing == Sharing::All {
            return refuse(
                "sharing = all: deberta shares words alone; choose embeddings, gradient-disentangled \
                 or none",
            );
        }
        if sharing != Sharing::None && discriminator.position_biased_input {
            return refuse(
                "position_biased_input = true: only words are shared, and positions would differ; \
                 choose false, as published, or share nothing",
            );
        }
        let generator = match &settings.generator {
            Some(config) => DebertaConfig::parse(config).map_err(in_generator)?,
            None => discriminator.generator(settings.generator_size, settings.generator_layers),
        };
        generator.validate().map_err(of_generator)?;
        if !generator.position_biased_input {
            generator.validate_mask_decoder().map_err(of_generator)?;
        }
        let mut sizes = vec![
            ("vocab_size", discriminator.vocab_size, generator.vocab_size),
            (
                "max_position_embeddings",
                discriminator.max_position_embeddings,
                generator.max_position_embeddings,
            ),
        ];
        if sharing != Sharing::None {
            let (ours, theirs) = (discriminator.embedding_size(), generator.embedding_size());
            sizes.push(("embedding_size", ours, theirs));
        }
        check_fit(&sizes)?;
        Ok(Self {
            generator: DebertaConfig {
                pad_token_id: discriminator.pad_token_id,
                ..generator
            },
            discriminator,
            sharing,
        })
    }
}
