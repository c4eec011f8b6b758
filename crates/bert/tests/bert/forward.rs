//! What a forward pass answers to inputs and folders that do not fit, and what must not change it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_bert::{BertConfig, BertForMaskedLm, BertForPreTraining, BertInputs, BertModel};
use kiln_checkpoint::ModelFile;
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_tasks::architecture::{ForwardRequest, Output};
use kiln_tasks::family::write_folder;
use kiln_tasks::forward::forward;
use kiln_testing::{Bound, assert_close, check_embed, check_fill_mask, devices};

fn config() -> BertConfig {
    BertConfig {
        vocab_size: 29,
        hidden_size: 12,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 17,
        max_position_embeddings: 10,
        ..BertConfig::default()
    }
}

fn model(device: &Device) -> BertForPreTraining {
    let init = &mut Init::new(3, 0.3, device);
    BertForPreTraining::new(&config().without_dropout(), init)
}

fn folder(device: &Device) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_folder(&model(device), &config(), folder.path()).unwrap();
    folder
}

fn ints(values: &[i64], shape: [usize; 2]) -> TensorData {
    TensorData::new(values.to_vec(), shape)
}

fn request(folder: &tempfile::TempDir, device: &Device) -> ForwardRequest {
    let inputs = [
        ("input_ids", ints(&[2, 7, 28, 3, 5, 3], [2, 3])),
        ("attention_mask", ints(&[1, 1, 1, 1, 1, 0], [2, 3])),
        ("labels", ints(&[-100, 7, -100, -100, 5, -100], [2, 3])),
        ("next_sentence_label", TensorData::new(vec![0i64, 1], [2])),
    ];
    let inputs = inputs.map(|(name, data)| (name.to_owned(), data));
    ForwardRequest {
        model: folder.path().to_owned(),
        inputs: inputs.into(),
        task: None,
        gradients: false,
        device: device.clone(),
        warn: |_| {},
    }
}

fn named(outputs: &[Output], name: &str) -> Vec<f32> {
    let output = outputs.iter().find(|output| output.name == name);
    output.unwrap().data.try_to_vec().unwrap()
}

fn first_device() -> Device {
    devices().remove(0).1
}

#[test]
fn wrong_inputs_are_named_with_what_would_be_right() {
    let device = first_device();
    let folder = folder(&device);
    let long: Vec<i64> = vec![1; 11];
    let cases: [(&str, Option<TensorData>, &str); 9] = [
        (
            "input_ids",
            None,
            "input_ids: missing; BertForPreTraining needs it",
        ),
        (
            "input_ids",
            Some(ints(&[1, 29, 0, 0, 0, 0], [2, 3])),
            "input_ids: entry 1 is 29, allowed are 0 to 28",
        ),
        (
            "input_ids",
            Some(ints(&[-1, 0, 0, 0, 0, 0], [2, 3])),
            "input_ids: entry 0 is -1, allowed are 0 to 28",
        ),
        (
            "input_ids",
            Some(ints(&long, [1, 11])),
            "input_ids: 11 tokens, max_position_embeddings is 10; shorten them",
        ),
        (
            "input_ids",
            Some(TensorData::new(vec![1.0f32; 6], [2, 3])),
            "input_ids: has elements of type F32, whole numbers are needed",
        ),
        (
            "attention_mask",
            Some(ints(&[1, 1], [1, 2])),
            "attention_mask: has shape [1, 2], [2, 3] is needed",
        ),
        (
            "labels",
            Some(ints(&[-100; 6], [2, 3])),
            "labels: every entry is -100, so there is nothing to score; leave it out",
        ),
        (
            "labels",
            Some(ints(&[-99, 0, 0, 0, 0, 0], [2, 3])),
            "labels: entry 0 is -99, allowed are 0 to 28 and -100",
        ),
        (
            "start_positions",
            Some(TensorData::new(vec![0i64, 1], [2])),
            "start_positions: BertForPreTraining takes no such input, but input_ids, \
             attention_mask, token_type_ids, labels, next_sentence_label",
        ),
    ];
    for (name, data, expected) in cases {
        let mut request = request(&folder, &device);
        match data {
            Some(data) => request.inputs.insert(name.to_owned(), data),
            None => request.inputs.remove(name),
        };
        assert_eq!(
            forward::<BertConfig>(&request).unwrap_err().to_string(),
            expected
        );
    }
}

#[test]
fn gradients_without_a_loss_are_refused() {
    let device = first_device();
    let folder = folder(&device);
    let mut request = request(&folder, &device);
    request.gradients = true;
    request.inputs.remove("next_sentence_label");
    let error = forward::<BertConfig>(&request).unwrap_err().to_string();
    assert!(
        error.contains("needs labels and next_sentence_label"),
        "{error}"
    );
}

#[test]
fn a_missing_head_is_refused_by_name_and_surplus_heads_are_fine() {
    let device = first_device();
    let folder = folder(&device);
    let mut request = request(&folder, &device);
    request.inputs.remove("next_sentence_label");
    request.inputs.remove("labels");
    request.task = Some("classify".to_owned());
    let error = forward::<BertConfig>(&request).unwrap_err().to_string();
    assert!(error.contains("classifier.weight"), "{error}");

    request.task = Some("BertModel".to_owned());
    let outputs = forward::<BertConfig>(&request).unwrap();
    let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["last_hidden_state", "pooler_output"]);

    request.task = Some("sing".to_owned());
    let error = forward::<BertConfig>(&request).unwrap_err().to_string();
    assert!(
        error.contains("task sing: bert has embed (BertModel)"),
        "{error}"
    );
}

