//! Where the modules' paths and Hugging Face's parameter names differ.

use kiln_checkpoint::{LoadOptions, Names, Tied};

/// Module path to Hugging Face name; all other parts agree.
pub const NAMES: Names = Names {
    rules: &[
        ("base_model", "electra"),
        // Not every model owns its embeddings: what stands above them has a module of its own here.
        ("electra.body", "electra"),
        ("body", ""),
        ("generator_lm_head.decoder", "generator_lm_head"),
        ("head", ""),
        ("pooler.summary", "sequence_summary.summary"),
        ("layer_norm", "LayerNorm"),
        ("attention.self_attention", "attention.self"),
    ],
};

/// What an ELECTRA file may hold beside its parameters, and under which other names.
pub const LOAD_OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("electra."),
    ignorable: &["embeddings.position_ids", "embeddings.token_type_ids"],
    tied: &[Tied {
        copy: "generator_lm_head.weight",
        owner: "electra.embeddings.word_embeddings.weight",
        head: "generator_lm_head.",
    }],
};

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use kiln_checkpoint::{parameters, parameters_by_name};
    use kiln_nn::Init;

    use super::*;
    use crate::{
        ElectraConfig, ElectraForMaskedLm, ElectraForMultipleChoice, ElectraForPreTraining,
        ElectraForTokenClassification, ElectraModel,
    };

    fn config() -> ElectraConfig {
        ElectraConfig {
            vocab_size: 11,
            embedding_size: Some(6),
            hidden_size: 4,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            intermediate_size: 8,
            max_position_embeddings: 9,
            ..ElectraConfig::default()
        }
    }

    fn names<M: Module>(new: impl FnOnce(&ElectraConfig, &mut Init) -> M) -> Vec<String> {
        let device = kiln_testing::devices().remove(0).1;
        let model = new(&config(), &mut Init::zeros(&device));
        let table = parameters_by_name(&model, &NAMES).unwrap();
        let found = table.values();
        found
            .map(|parameter| format!("{} {:?}", parameter.name, parameter.shape))
            .collect()
    }

    fn expected(heads: &[&str]) -> Vec<String> {
        let mut expected: Vec<String> = [
            "electra.embeddings.word_embeddings.weight [11, 6]",
            "electra.embeddings.position_embeddings.weight [9, 6]",
            "electra.embeddings.token_type_embeddings.weight [2, 6]",
            "electra.embeddings.LayerNorm.weight [6]",
            "electra.embeddings.LayerNorm.bias [6]",
            "electra.embeddings_project.weight [4, 6]",
            "electra.embeddings_project.bias [4]",
            "electra.encoder.layer.0.attention.self.query.weight [4, 4]",
            "electra.encoder.layer.0.attention.self.query.bias [4]",
            "electra.encoder.layer.0.attention.self.key.weight [4, 4]",
            "electra.encoder.layer.0.attention.self.key.bias [4]",
            "electra.encoder.layer.0.attention.self.value.weight [4, 4]",
            "electra.encoder.layer.0.attention.self.value.bias [4]",
            "electra.encoder.layer.0.attention.output.dense.weight [4, 4]",
            "electra.encoder.layer.0.attention.output.dense.bias [4]",
            "electra.encoder.layer.0.attention.output.LayerNorm.weight [4]",
            "electra.encoder.layer.0.attention.output.LayerNorm.bias [4]",
            "electra.encoder.layer.0.intermediate.dense.weight [8, 4]",
            "electra.encoder.layer.0.intermediate.dense.bias [8]",
            "electra.encoder.layer.0.output.dense.weight [4, 8]",
            "electra.encoder.layer.0.output.dense.bias [4]",
            "electra.encoder.layer.0.output.LayerNorm.weight [4]",
            "electra.encoder.layer.0.output.LayerNorm.bias [4]",
        ]
        .iter()
        .chain(heads)
        .map(|&line| line.to_owned())
        .collect();
        expected.sort();
        expected
    }

    #[test]
    fn the_generators_names_are_hugging_faces_one_to_one() {
        let heads = [
            "generator_predictions.dense.weight [6, 4]",
            "generator_predictions.dense.bias [6]",
            "generator_predictions.LayerNorm.weight [6]",
            "generator_predictions.LayerNorm.bias [6]",
            "generator_lm_head.bias [11]",
        ];
        assert_eq!(names(ElectraForMaskedLm::new), expected(&heads));
    }

    #[test]
    fn a_generator_that_does_not_tie_has_a_matrix_of_its_own() {
        let heads = [
            "generator_predictions.dense.weight [6, 4]",
            "generator_predictions.dense.bias [6]",
            "generator_predictions.LayerNorm.weight [6]",
            "generator_predictions.LayerNorm.bias [6]",
            "generator_lm_head.weight [11, 6]",
            "generator_lm_head.bias [11]",
        ];
        let new = |config: &ElectraConfig, init: &mut Init| {
            let mut config = config.clone();
            config
                .other
                .insert("tie_word_embeddings".into(), false.into());
            ElectraForMaskedLm::new(&config, init)
        };
        assert_eq!(names(new), expected(&heads));
    }

    #[test]
    fn the_discriminators_names_are_hugging_faces_one_to_one() {
        let heads = [
            "discriminator_predictions.dense.weight [4, 4]",
            "discriminator_predictions.dense.bias [4]",
            "discriminator_predictions.dense_prediction.weight [1, 4]",
            "discriminator_predictions.dense_prediction.bias [1]",
        ];
        assert_eq!(names(ElectraForPreTraining::new), expected(&heads));
    }

    #[test]
    fn the_bare_encoder_has_the_same_names_without_the_prefix() {
        let bare: Vec<String> = expected(&[])
            .iter()
            .map(|name| name.replacen("electra.", "", 1))
            .collect();
        assert_eq!(names(ElectraModel::new), bare);
    }

    #[test]
    fn no_rule_has_outlived_its_module() {
        let device = kiln_testing::devices().remove(0).1;
        let init = &mut Init::zeros(&device);
        let mut untied = config();
        untied
            .other
            .insert("tie_word_embeddings".into(), false.into());
        let generator = parameters(&ElectraForMaskedLm::new(&untied, init), &Names::SAME);
        let bare = parameters(&ElectraModel::new(&config(), init), &Names::SAME);
        let tagger = ElectraForTokenClassification::new(&config(), init);
        let tagger = parameters(&tagger, &Names::SAME);
        let choice = ElectraForMultipleChoice::new(&config(), init).unwrap();
        let choice = parameters(&choice, &Names::SAME);
        let paths = generator.iter().chain(&bare).chain(&tagger).chain(&choice);
        let paths = paths.map(|parameter| parameter.path.as_str());
        assert!(NAMES.unused_rules(paths).is_empty());
    }
}
