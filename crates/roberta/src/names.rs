//! Where the modules' paths and Hugging Face's parameter names differ.

use kiln_checkpoint::{LoadOptions, Names, Tied};

/// Module path to Hugging Face name; all other parts agree.
pub const NAMES: Names = Names {
    rules: &[
        ("base_model", "roberta"),
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

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use kiln_bert::BertModel;
    use kiln_checkpoint::{parameters, parameters_by_name};
    use kiln_nn::Init;

    use super::*;
    use crate::{
        Preset, RobertaConfig, RobertaForMaskedLm, RobertaForSequenceClassification, RobertaModel,
    };

    fn config() -> RobertaConfig {
        let mut config = Preset::by_name("tiny").unwrap().config(11);
        config.num_hidden_layers = 1;
        config.hidden_size = 4;
        config
    }

    fn init() -> Init {
        Init::zeros(&kiln_testing::devices().remove(0).1)
    }

    fn with_pooler(config: &RobertaConfig, init: &mut Init) -> RobertaModel {
        RobertaModel {
            bert: BertModel::new(config, init),
        }
    }

    /// The names but for the encoder's layers, which the reference cases hold.
    fn names<M: Module>(model: &M) -> Vec<String> {
        let table = parameters_by_name(model, &NAMES).unwrap();
        let names = table.values().map(|parameter| parameter.name.clone());
        names.filter(|name| !name.contains("layer.0.")).collect()
    }

    fn sorted(embeddings: &str, others: &[&str]) -> Vec<String> {
        let tables =
            ["word", "position", "token_type"].map(|name| format!("{name}_embeddings.weight"));
        let norm = ["LayerNorm.weight", "LayerNorm.bias"].map(str::to_owned);
        let own = tables.into_iter().chain(norm);
        let own = own.map(|name| format!("{embeddings}embeddings.{name}"));
        let mut names: Vec<String> = own
            .chain(others.iter().map(|&name| name.to_owned()))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn names_are_hugging_faces_one_to_one() {
        let (config, init) = (config(), &mut init());
        let head = [
            "lm_head.bias",
            "lm_head.dense.bias",
            "lm_head.dense.weight",
            "lm_head.layer_norm.bias",
            "lm_head.layer_norm.weight",
        ];
        let model = RobertaForMaskedLm::new(&config, init);
        assert_eq!(names(&model), sorted("roberta.", &head));
        let head = [
            "classifier.dense.bias",
            "classifier.dense.weight",
            "classifier.out_proj.bias",
            "classifier.out_proj.weight",
        ];
        let model = RobertaForSequenceClassification::new(&config, init);
        assert_eq!(names(&model), sorted("roberta.", &head));
        let pooler = ["pooler.dense.bias", "pooler.dense.weight"];
        let model = with_pooler(&config, init);
        assert_eq!(names(&model), sorted("", &pooler));
    }

    #[test]
    fn no_rule_has_outlived_its_module() {
        let (config, init) = (config(), &mut init());
        let mut paths = parameters(&RobertaForMaskedLm::new(&config, init), &Names::SAME);
        let bare = with_pooler(&config, init);
        paths.extend(parameters(&bare, &Names::SAME));
        let tagger = RobertaForSequenceClassification::new(&config, init);
        paths.extend(parameters(&tagger, &Names::SAME));
        let paths = paths.iter().map(|parameter| parameter.path.as_str());
        assert!(NAMES.unused_rules(paths).is_empty());
    }
}
