//! Runs that are changed, extended, moved, or go on without the text they were started with.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use super::{CONFIG, SMALL, checkpoint, copy_again, curve, folder, folder_with_run, names_in};
use crate::command::{kiln, kiln_with, read_json};

/// Settings that a run says were changed.
fn changes(run: &Path) -> Value {
    read_json(&run.join("config.json"))["changes"].clone()
}

fn weights(run: &Path, step: u64) -> Vec<u8> {
    fs::read(checkpoint(run, step).join("model.safetensors")).unwrap()
}

#[test]
fn a_finished_run_is_extended_and_repeats_from_there_to_the_last_bit() {
    let folder = folder_with_run();
    let folder = folder.path();
    let done = kiln(folder, "resume run").ok();
    assert!(
        done.contains("nothing to do, all 6 steps are done"),
        "{done}"
    );
    assert!(done.contains("kiln resume run --steps 12"), "{done}");
    let (run, again) = (folder.join("run"), folder.join("again"));
    copy_again(&run, &again);

    let flags = "--steps 12 --lr 5e-4 --batch-size 2 --accumulate 3 --save-every 1 --keep-last 9";
    let first = kiln(folder, &format!("resume run {flags} --json"));
    assert!(first.stderr.contains("from step 7 on: "), "{first:?}");
    let first = first.json();
    assert_eq!((&first["step"], &first["steps"]), (&json!(12), &json!(12)));
    let expected = json!([{"after_step": 6, "settings": {
        "data.eval_batches": [50, 100],
        "training.accumulate": [1, 3],
        "training.batch_size": [4, 2],
        "training.keep_last": [3, 9],
        "training.optimizer.learning_rate": [1e-4, 5e-4],
        "training.save_every": [2, 1],
        "training.steps": [6, 12],
    }}]);
    assert_eq!(changes(&run), expected);
    // 24 sequences were read: 4 steps of 6.
    let stretches = &read_json(&run.join("config.json"))["training"]["stretches"];
    assert_eq!(*stretches, json!([{"until": 6, "sequences": 4}]));

    // Killed in step 10, and resumed without a word.
    kiln(folder, &format!("resume again {flags}")).ok();
    for step in 10..=12 {
        fs::remove_dir_all(checkpoint(&again, step)).unwrap();
    }
    let resumed = kiln(folder, "resume again");
    assert!(!resumed.stderr.contains("from step"), "{resumed:?}");
    resumed.ok();
    assert_eq!(curve(&again), curve(&run));
    assert!(weights(&again, 12) == weights(&run, 12), "other weights");
    assert_eq!(changes(&again), expected);

    // A finished run says the same again.
    let finished = kiln(folder, "resume run --json").json();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&finished), keys(&first));
    for key in [
        "checkpoint",
        "evaluation",
        "best_evaluation",
        "stop",
        "samples",
        "report",
    ] {
        assert_eq!(finished[key], first[key], "{key}");
    }
}

#[test]
fn an_untouched_run_and_one_extended_before_its_end_agree_where_settings_do() {
    let folder = folder_with_run();
    let folder = folder.path();
    let (run, constant) = (folder.join("run"), folder.join("constant"));
    copy_again(&run, &constant);
    for step in [4, 6] {
        fs::remove_dir_all(checkpoint(&constant, step)).unwrap();
    }
    // The number of lines and checkpoints changes no bit of a loss.
    kiln(
        folder,
        "resume constant --log-every 1 --save-every 1 --threads 2",
    )
    .ok();
    assert_eq!(curve(&constant), curve(&run));
    assert!(weights(&constant, 6) == weights(&run, 6));
    assert_eq!(changes(&constant)[0]["after_step"], 2);
}

#[test]
fn what_cannot_change_is_refused_with_its_reason_and_changes_nothing() {
    let folder = folder_with_run();
    let folder = folder.path();
    let before = fs::read(folder.join("run/config.json")).unwrap();
    for (command, says) in [
        (
            "resume run --seed 3",
            "--seed: can't change in a run: every random choice",
        ),
        (
            "resume run --seq-len 32",
            "--seq-len: can't change in a run: ",
        ),
        (
            "resume run --whole-word",
            "--whole-word: can't change in a run: ",
        ),
        (
            "resume run --tokenizer tok",
            "kiln pretrain bert --init-from run ",
        ),
        (
            "resume run --steps 5",
            "the newest checkpoint has 6 already",
        ),
        ("resume run --steps 9 --batch-size 0", "batch_size = 0"),
        ("resume run --from-step 3", "the run has those of 2, 4, 6"),
        (
            "resume run/checkpoints/step-00000004",
            "a checkpoint, not a run; go on with the run from its newest checkpoint with: kiln \
             resume run, or from this checkpoint with: kiln resume run --from-step 4",
        ),
        ("resume run/checkpoints", "with: kiln resume run"),
        ("resume tok", "no run in this folder"),
    ] {
        let done = kiln(folder, command);
        let code = done.code;
        let line = done.error(code);
        assert!(code != 0 && line.contains(says), "{command}: {line}");
        assert_eq!(
            fs::read(folder.join("run/config.json")).unwrap(),
            before,
            "{command}"
        );
    }
    copy_again(&checkpoint(&folder.join("run"), 6), &folder.join("model"));
    let line = kiln(folder, "resume model").error(2);
    assert!(
        line.contains("kiln pretrain bert --init-from model"),
        "{line}"
    );
}

