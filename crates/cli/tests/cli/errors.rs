//! What is refused: the exit code and the one line.

use std::fs;

use crate::command::{TINY_CONFIG, folder, kiln, kiln_with};

const TRAIN_TOKENIZER: &str = "tokenizer train --arch bert --vocab-size 200";

#[test]
fn a_flag_that_does_not_exist_is_wrong_usage() {
    let folder = folder();
    let done = kiln(
        folder.path(),
        "pretrain bert --corpus text.txt --output run --stepps 5",
    );
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("--stepps") && done.stderr.contains("--steps"),
        "{done:?}"
    );
    assert_eq!(done.stdout, "");
}

#[test]
fn a_run_without_text_is_wrong_usage_and_names_both_ways_to_give_it() {
    let done = kiln(folder().path(), "pretrain bert --output run");
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("--corpus") && done.stderr.contains("--data"),
        "{done:?}"
    );
}

#[test]
fn an_unknown_architecture_is_answered_with_those_there_are() {
    let done = kiln(
        folder().path(),
        "pretrain bart --corpus text.txt --output run",
    );
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("bert"), "{done:?}");
}

#[test]
fn an_unknown_backend_is_answered_with_all_names() {
    let line = kiln(
        folder().path(),
        "pretrain bert --corpus text.txt --output run --backend wpgu",
    )
    .error(2);
    assert!(
        line.contains("\"wpgu\"") && line.contains("flex, ndarray, tch, wgpu"),
        "{line}"
    );
}

#[test]
fn a_backend_that_is_not_compiled_in_is_answered_with_what_is_and_the_feature() {
    let folder = folder();
    let listing = kiln(folder.path(), "backends --json").json();
    let Some(absent) = listing["not_compiled_in"][0]["backend"].as_str() else {
        return;
    };
    let name = if absent == "remote" {
        "remote:ws://localhost:1"
    } else {
        absent
    };
    let line = kiln(
        folder.path(),
        &format!("pretrain bert --corpus text.txt --output run --backend {name}"),
    )
    .error(2);
    assert!(line.contains("flex"), "{line}");
    assert!(line.contains(&format!("--features {absent}")), "{line}");
}

#[test]
fn a_missing_corpus_is_named() {
    let line = kiln(
        folder().path(),
        "pretrain bert --corpus none.txt --output run",
    )
    .error(1);
    assert!(
        line.contains("none.txt") && line.contains("cannot be read"),
        "{line}"
    );
}

#[test]
fn a_run_folder_in_use_is_refused_before_anything_else_and_resume_is_named() {
    let folder = folder();
    fs::create_dir(folder.path().join("run")).unwrap();
    fs::write(folder.path().join("run/notes.txt"), "mine").unwrap();
    let line = kiln(
        folder.path(),
        "pretrain bert --corpus none.txt --output run",
    )
    .error(1);
    assert!(line.contains("run: the folder is not empty"), "{line}");
    assert!(line.contains("kiln resume run"), "{line}");
    assert_eq!(
        fs::read_to_string(folder.path().join("run/notes.txt")).unwrap(),
        "mine"
    );
}

