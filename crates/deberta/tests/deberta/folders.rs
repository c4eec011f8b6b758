//! Folders in every form in which published DeBERTas stand, in and out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use crate::common::{config, masked_lm, v1, v2_conv, v3};
use burn::tensor::{Device, TensorData};
use kiln_checkpoint::{ModelFile, NamedTensor, module_tensors, write_model};
use kiln_deberta::names::NAMES;
use kiln_deberta::{
    DebertaConfig, DebertaForMaskedLm, DebertaForPreTraining, DebertaModel, MaskedLmForm,
    masked_lm_form, write_masked_lm,
};
use kiln_nn::Init;
use kiln_tasks::architecture::ForwardRequest;
use kiln_tasks::family::write_folder;
use kiln_tasks::forward::forward;
use kiln_tasks::{Family, Predictor};
use kiln_testing::{
    Bound, Fixture, Named, assert_close, cases, check_embed, check_fill_mask,
    check_replaced_tokens, devices, fixtures_dir, named, request,
};

fn first_device() -> Device {
    devices().remove(0).1
}

fn fixture(name: &str) -> Fixture {
    Fixture::open(&fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR")).join(name))
}

/// A folder with this configuration and these weights.
fn write(folder: &Path, config: &serde_json::Value, tensors: &[NamedTensor]) {
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    write_model(folder, tensors, None).unwrap();
}

fn tensors(fixture: &Fixture) -> Vec<NamedTensor> {
    let tensors = fixture.model().into_iter();
    tensors
        .map(|(name, tensor)| NamedTensor {
            name,
            shape: tensor.shape.clone(),
            data: tensor.floats().to_vec(),
        })
        .collect()
}

/// What the case's inputs give in another folder.
fn run(fixture: &Fixture, folder: &Path, task: Option<&str>) -> Named {
    let request = ForwardRequest {
        model: folder.to_owned(),
        task: task.map(str::to_owned),
        ..request(fixture, &first_device())
    };
    named(forward::<DebertaConfig>(&request).unwrap())
}

/// A request with these ids alone.
fn ask(folder: &Path, ids: Vec<i64>, task: &str) -> Result<Named, String> {
    let length = ids.len();
    let request = ForwardRequest {
        model: folder.to_owned(),
        inputs: [("input_ids".to_owned(), TensorData::new(ids, [1, length]))].into(),
        task: Some(task.to_owned()),
        gradients: false,
        device: first_device(),
        warn: |_| {},
    };
    forward::<DebertaConfig>(&request)
        .map(named)
        .map_err(|error| error.to_string())
}

#[test]
fn a_model_written_is_the_model_read() {
    let device = first_device();
    for config in [v3(), v1(), v2_conv()] {
        for form in [
            MaskedLmForm::Legacy,
            MaskedLmForm::Plain,
            MaskedLmForm::Enhanced,
        ] {
            let model = masked_lm(&config, form, &device);
            let folder = tempfile::tempdir().unwrap();
            write_masked_lm(&model, &config, folder.path()).unwrap();
            let read_config = DebertaConfig::open(folder.path()).unwrap();
            assert_eq!(read_config.legacy, form == MaskedLmForm::Legacy);
            let expected = DebertaConfig {
                legacy: read_config.legacy,
                architectures: read_config.architectures.clone(),
                ..config.clone()
            };
            assert_eq!(read_config, expected);

            let file = ModelFile::open(folder.path()).unwrap();
            assert_eq!(masked_lm_form(&read_config, &file).unwrap(), form);
            let fresh = DebertaForMaskedLm::new(&config, form, &mut Init::zeros(&device));
            let (read, report) = DebertaConfig::open_weights(fresh, &file).unwrap();
            report.require_complete(folder.path()).unwrap();
            let all = |model| module_tensors(model, &NAMES).unwrap();
            assert_eq!(all(&read), all(&model), "{form:?}");
        }
    }
}

/// Every file of the reference, whose names and shapes are those of transformers.
#[test]
fn the_references_files_have_a_place_for_each_tensor_and_come_back_byte_for_byte() {
    for folder in cases("deberta", env!("CARGO_MANIFEST_DIR")) {
        let fixture = Fixture::open(&folder);
        if fixture
            .class()
            .is_some_and(|class| class.ends_with("MaskedLM"))
        {
            let config = DebertaConfig::open(&folder).unwrap();
            let file = ModelFile::open(&folder).unwrap();
            let form = masked_lm_form(&config, &file).unwrap();
            let expected = match fixture.name.as_str() {
                name if name.starts_with("enhanced") => MaskedLmForm::Enhanced,
                "masked_lm_plain" => MaskedLmForm::Plain,
                _ => MaskedLmForm::Legacy,
            };
            assert_eq!(form, expected, "{}", fixture.name);
            let fresh = DebertaForMaskedLm::new(&config, form, &mut Init::zeros(&first_device()));
            let (model, report) = DebertaConfig::open_weights(fresh, &file).unwrap();
            report.require_complete(&folder).unwrap();
            let written = tempfile::tempdir().unwrap();
            write_masked_lm(&model, &config, written.path()).unwrap();
            let bytes = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
            assert_eq!(bytes(written.path()), bytes(&folder), "{}", fixture.name);
            let json = |folder: &Path| -> serde_json::Value {
                let text = std::fs::read(folder.join("config.json")).unwrap();
                serde_json::from_slice(&text).unwrap()
            };
            assert_eq!(json(written.path()), json(&folder), "{}", fixture.name);
        }
    }
}

/// v1's first releases call the encoder `bert`.
#[test]
fn the_first_releases_names_are_known() {
    let fixture = fixture("v1_masked_lm");
    let renamed: Vec<NamedTensor> = tensors(&fixture)
        .into_iter()
        .map(|tensor| NamedTensor {
            name: tensor.name.replacen("deberta.", "bert.", 1),
            ..tensor
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &fixture.config, &renamed);
    let (found, expected) = (
        run(&fixture, folder.path(), None),
        run(&fixture, &fixture.folder, None),
    );
    assert_eq!(found["logits"], expected["logits"]);
    assert_eq!(found["loss"], expected["loss"]);
    // The encoder alone, from the same file.
    let ids = vec![2, 7, 3];
    let encoder = |folder: &Path| ask(folder, ids.clone(), "embed").unwrap();
    assert_eq!(encoder(folder.path()), encoder(&fixture.folder));
}

/// A published v3 discriminator holds the tables in two forms, the generator's head and its own.
#[test]
fn a_file_of_the_original_serves_every_task_it_has_a_head_for() {
    let (generator, discriminator) = (fixture("enhanced"), fixture("discriminator"));
    // Two layers of three: all that the discriminator's configuration has.
    let mut all: Vec<NamedTensor> = tensors(&generator)
        .into_iter()
        .filter(|tensor| !tensor.name.contains("layer.2."))
        .collect();
    let own = tensors(&discriminator).into_iter();
    all.extend(own.filter(|tensor| tensor.name.starts_with("mask_predictions.")));
    for table in ["word_embeddings", "position_embeddings"] {
        let name = format!("deberta.embeddings.{table}.weight");
        let whole = all.iter().find(|tensor| tensor.name == name).unwrap();
        let delta = NamedTensor {
            name: format!("deberta.embeddings.{table}._weight"),
            ..whole.clone()
        };
        all.push(delta);
    }
    let mut config = discriminator.config.clone();
    // As in the hub's files: no classes, and `legacy` left at its default.
    let fields = config.as_object_mut().unwrap();
    fields.remove("architectures");
    fields.remove("legacy");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &config, &all);

    let config = DebertaConfig::open(folder.path()).unwrap();
    let file = ModelFile::open(folder.path()).unwrap();
    assert_eq!(
        masked_lm_form(&config, &file).unwrap(),
        MaskedLmForm::Enhanced
    );
    let device = first_device();
    let init = &mut Init::zeros(&device);
    let (_, head) =
        DebertaConfig::open_weights(DebertaForPreTraining::new(&config, init), &file).unwrap();
    head.require_complete(folder.path()).unwrap();
    let (_, bare) = DebertaConfig::open_weights(DebertaModel::new(&config, init), &file).unwrap();
    bare.require_complete(folder.path()).unwrap();

    for (task, output) in [
        ("embed", "last_hidden_state"),
        ("fill-mask", "logits"),
        ("replaced-tokens", "logits"),
    ] {
        assert!(
            ask(folder.path(), vec![2, 7, 3], task)
                .unwrap()
                .contains_key(output)
        );
    }
    let error = ask(folder.path(), vec![2, 7, 3], "tag").unwrap_err();
    assert!(error.contains("classifier.weight"), "{error}");
}

/// Replacements are made by the one, found by the other.
#[test]
fn of_a_pair_each_half_serves_its_own_task() {
    let (generator, discriminator) = (fixture("enhanced"), fixture("discriminator"));
    let folder = tempfile::tempdir().unwrap();
    for (half, fixture) in [("generator", &generator), ("discriminator", &discriminator)] {
        let half = folder.path().join(half);
        std::fs::create_dir(&half).unwrap();
        write(&half, &fixture.config, &tensors(fixture));
    }
    for (fixture, task) in [
        (&generator, "fill-mask"),
        (&discriminator, "replaced-tokens"),
    ] {
        let expected = run(fixture, &fixture.folder, None);
        assert_eq!(run(fixture, folder.path(), Some(task)), expected, "{task}");
    }
}

/// v1's attention in v2's layout, as the original converts it: keys have no bias, position keys
/// neither.
#[test]
fn v1_in_v2s_layout_gives_the_same_and_a_key_bias_would_not() {
    let fixture = fixture("v1_both");
    let hidden_size = 18;
    let (heads, head_size) = (3, 6);
    let converted = |key_bias: f32| {
        let mut all = Vec::new();
        for tensor in tensors(&fixture) {
            let Some((layer, name)) = tensor.name.split_once("attention.self.") else {
                all.push(tensor);
                continue;
            };
            let mut add = |name: &str, shape: &[usize], data: Vec<f32>| {
                all.push(NamedTensor {
                    name: format!("{layer}attention.self.{name}"),
                    shape: shape.to_vec(),
                    data,
                });
            };
            let (square, row) = ([hidden_size, hidden_size], [hidden_size]);
            match name {
                "in_proj.weight" => {
                    // Head by head: its queries', its keys', its values' rows.
                    let block = head_size * hidden_size;
                    let third = |index: usize| -> Vec<f32> {
                        let starts = (0..heads).map(|head| (3 * head + index) * block);
                        let blocks = starts.map(|start| tensor.data[start..start + block].to_vec());
                        blocks.flatten().collect()
                    };
                    add("query_proj.weight", &square, third(0));
                    add("key_proj.weight", &square, third(1));
                    add("value_proj.weight", &square, third(2));
                    add("key_proj.bias", &row, vec![key_bias; hidden_size]);
                }
                "q_bias" => add("query_proj.bias", &row, tensor.data),
                "v_bias" => add("value_proj.bias", &row, tensor.data),
                "pos_proj.weight" => {
                    add("pos_key_proj.weight", &square, tensor.data);
                    add("pos_key_proj.bias", &row, vec![0.0; hidden_size]);
                }
                "pos_q_proj.weight" => add("pos_query_proj.weight", &square, tensor.data),
                "pos_q_proj.bias" => add("pos_query_proj.bias", &row, tensor.data),
                other => panic!("{other}"),
            }
        }
        let mut config = fixture.config.clone();
        config["model_type"] = "deberta-v2".into();
        config["architectures"] = serde_json::json!(["DebertaV2Model"]);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &config, &all);
        run(&fixture, folder.path(), None)
    };
    let expected = run(&fixture, &fixture.folder, None);
    let (name, _) = devices().remove(0);
    let hidden_states = |named: &Named| named["last_hidden_state"].1.clone();
    assert_close(
        "v1 in v2's layout",
        &hidden_states(&converted(0.0)),
        &hidden_states(&expected),
        Bound::Output,
        &name,
    );
    let with_bias = hidden_states(&converted(1.0));
    let expected = hidden_states(&expected);
    let largest = with_bias.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    assert!(largest.fold(0.0, f32::max) > 1e-2);
}