#[test]
fn a_run_goes_on_from_an_earlier_checkpoint_and_keeps_the_later_ones_aside() {
    let folder = folder_with_run();
    let folder = folder.path();
    let (run, whole) = (folder.join("run"), folder.join("whole"));
    copy_again(&run, &whole);
    let done = kiln(folder, "resume run --from-step 2");
    assert!(
        done.stderr
            .contains("set aside in run/set-aside/after-step-00000002-1"),
        "{done:?}"
    );
    done.ok();
    assert_eq!(curve(&run), curve(&whole));
    let aside = run.join("set-aside/after-step-00000002-1");
    let expected = ["metrics.jsonl", "step-00000004", "step-00000006"];
    assert_eq!(names_in(&aside), expected);
    assert_eq!(curve(&aside), curve(&whole));
}

#[test]
fn the_command_after_a_divergence_goes_on_from_the_last_good_checkpoint() {
    let folder = folder_with_run();
    let folder = folder.path();
    let line = kiln(folder, "resume run --steps 30 --lr 1e15 --save-every 1").late_error(1);
    assert!(
        line.contains("the last good checkpoint is run/checkpoints/step-00000006: "),
        "{line}"
    );
    assert_eq!(
        names_in(&folder.join("run/checkpoints")),
        ["step-00000002", "step-00000004", "step-00000006"]
    );
    let (_, command) = line.rsplit_once(": kiln ").unwrap();
    assert_eq!(command, "resume run --lr 1e-4");
    let stdout = kiln(folder, command).ok();
    assert!(stdout.contains("(done, 30 of 30 steps)"), "{stdout}");
    // The rate that led to nothing was never used.
    let settings = &changes(&folder.join("run"))[0]["settings"];
    assert_eq!(settings["training.steps"], json!([6, 30]));
    assert!(
        settings.get("training.optimizer.learning_rate").is_none(),
        "{settings}"
    );
}

#[test]
fn a_run_without_its_cache_makes_its_tokens_again_or_names_the_ways() {
    let folder = folder_with_run();
    let folder = folder.path();
    let (run, lost) = (folder.join("run"), folder.join("lost"));
    let from_two = |flags: &str| {
        copy_again(&run, &lost);
        for step in [4, 6] {
            fs::remove_dir_all(checkpoint(&lost, step)).unwrap();
        }
        fs::remove_dir_all(folder.join("cache")).unwrap_or_default();
        kiln(folder, &format!("resume lost {flags}"))
    };
    let done = from_two("");
    assert!(
        done.stderr
            .contains("tokenised text is gone; it is made again from "),
        "{done:?}"
    );
    done.ok();
    assert_eq!(curve(&lost), curve(&run));

    let text = folder.join("text.txt");
    fs::rename(&text, folder.join("moved.txt")).unwrap();
    let line = from_two("").late_error(1);
    assert!(
        line.contains("text.txt, which it was made from; "),
        "{line}"
    );
    assert!(
        line.contains("kiln resume lost --corpus F, or its shards with --data"),
        "{line}"
    );
    from_two("--corpus moved.txt").ok();
    assert_eq!(curve(&lost), curve(&run));

    kiln(
        folder,
        "prepare --tokenizer tok --corpus moved.txt --output shards",
    )
    .ok();
    from_two("--data shards --keep-corpus").ok();
    assert_eq!(curve(&lost), curve(&run));
    // Moved with its tokens, away from everything.
    fs::remove_dir_all(folder.join("shards")).unwrap();
    fs::rename(&lost, folder.join("elsewhere")).unwrap();
    kiln(folder, "resume elsewhere --steps 8").ok();

    let words = fs::read_to_string(folder.join("moved.txt")).unwrap();
    fs::write(folder.join("other.txt"), words.replace("potter", "glazes")).unwrap();
    let line = from_two("--corpus other.txt").late_error(1);
    assert!(
        line.contains("other.txt: other tokens than the run was started with"),
        "{line}"
    );
}

