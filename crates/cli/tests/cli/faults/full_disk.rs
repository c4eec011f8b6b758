//! No room to write, at every place where a run writes.

use std::fs;
use std::path::Path;

use super::{SMALL, checkpoint, curve, folder, names_in};
use crate::command::{kiln, kiln_with_room};

/// Blocks of 512 bytes. A checkpoint's largest file has 48 kB, a metrics line some 300 bytes: the
/// first is room for checkpoints but not for the metrics of 240 steps, the second for no checkpoint.
const ROOM_FOR_CHECKPOINTS: usize = 110;
const ROOM_FOR_METRICS: usize = 80;

fn train(output: &str) -> String {
    format!(
        "pretrain bert --corpus text.txt --tokenizer tok --config model.json --output {output} \
         --steps 240 --save-every 40 {SMALL}"
    )
}

/// Checkpoints under their final names, all of them whole.
#[track_caller]
fn whole_checkpoints(run: &Path) -> usize {
    let names = names_in(&run.join("checkpoints"));
    for name in &names {
        assert!(name.starts_with("step-"), "{name}: left over");
        kiln_checkpoint::verify(&run.join("checkpoints").join(name)).unwrap();
    }
    names.len()
}

#[test]
fn a_run_stopped_by_a_full_disk_keeps_its_checkpoints_and_goes_on_with_more_room() {
    let folder = folder();
    let folder = folder.path();
    kiln(folder, &train("straight")).ok();

    let line = kiln_with_room(folder, ROOM_FOR_CHECKPOINTS, &train("run")).late_error(1);
    assert!(
        line.contains("run/metrics.jsonl: cannot be written (") && line.contains("free space"),
        "{line}"
    );
    let run = folder.join("run");
    assert!(whole_checkpoints(&run) > 0);
    let newest = names_in(&run.join("checkpoints")).pop();

    // Still full: the same error, nothing lost.
    let line = kiln_with_room(folder, ROOM_FOR_CHECKPOINTS, "resume run").late_error(1);
    assert!(
        line.contains("run/metrics.jsonl: cannot be written"),
        "{line}"
    );
    assert!(whole_checkpoints(&run) > 0);
    assert_eq!(names_in(&run.join("checkpoints")).pop(), newest);

    kiln(folder, "resume run").ok();
    let straight = folder.join("straight");
    assert_eq!(curve(&run), curve(&straight));
    let weights = |run: &Path| fs::read(checkpoint(run, 240).join("model.safetensors")).unwrap();
    assert!(weights(&run) == weights(&straight), "other weights");
}

#[test]
fn a_checkpoint_without_room_is_named_and_leaves_nothing_half_made() {
    let folder = folder();
    let folder = folder.path();
    let line = kiln_with_room(folder, ROOM_FOR_METRICS, &train("run")).late_error(1);
    assert!(
        line.contains(
            "run/checkpoints/step-00000040/training/model.safetensors: cannot be written ("
        ),
        "{line}"
    );
    assert!(line.contains("free space"), "{line}");
    assert_eq!(whole_checkpoints(&folder.join("run")), 0);
    let stdout = kiln(folder, "resume run").ok();
    assert!(stdout.contains("(done, 240 of 240 steps)"), "{stdout}");
}

#[test]
fn tokenizers_shards_and_runs_without_room_leave_nothing() {
    let folder = folder();
    let folder = folder.path();
    kiln(
        folder,
        "prepare --tokenizer tok --corpus text.txt --output shards",
    )
    .ok();
    let before = names_in(folder);
    let commands = [
        (
            "tokenizer train --arch bert --corpus text.txt --vocab-size 90 --output made",
            "made/tokenizer.json",
        ),
        (
            "prepare --tokenizer tok --corpus text.txt --output made",
            "made/tokens.bin",
        ),
        (
            // The tokens that a run keeps in the cache.
            "pretrain bert --corpus text.txt --tokenizer tok --config model.json --output made \
             --cache-dir cached",
            "tokens.bin",
        ),
        (
            // The copy of the tokenizer, the first file of a run.
            "pretrain bert --data shards --tokenizer tok --config model.json --output made \
             --steps 2 --batch-size 2 --seq-len 16",
            "made/tokenizer/tokenizer.json",
        ),
    ];
    for (command, file) in commands {
        let line = kiln_with_room(folder, 4, command).late_error(1);
        assert!(
            line.contains(&format!("{file}: cannot be written (")),
            "{command}: {line}"
        );
        // An empty cache is no remnant.
        let _ = fs::remove_dir(folder.join("cached"));
        assert_eq!(names_in(folder), before, "{command}");
    }
    // Nothing is in the way when there is room.
    for (command, _) in [commands[0], commands[3]] {
        kiln(folder, command).ok();
        fs::remove_dir_all(folder.join("made")).unwrap();
    }
}
