//! Where the modules' paths and Hugging Face's parameter names differ.

use kiln_checkpoint::{LoadOptions, Names, Tied};

/// Module path to Hugging Face name; all other parts agree.
pub const NAMES: Names = Names {
    rules: &[
        ("base_model", "transformer"),
        ("scorer", ""),
        ("beam.end_logits.layer_norm", "end_logits.LayerNorm"),
        ("beam", ""),
        ("rel_attn.biases", "rel_attn"),
        ("lm_loss.decoder", "lm_loss"),
    ],
};

/// The vectors that are added to queries, which all layers may share: files hold them for every
/// layer all the same.
pub(crate) const QUERY_BIASES: [&str; 3] = ["r_r_bias", "r_s_bias", "r_w_bias"];

/// What an XLNet file may hold beside its parameters, and under which other names.
pub const LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("transformer."),
    // Copies of the first layer's where all layers share them.
    ignorable: &QUERY_BIASES,
    tied: &[Tied {
        copy: "lm_loss.weight",
        owner: "transformer.word_embedding.weight",
        head: "lm_loss.",
    }],
};
