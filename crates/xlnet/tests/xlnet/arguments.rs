//! Arguments of a forward pass that do not fit are refused by name, before anything is computed.

use std::collections::BTreeMap;

use burn::tensor::TensorData;
use kiln_nn::Init;
use kiln_tasks::architecture::ForwardRequest;
use kiln_tasks::family::write_folder;
use kiln_tasks::forward::forward;
use kiln_testing::devices;
use kiln_xlnet::{XlnetConfig, XlnetForQuestionAnswering, XlnetLmHeadModel};

type Inputs = BTreeMap<String, TensorData>;

fn ints(values: &[i64], shape: &[usize]) -> TensorData {
    TensorData::new(values.to_vec(), shape.to_vec())
}

fn floats(shape: &[usize]) -> TensorData {
    TensorData::new(vec![0.5f32; shape.iter().product()], shape.to_vec())
}

/// A row of three tokens with `more`.
fn inputs(more: Vec<(&str, TensorData)>) -> Inputs {
    let ids = ("input_ids", ints(&[1, 2, 3], &[1, 3]));
    let all = more.into_iter().chain([ids]);
    all.map(|(name, data)| (name.to_owned(), data)).collect()
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (_, device) = devices().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let run = |fields: &str, inputs: Inputs, task: Option<&str>| {
        let config: XlnetConfig = serde_json::from_str(&format!(
            r#"{{"vocab_size":29,"d_model":12,"n_layer":2,"n_head":3,"d_inner":17,
                "pad_token_id":0{fields}}}"#
        ))
        .unwrap();
        let model = XlnetLmHeadModel::new(&config, &mut Init::zeros(&device));
        write_folder(&model, &config, folder.path()).unwrap();
        forward::<XlnetConfig>(&ForwardRequest {
            model: folder.path().to_path_buf(),
            inputs,
            task: task.map(str::to_owned),
            gradients: false,
            device: device.clone(),
            warn: |_| {},
        })
    };
    assert!(run("", inputs(vec![]), None).is_ok());
    let mapping = |values: &[i64], slots: usize| ints(values, &[1, slots, 3]);
    for (fields, more, expected) in [
        (
            r#","bi_data":true"#,
            vec![],
            "input_ids: 1 sequences, but bi_data is true",
        ),
        (
            "",
            vec![
                ("attention_mask", ints(&[1, 1, 0], &[1, 3])),
                ("input_mask", ints(&[0, 0, 1], &[1, 3])),
            ],
            "input_mask: it says 1 for padding",
        ),
        (
            "",
            vec![("perm_mask", ints(&[0; 6], &[1, 2, 3]))],
            "perm_mask: has shape",
        ),
        (
            "",
            vec![("perm_mask", ints(&[2; 9], &[1, 3, 3]))],
            "perm_mask: entry 0 is 2",
        ),
        (
            "",
            vec![("target_mapping", ints(&[0; 3], &[1, 3]))],
            "target_mapping: has shape",
        ),
        (
            "",
            vec![("target_mapping", mapping(&[1, 1, 0], 1))],
            "target_mapping: slot 0 of sequence 0 names several positions",
        ),
        (
            "",
            vec![("target_mapping", mapping(&[0, 1, 0, 0, 1, 0], 2))],
            "target_mapping: slot 1 of sequence 0 names a position that another slot names",
        ),
        ("", vec![("mems.0", floats(&[4, 1, 12]))], "mems.1: missing"),
        ("", vec![("mems.1", floats(&[4, 1, 12]))], "mems.0: missing"),
        (
            "",
            vec![
                ("mems.0", floats(&[4, 1, 12])),
                ("mems.1", floats(&[5, 1, 12])),
            ],
            "mems.1: has shape",
        ),
        (
            "",
            vec![
                ("mems.0", floats(&[4, 1, 12])),
                ("mems.1", floats(&[4, 1, 12])),
                ("mems.2", floats(&[4, 1, 12])),
            ],
            "mems.2: the model has 2 layers",
        ),
        (
            "",
            vec![("mems", floats(&[4, 1, 12]))],
            "mems: XLNetLMHeadModel takes no such input",
        ),
    ] {
        let error = run(fields, inputs(more), None).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let error = run("", inputs(vec![]), Some("translate")).unwrap_err();
    assert!(error.to_string().contains("xlnet has embed"), "{error}");
}

