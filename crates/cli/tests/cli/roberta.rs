//! RoBERTa through every command: tokenizer, pretraining, resuming, starting from a model, filling
//! masks, a forward pass; what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::command::{kiln, kiln_with, read_json, write_corpus};

const CONFIG: &str = r#"{"model_type": "roberta", "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 34,
    "type_vocab_size": 1, "layer_norm_eps": 1e-5}"#;

const SMALL: &str = "--steps 6 --batch-size 4 --seq-len 32 --log-every 2 --lr 1e-3 --held-out 0.2";

/// The last checkpoint of a run.
const STEP: &str = "checkpoints/step-00000006";

/// A folder with `text.txt`, `roberta.json` and the tokenizer `tok`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    fs::write(folder.path().join("roberta.json"), CONFIG).unwrap();
    kiln(
        folder.path(),
        "tokenizer train --arch roberta --corpus text.txt --vocab-size 280 --output tok",
    )
    .ok();
    folder
}

fn pretrain(folder: &Path, output: &str, flags: &str) -> String {
    // A model to start from brings its config and its tokenizer.
    let from = if flags.contains("--init-from") {
        ""
    } else {
        "--tokenizer tok --config roberta.json"
    };
    let command =
        format!("pretrain roberta --corpus text.txt {from} --output {output} {SMALL} {flags}");
    kiln(folder, &command).ok()
}

/// The weights of a folder, and the names in them.
fn weights(folder: &Path) -> (Vec<u8>, Vec<String>) {
    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    names.sort();
    (bytes, names)
}

#[test]
fn raw_text_becomes_a_roberta_that_fills_masks() {
    let folder = folder();
    let folder = folder.path();
    let stdout = pretrain(folder, "run", "");
    for expected in [
        "(done, 6 of 6 steps)",
        "mlm_loss",
        "<mask>",
        "kiln predict fill-mask",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
    let settings = read_json(&folder.join("run/config.json"));
    assert_eq!(settings["architecture"], "roberta");
    let objective = &settings["objective"];
    assert_eq!(objective["kind"], "masked-lm");
    assert_eq!(objective["examples"]["kind"], "packed");
    assert_eq!(objective["masking"]["mask_share"], 0.8);
    assert!(objective["next_sentence"].is_null());

    let checkpoint = folder.join("run").join(STEP);
    for file in ["vocab.json", "merges.txt", "tokenizer.json"] {
        assert!(checkpoint.join(file).is_file(), "{file}");
    }
    let tokenizer = read_json(&checkpoint.join("tokenizer_config.json"));
    assert_eq!(tokenizer["tokenizer_class"], "RobertaTokenizer");
    let vocabulary = read_json(&checkpoint.join("vocab.json"));
    for (id, token) in ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        .iter()
        .enumerate()
    {
        assert_eq!(vocabulary[token], id, "{token}");
    }
    let config = read_json(&checkpoint.join("config.json"));
    assert_eq!(config["architectures"][0], "RobertaForMaskedLM");
    assert_eq!(config["model_type"], "roberta");
    assert_eq!(config["pad_token_id"], 1);
    let (_, names) = weights(&checkpoint);
    // The tables and their norm, 16 a layer, the head's five; the words' matrix is tied.
    assert_eq!(names.len(), 5 + 2 * 16 + 5);
    assert!(names.contains(&"lm_head.layer_norm.weight".to_owned()));

    let mut arguments: Vec<&str> = "predict fill-mask --model run --json".split(' ').collect();
    arguments.push("the <mask> slowly <mask> the clay.");
    let filled = kiln_with(folder, &arguments, "").json();
    assert_eq!(filled["masks"].as_array().unwrap().len(), 2);
    // [MASK] is no mask here.
    arguments.pop();
    arguments.push("the [MASK]");
    let line = kiln_with(folder, &arguments, "").error(2);
    assert!(line.contains("write <mask> where a word"), "{line}");
    forward(folder);
}

/// All outputs and gradients of a padded batch.
fn forward(folder: &Path) {
    let le = |values: &[i64]| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        bytes.collect::<Vec<u8>>()
    };
    let ids = le(&[0, 31, 4, 40, 2, 1, 1, 0, 26, 4]);
    let mask = le(&[1, 1, 1, 1, 1, 0, 0, 1, 1, 1]);
    let labels = le(&[-100, -100, 22, -100, -100, -100, -100, -100, -100, 33]);
    let view = |bytes| TensorView::new(Dtype::I64, vec![2, 5], bytes).unwrap();
    let inputs = BTreeMap::from([
        ("input_ids".to_owned(), view(&ids)),
        ("attention_mask".to_owned(), view(&mask)),
        ("labels".to_owned(), view(&labels)),
    ]);
    let bytes = safetensors::serialize(inputs.iter(), None).unwrap();
    fs::write(folder.join("x.safetensors"), bytes).unwrap();
    kiln(
        folder,
        "forward --model run --inputs x.safetensors --outputs y.safetensors --grad",
    )
    .ok();
    let outputs = fs::read(folder.join("y.safetensors")).unwrap();
    let outputs = SafeTensors::deserialize(&outputs).unwrap();
    assert_eq!(outputs.tensor("logits").unwrap().shape()[..2], [2, 5]);
    let positions = "grad.roberta.embeddings.position_embeddings.weight";
    let positions = outputs.tensor(positions).unwrap();
    assert_eq!(positions.shape(), [34, 32]);
    // Five tokens have the rows behind padding's, which gets no gradient.
    let rows: Vec<bool> = positions
        .data()
        .chunks(32 * 4)
        .map(|row| row.iter().any(|&byte| byte != 0))
        .collect();
    assert_eq!(rows[..2], [false, false]);
    assert_eq!(rows[2..7], [true; 5]);
    assert!(!rows[7..].contains(&true));
}

