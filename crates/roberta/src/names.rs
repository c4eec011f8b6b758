//! Where the modules' paths and Hugging Face's parameter names differ.

use kiln_checkpoint::{LoadOptions, Names, Tied};

/// Module path to Hugging Face name; all other parts agree.
pub const NAMES: Names = Names {
    rules: &[
        ("base_model.bert", "roberta"),
        ("roberta.bert", "roberta"),
        ("bert", ""),
        ("lm_head.layer_norm", "lm_head.layer_norm"),
        ("layer_norm", "LayerNorm"),
        ("attention.self_attention", "attention.self"),
    ],
};

/// What a RoBERTa file may hold beside its parameters, and under which other names.
pub const LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("roberta."),
    ignorable: &["embeddings.position_ids", "embeddings.token_type_ids"],
    tied: &[
        Tied {
            copy: "lm_head.decoder.weight",
            owner: "roberta.embeddings.word_embeddings.weight",
            head: "lm_head.",
        },
        Tied {
            copy: "lm_head.decoder.bias",
            owner: "lm_head.bias",
            head: "lm_head.",
        },
    ],
};
