//! Where the modules' paths and Hugging Face's parameter names differ.

use kiln_checkpoint::{LoadOptions, ModelFile, Names};

/// Module path to Hugging Face name; all other parts agree.
pub const NAMES: Names = Names { rules: &RULES };

/// What a DeBERTa file may hold beside its parameters, and under which other names.
pub const LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("deberta."),
    ignorable: &IGNORABLE,
    tied: &[
        (
            "cls.predictions.decoder.weight",
            "deberta.embeddings.word_embeddings.weight",
        ),
        DECODER_BIAS,
    ],
};

const RULES: [(&str, &str); 7] = [
    ("layer_norm", "LayerNorm"),
    // The embeddings without the word table, which a pair may share.
    ("embeddings.block", "embeddings"),
    // The variants of an enum are parts of a path: the layout of attention, the kind of head.
    (
        "attention.self_attention.projections.Fused",
        "attention.self",
    ),
    (
        "attention.self_attention.projections.Separate",
        "attention.self",
    ),
    ("head.Legacy.bias", "cls.predictions.bias"),
    ("head.Legacy", "cls.predictions.transform"),
    ("head.LmHead", "lm_predictions.lm_head"),
];

const IGNORABLE: [&str; 5] = [
    "embeddings.position_ids",
    // The mask decoder's, for models without one.
    "embeddings.position_embeddings",
    // The discriminator's own part of its tables, which are in the file as a whole, too.
    "word_embeddings._weight",
    // The discriminator's head, in the same file as the generator's.
    "mask_predictions",
    "lm_predictions",
];

const DECODER_BIAS: (&str, &str) = ("cls.predictions.decoder.bias", "cls.predictions.bias");

/// How the encoder's names may begin: `bert.` in v1's first releases.
pub(crate) const BACKBONE_PREFIXES: [&str; 3] = ["deberta.", "bert.", ""];

/// The same names for v1's first releases.
const FIRST_NAMES: Names = Names {
    rules: &{
        let [a, b, c, d, e, f, g] = RULES;
        [("deberta", "bert"), a, b, c, d, e, f, g]
    },
};

const FIRST_LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("bert."),
    ignorable: &IGNORABLE,
    tied: &[
        (
            "cls.predictions.decoder.weight",
            "bert.embeddings.word_embeddings.weight",
        ),
        DECODER_BIAS,
    ],
};

/// The names that a file's parameters are found under.
#[derive(Debug, Clone, Copy)]
pub struct FileNames {
    /// Module path to the name in the file.
    pub names: &'static Names,
    /// What else the file may hold.
    pub options: &'static LoadOptions,
}

/// The names that are used in `file`.
pub fn names_of(file: &ModelFile) -> FileNames {
    if file.names().any(|name| name.starts_with("bert.")) {
        FileNames {
            names: &FIRST_NAMES,
            options: &FIRST_LOAD_OPTIONS,
        }
    } else {
        FileNames {
            names: &NAMES,
            options: &LOAD_OPTIONS,
        }
    }
}
