//! First weights from other models: a masked language model, a pair, a lone discriminator.

use std::path::Path;

use burn::module::Module;
use kiln_checkpoint::ModelFile;
use kiln_electra::{Role, half, is_pair};
use kiln_learner::run::Sharing;
use kiln_learner::start::start_from;
use kiln_learner::{LearnError, Observer};

use crate::DebertaForMaskedLm;
use crate::names::{FileNames, names_of};
use crate::pair::DebertaPair;

/// Gives a masked language model the weights of a folder, of a pair's generator where it holds one.
/// The head and the mask decoder's positions may start fresh: `observer` is told.
///
/// # Errors
/// If the folder can't be opened, does not fit, or lacks a part of the encoder.
pub(crate) fn start_masked_lm(
    model: DebertaForMaskedLm,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<DebertaForMaskedLm, LearnError> {
    load(model, &half(folder, Role::Generator), observer)
}

/// Where a pair's first weights come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origins<'a> {
    /// A pair's folder or a lone discriminator's.
    pub(crate) model: Option<&'a Path>,
    /// A lone generator's folder; overrides the pair's.
    pub(crate) generator: Option<&'a Path>,
}

/// Gives `pair` the weights that there are; the rest stays fresh, and `observer` is told.
///
/// Without a generator to start from, one that shares words takes the discriminator's.
///
/// # Errors
/// If a folder can't be opened, does not fit, or lacks a part of an encoder.
pub(crate) fn start_pair(
    mut pair: DebertaPair,
    sharing: Sharing,
    origins: Origins<'_>,
    observer: &dyn Observer,
) -> Result<DebertaPair, LearnError> {
    let of_pair = origins
        .model
        .filter(|folder| is_pair(folder))
        .map(|folder| half(folder, Role::Generator))
        .filter(|folder| folder.is_dir());
    let generator = origins.generator.map(Path::to_owned).or(of_pair);
    if let Some(folder) = &generator {
        pair.generator = load(pair.generator, folder, observer)?;
    }
    let Some(folder) = origins.model else {
        return Ok(pair);
    };
    let folder = half(folder, Role::Discriminator);
    let whole = load(pair.whole_discriminator(), &folder, observer)?;
    if generator.is_none() {
        let what = if sharing == Sharing::None {
            ""
        } else {
            // The same words, and a difference of zero.
            pair = pair.with_word_table(&whole);
            " above its words"
        };
        observer.warning(&format!(
            "freshly initialised, {} holds a discriminator alone: the generator{what}; its first \
             replacements are easy to find",
            folder.display()
        ));
    }
    Ok(pair.with_discriminator(whole))
}

fn load<M: Module>(model: M, folder: &Path, observer: &dyn Observer) -> Result<M, LearnError> {
    let file = ModelFile::open(folder)?;
    let FileNames { names, options } = names_of(&file);
    // Hugging Face leaves the mask decoder's positions out.
    let is_needed = |name: &str| {
        (name.starts_with("deberta.") || name.starts_with("bert."))
            && !name.ends_with("embeddings.position_embeddings.weight")
    };
    start_from(model, folder, (names, options), is_needed, observer)
}
