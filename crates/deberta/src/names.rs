//! Where the modules' paths and Hugging Face's parameter names differ.

use kiln_checkpoint::{LoadOptions, ModelFile, Names, Tied};
use kiln_tasks::family::FileNames;

/// Module path to Hugging Face name; all other parts agree.
pub const NAMES: Names = Names { rules: &RULES };

/// What a DeBERTa file may hold beside its parameters, and under which other names.
pub const LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("deberta."),
    ignorable: &IGNORABLE,
    tied: &[
        Tied {
            owner: "deberta.embeddings.word_embeddings.weight",
            ..DECODER_WEIGHT
        },
        DECODER_BIAS,
    ],
};

const RULES: [(&str, &str); 9] = [
    ("base_model", "deberta"),
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
    ("head.Legacy.decoder", "cls.predictions.decoder"),
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

/// The head's matrix in v1's first releases.
const DECODER_WEIGHT: Tied = Tied {
    copy: "cls.predictions.decoder.weight",
    owner: "bert.embeddings.word_embeddings.weight",
    head: "cls.predictions.",
};

const DECODER_BIAS: Tied = Tied {
    copy: "cls.predictions.decoder.bias",
    owner: "cls.predictions.bias",
    head: "cls.predictions.",
};

/// How the encoder's names may begin: `bert.` in v1's first releases.
pub(crate) const BACKBONE_PREFIXES: [&str; 3] = ["deberta.", "bert.", ""];

/// The encoder's names in v1's first releases.
const FIRST_NAMES: Names = Names {
    rules: &{
        let [_, a, b, c, d, e, f, g, h] = RULES;
        [
            ("deberta", "bert"),
            ("base_model", "bert"),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
        ]
    },
};

const FIRST_LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("bert."),
    ignorable: &IGNORABLE,
    tied: &[DECODER_WEIGHT, DECODER_BIAS],
};

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::module::Module;
    use kiln_checkpoint::{parameters, parameters_by_name};
    use kiln_nn::Init;

    use super::*;
    use crate::{
        DebertaConfig, DebertaForMaskedLm, DebertaForPreTraining, DebertaForQuestionAnswering,
        DebertaForSequenceClassification, DebertaForTokenClassification, DebertaModel,
        MaskedLmForm,
    };

    fn config(json: &str) -> DebertaConfig {
        let sizes = r#""vocab_size":11,"hidden_size":4,"num_hidden_layers":1,
            "num_attention_heads":2,"intermediate_size":6,"max_position_embeddings":8,
            "relative_attention":true,"position_biased_input":false,"pos_att_type":"c2p|p2c""#;
        serde_json::from_str(&format!("{{{sizes},{json}}}")).unwrap()
    }

    fn init() -> Init {
        Init::zeros(&kiln_testing::devices().remove(0).1)
    }

    fn names(model: &impl Module) -> Vec<String> {
        let table = parameters_by_name(model, &NAMES).unwrap();
        let found = table.values();
        found
            .map(|parameter| format!("{} {:?}", parameter.name, parameter.shape))
            .collect()
    }

    /// Names with shapes, sorted: the layer's without its prefix, all others whole.
    fn expected(attention: &[&str], others: &[&str]) -> Vec<String> {
        let layer = [
            "attention.output.dense.weight [4, 4]",
            "attention.output.dense.bias [4]",
            "attention.output.LayerNorm.weight [4]",
            "attention.output.LayerNorm.bias [4]",
            "intermediate.dense.weight [6, 4]",
            "intermediate.dense.bias [6]",
            "output.dense.weight [4, 6]",
            "output.dense.bias [4]",
            "output.LayerNorm.weight [4]",
            "output.LayerNorm.bias [4]",
        ];
        let attention = attention
            .iter()
            .map(|name| format!("attention.self.{name}"));
        let layer = layer.iter().map(|&name| name.to_owned()).chain(attention);
        let encoder = [
            "deberta.embeddings.word_embeddings.weight [11, 4]",
            "deberta.embeddings.LayerNorm.weight [4]",
            "deberta.embeddings.LayerNorm.bias [4]",
        ];
        let mut all: Vec<String> = layer
            .map(|name| format!("deberta.encoder.layer.0.{name}"))
            .chain(encoder.iter().chain(others).map(|&name| name.to_owned()))
            .collect();
        all.sort();
        all
    }

    const V1: [&str; 6] = [
        "in_proj.weight [12, 4]",
        "q_bias [4]",
        "v_bias [4]",
        "pos_proj.weight [4, 4]",
        "pos_q_proj.weight [4, 4]",
        "pos_q_proj.bias [4]",
    ];

    const V2: [&str; 6] = [
        "query_proj.weight [4, 4]",
        "query_proj.bias [4]",
        "key_proj.weight [4, 4]",
        "key_proj.bias [4]",
        "value_proj.weight [4, 4]",
        "value_proj.bias [4]",
    ];

    #[test]
    fn v1s_names_are_hugging_faces_one_to_one() {
        let config = config(r#""model_type":"deberta","max_relative_positions":3"#);
        let model = DebertaForMaskedLm::new(&config, MaskedLmForm::Legacy, &mut init());
        let others = [
            "deberta.encoder.rel_embeddings.weight [6, 4]",
            "cls.predictions.transform.dense.weight [4, 4]",
            "cls.predictions.transform.dense.bias [4]",
            "cls.predictions.transform.LayerNorm.weight [4]",
            "cls.predictions.transform.LayerNorm.bias [4]",
            "cls.predictions.bias [11]",
        ];
        assert_eq!(names(&model), expected(&V1, &others));
    }

    #[test]
    fn a_head_that_does_not_tie_has_a_matrix_and_a_bias_of_its_own() {
        let untied = config(r#""position_buckets":2,"tie_word_embeddings":false"#);
        let own = |form| {
            let model = DebertaForMaskedLm::new(&untied, form, &mut init());
            let names = names(&model).into_iter();
            names
                .filter(|name| name.contains("decoder"))
                .collect::<Vec<_>>()
        };
        let decoder = [
            "cls.predictions.decoder.bias [11]",
            "cls.predictions.decoder.weight [11, 4]",
        ];
        assert_eq!(own(MaskedLmForm::Legacy), decoder);
        // The other head reads the word table in any case.
        assert!(own(MaskedLmForm::Plain).is_empty());
        assert!(own(MaskedLmForm::Enhanced).is_empty());
    }

    #[test]
    fn v2s_names_are_hugging_faces_one_to_one() {
        let config = config(
            r#""position_buckets":2,"norm_rel_ebd":"layer_norm","conv_kernel_size":3,
               "conv_groups":2,"type_vocab_size":2"#,
        );
        let model = DebertaForMaskedLm::new(&config, MaskedLmForm::Enhanced, &mut init());
        let own = [
            "pos_key_proj.weight [4, 4]",
            "pos_key_proj.bias [4]",
            "pos_query_proj.weight [4, 4]",
            "pos_query_proj.bias [4]",
        ];
        let others = [
            "deberta.embeddings.position_embeddings.weight [8, 4]",
            "deberta.embeddings.token_type_embeddings.weight [2, 4]",
            "deberta.encoder.rel_embeddings.weight [4, 4]",
            "deberta.encoder.LayerNorm.weight [4]",
            "deberta.encoder.LayerNorm.bias [4]",
            "deberta.encoder.conv.conv.weight [4, 2, 3]",
            "deberta.encoder.conv.conv.bias [4]",
            "deberta.encoder.conv.LayerNorm.weight [4]",
            "deberta.encoder.conv.LayerNorm.bias [4]",
            "lm_predictions.lm_head.dense.weight [4, 4]",
            "lm_predictions.lm_head.dense.bias [4]",
            "lm_predictions.lm_head.LayerNorm.weight [4]",
            "lm_predictions.lm_head.LayerNorm.bias [4]",
            "lm_predictions.lm_head.bias [11]",
        ];
        assert_eq!(names(&model), expected(&[&V2[..], &own].concat(), &others));
    }

    #[test]
    fn each_head_has_its_names() {
        let config = config(r#""share_att_key":true,"position_buckets":2,"embedding_size":3"#);
        let backbone: BTreeSet<String> = names(&DebertaModel::new(&config, &mut init()))
            .iter()
            .map(|name| format!("deberta.{name}"))
            .collect();
        assert!(backbone.contains("deberta.embeddings.embed_proj.weight [4, 3]"));
        let heads = |model: Vec<String>| {
            let of_head = model.into_iter().filter(|name| !backbone.contains(name));
            of_head.collect::<Vec<_>>()
        };
        assert_eq!(
            heads(names(&DebertaForPreTraining::new(&config, &mut init()))),
            [
                "mask_predictions.LayerNorm.bias [4]",
                "mask_predictions.LayerNorm.weight [4]",
                "mask_predictions.classifier.bias [1]",
                "mask_predictions.classifier.weight [1, 4]",
                "mask_predictions.dense.bias [4]",
                "mask_predictions.dense.weight [4, 4]",
            ]
        );
        let model = DebertaForMaskedLm::new(&config, MaskedLmForm::Plain, &mut init());
        assert_eq!(
            heads(names(&model)),
            [
                "lm_predictions.lm_head.LayerNorm.bias [3]",
                "lm_predictions.lm_head.LayerNorm.weight [3]",
                "lm_predictions.lm_head.bias [11]",
                "lm_predictions.lm_head.dense.bias [3]",
                "lm_predictions.lm_head.dense.weight [3, 4]",
            ]
        );
        assert_eq!(
            heads(names(&DebertaForSequenceClassification::new(
                &config,
                &mut init()
            ))),
            [
                "classifier.bias [2]",
                "classifier.weight [2, 4]",
                "pooler.dense.bias [4]",
                "pooler.dense.weight [4, 4]",
            ]
        );
        assert_eq!(
            heads(names(&DebertaForTokenClassification::new(
                &config,
                &mut init()
            ))),
            ["classifier.bias [2]", "classifier.weight [2, 4]"]
        );
        assert_eq!(
            heads(names(&DebertaForQuestionAnswering::new(
                &config,
                &mut init()
            ))),
            ["qa_outputs.bias [2]", "qa_outputs.weight [2, 4]"]
        );
    }

    #[test]
    fn no_rule_has_outlived_its_module() {
        let v1 = config(r#""model_type":"deberta","tie_word_embeddings":false"#);
        let v2 = config(r#""position_buckets":2"#);
        let v1 = DebertaForMaskedLm::new(&v1, MaskedLmForm::Legacy, &mut init());
        let v2 = DebertaForMaskedLm::new(&v2, MaskedLmForm::Plain, &mut init());
        let tagger =
            DebertaForTokenClassification::new(&config(r#""position_buckets":2"#), &mut init());
        let (v1, v2) = (parameters(&v1, &Names::SAME), parameters(&v2, &Names::SAME));
        let tagger = parameters(&tagger, &Names::SAME);
        let paths: Vec<&str> = v1
            .iter()
            .chain(&v2)
            .chain(&tagger)
            .map(|parameter| parameter.path.as_str())
            .collect();
        assert!(NAMES.unused_rules(paths.iter().copied()).is_empty());
        assert!(FIRST_NAMES.unused_rules(paths).is_empty());
    }
}
