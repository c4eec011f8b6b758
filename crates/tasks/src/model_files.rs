//! The files of a single model in a run's checkpoints.

use burn::module::Module;
use kiln_learner::ModelFiles;
use kiln_text::tokenizer::Tokenizer;

use crate::family::{Family, write_module};
use crate::tokenizer::write_tokenizer;

/// Files that open as the class with these names, with the tokenizer if there is one.
pub fn model_files<F, M>(
    config: F,
    names: &'static [&'static str],
    tokenizer: Option<Tokenizer>,
) -> ModelFiles<M>
where
    F: Family,
    M: Module + 'static,
{
    ModelFiles::new(
        move |model, folder| {
            write_module(model, &config, config.class_name(names), folder)?;
            write_tokenizer(tokenizer.as_ref(), folder)
        },
        F::open_complete,
    )
}
