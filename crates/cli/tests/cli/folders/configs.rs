//! Fields of config.json as transformers takes them.
//!
//! Which of them transformers 5.23 opens with the same outputs was found by trying: a model saved,
//! a field changed, opened again.

use std::fs;

use serde_json::{Value, json};

use super::Model;

/// Changes that leave the outputs as they are: architecture, case, fields.
fn harmless() -> Vec<(&'static str, &'static str, Value)> {
    let mut changes = Vec::new();
    for case in ["pretraining", "encoder"] {
        changes.extend([
            ("bert", case, json!({"pad_token_id": -1, "bos_token_id": -1, "eos_token_id": [1, 2]})),
            ("bert", case, json!({"pad_token_id": null, "architectures": if case == "encoder" { json!("BertModel") } else { json!("BertForPreTraining") }})),
            ("bert", case, json!({"finetuning_task": null, "num_labels": 2, "pruned_heads": {}, "torchscript": false, "output_past": true, "use_bfloat16": false, "output_attentions": false})),
            ("bert", case, json!({"problem_type": "token_classification", "classifier_dropout": null, "torch_dtype": "float16", "dtype": null})),
            ("bert", case, json!({"id2label": null, "label2id": null, "position_embedding_type": null})),
        ]);
    }
    changes.extend([
        ("electra", "discriminator", json!({"summary_type": "foo", "summary_activation": "x", "pad_token_id": -1})),
        ("xlnet", "language_model", json!({"n_token": 43, "vocab_size": 7})),
        ("xlnet", "language_model", json!({"hidden_size": 18, "num_hidden_layers": 2, "num_attention_heads": 3, "d_model": 20})),
        ("xlnet", "language_model", json!({"untie_r": false})),
        ("xlnet", "language_model", json!({"d_head": 0, "clamp_len": 0, "reuse_len": 4, "pad_token_id": 1000})),
        ("xlnet", "language_model", json!({"summary_type": "attn", "summary_activation": "foo", "summary_proj_to_labels": true})),
        ("xlnet", "language_model", json!({"bos_token_id": -1, "eos_token_id": [1, 2], "pad_token_id": -1})),
        ("xlnet", "sequence_classification", json!({"summary_type": "cls_index"})),
        ("electra", "discriminator", json!({"architectures": "ElectraForPreTraining"})),
        ("deberta", "masked_lm", json!({"architectures": "DebertaV2ForMaskedLM"})),
        ("xlnet", "language_model", json!({"architectures": "XLNetLMHeadModel"})),
        ("deberta", "v3", json!({"max_relative_positions": 0, "conv_kernel_size": -1, "conv_groups": null, "conv_act": null, "type_vocab_size": -1})),
        ("deberta", "v3", json!({"embedding_size": 18, "attention_head_size": 6, "pad_token_id": -1, "padding_idx": 0, "norm_rel_ebd": "Layer_Norm|none"})),
        ("deberta", "v3", json!({"pos_att_type": "P2C | c2p", "legacy": false})),
    ]);
    changes
}

#[test]
fn values_that_transformers_takes_give_the_same_outputs() {
    for (architecture, case, fields) in harmless() {
        let model = Model::of(architecture, case);
        let expected = model.outputs(&[]);
        model.change_config(&fields);
        assert_eq!(
            model.outputs(&[]),
            expected,
            "{architecture} {case} {fields}"
        );
    }
}

