//! First weights from other models: a pair, a lone discriminator, a lone generator.

use std::path::Path;

use burn::module::Module;
use kiln_checkpoint::{ModelFile, NamedTensor, module_tensors};
use kiln_learner::{LearnError, Observer};
use kiln_tasks::replaced_tokens::{Half, Origins};
use kiln_tasks::settings::Sharing;
use kiln_tasks::start::start_with_encoder;

use crate::ElectraConfig;
use crate::names::NAMES;
use crate::pair::ElectraPair;

impl ElectraPair {
    /// This pair with the weights that there are; the rest stays fresh, and `observer` is told.
    ///
    /// What both models share comes from the discriminator, or from the generator where there is no
    /// discriminator to start from.
    ///
    /// # Errors
    /// If a folder can't be opened, does not fit, or lacks a part of an encoder.
    pub(crate) fn started(
        self,
        sharing: Sharing,
        origins: Origins<'_>,
        observer: &dyn Observer,
    ) -> Result<Self, LearnError> {
        let mut pair = self;
        if let Some(folder) = origins.model {
            let folder = Half::Discriminator.meant_by(folder);
            pair.discriminator = load(pair.discriminator, &folder, observer)?;
        }
        let Some(folder) = origins.generator_folder() else {
            if let (Some(folder), true) = (origins.model, pair.generator.is_some()) {
                observer.warning(&format!(
                    "freshly initialised, {} holds a discriminator alone: the generator{}; its first \
                     replacements are easy to find",
                    folder.display(),
                    match sharing {
                        Sharing::None => "",
                        Sharing::Embeddings | Sharing::GradientDisentangled => {
                            " above its embeddings"
                        }
                        Sharing::All => "'s head",
                    }
                ));
            }
            return Ok(pair);
        };
        let Some(generator) = pair.whole_generator() else {
            return Ok(pair);
        };
        let generator = load(generator, &folder, observer)?;
        if sharing != Sharing::None {
            if origins.model.is_none() {
                pair.discriminator.electra.embeddings = generator.electra.embeddings.clone();
                if sharing == Sharing::All {
                    pair.discriminator.electra.body = generator.electra.body.clone();
                }
            } else {
                warn_of_differences(&pair, &generator, sharing, &folder, observer)?;
            }
        }
        Ok(pair.with_generator(generator))
    }
}

fn load<M: Module>(model: M, folder: &Path, observer: &dyn Observer) -> Result<M, LearnError> {
    let file = ModelFile::open(folder)?;
    start_with_encoder::<ElectraConfig, M>(model, (folder, &file), observer)
}

/// Two models that were not trained together may disagree on what they are to share.
fn warn_of_differences(
    pair: &ElectraPair,
    generator: &crate::ElectraForMaskedLm,
    sharing: Sharing,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<(), LearnError> {
    let shared = |electra: &crate::ElectraModel| -> Result<Vec<NamedTensor>, LearnError> {
        let mut tensors = module_tensors(&electra.embeddings, &NAMES)?;
        if sharing == Sharing::All {
            tensors.extend(module_tensors(&electra.body, &NAMES)?);
        }
        Ok(tensors)
    };
    if shared(&pair.discriminator.electra)? != shared(&generator.electra)? {
        observer.warning(&format!(
            "not used from {}: the {}, which are the discriminator's; train with nothing shared to \
             keep both",
            folder.display(),
            match sharing {
                Sharing::All => "encoder's weights",
                _ => "embeddings",
            }
        ));
    }
    Ok(())
}
