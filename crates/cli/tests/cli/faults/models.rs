//! Model folders whose weights or config.json are damaged.

use std::fs;
use std::path::Path;

use super::{CONFIG, change, checkpoint, copy_again, folder, folder_with_run, pretrain};
use crate::command::{kiln, kiln_with};

/// What a command that opens the folder `model` says.
#[track_caller]
fn refusal(folder: &Path) -> String {
    let arguments = ["predict", "fill-mask", "--model", "model", "the [MASK]"];
    kiln_with(folder, &arguments, "").error(1)
}

#[test]
fn weights_that_were_cut_are_refused_wherever_the_cut_is() {
    let folder = folder_with_run();
    let folder = folder.path();
    let whole = checkpoint(&folder.join("run"), 6);
    let weights = folder.join("model/model.safetensors");
    let length = fs::metadata(whole.join("model.safetensors")).unwrap().len() as usize;
    // Inside the header's length, behind it, in the header, in the tensors, and of the last byte.
    for cut in [0, 7, 8, 9, 1000, length / 2, length - 1] {
        copy_again(&whole, &folder.join("model"));
        change(&weights, |bytes| bytes.truncate(cut));
        let line = refusal(folder);
        assert!(line.contains("model/model.safetensors: "), "{cut}: {line}");
        assert!(
            line.contains("truncated or damaged, copy or download it again"),
            "{cut}: {line}"
        );
    }
    let done = kiln(folder, &pretrain("--corpus text.txt --init-from model"));
    let line = done.error(1);
    assert!(line.contains("model.safetensors: "), "{line}");
    assert!(!folder.join("new").exists());
}

#[test]
fn a_flipped_bit_in_the_header_of_the_weights_is_found() {
    let folder = folder_with_run();
    let folder = folder.path();
    let whole = checkpoint(&folder.join("run"), 6);
    let weights = folder.join("model/model.safetensors");
    let bytes = fs::read(whole.join("model.safetensors")).unwrap();
    let place_of = |text: &[u8]| bytes.windows(text.len()).position(|window| window == text);
    let name = place_of(b"bert.embeddings.LayerNorm.bias").unwrap();
    let offsets = place_of(b"data_offsets\":[").unwrap() + b"data_offsets\":[".len();
    let dtype = place_of(b"F32").unwrap();
    // The header's length (low and high byte), its first brace, a name, a type, an offset.
    for (at, expected) in [
        (0, "faulty header"),
        (7, "the header claims"),
        (8, "faulty header"),
        (name, "bert.embeddings.LayerNorm.bias"),
        (dtype, "faulty header"),
        (offsets, "faulty header"),
    ] {
        copy_again(&whole, &folder.join("model"));
        change(&weights, |bytes| bytes[at] ^= 0x10);
        let line = refusal(folder);
        assert!(line.contains("model/model.safetensors: "), "{at}: {line}");
        assert!(line.contains(expected), "{at}: {line}");
    }
}

#[test]
fn a_folder_without_weights_names_the_files_that_would_do() {
    let folder = folder_with_run();
    let folder = folder.path();
    copy_again(&checkpoint(&folder.join("run"), 6), &folder.join("model"));
    fs::remove_file(folder.join("model/model.safetensors")).unwrap();
    let line = refusal(folder);
    assert!(
        line.contains("model: holds none of model.safetensors"),
        "{line}"
    );
}

/// A config.json, and what is said of it.
const CONFIGS: [(&str, &str); 9] = [
    (
        "{\"model_type\": \"bert\",\n \"hidden_size\": 16,}",
        "not valid JSON (trailing comma at line 2",
    ),
    ("[]", "not valid JSON"),
    (
        r#"{"model_type": "bert", "hidden_size": "many"}"#,
        "hidden_size: invalid type: string \"many\"",
    ),
    (
        r#"{"model_type": "bert", "num_hidden_layers": -3}"#,
        "num_hidden_layers: invalid value: integer `-3`",
    ),
    (
        r#"{"model_type": "bert", "hidden_size": 1.5}"#,
        "hidden_size: invalid type: floating point `1.5`",
    ),
    (
        r#"{"model_type": "bert", "hidden_act": "swish2"}"#,
        "hidden_act: activation \"swish2\" is not supported; supported are gelu",
    ),
    (
        r#"{"model_type": "bert", "position_embedding_type": "relative_key"}"#,
        "position_embedding_type: \"relative_key\", only \"absolute\" is supported",
    ),
    (
        r#"{"model_type": "bert", "num_attention_heads": 7}"#,
        "num_attention_heads: 7, choose a divisor of hidden_size (768)",
    ),
    (
        r#"{"model_type": "bert", "layer_norm_eps": 0}"#,
        "layer_norm_eps: 0.0, choose a number above 0",
    ),
];

#[test]
fn a_bad_config_of_a_model_is_refused_by_file_and_field() {
    let folder = folder_with_run();
    let folder = folder.path();
    copy_again(&checkpoint(&folder.join("run"), 6), &folder.join("model"));
    for (config, expected) in CONFIGS {
        fs::write(folder.join("model/config.json"), config).unwrap();
        let line = refusal(folder);
        assert!(line.contains("model/config.json: "), "{config}: {line}");
        assert!(line.contains(expected), "{config}: {line}");
    }
    let done = kiln(folder, &pretrain("--corpus text.txt --init-from model"));
    let line = done.error(1);
    assert!(
        line.contains("model/config.json: layer_norm_eps: "),
        "{line}"
    );
    assert!(!folder.join("new").exists());
    // Another size than the weights': found before anything of that size is made.
    fs::write(
        folder.join("model/config.json"),
        CONFIG.replace("\"hidden_size\": 16", "\"hidden_size\": 32"),
    )
    .unwrap();
    let line = refusal(folder);
    assert!(
        line.contains("model/model.safetensors: embeddings.word_embeddings.weight has shape"),
        "{line}"
    );
}

#[test]
fn a_bad_config_for_a_new_model_is_refused_by_file_and_field_before_any_work() {
    let folder = folder();
    let folder = folder.path();
    for (config, expected) in CONFIGS {
        fs::write(folder.join("bad.json"), config).unwrap();
        let line = kiln(folder, &pretrain("--corpus text.txt --config bad.json")).error(1);
        assert!(line.contains("error: bad.json: "), "{config}: {line}");
        assert!(line.contains(expected), "{config}: {line}");
        assert!(!folder.join("new").exists(), "{config}");
        assert!(!folder.join("cache").exists(), "{config}");
    }
}
