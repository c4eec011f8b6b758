//! Tokenizer files that are damaged, incomplete or contradict each other.

use std::fs;
use std::path::Path;

use super::{checkpoint, copy_again, folder_with_run, pretrain, replace};
use crate::command::{kiln, kiln_with};

/// What is wrong, how it comes about in a tokenizer's folder, the file that is named and what is
/// said of it.
type Fault = (&'static str, fn(&Path), &'static str, &'static str);

const FAULTS: [Fault; 10] = [
    (
        "a torn tokenizer.json",
        |folder| fs::write(folder.join("tokenizer.json"), "{\"model\":").unwrap(),
        "tokenizer.json",
        "not JSON (EOF while parsing",
    ),
    (
        "a tokenizer.json that is something else",
        |folder| fs::write(folder.join("tokenizer.json"), "{}").unwrap(),
        "tokenizer.json",
        "not a usable tokenizer.json",
    ),
    (
        "no mask token in tokenizer.json",
        |folder| replace(&folder.join("tokenizer.json"), "[MASK]", "[GONE]"),
        "tokenizer.json",
        "the vocabulary has no [MASK]; add it",
    ),
    (
        "no mask token in vocab.txt",
        |folder| {
            fs::remove_file(folder.join("tokenizer.json")).unwrap();
            replace(&folder.join("vocab.txt"), "[MASK]\n", "");
        },
        "vocab.txt",
        "the vocabulary has no [MASK]; add it",
    ),
    (
        "a pointer in the place of vocab.txt",
        |folder| {
            fs::remove_file(folder.join("tokenizer.json")).unwrap();
            let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
            fs::write(folder.join("vocab.txt"), pointer).unwrap();
        },
        "vocab.txt",
        "a Git LFS pointer, not the file itself; fetch it with git lfs pull",
    ),
    (
        "a tokenizer that Kiln does not have",
        |folder| {
            let config = r#"{"tokenizer_class": "BertJapaneseTokenizer"}"#;
            fs::write(folder.join("tokenizer_config.json"), config).unwrap();
        },
        "tokenizer_config.json",
        "tokenizer_class = BertJapaneseTokenizer: not a tokenizer that Kiln has",
    ),
    (
        "a vocab.txt that is not UTF-8",
        |folder| {
            fs::remove_file(folder.join("tokenizer.json")).unwrap();
            fs::write(folder.join("vocab.txt"), b"[PAD]\n\xff\n").unwrap();
        },
        "vocab.txt",
        "byte 6 is not UTF-8",
    ),
    (
        "an empty vocab.txt",
        |folder| {
            fs::remove_file(folder.join("tokenizer.json")).unwrap();
            fs::write(folder.join("vocab.txt"), "").unwrap();
        },
        "vocab.txt",
        "the vocabulary has no [UNK]",
    ),
    (
        "a config that says something else",
        |folder| {
            let config = folder.join("tokenizer_config.json");
            replace(
                &config,
                "\"do_lower_case\": true",
                "\"do_lower_case\": false",
            );
        },
        "tokenizer_config.json",
        "do_lower_case is false here but true in",
    ),
    (
        "a torn config",
        |folder| fs::write(folder.join("tokenizer_config.json"), "{").unwrap(),
        "tokenizer_config.json",
        "not JSON",
    ),
];

const PREPARE: &str = "prepare --tokenizer bad --corpus text.txt --output shards";

#[test]
fn a_faulty_tokenizer_is_refused_by_file_and_nothing_is_made() {
    let folder = folder_with_run();
    let folder = folder.path();
    for (fault, damage, file, expected) in FAULTS {
        copy_again(&folder.join("tok"), &folder.join("bad"));
        damage(&folder.join("bad"));
        copy_again(&checkpoint(&folder.join("run"), 6), &folder.join("model"));
        damage(&folder.join("model"));
        let predict = ["predict", "fill-mask", "--model", "model", "the [MASK]"];
        for (done, folder) in [
            (kiln(folder, PREPARE), "bad"),
            (kiln_with(folder, &predict, ""), "model"),
        ] {
            let line = done.error(1);
            assert!(
                line.starts_with(&format!("error: {folder}/{file}: ")),
                "{fault}: {line}"
            );
            assert!(line.contains(expected), "{fault}: {line}");
        }
        assert!(!folder.join("shards").exists(), "{fault}");
    }
    // The last fault, met by a run.
    let train = pretrain("--corpus text.txt --config model.json --tokenizer bad");
    let line = kiln(folder, &train).error(1);
    assert!(
        line.contains("bad/tokenizer_config.json: not JSON"),
        "{line}"
    );
    assert!(!folder.join("new").exists());
}

#[test]
fn a_folder_without_a_tokenizer_names_the_files_that_would_do() {
    let folder = folder_with_run();
    let folder = folder.path();
    fs::create_dir(folder.join("bad")).unwrap();
    let line = kiln(folder, PREPARE).error(1);
    assert!(
        line.contains(
            "bad: no tokenizer.json, tokenizer.model, spm.model, spiece.model, vocab.json"
        ),
        "{line}"
    );
}

#[test]
fn a_token_that_the_models_table_has_no_row_for_is_named_where_it_is_met() {
    let folder = folder_with_run();
    let folder = folder.path();
    copy_again(&checkpoint(&folder.join("run"), 6), &folder.join("model"));
    let config = fs::read(folder.join("model/config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let rows = config["vocab_size"].as_u64().unwrap();
    let added = serde_json::json!({ "@USER": rows });
    fs::write(folder.join("model/added_tokens.json"), added.to_string()).unwrap();
    let fill = |text| {
        kiln_with(
            folder,
            &["predict", "fill-mask", "--model", "model", text],
            "",
        )
    };
    fill("the [MASK]").ok();
    let line = fill("@USER [MASK]").error(2);
    assert!(
        line.contains(&format!(
            "@USER has id {rows}, but the model's table has {rows} rows"
        )),
        "{line}"
    );
    let line = kiln(
        folder,
        "pretrain bert --init-from model --corpus text.txt --output new --steps 1",
    )
    .error(2);
    assert!(
        line.contains("@USER and what else was added to the tokenizer"),
        "{line}"
    );
    assert!(!folder.join("new").exists());
}

#[test]
fn a_run_keeps_what_was_said_of_the_tokenizer_it_was_given() {
    let folder = folder_with_run();
    let folder = folder.path();
    copy_again(&folder.join("tok"), &folder.join("given"));
    fs::remove_file(folder.join("given/tokenizer_config.json")).unwrap();
    fs::remove_file(folder.join("given/tokenizer.json")).unwrap();
    let map = r#"{"additional_special_tokens": ["[E1]"], "bos_token": "[BOS]"}"#;
    fs::write(folder.join("given/special_tokens_map.json"), map).unwrap();
    let config = r#"{"tokenizer_class": "BertTokenizer", "truncation_side": "left"}"#;
    fs::write(folder.join("given/tokenizer_config.json"), config).unwrap();
    kiln(
        folder,
        "pretrain bert --tokenizer given --corpus text.txt --preset tiny --output kept --steps 1 \
         --seq-len 16 --batch-size 2",
    )
    .ok();
    let written = checkpoint(&folder.join("kept"), 1).join("tokenizer_config.json");
    let written: serde_json::Value = serde_json::from_slice(&fs::read(written).unwrap()).unwrap();
    assert_eq!(written["bos_token"], "[BOS]");
    assert_eq!(written["extra_special_tokens"], serde_json::json!(["[E1]"]));
    assert_eq!(written["truncation_side"], "left");
    assert_eq!(
        written.get("model_max_length"),
        None,
        "not the run's --seq-len"
    );
}
