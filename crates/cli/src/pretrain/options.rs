//! The flags of models and objectives, a row each: name, place in the settings, value, help.
//!
//! An option that an objective gains is a field of its settings, and a row here.

use super::flags::{Choice, Flag, Kind};
use super::kept::{MODEL, MODEL_SETTING, SEQUENCES, TASK, WEIGHTS};

/// The flags by their headings in help.
pub(super) const GROUPS: [(&str, &[Flag]); 3] = [
    ("Model", MODEL_FLAGS),
    ("Objective", OBJECTIVE_FLAGS),
    (
        "Replaced token detection (electra, deberta)",
        DETECTION_FLAGS,
    ),
];

/// Rows of flags: the name, its keys, what follows it, and why a run keeps it; its help; and other flags
/// that it can't stand beside.
macro_rules! flags {
    ($(
        $name:literal: $($key:literal)|+, $value:expr, $kept:ident;
        $help:literal $(; not with $($other:literal),+)?
    )*) => {
        &[$(Flag {
            name: $name,
            keys: &[$($key),+],
            value: $value,
            help: $help,
            conflicts: &[$($($other),+)?],
            kept: $kept,
        }),*]
    };
}

const MODEL_FLAGS: &[Flag] = flags! {
    "hidden-dropout": "/model/hidden_dropout_prob" | "/model/dropout", Kind::Rate, MODEL_SETTING;
        "Dropout in embeddings, attention output and feed-forward, from 0 to below 1; 0 learns a \
         small corpus by heart. Default: the config's"
    "attention-dropout": "/model/attention_probs_dropout_prob" | "/model/dropout", Kind::Rate, MODEL_SETTING;
        "Dropout of attention probabilities, from 0 to below 1. Default: the config's"
    "mem-len": "/model/mem_len", Kind::Count, MODEL_SETTING;
        "Hidden states that xlnet keeps of the text before; 0: none. More see further back and \
         take longer. Default: the config's; a preset's three quarters of --seq-len"
    "reuse-len": "/model/reuse_len", Kind::Count, SEQUENCES;
        "How many of a sequence's first tokens xlnet keeps, and by how many it goes on; the rest \
         of the sequence is a pair of segments. Default: the config's, else half of --seq-len"
    "bi-data": "/model/bi_data", Kind::Bool, SEQUENCES;
        "Whether half of xlnet's batch reads the text backwards. Default: the config's, which is \
         false in checkpoints, since transformers would read any text so; a preset's true"
};

const OBJECTIVE_FLAGS: &[Flag] = flags! {
    "mlm-head": "/objective/word_head", Kind::Choice("KIND", WORD_HEADS), MODEL;
        "What predicts deberta's masked words. Default: enhanced"
    "no-next-sentence": "/objective/next_sentence", Kind::Switch(false), TASK;
        "Predict masked words alone, on full packed sequences or those of --examples. Default: \
         bert predicts next sentences as well"
    "examples": "/objective/examples/kind", Kind::Choice("KIND", EXAMPLES), TASK;
        "Which tokens stand together. Default: bert pairs, or packed without next sentences; \
         electra segments; deberta and roberta packed. Not for xlnet, whose text goes on from batch \
         to batch"
    "mask-rate": "/objective/masking/rate" | "/objective/rate", Kind::Number, TASK;
        "Share of tokens to be predicted. Default: 0.15, and 0.25 in electra's preset large; \
         xlnet a sixth"
    "mask-share": "/objective/masking/mask_share", Kind::Number, TASK;
        "Share of those that become the mask token. Default: bert and roberta 0.8, electra 0.85, deberta \
         0.8 or, of replaced token detection, 1. Not for xlnet, which replaces none"
    "random-share": "/objective/masking/random_share", Kind::Number, TASK;
        "Share of those that become a random token; the rest stay as they are. Default: bert and \
         roberta 0.1, electra 0, deberta 0.1 or, of replaced token detection, 0"
    "whole-word": "/objective/masking/whole_word", Kind::Switch(true), TASK;
        "Mask whole words: harder than pieces of them. Default: single tokens; deberta's mlm whole \
         words. Not for xlnet, which predicts no others"
    "max-ngram": "/objective/masking/max_ngram" | "/objective/max_gram", Kind::Count, TASK;
        "Mask runs of up to N whole words, short ones more often than long ones: harder than \
         words by themselves. 1: no runs, single tokens unless --whole-word; of xlnet single \
         words. Default: 1; deberta's mlm 3; xlnet 5"
    "perm-size": "/objective/perm_size", Kind::Count, TASK;
        "Tokens that change places among themselves in xlnet's order of prediction; a divisor of \
         both parts of a sequence. Default: as many as --reuse-len"
    "max-predictions": "/objective/masking/max_predictions" | "/objective/num_predict", Kind::Count, TASK;
        "Predictions in a sequence at most; all of them are computed, filled or not. Default: \
         mask rate times tokens, rounded up; electra rounds down after adding a two-hundredth, \
         xlnet rounds down"
    "short-seq-prob": "/objective/examples/short_seq_prob", Kind::Number, TASK;
        "Share of pairs or segments that are made short. Default: bert 0.1, electra 0.05"
};

