//! Fine-tuning that is asked to stop while it predicts, and goes on; what a run keeps when it does.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Stdio;

use super::{CLASSIFY, best, finetune, folder, program, rows, started};
use crate::command::kiln;
use crate::interrupted::{hear_all_signals, send};

/// How often the development file is repeated: predicting it takes longer than a signal.
const TIMES: usize = 100;

/// Runs a command, and sends it Ctrl-C at its line with `words` in it; what it says from there on.
fn interrupted(folder: &Path, command: &str, words: &str) -> String {
    let mut kiln = program();
    hear_all_signals(&mut kiln);
    let mut child = started(kiln, folder, command, Stdio::piped());
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        let read = stderr.read_line(&mut line).unwrap();
        assert!(read > 0, "{command}: ended before {words}");
    }
    send(&child, "-INT");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    rest
}

#[test]
fn a_signal_while_predicting_stops_the_command_and_resume_predicts() {
    let folder = folder("bert");
    let folder = folder.path();
    let dev = fs::read_to_string(folder.join("topics-dev.csv")).unwrap();
    let (header, examples) = dev.split_once('\n').unwrap();
    let many = format!("{header}\n{}", examples.repeat(TIMES));
    fs::write(folder.join("many.csv"), many).unwrap();
    let command = "finetune classify --model first --train topics-train.csv --dev many.csv --steps 2 \
                   --batch-size 8 --eval-every 0 --max-len 24";
    for (flags, run) in [("", "alone"), ("--seeds 1,2", "group/seed-1")] {
        let output = run.split('/').next().unwrap();
        let command = format!("{command} {flags} --output {output}");
        let rest = interrupted(folder, &command, "predicting with step 2");
        assert!(
            rest.contains("stopped while it predicted; go on with: kiln resume "),
            "{rest}"
        );
        assert_eq!(rest.contains("the runs behind it go on"), !flags.is_empty());
        let run = folder.join(run);
        let left = fs::read_dir(&run).unwrap().flatten();
        let left = left.map(|entry| entry.file_name().into_string().unwrap());
        let ends = ["scores", "predictions", "report"];
        let ended: Vec<String> = left
            .filter(|name| ends.iter().any(|end| name.contains(end)))
            .collect();
        assert!(ended.is_empty(), "{ended:?}");
        if flags.is_empty() {
            kiln(folder, &format!("resume {output}")).ok();
            assert_eq!(rows(&run.join("predictions.jsonl")).len(), 100 * TIMES);
            assert!(run.join("report.html").is_file());
        }
    }
}

#[test]
fn devices_that_a_run_goes_on_on_are_written_down() {
    let folder = folder("bert");
    let folder = folder.path();
    finetune(folder, CLASSIFY, "topics", "").ok();
    finetune(folder, CLASSIFY, "group", "--seeds 1,2").ok();
    let config = |run: &str| folder.join(run).join("config.json");
    let runs = ["topics", "group", "group/seed-1", "group/seed-2"];
    for run in runs {
        let text = fs::read_to_string(config(run)).unwrap();
        let text = text.replace("\"flex\"", "\"elsewhere\"");
        fs::write(config(run), text).unwrap();
    }
    for run in ["topics", "group/seed-2"] {
        fs::remove_file(folder.join(run).join("scores.json")).unwrap();
    }
    let is_elsewhere = |run: &&str| {
        fs::read_to_string(config(run))
            .unwrap()
            .contains("elsewhere")
    };
    for run in ["topics", "group"] {
        let error = kiln(folder, &format!("resume {run}")).late_error(2);
        assert!(error.contains("elsewhere"), "{error}");
        // They would have other examples in a step.
        let twice = "--backend flex --backend flex";
        let error = kiln(folder, &format!("resume {run} {twice}")).late_error(2);
        assert!(error.contains("names 2 devices, the run has 1;"), "{error}");
        assert!(is_elsewhere(&run));
        kiln(folder, &format!("resume {run} --backend flex")).ok();
        assert!(folder.join(run).join("report.html").is_file());
    }
    // What had ended stays as it was.
    let left: Vec<&str> = runs.into_iter().filter(is_elsewhere).collect();
    assert_eq!(left, ["group/seed-1"]);
    for run in ["topics", "group"] {
        kiln(folder, &format!("resume {run}")).ok();
    }
}

#[test]
fn a_checkpoint_is_asked_as_its_run_was_wherever_the_command_is_given() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--multi-label --threshold 0";
    finetune(folder, CLASSIFY, "topics", flags).ok();
    let checkpoint = best(&folder.join("topics"));
    let said = kiln(folder, "predict classify --model topics words").ok();
    // Above 0 is every label.
    assert!(said.starts_with("garden, kitchen, music, "), "{said}");
    for (within, model) in [
        (checkpoint.as_path(), "."),
        (&checkpoint.join("../.."), "checkpoints/../."),
        (
            checkpoint.parent().unwrap(),
            checkpoint.file_name().unwrap().to_str().unwrap(),
        ),
    ] {
        let command = format!("predict classify --model {model} words");
        assert_eq!(kiln(within, &command).ok(), said, "{model}");
    }
}