#[test]
fn python_writes_numbers_that_json_does_not_have() {
    let model = Model::of("bert", "encoder");
    let expected = model.outputs(&[]);
    let path = model.path("model/config.json");
    let text = fs::read_to_string(&path).unwrap();
    let more = r#"{"best_metric": NaN, "bounds": [-Infinity, Infinity], "note": "NaN","#;
    fs::write(&path, text.replacen('{', more, 1)).unwrap();
    assert_eq!(model.outputs(&[]), expected);
    let replaced = text.replace("\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": NaN");
    assert_ne!(replaced, text);
    fs::write(&path, replaced).unwrap();
    let line = model.refusal();
    assert!(
        line.contains("layer_norm_eps: invalid type: string \"NaN\""),
        "{line}"
    );
}

#[test]
fn labels_may_be_counted_without_being_named() {
    for (architecture, case, labels) in [
        ("bert", "sequence_classification", 3),
        ("bert", "token_classification", 5),
        ("electra", "sequence_classification", 3),
        ("deberta", "sequence_classification", 3),
        ("xlnet", "sequence_classification", 3),
    ] {
        let model = Model::of(architecture, case);
        let expected = model.outputs(&["--grad"]);
        model.remove_fields(&["id2label", "label2id"]);
        model.change_config(&json!({"num_labels": labels}));
        assert_eq!(
            model.outputs(&["--grad"]),
            expected,
            "{architecture} {case}"
        );
        // The number counts where the names are more or fewer.
        let model = Model::of(architecture, case);
        model.change_config(&json!({"num_labels": labels, "id2label": {"0": "a", "1": "b"}}));
        assert_eq!(
            model.outputs(&["--grad"]),
            expected,
            "{architecture} {case}"
        );
    }
}

/// Vectors of each layer's own, as its file has them; so are their gradients.
#[test]
fn an_xlnet_that_says_its_layers_share_reads_those_that_its_file_has() {
    for case in ["memory_2", "two_streams"] {
        let model = Model::of("xlnet", case);
        let expected = model.outputs(&["--grad"]);
        assert!(
            expected.contains_key("grad.transformer.layer.1.rel_attn.r_w_bias")
                || expected.contains_key("grad.layer.1.rel_attn.r_w_bias")
        );
        model.change_config(&json!({"untie_r": false}));
        assert_eq!(model.outputs(&["--grad"]), expected, "{case}");
    }
}

#[test]
fn a_config_of_years_ago_is_known_by_its_class() {
    for (architecture, case) in [
        ("bert", "pretraining"),
        ("electra", "generator"),
        ("deberta", "v3"),
        ("xlnet", "language_model"),
    ] {
        let model = Model::of(architecture, case);
        let expected = model.outputs(&[]);
        model.remove_fields(&["model_type"]);
        assert_eq!(model.outputs(&[]), expected, "{architecture}");
        model.remove_fields(&["architectures"]);
        let line = model.refusal();
        assert!(
            line.contains("model_type is missing; set it to one of"),
            "{line}"
        );
    }
}

#[test]
fn values_that_no_model_has_are_refused_by_their_field() {
    for (architecture, case, fields, expected) in [
        (
            "bert",
            "encoder",
            json!({"position_embedding_type": "relative_key"}),
            "position_embedding_type",
        ),
        (
            "bert",
            "encoder",
            json!({"pruned_heads": {"0": [1]}}),
            "pruned_heads",
        ),
        (
            "bert",
            "encoder",
            json!({"pad_token_id": -100}),
            "pad_token_id",
        ),
        (
            "bert",
            "encoder",
            json!({"pad_token_id": 53}),
            "pad_token_id",
        ),
        ("bert", "encoder", json!({"num_labels": 0}), "num_labels"),
        ("bert", "encoder", json!({"hidden_act": null}), "hidden_act"),
        (
            "bert",
            "encoder",
            json!({"layer_norm_eps": "1e-12"}),
            "layer_norm_eps",
        ),
        (
            "bert",
            "encoder",
            json!({"tie_word_embeddings": "false"}),
            "tie_word_embeddings",
        ),
        (
            "bert",
            "sequence_classification",
            json!({"problem_type": "ranking"}),
            "problem_type",
        ),
        (
            "xlnet",
            "sequence_classification",
            json!({"summary_type": "attn"}),
            "summary_type",
        ),
        (
            "xlnet",
            "sequence_classification",
            json!({"summary_type": "foo"}),
            "summary_type",
        ),
        (
            "xlnet",
            "sequence_classification",
            json!({"summary_activation": "foo"}),
            "summary_activation",
        ),
        (
            "xlnet",
            "sequence_classification",
            json!({"summary_proj_to_labels": true}),
            "summary_proj_to_labels",
        ),
        (
            "xlnet",
            "language_model",
            json!({"n_token": null}),
            "vocab_size",
        ),
        (
            "xlnet",
            "language_model",
            json!({"attn_type": "foo"}),
            "attn_type",
        ),
        (
            "deberta",
            "v3",
            json!({"pos_att_type": ["C2P"]}),
            "pos_att_type",
        ),
        // 6 buckets and distances up to 4 divide by zero, as one bucket does.
        (
            "deberta",
            "v3",
            json!({"max_relative_positions": 4}),
            "max_relative_positions",
        ),
        (
            "deberta",
            "v3",
            json!({"max_relative_positions": -1, "max_position_embeddings": 4}),
            "max_position_embeddings",
        ),
        (
            "deberta",
            "v3",
            json!({"position_buckets": 1}),
            "position_buckets",
        ),
    ] {
        let model = Model::of(architecture, case);
        model.change_config(&fields);
        let line = model.refusal();
        assert!(line.contains(expected), "{fields}: {line}");
    }
    // One that decides about the vocabulary is found out by the weights.
    let model = Model::of("xlnet", "language_model");
    model.change_config(&json!({"n_token": 44}));
    let line = model.refusal();
    assert!(
        line.contains("word_embedding.weight has shape [43, 18]"),
        "{line}"
    );
}
