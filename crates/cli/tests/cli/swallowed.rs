//! Words after a flag that takes several.

use std::fs;

use crate::command::{folder, kiln};

#[test]
fn an_architecture_behind_the_files_of_a_corpus_is_understood() {
    let folder = folder();
    let flags = "--config tiny.json --vocab-size 100 --batch-size 4 --seq-len 16 --steps 1";
    for words in [
        "--corpus text.txt bert --output a",
        "--corpus text.txt text.txt bert --output b",
        "--output c --corpus text.txt --eval-corpus text.txt bert",
    ] {
        let json = kiln(folder.path(), &format!("pretrain {words} {flags} --json")).json();
        assert_eq!(json["stop"], "done", "{words}");
    }
}

#[test]
fn without_an_architecture_the_flag_that_took_the_words_is_named() {
    let folder = folder();
    let line = kiln(folder.path(), "pretrain --corpus text.txt brt --output run").error(2);
    // The list is the one of the help, which is a snapshot.
    let help = kiln(folder.path(), "pretrain --help").ok();
    let list = help.split_once("[possible values: ").unwrap().1;
    let (list, _) = list.split_once(']').unwrap();
    assert!(list.starts_with("bert, electra, deberta, xlnet"), "{list}");
    assert_eq!(
        line,
        format!(
            "error: no architecture: --corpus took every word after it (brt); write one of {list} \
             right after pretrain"
        )
    );
    // With nothing taken it is as any missing word.
    let done = kiln(folder.path(), "pretrain --corpus text.txt --output run");
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("<A>"), "{}", done.stderr);
}

#[test]
fn a_file_that_is_called_like_an_architecture_is_asked_about() {
    let folder = folder();
    fs::copy(folder.path().join("text.txt"), folder.path().join("bert")).unwrap();
    let line = kiln(
        folder.path(),
        "pretrain --corpus text.txt bert --output run",
    )
    .error(2);
    assert_eq!(
        line,
        "error: --corpus bert: the architecture, or the file of that name? Write the architecture \
         right after pretrain, and ./bert for the file"
    );
}
