use tempfile::TempDir;

use super::*;

const OLD: &str = r#"[
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
]"#;

const NEW: &str = r#"[
    {"idx": 0, "name": "0", "path": "",
        "type": "sentence_transformers.base.modules.transformer.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling",
        "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize",
        "type": "sentence_transformers.base.modules.normalize.Normalize"}
]"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn refused(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let error = SentenceFolder::open(folder.path()).unwrap_err().to_string();
    let place = format!("{}/", folder.path().display());
    error.replace(&place, "")
}

#[test]
fn both_forms_of_the_files_say_the_same() {
    let old = folder(&[
        ("modules.json", OLD),
        (
            "1_Pooling/config.json",
            r#"{"word_embedding_dimension": 8, "pooling_mode_cls_token": false,
                "pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": true}"#,
        ),
        (
            "sentence_bert_config.json",
            r#"{"max_seq_length": 128, "do_lower_case": true}"#,
        ),
    ]);
    let new = folder(&[
        ("modules.json", NEW),
        (
            "1_Pooling/config.json",
            r#"{"embedding_dimension": 8, "pooling_mode": ["max", "mean"], "include_prompt": true}"#,
        ),
        (
            "sentence_bert_config.json",
            r#"{"max_seq_length": 128, "do_lower_case": true,
                "transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
                "modality_config": {"text": {"method": "forward",
                    "method_output_name": "last_hidden_state"}}}"#,
        ),
        (
            "config_sentence_transformers.json",
            r#"{"model_type": "SentenceTransformer", "prompts": {"query": "", "document": ""},
                "default_prompt_name": null, "similarity_fn_name": "cosine"}"#,
        ),
    ]);
    for folder in [old, new] {
        let found = SentenceFolder::open(folder.path()).unwrap();
        assert_eq!(found.pooling, [Pooling::Max, Pooling::Mean]);
        assert_eq!(found.width.map(|(width, _)| width), Some(8));
        assert!(found.normalize && found.lowercase && !found.cuts_beginning);
        assert_eq!(found.max_seq_length, Some(128));
        assert_eq!(found.encoder, folder.path().join(""));
        assert_eq!((found.prompt.as_str(), found.other_prompts.len()), ("", 0));
    }
}

#[test]
fn a_folder_of_a_model_alone_says_nothing() {
    let folder = folder(&[]);
    let found = SentenceFolder::open(folder.path()).unwrap();
    assert_eq!(found.encoder, folder.path());
    assert_eq!((found.pooling.len(), found.normalize), (0, false));
    assert_eq!((found.max_seq_length, found.width), (None, None));
}