#[test]
fn a_config_of_other_sizes_than_the_weights_is_refused_before_memory_is_taken() {
    let device = first_device();
    let folder = folder(&device);
    let path: PathBuf = folder.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        (
            "\"vocab_size\": 29",
            "\"vocab_size\": 2000000000",
            "word_embeddings",
        ),
        (
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 1000000",
            "layer.999999",
        ),
        (
            "\"intermediate_size\": 17",
            "\"intermediate_size\": 1000000",
            "intermediate",
        ),
    ] {
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let error = forward::<BertConfig>(&request(&folder, &device))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_written_folder_gives_the_same_model_to_the_last_bit() {
    for (name, device) in devices() {
        let folder = folder(&device);
        let config = BertConfig::open(folder.path()).unwrap();
        assert_eq!(
            config.architectures.as_deref(),
            Some(&["BertForPreTraining".to_owned()][..])
        );
        let file = ModelFile::open(folder.path()).unwrap();
        config.check_sizes(&file).unwrap();
        let empty = BertForPreTraining::new(&config, &mut Init::zeros(&device));
        let (read, report) = BertConfig::open_weights(empty, &file).unwrap();
        assert!(
            report.missing.is_empty() && report.unused.is_empty(),
            "{report:?}"
        );

        let again = tempfile::tempdir().unwrap();
        write_folder(&read, &config, again.path()).unwrap();
        for file in ["config.json", "model.safetensors"] {
            let first = std::fs::read(folder.path().join(file)).unwrap();
            assert_eq!(
                first,
                std::fs::read(again.path().join(file)).unwrap(),
                "{name} {file}"
            );
        }
    }
}

#[test]
fn appended_padding_changes_no_output_at_real_positions() {
    for (name, device) in devices() {
        let folder = folder(&device);
        let mut request = request(&folder, &device);
        request.inputs.clear();
        let short = [2, 7, 28, 3];
        request
            .inputs
            .insert("input_ids".to_owned(), ints(&short, [1, 4]));
        let before = forward::<BertConfig>(&request).unwrap();

        let mut longer = short.to_vec();
        longer.extend([0, 9, 0, 4]);
        request
            .inputs
            .insert("input_ids".to_owned(), ints(&longer, [1, 8]));
        let mask = ints(&[1, 1, 1, 1, 0, 0, 0, 0], [1, 8]);
        request.inputs.insert("attention_mask".to_owned(), mask);
        let after = forward::<BertConfig>(&request).unwrap();
        for output in ["last_hidden_state", "prediction_logits", "pooler_output"] {
            let (before, after) = (named(&before, output), named(&after, output));
            assert_close(
                output,
                &after[..before.len()],
                &before,
                Bound::Output,
                &name,
            );
        }
    }
}

#[test]
fn a_mask_of_ones_is_no_mask() {
    for (name, device) in devices() {
        let folder = folder(&device);
        let mut request = request(&folder, &device);
        request
            .inputs
            .insert("attention_mask".to_owned(), ints(&[1; 6], [2, 3]));
        let with = forward::<BertConfig>(&request).unwrap();
        request.inputs.remove("attention_mask");
        let without = forward::<BertConfig>(&request).unwrap();
        let output = "last_hidden_state";
        assert_eq!(named(&with, output), named(&without, output), "{name}");
    }
}

#[test]
fn gathered_positions_score_the_vocabulary_as_all_positions_do() {
    for (name, device) in devices() {
        let model = model(&device);
        let inputs = BertInputs {
            input_ids: Tensor::from_data([[2, 7, 28, 3], [5, 5, 1, 0]], &device),
            attention_mask: None,
            token_type_ids: Tensor::zeros([2, 4], &device),
        };
        let all = model.prediction_logits(model.bert.forward(inputs.clone()));
        let positions = Tensor::<2, Int>::from_data([[3, 1], [0, 0]], &device);
        let logits = model.forward(inputs, positions);
        let expected = all.select(0, Tensor::from_data([3, 1, 4, 4], &device));
        let read = |tensor: Tensor<2>| tensor.try_into_vec_as::<f32>().unwrap();
        let (found, expected) = (read(logits.predictions), read(expected));
        assert_close("logits", &found, &expected, Bound::Output, &name);
        assert_eq!(logits.seq_relationship.unwrap().dims(), [2, 2]);
    }
}

#[test]
fn without_dropout_means_none_and_with_it_training_drops() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let inputs = || BertInputs {
            input_ids: Tensor::from_data([[2, 7, 28, 3]], &device),
            attention_mask: None,
            token_type_ids: Tensor::zeros([1, 4], &device),
        };
        let run = |config: &BertConfig| {
            let model = BertModel::new(config, &mut Init::new(3, 0.3, &device));
            let values = model.forward(inputs()).inner();
            values.try_into_vec_as::<f32>().unwrap()
        };
        let still = config().without_dropout();
        assert_eq!(run(&still), run(&still), "{name}");
        assert_ne!(run(&config()), run(&still), "{name}");
    }
}

#[test]
fn texts_are_answered_in_padded_batches_as_each_alone() {
    let folder = folder(&first_device());
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\n";
    std::fs::write(folder.path().join("vocab.txt"), words).unwrap();
    let texts = [
        "[MASK]",
        "the [MASK] sat [MASK]",
        "cat [MASK]",
        "sat the [MASK] cat",
    ];
    for on in devices() {
        check_fill_mask::<BertForMaskedLm>(folder.path(), &texts, &on);
        let texts = ["the", "the cat sat the cat", "", "cat sat"];
        check_embed::<BertModel>(folder.path(), &texts, &on);
    }
}