#[test]
fn a_run_goes_on_from_a_checkpoint_to_the_last_bit_and_others_start_from_it() {
    let folder = folder();
    let folder = folder.path();
    pretrain(folder, "run", "--save-every 3 --keep-last 9");
    let (straight, names) = weights(&folder.join("run").join(STEP));
    kiln(folder, "resume run --from-step 3").ok();
    let (resumed, _) = weights(&folder.join("run").join(STEP));
    assert!(resumed == straight, "not the same bits");

    // A folder as Hugging Face had them years ago: other names for LayerNorm, a buffer, no head.
    let old = folder.join("old");
    fs::create_dir(&old).unwrap();
    for file in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
        fs::copy(folder.join("run").join(STEP).join(file), old.join(file)).unwrap();
    }
    fs::copy(
        folder.join("run").join(STEP).join("config.json"),
        old.join("config.json"),
    )
    .unwrap();
    let file = SafeTensors::deserialize(&straight).unwrap();
    let places: Vec<u8> = (0..34i64).flat_map(i64::to_le_bytes).collect();
    let mut tensors = BTreeMap::from([(
        "roberta.embeddings.position_ids".to_owned(),
        TensorView::new(Dtype::I64, vec![1, 34], &places).unwrap(),
    )]);
    for name in names.iter().filter(|name| name.starts_with("roberta.")) {
        let before = name
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        tensors.insert(before, file.tensor(name).unwrap());
    }
    let bytes = safetensors::serialize(tensors.iter(), None).unwrap();
    fs::write(old.join("model.safetensors"), bytes).unwrap();
    let command =
        format!("pretrain roberta --corpus text.txt --init-from old --output two {SMALL}");
    let done = kiln(folder, &command);
    let stderr = done.stderr.clone();
    done.ok();
    assert!(stderr.contains("freshly initialised, not in"), "{stderr}");
    assert!(stderr.contains("lm_head.dense.weight"), "{stderr}");
    assert!(!stderr.contains("position_ids"), "{stderr}");
    assert!(!stderr.contains("LayerNorm"), "{stderr}");
}

#[test]
fn what_can_not_be_trained_is_refused_in_one_line() {
    let folder = folder();
    let folder = folder.path();
    for (flags, expected) in [
        ("--seq-len 33", "seq_len = 33: the model has 32 positions"),
        (
            "--examples segments",
            "type_vocab_size = 1: segments need two segment types",
        ),
        ("--examples pairs", "type_vocab_size = 1"),
        (
            "--no-next-sentence",
            "--no-next-sentence: roberta has no such option",
        ),
        ("--share none", "--share: roberta has no such option"),
    ] {
        let command = format!(
            "pretrain roberta --corpus text.txt --tokenizer tok --config roberta.json --output out \
             {flags}"
        );
        let line = kiln(folder, &command).error(2);
        assert!(line.contains(expected), "{flags}: {line}");
        assert!(!folder.join("out").exists());
    }
    // A preset has room for what is asked.
    let long = "--preset tiny --seq-len 600 --steps 1 --batch-size 1 --output long";
    let command = format!("pretrain roberta --corpus text.txt --tokenizer tok {long}");
    kiln(folder, &command).ok();
    let config = read_json(&folder.join("long/config.json"));
    assert_eq!(config["model"]["max_position_embeddings"], 602);
}
