//! Tokenizers of every kind from the command line, and runs with them.

use crate::command::{folder, kiln, kiln_with};

#[test]
fn each_kind_is_trained_and_a_run_with_it_fills_masks() {
    for (kind, vocab_size, files) in [
        ("word-piece", 150, &["vocab.txt"][..]),
        ("unigram", 150, &["spm.model"]),
        ("byte-bpe", 300, &["vocab.json", "merges.txt"]),
    ] {
        let folder = folder();
        let folder = folder.path();
        let trained = kiln(
            folder,
            &format!(
                "tokenizer train --arch bert --kind {kind} --corpus text.txt \
                 --vocab-size {vocab_size} --output tok --json"
            ),
        )
        .json();
        assert_eq!(trained["kind"], kind);
        assert!(trained["vocab_size"].as_u64().unwrap() <= vocab_size);
        for file in files {
            assert!(folder.join("tok").join(file).is_file(), "{file}");
        }

        kiln(
            folder,
            "pretrain bert --corpus text.txt --tokenizer tok --config tiny.json --output run \
             --steps 2 --batch-size 2 --seq-len 32",
        )
        .ok();
        let predict = [
            "predict",
            "fill-mask",
            "--model",
            "run",
            "The [MASK] was hot.",
        ];
        kiln_with(folder, &predict, "").ok();
        // The vocabulary's own file goes with the run.
        for file in files {
            assert!(folder.join("run/tokenizer").join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn the_architecture_decides_the_kind_and_a_small_text_is_warned_of() {
    let folder = folder();
    let done = kiln(
        folder.path(),
        "tokenizer train --arch bert --corpus text.txt --vocab-size 5000 --output tok --json",
    );
    assert!(done.stderr.contains("the text has pairs for"), "{done:?}");
    assert_eq!(done.json()["kind"], "word-piece");
    let done = kiln(
        folder.path(),
        "tokenizer train --arch bert --kind unigram --corpus text.txt --vocab-size 5000 \
         --output pieces",
    );
    assert!(done.stderr.contains("the text has strings for"), "{done:?}");
    done.ok();
}

#[test]
fn flags_that_are_not_for_a_kind_are_refused_before_the_text_is_read() {
    let folder = folder();
    for (flags, expected) in [
        ("--kind unigram --cased", "only word-piece changes letters"),
        (
            "--kind byte-bpe --keep-accents",
            "only word-piece changes letters",
        ),
        (
            "--kind unigram --min-frequency 3",
            "--min-frequency: only pairs",
        ),
    ] {
        let command = format!(
            "tokenizer train --arch bert {flags} --corpus none.txt --vocab-size 300 --output tok"
        );
        let line = kiln(folder.path(), &command).error(2);
        assert!(line.contains(expected), "{line}");
        assert!(!folder.path().join("tok").exists());
    }
}
