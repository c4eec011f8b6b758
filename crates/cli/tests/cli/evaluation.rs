//! Runs that have nothing to evaluate on.

use std::fs;

use crate::command::{TINY_CONFIG, kiln, write_corpus};

const SMALL: &str = "--config tiny.json --vocab-size 100 --batch-size 4 --seq-len 16 --steps 2";

/// A folder with `text.txt`, and `one.txt` that is one short document.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    let sentence = "The kiln was hot and the clay was red. ";
    fs::write(folder.path().join("one.txt"), sentence.repeat(40)).unwrap();
    fs::write(folder.path().join("tiny.json"), TINY_CONFIG).unwrap();
    folder
}

#[test]
fn a_run_without_evaluation_says_so_and_with_what_it_would_have_one() {
    let folder = folder();
    let warning = |flags: &str| {
        let command = format!("pretrain bert {SMALL} {flags} --output run");
        let done = kiln(folder.path(), &command);
        assert_eq!(done.code, 0, "{done:?}");
        fs::remove_dir_all(folder.path().join("run")).unwrap();
        let lines = done.stderr.lines();
        let warnings: Vec<_> = lines
            .filter(|line| line.contains("no evaluation"))
            .collect();
        warnings.join("|")
    };
    assert_eq!(
        warning("--corpus one.txt"),
        "warning: no evaluation: the corpus is one short document, of which nothing can be held \
         out; pass other text with --eval-corpus, or put a blank line between documents"
    );
    assert_eq!(
        warning("--corpus text.txt --held-out 0"),
        "warning: no evaluation: --held-out 0 leaves nothing to evaluate on; hold out a share of \
         the documents, or pass other text with --eval-corpus"
    );
    assert!(warning("--corpus text.txt --eval-batches 0").contains("--eval-batches 0"));
    // The remedies work.
    assert_eq!(warning("--corpus one.txt --eval-corpus text.txt"), "");
    assert_eq!(warning("--corpus text.txt --eval-corpus one.txt"), "");
    assert_eq!(warning("--corpus text.txt"), "");
    // What is off anyway needs none.
    assert!(warning("--corpus one.txt --keep-best 0").contains("no evaluation"));
}

#[test]
fn flags_that_need_an_evaluation_are_refused_without_one() {
    let folder = folder();
    for architecture in ["bert", "electra", "deberta", "xlnet"] {
        for (flags, named) in [
            (
                "--held-out 0 --early-stop 1",
                "--early-stop 1: --held-out 0",
            ),
            ("--held-out 0 --keep-best 2", "--keep-best 2: --held-out 0"),
            (
                "--eval-batches 0 --early-stop 3",
                "--early-stop 3: --eval-batches 0",
            ),
        ] {
            let command = format!("pretrain {architecture} --corpus text.txt {flags} --output run");
            let line = kiln(folder.path(), &command).error(2);
            assert!(line.contains(named) && line.contains("leave --"), "{line}");
        }
    }
    let command = format!("pretrain bert {SMALL} --corpus one.txt --early-stop 1 --output run");
    let line = kiln(folder.path(), &command).late_error(2);
    assert!(
        line.contains("--early-stop 1: the corpus is one short document"),
        "{line}"
    );
    assert!(!folder.path().join("run").exists());
}

#[test]
fn patience_beyond_all_evaluations_is_told() {
    let folder = folder();
    let stderr = |flags: &str| {
        let command = format!("pretrain bert {SMALL} --corpus text.txt {flags} --output run");
        let done = kiln(folder.path(), &command);
        assert_eq!(done.code, 0, "{done:?}");
        fs::remove_dir_all(folder.path().join("run")).unwrap();
        done.stderr
    };
    let told = stderr("--early-stop 2 --eval-every 1");
    let expected = "warning: --early-stop 2 never stops this run, which has 2 evaluations; choose a \
                    smaller --eval-every";
    assert!(told.contains(expected), "{told}");
    let quiet = stderr("--early-stop 1 --eval-every 1");
    assert!(!quiet.contains("never stops"), "{quiet}");
}
