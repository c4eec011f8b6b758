//! The examples as their readers run them, for a few steps.
//!
//! `cargo test` builds them beside the tests, which run what lies there.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// What `cargo test` built of the example `name`.
///
/// # Panics
/// If it is not there, or older than the example.
fn built(name: &str) -> PathBuf {
    // target/debug/deps/examples-0123 -> target/debug/examples/name
    let test = std::env::current_exe().unwrap();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let built = test.ancestors().nth(2).unwrap().join("examples").join(file);
    let changed = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let sources = [format!("{name}.rs"), "common/mod.rs".to_owned()];
    for source in sources {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(source);
        assert!(
            changed(&built) >= changed(&source),
            "{}: not built since {} changed; `cargo test` without `--test` builds it",
            built.display(),
            source.display()
        );
    }
    built
}

/// Runs an example in `folder`, and gives what it prints to stdout.
fn run(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let output = Command::new(built(name))
        .args(arguments)
        .current_dir(folder)
        .env("KILN_BACKEND", "flex")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Trains for three steps, which evaluate three times; the checkpoint that the example names, and
/// the tokens or words that it prints before.
fn pretrain(folder: &Path, name: &str) -> (PathBuf, Vec<String>) {
    let printed = run(folder, name, &["run", "3"]);
    let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    let checkpoint = folder.join(lines.pop().unwrap());
    assert!(
        checkpoint.ends_with("run/checkpoints/step-00000003"),
        "{printed}"
    );
    let metrics = std::fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    assert_eq!(metrics.matches("\"kind\":\"eval\"").count(), 3, "{metrics}");
    (checkpoint, lines)
}

/// Fine-tunes a checkpoint for one pass over the examples; what is printed before the checkpoint that it
/// makes, where config.json names `class`.
fn finetune(folder: &Path, name: &str, checkpoint: &Path, class: &str) -> Vec<String> {
    let printed = run(folder, name, &[checkpoint.to_str().unwrap(), "tuned", "1"]);
    let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    let tuned = folder.join(lines.pop().unwrap());
    let config = std::fs::read_to_string(tuned.join("config.json")).unwrap();
    assert!(config.contains(&format!("\"{class}\"")), "{config}");
    lines
}

#[test]
fn bert_is_pretrained_and_fills_a_mask() {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, lines) = pretrain(folder.path(), "bert_pretrain");
    assert_eq!(lines, [] as [&str; 0]);

    let text = "The capital of France is [MASK].";
    let checkpoint = checkpoint.to_str().unwrap();
    let printed = run(folder.path(), "bert_fill_mask", &[checkpoint, text]);
    assert!(printed.starts_with("position 6:"), "{printed}");
    assert_eq!(printed.matches('%').count(), 5, "{printed}");

    // The same checkpoint learns topics, and is asked for them.
    let printed = run(
        folder.path(),
        "finetune_classify",
        &[checkpoint, "topics", "1"],
    );
    let lines: Vec<&str> = printed.lines().collect();
    let [
        "labels: garden, kitchen, music, travel, weather, workshop",
        accuracy,
        tuned,
    ] = lines[..]
    else {
        panic!("{printed}");
    };
    assert!(accuracy.starts_with("step 13: accuracy 0."), "{printed}");
    let texts = ["The match ended two to one.", "Boil the potatoes."];
    let printed = run(
        folder.path(),
        "predict_labels",
        &[tuned, texts[0], texts[1]],
    );
    let numbers = printed.lines().map(|line| line.split(':').next());
    assert!(numbers.eq([Some("1"), Some("2")]), "{printed}");
}

#[test]
fn electra_is_pretrained_asked_about_each_token_and_compares_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, lines) = pretrain(folder.path(), "electra_pretrain");
    assert!(checkpoint.join("generator/model.safetensors").exists());
    assert!(checkpoint.join("discriminator/model.safetensors").exists());
    assert!(
        lines
            .iter()
            .any(|line| line.trim_start().starts_with("sun ")),
        "{lines:?}"
    );

    let class = "ElectraForSequenceClassification";
    let lines = finetune(folder.path(), "finetune_regress", &checkpoint, class);
    let [correlation] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(correlation.starts_with("step 10: pearson "), "{lines:?}");
}

#[test]
fn deberta_is_pretrained_asked_for_a_word_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, lines) = pretrain(folder.path(), "deberta_pretrain");
    assert!(checkpoint.join("discriminator/model.safetensors").exists());
    assert_eq!(lines.len(), 3, "{lines:?}");

    let class = "DebertaV2ForQuestionAnswering";
    let lines = finetune(folder.path(), "finetune_qa", &checkpoint, class);
    let [unanswered, f1] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(unanswered, "some questions have no answer");
    assert!(f1.starts_with("step 8: F1 of words "), "{lines:?}");
}

#[test]
fn xlnet_is_pretrained_asked_for_a_word_and_chooses() {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, lines) = pretrain(folder.path(), "xlnet_pretrain");
    assert!(checkpoint.join("spiece.model").exists());
    assert_eq!(lines.len(), 3, "{lines:?}");

    let class = "XLNetForMultipleChoice";
    let lines = finetune(folder.path(), "finetune_choose", &checkpoint, class);
    let [accuracy] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert!(accuracy.starts_with("step 13: accuracy 0."), "{lines:?}");
}

#[test]
fn roberta_is_pretrained_asked_for_a_word_and_tags() {
    let folder = tempfile::tempdir().unwrap();
    let (checkpoint, lines) = pretrain(folder.path(), "roberta_pretrain");
    assert!(checkpoint.join("merges.txt").exists());
    assert_eq!(lines.len(), 3, "{lines:?}");

    let class = "RobertaForTokenClassification";
    let lines = finetune(folder.path(), "finetune_tag", &checkpoint, class);
    let [tags, f1] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!(
        tags,
        "tags: B-PERSON, B-PLACE, B-TIME, I-PERSON, I-PLACE, I-TIME, O"
    );
    assert!(f1.starts_with("step 8: F1 of entities 0."), "{lines:?}");
}

#[test]
fn a_backend_is_chosen_by_name() {
    let printed = run(Path::new("."), "choose_backend", &["flex"]);
    assert!(printed.contains("running on:  flex"), "{printed}");
    assert!(printed.contains("gradient of sum(x x)"), "{printed}");
}

#[test]
fn every_example_is_run_here() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let here = include_str!("examples.rs");
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                here.contains(&format!("\"{name}\"")),
                "{name} is run by no test"
            );
        }
    }
}
