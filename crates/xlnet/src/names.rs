//! Where the modules' paths and Hugging Face's parameter names differ: nowhere.

use kiln_checkpoint::{LoadOptions, Names};

/// Module path to Hugging Face name: the same.
pub const NAMES: Names = Names::SAME;

/// What an XLNet file may hold beside its parameters, and under which other names.
pub const LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("transformer."),
    ignorable: &[],
    tied: &[("lm_loss.weight", "transformer.word_embedding.weight")],
};
