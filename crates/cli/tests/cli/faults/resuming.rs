//! Runs whose newest checkpoints a disk has damaged.

use std::fs;
use std::path::Path;

use super::{change, checkpoint, copy_again, curve, folder_with_run};
use crate::command::kiln;

/// A file of a checkpoint and what happens to it.
type Fault = (&'static str, fn(&Path));

const FAULTS: [Fault; 6] = [
    ("training/model.safetensors", |file| {
        change(file, |bytes| bytes.truncate(1000));
    }),
    ("training/model.safetensors", |file| {
        change(file, |bytes| *bytes.last_mut().unwrap() ^= 1);
    }),
    ("model.safetensors", |file| {
        change(file, |bytes| *bytes.last_mut().unwrap() ^= 1);
    }),
    ("training/state.json", |file| fs::remove_file(file).unwrap()),
    ("training/checksums.json", |file| {
        fs::remove_file(file).unwrap();
    }),
    ("config.json", |file| fs::write(file, "{}").unwrap()),
];

#[test]
fn a_damaged_newest_checkpoint_is_named_and_the_one_before_leads_to_the_same_end() {
    let folder = folder_with_run();
    let folder = folder.path();
    let (whole, run) = (folder.join("run"), folder.join("torn"));
    for (file, damage) in FAULTS {
        copy_again(&whole, &run);
        damage(&checkpoint(&run, 6).join(file));
        let done = kiln(folder, "resume torn");
        let warning = format!("warning: torn/checkpoints/step-00000006/{file}: ");
        assert!(done.stderr.contains(&warning), "{done:?}");
        assert!(
            done.stderr
                .contains("going on after step 4 from torn/checkpoints/step-00000004"),
            "{done:?}"
        );
        let stdout = done.ok();
        assert!(stdout.contains("(done, 6 of 6 steps)"), "{stdout}");
        assert_eq!(curve(&run), curve(&whole), "{file}");
        let weights = |run: &Path| fs::read(checkpoint(run, 6).join("model.safetensors")).unwrap();
        assert!(weights(&run) == weights(&whole), "{file}: other weights");
        kiln_checkpoint::verify(&checkpoint(&run, 6)).unwrap();
    }
}

#[test]
fn a_checkpoint_that_was_passed_over_is_never_the_newest_again() {
    let folder = folder_with_run();
    let folder = folder.path();
    let run = folder.join("run");
    // As if it could not be read for a while.
    let file = checkpoint(&run, 6).join("training/model.safetensors");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, "away").unwrap();
    let done = kiln(folder, "resume run --steps 5 --lr 1e-3");
    assert!(
        done.stderr.contains("run/set-aside/after-step-00000004-1"),
        "{done:?}"
    );
    done.ok();
    let aside = run.join("set-aside/after-step-00000004-1/step-00000006");
    fs::write(aside.join("training/model.safetensors"), bytes).unwrap();
    let done = kiln(folder, "resume run --steps 7");
    assert!(
        done.stderr.contains("going on after step 5 from "),
        "{done:?}"
    );
    done.ok();
}

#[test]
fn a_run_without_a_whole_checkpoint_is_one_error_and_stays_as_it_is() {
    let folder = folder_with_run();
    let folder = folder.path();
    let run = folder.join("run");
    for step in [2, 4, 6] {
        let file = checkpoint(&run, step).join("training/model.safetensors");
        change(&file, |bytes| bytes.truncate(1000));
    }
    let metrics = fs::read(run.join("metrics.jsonl")).unwrap();
    let line = kiln(folder, "resume run").late_error(1);
    assert!(
        line.contains("run/checkpoints: no checkpoint is whole (the newest: "),
        "{line}"
    );
    assert!(line.contains("has 1000 bytes, "), "{line}");
    assert!(line.contains("bring one back from a copy"), "{line}");
    assert!(!line.contains("continue from an earlier one"), "{line}");
    for step in [2, 4, 6] {
        assert!(checkpoint(&run, step).is_dir(), "{step}");
    }
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), metrics);
}

#[test]
fn torn_settings_of_a_run_are_named() {
    let folder = folder_with_run();
    let folder = folder.path();
    change(&folder.join("run/config.json"), |bytes| bytes.truncate(50));
    let line = kiln(folder, "resume run").error(1);
    assert!(
        line.contains("run/config.json: not a run's settings"),
        "{line}"
    );
}