#[test]
fn a_new_run_keeps_its_tokens_where_that_is_asked_for() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("model.json"), CONFIG).unwrap();
    kiln(
        folder,
        &format!(
            "pretrain bert --corpus text.txt --eval-corpus text.txt --tokenizer tok --config \
             model.json --output run --steps 2 --keep-corpus {SMALL}"
        ),
    )
    .ok();
    for file in ["corpus/tokens.bin", "eval-corpus/header.json"] {
        assert!(folder.join("run").join(file).is_file(), "{file}");
    }
    fs::remove_dir_all(folder.join("cache")).unwrap();
    fs::remove_file(folder.join("text.txt")).unwrap();
    kiln(folder, "resume run --steps 4").ok();
}

#[test]
fn what_is_asked_of_a_finished_run_is_recorded_and_what_is_taken_back_is_said() {
    let folder = folder_with_run();
    let folder = folder.path();
    let run = folder.join("run");
    let done = kiln(folder, "resume run --lr 5e-4");
    assert!(done.stderr.contains("from step 7 on: "), "{done:?}");
    assert!(done.ok().contains("nothing to do"));
    let expected = json!([{"after_step": 6, "settings": {
        "training.optimizer.learning_rate": [1e-4, 5e-4]}}]);
    assert_eq!(changes(&run), expected);

    let done = kiln(folder, "resume run --lr 1e-4");
    assert!(
        done.stderr
            .contains("what was changed from step 7 on is taken back"),
        "{done:?}"
    );
    done.ok();
    assert_eq!(changes(&run), Value::Null);
}

#[test]
fn what_needs_an_evaluation_is_refused_of_a_run_without_one() {
    let folder = folder();
    let folder = folder.path();
    let command = format!(
        "pretrain bert --corpus text.txt --tokenizer tok --config model.json --steps 6 {SMALL} \
         --held-out 0 --output run"
    );
    kiln(folder, &command).ok();
    for flag in ["--early-stop 2", "--keep-best 1"] {
        let line = kiln(folder, &format!("resume run --steps 12 {flag}")).error(2);
        assert!(
            line.contains(&format!("{flag}: the run has no evaluation")),
            "{line}"
        );
    }
    kiln(folder, "resume run --steps 8 --keep-best 0").ok();
}

#[test]
fn batches_that_are_taken_back_leave_no_trace() {
    let folder = folder_with_run();
    let folder = folder.path();
    let run = folder.join("run");
    let without_a_step = |flags: &str| {
        // Nothing is left of the steps that were made with it.
        kiln(folder, &format!("resume run {flags}")).ok();
        fs::remove_dir_all(checkpoint(&run, 7)).unwrap();
    };
    without_a_step("--steps 7 --batch-size 7");
    assert_eq!(
        changes(&run)[0]["settings"]["data.eval_batches"],
        json!([50, 29])
    );
    without_a_step("--batch-size 3");
    assert_eq!(
        changes(&run)[0]["settings"]["data.eval_batches"],
        json!([50, 67])
    );
    without_a_step("--batch-size 4");
    let only_steps = json!([{"after_step": 6, "settings": {"training.steps": [6, 7]}}]);
    assert_eq!(changes(&run), only_steps);
    assert!(
        read_json(&run.join("config.json"))["training"]
            .get("stretches")
            .is_none()
    );
}

#[test]
fn a_second_process_on_a_run_is_refused_before_it_writes() {
    let folder = folder_with_run();
    let folder = folder.path();
    let run = folder.join("run");
    let held = File::create(run.join(".lock")).unwrap();
    held.lock().unwrap();
    let before = fs::read(run.join("config.json")).unwrap();
    let line = kiln(folder, "resume run --steps 9 --lr 1e-5").error(1);
    assert!(
        line.contains("run: another process is training this run"),
        "{line}"
    );
    assert_eq!(fs::read(run.join("config.json")).unwrap(), before);
    drop(held);

    // A run that another process has just begun, and one that was killed as it began.
    fs::create_dir(folder.join("new")).unwrap();
    let held = File::create(folder.join("new/.lock")).unwrap();
    held.lock().unwrap();
    let command = super::pretrain("--corpus text.txt --tokenizer tok --config model.json");
    let line = kiln(folder, &command).error(1);
    assert!(
        line.contains("new: another process is training this run"),
        "{line}"
    );
    assert_eq!(names_in(&folder.join("new")), [".lock"]);
    drop(held);
    kiln(folder, &command).ok();
}

#[test]
fn metrics_that_are_shorter_than_the_checkpoint_are_told() {
    let folder = folder_with_run();
    let folder = folder.path();
    let metrics = folder.join("run/metrics.jsonl");
    fs::remove_file(&metrics).unwrap();
    let done = kiln_with(folder, &["resume", "run", "--steps", "8"], "");
    let warning = "warning: run/metrics.jsonl: the lines of 6 steps and 1 evaluation up to step 6 \
                   are lost";
    assert!(done.stderr.contains(warning), "{done:?}");
    done.ok();
    assert_eq!(
        curve(&folder.join("run")).len(),
        3,
        "steps 7 and 8, and an evaluation"
    );
}