#[test]
fn a_mask_may_be_given_either_way_and_segments_by_any_numbers() {
    let (_, device) = devices().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let config: XlnetConfig = serde_json::from_str(
        r#"{"vocab_size":29,"d_model":12,"n_layer":2,"n_head":3,"d_inner":17,"pad_token_id":0}"#,
    )
    .unwrap();
    let model = XlnetLmHeadModel::new(&config, &mut Init::new(3, 0.3, &device));
    write_folder(&model, &config, folder.path()).unwrap();
    let logits = |more| {
        let outputs = forward::<XlnetConfig>(&ForwardRequest {
            model: folder.path().to_path_buf(),
            inputs: inputs(more),
            task: None,
            gradients: false,
            device: device.clone(),
            warn: |_| {},
        });
        let outputs = outputs.unwrap();
        let logits = outputs
            .iter()
            .find(|output| output.name == "logits")
            .unwrap();
        logits.data.try_to_vec::<f32>().unwrap()
    };
    let padded = logits(vec![("attention_mask", ints(&[0, 1, 1], &[1, 3]))]);
    assert_eq!(
        padded,
        logits(vec![("input_mask", ints(&[1, 0, 0], &[1, 3]))])
    );
    assert_ne!(padded, logits(vec![]));
    let types = logits(vec![("token_type_ids", ints(&[0, 0, 1], &[1, 3]))]);
    // One segment alone says nothing.
    let one = logits(vec![("token_type_ids", ints(&[0, 0, 0], &[1, 3]))]);
    for (one, none) in one.iter().zip(logits(vec![])) {
        assert!((one - none).abs() < 1e-5, "{one} {none}");
    }
    let large = ints(&[0, 0, 2_000_000_000], &[1, 3]);
    assert_eq!(types, logits(vec![("token_type_ids", large)]));
}

#[test]
fn what_answers_with_a_beam_are_told_is_checked_and_other_classes_are_told_nothing() {
    let (_, device) = devices().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let run = |fields: &str, more: Vec<(&str, TensorData)>, task: &str| {
        let config: XlnetConfig = serde_json::from_str(&format!(
            r#"{{"vocab_size":29,"d_model":12,"n_layer":1,"n_head":3,"d_inner":17,
                "pad_token_id":0{fields}}}"#
        ))
        .unwrap();
        let model = XlnetForQuestionAnswering::new(&config, &mut Init::new(3, 0.3, &device));
        write_folder(&model, &config, folder.path()).unwrap();
        let outputs = forward::<XlnetConfig>(&ForwardRequest {
            model: folder.path().to_path_buf(),
            inputs: inputs(more),
            task: Some(task.to_owned()),
            gradients: false,
            device: device.clone(),
            warn: |_| {},
        });
        outputs.map_err(|error| error.to_string())
    };
    // Three tokens have three starts, whatever is asked for.
    let outputs = run("", vec![], "qa-beam").unwrap();
    let shape = |name: &str| {
        let output = outputs.iter().find(|output| output.name == name);
        output.unwrap().data.shape().as_slice().to_vec()
    };
    assert_eq!(shape("start_top_log_probs"), [1, 3]);
    assert_eq!(shape("end_top_index"), [1, 9]);
    assert_eq!(shape("cls_logits"), [1]);
    let spans = |more: Vec<(&'static str, TensorData)>| {
        let spans = [
            ("start_positions", ints(&[0], &[1])),
            ("end_positions", ints(&[1], &[1])),
        ];
        spans.into_iter().chain(more).collect::<Vec<_>>()
    };
    for (fields, more, task, expected) in [
        (
            "",
            spans(vec![("is_impossible", ints(&[0], &[1]))]),
            "qa-beam",
            "is_impossible: it is scored by the state of <cls>; pass cls_index",
        ),
        (
            "",
            vec![("cls_index", ints(&[3], &[1]))],
            "qa-beam",
            "cls_index: entry 0 is 3",
        ),
        (
            "",
            vec![("p_mask", ints(&[0, 2, 0], &[1, 3]))],
            "qa-beam",
            "p_mask: entry 1 is 2",
        ),
        (
            "",
            vec![("p_mask", ints(&[0; 4], &[1, 4]))],
            "qa-beam",
            "p_mask: has shape",
        ),
        (
            "",
            vec![("p_mask", ints(&[0; 3], &[1, 3]))],
            "qa",
            "p_mask: XLNetForQuestionAnsweringSimple takes no such input",
        ),
        (
            r#","start_n_top":0"#,
            vec![],
            "qa-beam",
            "config.json: start_n_top: 0, choose a number from 1",
        ),
    ] {
        let error = run(fields, more, task).unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