const DETECTION_FLAGS: &[Flag] = flags! {
    "generator-size": "/objective/detection/generator_size", Kind::Number, MODEL;
        "The generator's width, feed-forward width and heads as a share of the discriminator's; a \
         weak one is found out at once, a strong one leaves nothing to find. Default: the \
         preset's, else 0.25; deberta 1";
        not with "generator-config", "init-generator"
    "generator-layers": "/objective/detection/generator_layers", Kind::Number, MODEL;
        "The generator's layers as a share of the discriminator's. Default: electra 1, deberta \
         0.5";
        not with "generator-config", "init-generator"
    "generator-config": "/objective/detection/generator", Kind::Path("F"), MODEL;
        "A config.json for the generator, instead of a share"
    "init-generator": "/objective/detection/init_generator", Kind::Path("MODEL"), WEIGHTS;
        "Hugging Face folder of a generator to take its first weights from, and its config unless \
         --generator-config has another. Default: that of a pair given with --init-from, else \
         random weights"
    "share": "/objective/detection/sharing", Kind::Choice("WHAT", SHARINGS), MODEL;
        "What generator and discriminator have in common. Default: electra embeddings, deberta \
         gradient-disentangled"
    "generator-weight": "/objective/detection/generator_weight", Kind::Number, TASK;
        "What the generator's loss is multiplied by. Default: 1"
    "discriminator-weight": "/objective/detection/discriminator_weight", Kind::Number, TASK;
        "What the discriminator's loss is multiplied by. Default: electra 50, deberta 10"
    "temperature": "/objective/detection/temperature", Kind::Number, TASK;
        "What the generator's scores are divided by before sampling; above 1 gives wilder \
         replacements. Default: 1"
    "disallow-correct": "/objective/detection/disallow_correct", Kind::Switch(true), TASK;
        "Never sample the word that stood there. Default: the generator may be right"
    "uniform-generator": "/objective/detection/uniform_generator", Kind::Switch(true), MODEL;
        "Replace by random words, without a generator: quicker, and easier to find out";
        not with "generator-size", "generator-layers", "generator-config", "init-generator", "share", "generator-weight", "temperature"
    "steps-of-both": "/objective/detection/alternating", Kind::Either("HOW", STEPS), TASK;
        "Whether generator and discriminator step together or in turns. Default: electra \
         together, deberta in turns"
};

const WORD_HEADS: &[Choice] = &[
    (
        "enhanced",
        "The enhanced mask decoder, where absolute positions enter, and the original's \
         head",
    ),
    ("plain", "The original's head alone"),
    ("legacy", "Hugging Face's head"),
];

const EXAMPLES: &[Choice] = &[
    (
        "pairs",
        "Two segments, half of the second ones random: what next sentence prediction \
         needs",
    ),
    ("segments", "One or two segments that follow each other"),
    ("packed", "Full sequences across documents"),
];

const SHARINGS: &[Choice] = &[
    ("embeddings", "The embedding block; deberta the words"),
    (
        "gradient-disentangled",
        "The generator's words, plus a learned difference, without a gradient to the \
         generator",
    ),
    (
        "none",
        "Nothing; the generator's embeddings are as narrow as it",
    ),
    ("all", "Everything below the heads; both have the same size"),
];

const STEPS: &[Choice; 2] = &[
    ("together", "Both on the sum of their losses, one optimizer"),
    (
        "turns",
        "First the generator, then the discriminator, an optimizer each",
    ),
];
