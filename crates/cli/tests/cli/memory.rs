//! Runs that don't fit into memory.

use std::fs;

use crate::command::{folder, kiln, kiln_with_memory};

/// Kilobytes beyond what it takes to start: enough to tokenise, not for a model of 100 million
/// parameters.
const LITTLE: usize = 220_000;

#[test]
fn a_batch_beyond_all_memory_is_refused_at_once_with_one_that_fits() {
    let folder = folder();
    for architecture in ["bert", "electra", "deberta", "xlnet"] {
        let command = format!(
            "pretrain {architecture} --corpus text.txt --preset tiny --batch-size 1000000 \
             --output run"
        );
        let line = kiln(folder.path(), &command).error(1);
        assert!(
            line.starts_with(
                "error: not enough memory: --batch-size 1000000 --seq-len 128 need about "
            ),
            "{line}"
        );
        let number = |after: &str| -> usize {
            let (_, rest) = line.split_once(after).unwrap();
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        };
        let largest = number("the largest that fits is --batch-size ");
        let (batch_size, accumulate) = (number("; --batch-size "), number(" --accumulate "));
        assert_eq!(batch_size * accumulate, 1_000_000, "{line}");
        assert!(batch_size <= largest && largest < 1_000_000, "{line}");
        // XLNet reads its text in two directions at once.
        assert!(architecture != "xlnet" || batch_size % 2 == 0, "{line}");
    }
}

#[test]
fn a_sequence_beyond_all_memory_is_refused_at_once_with_one_that_fits() {
    let folder = folder();
    for architecture in ["bert", "electra", "deberta", "xlnet"] {
        for seq_len in ["1000000", "400000000"] {
            let command = format!(
                "pretrain {architecture} --corpus text.txt --preset tiny --batch-size 32 --seq-len \
                 {seq_len} --output run"
            );
            let line = kiln(folder.path(), &command).error(1);
            assert!(line.contains("at most --seq-len "), "{line}");
        }
    }
}

#[test]
fn the_largest_numbers_there_are_end_in_one_line() {
    let folder = folder();
    for architecture in ["bert", "electra", "deberta", "xlnet"] {
        for flag in ["--batch-size", "--seq-len", "--accumulate"] {
            let command = format!(
                "pretrain {architecture} --corpus text.txt --preset tiny {flag} {} --output run",
                usize::MAX
            );
            let done = kiln(folder.path(), &command);
            assert!(done.code == 1 || done.code == 2, "{done:?}");
            let line = done.stderr;
            assert!(
                line.starts_with("error: ") && line.lines().count() == 1,
                "{line}"
            );
            assert!(!line.contains("internal fault"), "{line}");
        }
    }
}

#[test]
fn the_limits_of_the_shell_count() {
    let folder = folder();
    let command = "pretrain bert --corpus text.txt --preset base --output run";
    let line = kiln_with_memory(folder.path(), LITTLE, command).error(1);
    assert!(
        line.contains("left of ulimit -v, of which 60 % can be used; not even --batch-size 1 fits"),
        "{line}"
    );
    assert!(line.contains("--no-memory-check"), "{line}");
}

#[test]
fn memory_that_runs_out_all_the_same_ends_in_one_line_and_leaves_no_run() {
    let folder = folder();
    let command = "pretrain bert --corpus text.txt --preset base --vocab-size 100 --batch-size 4 \
                   --seq-len 16 --no-memory-check --output run";
    let line = kiln_with_memory(folder.path(), LITTLE, command).late_error(1);
    assert!(
        line.starts_with("error: not enough memory (no room for "),
        "{line}"
    );
    assert!(
        line.ends_with("(and --accumulate for the same step)"),
        "{line}"
    );
    assert!(!folder.path().join("run").exists());
}

#[test]
fn a_run_says_beforehand_how_much_it_needs() {
    let folder = folder();
    let command = "pretrain bert --corpus text.txt --config tiny.json --vocab-size 100 --batch-size \
                   4 --seq-len 16 --steps 2 --save-every 1 --output run";
    let done = kiln(folder.path(), command);
    let is_told = |stderr: &str| {
        stderr
            .lines()
            .any(|line| line.starts_with("memory: about "))
    };
    assert!(done.code == 0 && is_told(&done.stderr), "{done:?}");
    fs::remove_dir_all(folder.path().join("run/checkpoints/step-00000002")).unwrap();
    let resumed = kiln(folder.path(), "resume run");
    assert!(resumed.code == 0 && is_told(&resumed.stderr), "{resumed:?}");
}