#[test]
fn several_modes_are_joined_in_the_order_of_their_form() {
    let pooling = |config: &str| {
        let folder = folder(&[("modules.json", OLD), ("1_Pooling/config.json", config)]);
        SentenceFolder::open(folder.path()).unwrap().pooling
    };
    let old = r#"{"pooling_mode_lasttoken": true, "pooling_mode_cls_token": true,
        "pooling_mode_weightedmean_tokens": true, "pooling_mode_mean_sqrt_len_tokens": true,
        "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": true}"#;
    assert_eq!(pooling(old), Pooling::ALL);
    let new = r#"{"pooling_mode": ["lasttoken", "cls"], "pooling_mode_max_tokens": true}"#;
    assert_eq!(pooling(new), [Pooling::LastToken, Pooling::Cls]);
    assert_eq!(pooling(r#"{"pooling_mode": "max"}"#), [Pooling::Max]);
    assert_eq!(pooling("{}"), [Pooling::Mean]);
}

#[test]
fn an_encoder_may_have_a_folder_of_its_own() {
    let modules = OLD.replace(r#""path": """#, r#""path": "0_Transformer""#);
    let folder = folder(&[
        ("modules.json", &modules),
        (
            "0_Transformer/sentence_roberta_config.json",
            r#"{"max_seq_length": 75}"#,
        ),
        (
            "0_Transformer/tokenizer_config.json",
            r#"{"truncation_side": "left"}"#,
        ),
    ]);
    let found = SentenceFolder::open(folder.path()).unwrap();
    assert_eq!(found.encoder, folder.path().join("0_Transformer"));
    assert_eq!(found.max_seq_length, Some(75));
    assert!(found.cuts_beginning);
}

#[test]
fn the_default_prompt_is_found_and_others_are_told() {
    let file = "config_sentence_transformers.json";
    let prompts = r#"{"prompts": {"query": "query: ", "passage": "passage: "},
        "default_prompt_name": "query"}"#;
    let folder = folder(&[(file, prompts)]);
    let found = SentenceFolder::open(folder.path()).unwrap();
    assert_eq!(found.prompt, "query: ");
    assert_eq!(found.other_prompts, ["passage"]);
    assert_eq!(
        refused(&[(file, &prompts.replace(r#""query"}"#, r#""ask"}"#))]),
        "config_sentence_transformers.json: default_prompt_name: ask is none of prompts; correct \
         this field"
    );
    let leaves_out = ("1_Pooling/config.json", r#"{"include_prompt": false}"#);
    assert_eq!(
        refused(&[(file, prompts), leaves_out]),
        "config_sentence_transformers.json: default_prompt_name: the pooling leaves the prompt query \
         out (include_prompt is false), which Kiln does not do; correct this field"
    );
}

#[test]
fn what_kiln_does_not_have_is_refused_by_name() {
    let dense = OLD.replace("models.Normalize", "models.Dense");
    assert_eq!(
        refused(&[("modules.json", &dense)]),
        "modules.json: module 2: type \"sentence_transformers.models.Dense\": Kiln has Transformer, \
         Pooling, Normalize of sentence-transformers and no other; take a model without it"
    );
    let own = OLD.replace("sentence_transformers.models.Pooling", "own.Pooling");
    assert!(refused(&[("modules.json", &own)]).contains("\"own.Pooling\""));
    let sparse = NEW.replace("base.modules.transformer", "sparse_encoder.models");
    assert!(refused(&[("modules.json", &sparse)]).contains("sparse_encoder.models.Transformer"));
    let alone = OLD.replace("models.Pooling", "models.Normalize");
    assert_eq!(
        refused(&[("modules.json", &alone)]),
        "modules.json: its modules are Transformer, Normalize, Normalize; Kiln runs Transformer, \
         Pooling and Normalize in this order, the last of them or not"
    );
    for (file, content, expected) in [
        (
            "1_Pooling/config.json",
            r#"{"pooling_mode": "attention"}"#,
            "1_Pooling/config.json: pooling_mode: no pooling of this name; there are cls, max, mean, \
             mean_sqrt_len_tokens, weightedmean, lasttoken; correct this field",
        ),
        (
            "1_Pooling/config.json",
            r#"{"pooling_mode_median_tokens": true}"#,
            "1_Pooling/config.json: pooling_mode_median_tokens: Kiln has no such pooling, but cls, \
             max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken; correct this field",
        ),
        (
            "2_Normalize/config.json",
            r#"{"module_input_name": "token_embeddings"}"#,
            "2_Normalize/config.json: module_input_name: \"token_embeddings\", of which Kiln knows \
             \"sentence_embedding\" alone; correct this field",
        ),
        (
            "sentence_bert_config.json",
            r#"{"max_seq_length": -1}"#,
            "sentence_bert_config.json: max_seq_length: -1 is no number above 0; correct this field",
        ),
        (
            "sentence_bert_config.json",
            r#"{"query_length": 32}"#,
            "sentence_bert_config.json: query_length: 32, which Kiln does not do; correct this field",
        ),
        (
            "config_sentence_transformers.json",
            r#"{"model_type": "SparseEncoder"}"#,
            "config_sentence_transformers.json: model_type: \"SparseEncoder\", of which Kiln knows \
             \"SentenceTransformer\" alone; correct this field",
        ),
    ] {
        let found = refused(&[("modules.json", OLD), (file, content)]);
        assert_eq!(found, expected);
    }
    let broken = refused(&[("modules.json", "[")]);
    assert!(
        broken.starts_with("modules.json: not valid JSON"),
        "{broken}"
    );
}
