//! A run that trains a pair.

use kiln_learner::{LearnError, TrainOutcome};
use kiln_nn::Init;

use super::objective::{ModelPair, ReplacedTokens};
use super::origins::Origins;
use crate::architecture::RunContext;
use crate::masked_lm_data::open_masked;
use crate::settings::{DetectionSettings, RunSettings};
use crate::tokenizer::{match_padding, open_tokenizer};

/// Runs or resumes a run of replaced token detection of a pair of `config`.
///
/// # Errors
/// As [`kiln_learner::train()`].
pub fn pretrain<P: ModelPair>(
    mut config: P::Config,
    detection: &DetectionSettings,
    settings: &RunSettings,
    context: RunContext,
) -> Result<TrainOutcome, LearnError> {
    let observer = &*context.observer;
    let (tokenizer, vocabulary) = open_tokenizer(settings, P::vocab_size(&config))?;
    let (first, second, initializer_range) = P::fields(&mut config);
    match_padding(first, &vocabulary, observer);
    if let Some(second) = second {
        *second = *first;
    }
    let is_fresh = context.is_fresh()?;
    let data = open_masked(settings, &tokenizer, &vocabulary, is_fresh)?;
    let device = context.first_device()?;
    let mut init = Init::new(settings.training.seed, initializer_range, &device);
    let objective = ReplacedTokens::<P>::new(config.clone(), detection.clone());
    let files = objective.files(Some(tokenizer));
    let mut model = objective.new_model(&mut init);
    if is_fresh {
        let origins = Origins {
            model: settings.init_from.as_deref(),
            generator: detection.init_generator.as_deref(),
        };
        model = model.start(&config, origins, observer)?;
    }
    context.train(objective, model, files, settings, data)
}