#[test]
fn an_empty_corpus_is_refused_and_leaves_no_run() {
    let folder = folder();
    fs::write(folder.path().join("empty.txt"), "\n\n").unwrap();
    let line = kiln(
        folder.path(),
        "pretrain bert --corpus empty.txt --output run",
    )
    .error(1);
    assert!(line.contains("empty.txt: no text in it"), "{line}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn a_corpus_that_is_not_utf8_is_refused_by_file_and_byte_or_skipped_by_flag() {
    let folder = folder();
    let mut bytes = fs::read(folder.path().join("text.txt")).unwrap();
    bytes.splice(0..0, *b"good line\nbad \xff line\n");
    fs::write(folder.path().join("mixed.txt"), bytes).unwrap();
    let train = format!("{TRAIN_TOKENIZER} --corpus mixed.txt --output tok");
    let line = kiln(folder.path(), &train).error(1);
    assert!(
        line.contains("mixed.txt: line 2: byte 14 of the file"),
        "{line}"
    );
    assert!(!folder.path().join("tok").exists());
    kiln(folder.path(), &format!("{train} --skip-invalid")).ok();
}

#[test]
fn a_vocabulary_too_small_for_the_alphabet_is_wrong_usage() {
    let line = kiln(
        folder().path(),
        "tokenizer train --arch bert --vocab-size 10 --corpus text.txt --output tok",
    )
    .error(2);
    assert!(line.contains("--vocab-size 10"), "{line}");
}

#[test]
fn settings_that_cannot_train_are_refused_by_name() {
    let folder = folder();
    for (flags, expected) in [
        ("--steps 0", "steps = 0"),
        ("--batch-size 0", "batch_size = 0"),
        ("--lr -1", "learning_rate = -1"),
        ("--warmup 2000", "warmup = 2000"),
        ("--preset huge", "tiny, mini, small, medium, base, large"),
        ("--seq-len 64 --config tiny.json", "seq_len = 64"),
        ("--held-out 1", "held-out 1"),
        ("--hidden-dropout 1.5", "--hidden-dropout 1.5"),
        ("--mask-rate 2", "rate = 2"),
    ] {
        // `=`, so that a value may start with a minus.
        let flags = flags.replace("--lr -1", "--lr=-1");
        let command = format!("pretrain bert --corpus text.txt --output run {flags}");
        let line = kiln(folder.path(), &command).error(2);
        assert!(line.contains(expected), "{flags}: {line}");
        assert!(!folder.path().join("run").exists(), "{flags}");
        assert!(
            !folder.path().join("cache").exists(),
            "{flags}: refused after slow work"
        );
    }
}

#[test]
fn shards_without_their_tokenizer_are_refused() {
    let folder = folder();
    kiln(
        folder.path(),
        &format!("{TRAIN_TOKENIZER} --corpus text.txt --output tok"),
    )
    .ok();
    kiln(
        folder.path(),
        "prepare --tokenizer tok --corpus text.txt --output shards",
    )
    .ok();
    let line = kiln(folder.path(), "pretrain bert --data shards --output run").error(2);
    assert!(line.contains("--tokenizer"), "{line}");

    let other = format!("{TRAIN_TOKENIZER} --cased --corpus text.txt --output other");
    kiln(folder.path(), &other).ok();
    let line = kiln(
        folder.path(),
        "pretrain bert --data shards --tokenizer other --output run",
    )
    .error(1);
    assert!(line.contains("shards: made with tokenizer"), "{line}");

    let line = kiln(
        folder.path(),
        "prepare --tokenizer tok --corpus text.txt --output shards",
    )
    .error(1);
    assert!(line.contains("shards: the folder is not empty"), "{line}");
}

#[test]
fn a_model_without_a_usable_config_is_named() {
    let folder = folder();
    fs::create_dir(folder.path().join("model")).unwrap();
    let arguments = ["predict", "fill-mask", "--model", "model", "a [MASK]"];
    let line = kiln_with(folder.path(), &arguments, "").error(1);
    assert!(line.contains("model/config.json: cannot be read"), "{line}");

    fs::write(
        folder.path().join("model/config.json"),
        "{\"model_type\": \"gpt2\"}",
    )
    .unwrap();
    let line = kiln_with(folder.path(), &arguments, "").error(1);
    assert!(
        line.contains("model_type = gpt2") && line.contains("bert"),
        "{line}"
    );

    fs::write(folder.path().join("model/config.json"), "{").unwrap();
    kiln_with(folder.path(), &arguments, "").error(1);
    fs::write(folder.path().join("model/config.json"), TINY_CONFIG).unwrap();
    kiln_with(folder.path(), &arguments, "").error(1);
}

#[test]
fn commands_on_a_folder_that_is_no_run_say_so() {
    let folder = folder();
    for command in ["resume nothing", "report nothing"] {
        let line = kiln(folder.path(), command).error(1);
        assert!(
            line.contains("nothing") && line.contains("no run"),
            "{line}"
        );
    }
}

#[test]
fn a_dashboard_without_a_terminal_is_wrong_usage() {
    let line = kiln(
        folder().path(),
        "pretrain bert --corpus text.txt --output run --dashboard",
    );
    assert!(line.error(2).contains("--dashboard"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_kiln"))
        .args(["backends", "--backend", "flex"])
        .current_dir(folder.path())
        .env("KILN_BACKEND", "flex")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