#[test]
fn positions_limit_a_length_only_where_there_are_some() {
    let device = first_device();
    for (form, is_limited) in [(MaskedLmForm::Plain, false), (MaskedLmForm::Enhanced, true)] {
        let folder = tempfile::tempdir().unwrap();
        write_masked_lm(&masked_lm(&v3(), form, &device), &v3(), folder.path()).unwrap();
        assert!(ask(folder.path(), vec![5; 16], "fill-mask").is_ok());
        let long = ask(folder.path(), vec![5; 17], "fill-mask");
        assert_eq!(long.is_err(), is_limited, "{form:?}");
    }
}

#[test]
fn a_file_that_does_not_fit_is_named_before_anything_is_made() {
    let device = first_device();
    let folder = tempfile::tempdir().unwrap();
    let model = masked_lm(&v3(), MaskedLmForm::Enhanced, &device);
    for (field, value, named) in [
        ("vocab_size", 1_000_000_000, "word_embeddings"),
        ("num_hidden_layers", 3, "encoder.layer.2"),
        ("intermediate_size", 18, "intermediate.dense"),
        ("position_buckets", 6, "rel_embeddings"),
        ("max_position_embeddings", 17, "position_embeddings"),
    ] {
        write_masked_lm(&model, &v3(), folder.path()).unwrap();
        let path = folder.path().join("config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut fields: serde_json::Value = serde_json::from_str(&text).unwrap();
        fields[field] = value.into();
        std::fs::write(&path, fields.to_string()).unwrap();
        let error = ask(folder.path(), vec![2, 7, 3], "fill-mask").unwrap_err();
        assert!(error.contains(named), "{field}: {error}");
    }
    let narrow = config(r#""embedding_size":8"#);
    let model = masked_lm(&narrow, MaskedLmForm::Enhanced, &device);
    write_masked_lm(&model, &narrow, folder.path()).unwrap();
    let error = ask(folder.path(), vec![2, 7, 3], "fill-mask").unwrap_err();
    assert!(
        error.contains("embedding_size: 8, the enhanced mask"),
        "{error}"
    );
}

/// The decoder where the checkpoint has one: probabilities of the same logits as `forward`'s.
#[test]
fn masks_are_filled_by_the_logits_of_the_checkpoints_own_kind() {
    let device = first_device();
    let mut filled = Vec::new();
    for form in [MaskedLmForm::Plain, MaskedLmForm::Enhanced] {
        let folder = tempfile::tempdir().unwrap();
        let config = DebertaConfig {
            vocab_size: 8,
            ..v3()
        };
        write_masked_lm(&masked_lm(&config, form, &device), &config, folder.path()).unwrap();
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\n";
        std::fs::write(folder.path().join("vocab.txt"), words).unwrap();
        // Not the tokenizer that the model's class is published with.
        let class = r#"{"tokenizer_class": "BertTokenizer"}"#;
        std::fs::write(folder.path().join("tokenizer_config.json"), class).unwrap();

        let filler = Predictor::<DebertaForMaskedLm>::open(folder.path(), &device).unwrap();
        let fillings = filler
            .fill_mask(&["the [MASK] sat [MASK]"], 8)
            .unwrap()
            .remove(0);
        let logits = &ask(folder.path(), vec![2, 5, 4, 7, 4, 3], "fill-mask").unwrap()["logits"].1;
        for filling in &fillings {
            let row = logits.chunks(8).nth(filling.position).unwrap();
            let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
            for candidate in &filling.candidates {
                let expected = f64::from(row[candidate.id as usize]).exp() / sum;
                assert!((candidate.score - expected).abs() < 1e-5, "{form:?}");
            }
        }
        assert_eq!(
            fillings.iter().map(|f| f.position).collect::<Vec<_>>(),
            [2, 4]
        );
        filled.push(fillings);
        for on in devices() {
            let texts = [
                "[MASK]",
                "the [MASK] sat [MASK]",
                "cat [MASK]",
                "sat the [MASK] cat",
            ];
            check_fill_mask::<DebertaForMaskedLm>(folder.path(), &texts, &on);
        }
    }
    assert_ne!(filled[0], filled[1]);
}

#[test]
fn texts_are_scored_in_padded_batches_as_each_alone() {
    let folder = tempfile::tempdir().unwrap();
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\ncat\nsat\n";
    std::fs::write(folder.path().join("vocab.txt"), words).unwrap();
    let class = r#"{"tokenizer_class": "BertTokenizer"}"#;
    std::fs::write(folder.path().join("tokenizer_config.json"), class).unwrap();
    for config in [v1(), v2_conv(), v3()] {
        let config = DebertaConfig {
            vocab_size: 8,
            ..config
        };
        let model = DebertaForPreTraining::new(&config, &mut Init::new(3, 0.3, &first_device()));
        write_folder(&model, &config, folder.path()).unwrap();
        let texts = ["the", "the cat sat the cat", "", "cat sat"];
        for on in devices() {
            check_replaced_tokens::<DebertaForPreTraining>(folder.path(), &texts, &on);
            check_embed::<DebertaModel>(folder.path(), &texts, &on);
        }
    }
}
