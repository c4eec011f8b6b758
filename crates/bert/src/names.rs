//! Where the module's paths and Hugging Face's parameter names differ.

use kiln_checkpoint::{LoadOptions, Names, Tied};

/// Module path to Hugging Face name; all other parts agree.
pub const NAMES: Names = Names {
    rules: &[
        ("base_model", "bert"),
        ("layer_norm", "LayerNorm"),
        ("attention.self_attention", "attention.self"),
    ],
};

/// What a BERT file may hold beside its parameters, and under which other names.
pub const LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("bert."),
    ignorable: &["embeddings.position_ids", "embeddings.token_type_ids"],
    tied: &[
        Tied {
            copy: "cls.predictions.decoder.weight",
            owner: "bert.embeddings.word_embeddings.weight",
            head: "cls.predictions.",
        },
        Tied {
            copy: "cls.predictions.decoder.bias",
            owner: "cls.predictions.bias",
            head: "cls.predictions.",
        },
    ],
};

#[cfg(test)]
mod tests {
    use kiln_checkpoint::{parameters, parameters_by_name};
    use kiln_nn::Init;

    use super::*;
    use crate::{BertConfig, BertForPreTraining, BertForTokenClassification};

    fn config() -> BertConfig {
        BertConfig {
            vocab_size: 11,
            hidden_size: 4,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            intermediate_size: 6,
            max_position_embeddings: 8,
            ..BertConfig::default()
        }
    }

    fn model() -> BertForPreTraining {
        let device = kiln_testing::devices().remove(0).1;
        BertForPreTraining::new(&config(), &mut Init::zeros(&device))
    }

    #[test]
    fn names_are_hugging_faces_one_to_one() {
        let names = parameters_by_name(&model(), &NAMES).unwrap();
        let found: Vec<String> = names
            .values()
            .map(|parameter| format!("{} {:?}", parameter.name, parameter.shape))
            .collect();
        let layer = "bert.encoder.layer.0";
        let mut expected: Vec<String> = [
            ("bert.embeddings.word_embeddings.weight", "[11, 4]"),
            ("bert.embeddings.position_embeddings.weight", "[8, 4]"),
            ("bert.embeddings.token_type_embeddings.weight", "[2, 4]"),
            ("bert.embeddings.LayerNorm.weight", "[4]"),
            ("bert.embeddings.LayerNorm.bias", "[4]"),
            ("bert.pooler.dense.weight", "[4, 4]"),
            ("bert.pooler.dense.bias", "[4]"),
            ("cls.predictions.transform.dense.weight", "[4, 4]"),
            ("cls.predictions.transform.dense.bias", "[4]"),
            ("cls.predictions.transform.LayerNorm.weight", "[4]"),
            ("cls.predictions.transform.LayerNorm.bias", "[4]"),
            ("cls.predictions.bias", "[11]"),
            ("cls.seq_relationship.weight", "[2, 4]"),
            ("cls.seq_relationship.bias", "[2]"),
        ]
        .map(|(name, shape)| format!("{name} {shape}"))
        .to_vec();
        for (name, shape) in [
            ("attention.self.query.weight", "[4, 4]"),
            ("attention.self.query.bias", "[4]"),
            ("attention.self.key.weight", "[4, 4]"),
            ("attention.self.key.bias", "[4]"),
            ("attention.self.value.weight", "[4, 4]"),
            ("attention.self.value.bias", "[4]"),
            ("attention.output.dense.weight", "[4, 4]"),
            ("attention.output.dense.bias", "[4]"),
            ("attention.output.LayerNorm.weight", "[4]"),
            ("attention.output.LayerNorm.bias", "[4]"),
            ("intermediate.dense.weight", "[6, 4]"),
            ("intermediate.dense.bias", "[6]"),
            ("output.dense.weight", "[4, 6]"),
            ("output.dense.bias", "[4]"),
            ("output.LayerNorm.weight", "[4]"),
            ("output.LayerNorm.bias", "[4]"),
        ] {
            expected.push(format!("{layer}.{name} {shape}"));
        }
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_rule_has_outlived_its_module() {
        let mut paths = parameters(&model(), &Names::SAME);
        let device = kiln_testing::devices().remove(0).1;
        let tagger = BertForTokenClassification::new(&config(), &mut Init::zeros(&device));
        paths.extend(parameters(&tagger, &Names::SAME));
        let paths = paths.iter().map(|parameter| parameter.path.as_str());
        assert!(NAMES.unused_rules(paths).is_empty());
    }
}
