//! What a forward pass answers to inputs that do not fit, and what must not change it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::module::Module;
use burn::tensor::{Device, TensorData};
use kiln_checkpoint::ModelFile;
use kiln_nn::Init;
use kiln_roberta::{Preset, RobertaConfig, RobertaForMaskedLm, RobertaModel};
use kiln_tasks::Family;
use kiln_tasks::architecture::{ForwardRequest, Output};
use kiln_tasks::class::{Class, Encoder};
use kiln_tasks::family::write_folder;
use kiln_tasks::forward::forward;
use kiln_testing::{Bound, assert_close, check_embed, check_fill_mask, devices};
use kiln_text::tokenizer::{ByteBpeLayout, ByteBpeSettings, train_byte_bpe_on_texts};

/// Ten tokens at most, of 300 words.
fn config() -> RobertaConfig {
    let tiny = Preset::by_name("tiny").unwrap().config(300);
    RobertaConfig {
        hidden_size: 12,
        num_attention_heads: 3,
        intermediate_size: 17,
        max_position_embeddings: 12,
        ..tiny
    }
}

fn folder(device: &Device) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = config().for_inference();
    let model = RobertaForMaskedLm::new(&config, &mut Init::new(3, 0.3, device));
    write_folder(&model, &config, folder.path()).unwrap();
    folder
}

fn run(folder: &tempfile::TempDir, ids: &[i64], device: &Device) -> Result<Vec<f32>, String> {
    let mask: Vec<i64> = ids.iter().map(|&id| i64::from(id != 1)).collect();
    let row = |values: &[i64]| TensorData::new(values.to_vec(), [1, values.len()]);
    let inputs = [("input_ids", row(ids)), ("attention_mask", row(&mask))];
    let request = ForwardRequest {
        model: folder.path().to_owned(),
        inputs: inputs.map(|(name, data)| (name.to_owned(), data)).into(),
        task: None,
        gradients: false,
        device: device.clone(),
        warn: |_| {},
    };
    let outputs = forward::<RobertaConfig>(&request).map_err(|error| error.to_string())?;
    let logits = |output: &Output| output.name == "logits";
    let logits = outputs.into_iter().find(logits).unwrap();
    Ok(logits.data.try_to_vec().unwrap())
}

#[test]
fn padding_anywhere_changes_no_logit_of_a_real_token() {
    for (name, device) in devices() {
        let folder = folder(&device);
        let alone = run(&folder, &[0, 7, 28, 3, 2], &device).unwrap();
        for (what, ids) in [
            ("behind", [0, 7, 28, 3, 2, 1, 1, 1]),
            ("before", [1, 1, 1, 0, 7, 28, 3, 2]),
            ("within", [0, 7, 1, 1, 28, 3, 1, 2]),
        ] {
            let logits = run(&folder, &ids, &device).unwrap();
            let rows = logits.chunks(300).zip(ids);
            let real: Vec<f32> = rows
                .filter(|(_, id)| *id != 1)
                .flat_map(|(row, _)| row.to_vec())
                .collect();
            assert_close(what, &real, &alone, Bound::Output, &name);
        }
        // Positions count for something.
        let other = run(&folder, &[0, 7, 3, 28, 2], &device).unwrap();
        assert!((other[0] - alone[0]).abs() > 1e-3, "{name}");
    }
}

#[test]
fn the_longest_sequence_is_what_positions_are_left_for() {
    let device = devices().remove(0).1;
    let folder = folder(&device);
    assert!(run(&folder, &[5; 10], &device).is_ok());
    let error = run(&folder, &[5; 11], &device).unwrap_err();
    assert_eq!(
        error,
        "input_ids: 11 tokens, max_position_embeddings is 12, of which the first 2 are no token's; \
         shorten them"
    );
}

#[test]
fn a_written_folder_gives_the_same_model_to_the_last_bit() {
    let device = devices().remove(0).1;
    let folder = folder(&device);
    let config = RobertaConfig::open(folder.path()).unwrap();
    assert_eq!(
        config.architectures.as_deref().unwrap(),
        ["RobertaForMaskedLM"]
    );
    let file = ModelFile::open(folder.path()).unwrap();
    config.check_sizes(&file).unwrap();
    let empty = RobertaForMaskedLm::for_file(&config, &file, &mut Init::zeros(&device)).unwrap();
    let read = RobertaConfig::open_complete(empty, folder.path()).unwrap();
    let again = tempfile::tempdir().unwrap();
    write_folder(&read, &config, again.path()).unwrap();
    for file in ["config.json", "model.safetensors"] {
        let read = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(file)).unwrap();
        assert_eq!(read(&folder), read(&again), "{file}");
    }
}

#[test]
fn presets_have_the_published_numbers_of_parameters() {
    // Counted on transformers' RobertaModel, with its pooler, and RobertaForMaskedLM.
    for (name, vocab_size, encoder, masked_lm) in [
        ("tiny", 50_265, 6_913_152, 6_963_673),
        ("base", 50_265, 124_645_632, 124_697_433),
        ("large", 50_265, 355_359_744, 355_412_057),
    ] {
        let config = Preset::by_name(name).unwrap().config(vocab_size);
        assert_eq!(config.validate(), Ok(()), "{name}");
        assert_eq!(config.sizes().longest(), 512, "{name}");
        assert_eq!(config.encoder_parameters(), encoder, "{name}");
        if name == "tiny" {
            let init = &mut Init::zeros(&devices().remove(0).1);
            let model = RobertaForMaskedLm::new(&config, init);
            assert_eq!(Module::num_params(&model), masked_lm);
        }
    }
}

#[test]
fn without_dropout_means_none_and_with_it_training_drops() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let run = |config: &RobertaConfig| {
            let model = RobertaModel::draw(config, &mut Init::new(3, 0.3, &device));
            let inputs = kiln_nn::EncoderInputs {
                input_ids: burn::tensor::Tensor::from_data([[0, 7, 28, 2]], &device),
                attention_mask: None,
                token_type_ids: burn::tensor::Tensor::zeros([1, 4], &device),
            };
            let values = model.outputs(inputs).encoded.hidden_states.inner();
            values.try_into_vec_as::<f32>().unwrap()
        };
        let still = config().for_inference();
        assert_eq!(run(&still), run(&still), "{name}");
        assert_ne!(run(&config()), run(&still), "{name}");
    }
}

#[test]
fn texts_are_answered_in_padded_batches_as_each_alone() {
    let folder = folder(&devices().remove(0).1);
    let settings = ByteBpeSettings {
        vocab_size: 300,
        layout: ByteBpeLayout::Roberta,
        ..ByteBpeSettings::default()
    };
    let tokenizer = train_byte_bpe_on_texts(["the cat sat the cat sat"], &settings).unwrap();
    tokenizer.save(folder.path()).unwrap();
    let texts = [
        "<mask>",
        "the <mask> sat <mask>",
        "cat <mask>",
        "sat the<mask> cat",
    ];
    for on in devices() {
        check_fill_mask::<RobertaForMaskedLm>(folder.path(), &texts, &on);
        let texts = ["the", "the cat sat", "", "cat sat"];
        check_embed::<RobertaModel>(folder.path(), &texts, &on);
    }
}
