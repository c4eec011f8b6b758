//! Text that is empty, tiny or not UTF-8, and damaged shards.

use std::fs;
use std::path::Path;

use super::{SMALL, change, copy_again, folder, names_in, pretrain, replace};
use crate::command::{kiln, kiln_with};

#[test]
fn a_corpus_without_text_is_refused_by_every_command_and_nothing_is_made() {
    let folder = folder();
    let folder = folder.path();
    let before = names_in(folder).len();
    fs::write(folder.join("empty.txt"), " \n\n\t\n").unwrap();
    for command in [
        "tokenizer train --arch bert --vocab-size 100 --corpus empty.txt --output made".to_owned(),
        "prepare --tokenizer tok --corpus empty.txt --output made".to_owned(),
        pretrain("--corpus empty.txt --tokenizer tok --config model.json --cache-dir made"),
    ] {
        let line = kiln(folder, &command).error(1);
        assert!(
            line.contains("empty.txt: no text in it; pass files with"),
            "{command}: {line}"
        );
        let made = folder.join("made");
        assert!(
            !made.exists() || names_in(&made).is_empty(),
            "{command}: {:?}",
            names_in(&made)
        );
        let _ = fs::remove_dir(&made);
        assert_eq!(names_in(folder).len(), before + 1, "{:?}", names_in(folder));
    }
}

#[test]
fn documents_of_one_word_train_with_and_without_sentence_pairs() {
    let folder = folder();
    let folder = folder.path();
    let words = "potter\n\nkiln\n\nclay\n\nglaze\n\n".repeat(4);
    fs::write(folder.join("words.txt"), words).unwrap();
    fs::write(folder.join("word.txt"), "kiln").unwrap();
    let mut run = 0;
    for corpus in ["words.txt", "word.txt"] {
        for objective in ["", "--no-next-sentence", "--whole-word --accumulate 2"] {
            run += 1;
            let command = format!(
                "pretrain bert --corpus {corpus} --tokenizer tok --config model.json --json \
                 --steps 3 --output run{run} {SMALL} {objective}"
            );
            let done = kiln(folder, &command).json();
            assert_eq!(done["step"], 3, "{corpus} {objective}: {done}");
            assert_eq!(done["skipped_steps"], 0, "{corpus} {objective}: {done}");
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_by_file_and_byte_or_left_out_and_counted() {
    let folder = folder();
    let folder = folder.path();
    let mut bytes = b"good line\nbad \xff line\n".to_vec();
    bytes.extend(fs::read(folder.join("text.txt")).unwrap());
    fs::write(folder.join("mixed.txt"), bytes).unwrap();
    let prepare = "prepare --tokenizer tok --corpus mixed.txt --output shards --json";
    let train = pretrain("--corpus mixed.txt --tokenizer tok --config model.json");
    for command in [prepare, &train] {
        let line = kiln(folder, command).error(1);
        assert!(
            line.contains("mixed.txt: line 2: byte 14 of the file is not UTF-8"),
            "{command}: {line}"
        );
    }
    assert!(!folder.join("shards").exists() && !folder.join("new").exists());
    let hidden = |name: &String| name.starts_with('.');
    assert!(
        !names_in(folder).iter().any(hidden),
        "{:?}",
        names_in(folder)
    );

    let done = kiln(folder, &format!("{prepare} --skip-invalid"));
    assert!(
        done.stderr
            .contains("1 lines that are not UTF-8 were left out"),
        "{done:?}"
    );
    assert_eq!(done.json()["skipped_lines"], 1);
    let trained = kiln(folder, &format!("{train} --skip-invalid"));
    let tokenizer =
        "tokenizer train --arch bert --corpus mixed.txt --vocab-size 100 --output other";
    let tokenizer = kiln(folder, &format!("{tokenizer} --skip-invalid"));
    for done in [trained, tokenizer] {
        let expected = "warning: 1 lines that are not UTF-8 were left out";
        assert!(done.stderr.contains(expected), "{done:?}");
        done.ok();
    }
}

/// Where a shard is damaged, what it does to it, and what is said of it.
type Fault = (fn(&Path), &'static str);

#[test]
fn damaged_shards_are_refused_by_file_and_no_run_is_left() {
    let folder = folder();
    let folder = folder.path();
    kiln(
        folder,
        "prepare --tokenizer tok --corpus text.txt --output whole",
    )
    .ok();
    let faults: [Fault; 6] = [
        (
            |shards| change(&shards.join("tokens.bin"), |bytes| bytes.truncate(1001)),
            "shards/tokens.bin: has 1001 bytes, the header says 10128; remove the folder and \
             prepare the corpus again",
        ),
        (
            |shards| fs::remove_file(shards.join("documents.bin")).unwrap(),
            "shards/documents.bin: cannot be read",
        ),
        (
            |shards| change(&shards.join("header.json"), |bytes| bytes.truncate(100)),
            "shards/header.json: not a header of this version",
        ),
        (
            |shards| {
                replace(
                    &shards.join("header.json"),
                    "\"num_tokens\": 5",
                    "\"num_tokens\": 4",
                )
            },
            "shards/header.json: changed since it was written",
        ),
        (
            |shards| {
                replace(
                    &shards.join("header.json"),
                    "\"version\": 1",
                    "\"version\": 2",
                )
            },
            "shards/header.json: version 2 of the format, this program reads 1; remove the folder",
        ),
        (
            // One bit: still an id of the vocabulary, and only the checksum knows.
            |shards| change(&shards.join("tokens.bin"), |bytes| bytes[1000] ^= 1),
            "shards/tokens.bin: changed since it was written",
        ),
    ];
    for (damage, expected) in faults {
        copy_again(&folder.join("whole"), &folder.join("shards"));
        damage(&folder.join("shards"));
        let command = pretrain("--data shards --tokenizer tok --config model.json");
        let line = kiln(folder, &command).late_error(1);
        assert!(line.contains(expected), "{expected}: {line}");
        assert!(!folder.join("new").exists(), "{expected}");
    }
}

#[test]
fn damaged_bounds_of_sentences_and_documents_are_refused_by_file_with_the_remedy() {
    let folder = folder();
    let folder = folder.path();
    kiln(
        folder,
        "prepare --tokenizer tok --corpus text.txt --output whole",
    )
    .ok();
    for file in ["sentences.bin", "documents.bin"] {
        copy_again(&folder.join("whole"), &folder.join("shards"));
        change(&folder.join("shards").join(file), |bytes| {
            // All but the first and the last bound.
            let inner = 8..bytes.len() - 8;
            bytes[inner].fill(0xff);
        });
        let command = pretrain("--data shards --tokenizer tok --config model.json");
        let line = kiln(folder, &command).late_error(1);
        assert!(
            line.contains(&format!("shards/{file}: changed since it was written"))
                && line.contains("prepare the corpus again"),
            "{file}: {line}"
        );
        assert!(!folder.join("new").exists(), "{file}");
    }
}

#[test]
fn shards_that_changed_under_a_run_stop_its_resuming() {
    let folder = folder();
    let folder = folder.path();
    kiln(
        folder,
        "prepare --tokenizer tok --corpus text.txt --output shards",
    )
    .ok();
    kiln(
        folder,
        &pretrain("--data shards --tokenizer tok --config model.json"),
    )
    .ok();
    let settings = folder.join("new/config.json");
    replace(&settings, "\"steps\": 2", "\"steps\": 4");
    change(&folder.join("shards/tokens.bin"), |bytes| {
        bytes.truncate(10)
    });
    let line = kiln(folder, "resume new").late_error(1);
    assert!(line.contains("shards/tokens.bin: has 10 bytes"), "{line}");
    fs::remove_dir_all(folder.join("shards")).unwrap();
    fs::write(folder.join("other.txt"), "the river and the wall").unwrap();
    kiln(
        folder,
        "prepare --tokenizer tok --corpus other.txt --output shards",
    )
    .ok();
    let line = kiln(folder, "resume new").late_error(1);
    assert!(
        line.contains("shards: another corpus than the run"),
        "{line}"
    );
    fs::remove_dir_all(folder.join("shards")).unwrap();
    kiln(
        folder,
        "prepare --tokenizer tok --corpus text.txt --output shards",
    )
    .ok();
    kiln(folder, "resume new").ok();
}

#[test]
fn a_folder_says_how_many_files_were_read_and_why_others_were_not() {
    let folder = folder();
    let folder = folder.path();
    fs::create_dir_all(folder.join("text/sub")).unwrap();
    fs::copy(folder.join("text.txt"), folder.join("text/sub/part")).unwrap();
    fs::write(folder.join("text/a.md"), "the river and the wall\n").unwrap();
    fs::write(folder.join("text/a.png"), b"\x89PNG\0").unwrap();
    fs::write(folder.join("text/.a.md.swp"), "x").unwrap();
    let expected = "2 files read, 2 left out: a PNG image: 1 (text/a.png); hidden file or folder: \
                    1 (text/.a.md.swp)\n";
    let prepare = "prepare --tokenizer tok --corpus text --json --output";
    let done = kiln(folder, &format!("{prepare} shards"));
    assert!(done.stderr.contains(expected), "{done:?}");
    let done = done.json();
    assert_eq!(done["files"], 2);
    assert_eq!(
        done["left_out"][0],
        serde_json::json!({ "reason": "a PNG image", "files": 1, "first": "text/a.png" })
    );
    let train = "tokenizer train --arch bert --corpus text --vocab-size 100 --json --output other";
    let done = kiln(folder, train);
    assert!(done.stderr.contains(expected), "{done:?}");
    assert_eq!(done.json()["files"], 2);
    // Read now, and then found in the cache.
    for run in ["first", "second"] {
        let train = format!(
            "pretrain bert --corpus text --tokenizer tok --config model.json --steps 1 {SMALL} \
             --output {run}"
        );
        let done = kiln(folder, &train);
        assert!(done.stderr.contains(expected), "{run}: {done:?}");
        done.ok();
    }
    // What is left out is that of now, whatever is in the cache.
    fs::write(folder.join("text/b.png"), b"\x89PNG\0").unwrap();
    let train = format!(
        "pretrain bert --corpus text --tokenizer tok --config model.json --steps 1 {SMALL} --json \
         --output third"
    );
    let done = kiln(folder, &train);
    let expected = "2 files read, 3 left out: a PNG image: 2 (text/a.png, …); hidden";
    assert!(done.stderr.contains(expected), "{done:?}");
    assert_eq!(done.json()["corpus"]["left_out"][0]["files"], 2);
}

#[test]
fn the_text_of_records_may_be_in_another_field_for_every_command() {
    let folder = folder();
    let folder = folder.path();
    let text = fs::read_to_string(folder.join("text.txt")).unwrap();
    let records: String = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("{}\n", serde_json::json!({ "meta": { "body": line } })))
        .collect();
    fs::write(folder.join("records"), records + "{\"meta\": {}}\n").unwrap();
    let flags = "--corpus records --text-field meta.body --skip-invalid";
    let train = pretrain(&format!("{flags} --tokenizer tok --config model.json"));
    for command in [
        &format!("tokenizer train --arch bert --vocab-size 100 --output other {flags}"),
        &format!("prepare --tokenizer tok --output shards {flags}"),
        &train,
    ] {
        let done = kiln(folder, command);
        for expected in [
            "records: holds JSON, and is read as such",
            "warning: left out: 1 JSON record without text",
        ] {
            assert!(done.stderr.contains(expected), "{command}: {done:?}");
        }
        done.ok();
    }
    let line = kiln(
        folder,
        "prepare --tokenizer tok --output no --corpus records",
    )
    .late_error(1);
    assert!(
        line.contains(
            "records: line 1: column 347: the record has no field \"text\" (it has meta); name \
             the field that holds the text with --text-field"
        ),
        "{line}"
    );
}

#[test]
fn standard_input_is_text_for_every_command() {
    let folder = folder();
    let folder = folder.path();
    let text = fs::read_to_string(folder.join("text.txt")).unwrap();
    let train = pretrain("--corpus - --tokenizer tok --config model.json");
    for command in [
        "tokenizer train --arch bert --vocab-size 100 --output other --corpus -",
        "prepare --tokenizer tok --output shards --corpus -",
        &train,
    ] {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let done = kiln_with(folder, &arguments, &text);
        done.ok();
    }
    let same = |file: &str| fs::read(folder.join(file)).unwrap();
    assert!(same("tok/vocab.txt") == same("other/vocab.txt"));
    let header = crate::command::read_json(&folder.join("shards/header.json"));
    assert_eq!(header["header"]["inputs"][0]["path"], "standard input");
    assert_eq!(header["header"]["inputs"][0]["is_pipe"], true);

    let empty = pretrain("--corpus - --config model.json").replace("--output new", "--output none");
    let line = kiln(folder, &empty).error(1);
    assert!(line.contains("standard input: no text in it"), "{line}");
    let both = pretrain("--corpus - --eval-corpus - --config model.json");
    let line = kiln(folder, &both.replace("--output new ", "--output none ")).error(2);
    assert!(
        line.contains("standard input can be read once only"),
        "{line}"
    );
}

#[cfg(unix)]
#[test]
fn what_is_wrong_with_a_command_is_told_before_a_pipe_is_waited_for() {
    let folder = folder();
    let folder = folder.path();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    // Its writer never ends.
    let writer = fs::File::options()
        .read(true)
        .write(true)
        .open(folder.join("pipe"))
        .unwrap();
    for (flags, says) in [
        ("--tokenizer none --config model.json", "none"),
        ("--tokenizer tok --config model.json --seq-len 999", "999"),
        (
            "--config model.json --batch-size 100000000",
            "not enough memory",
        ),
    ] {
        let command = format!("pretrain bert --corpus pipe --output new {flags}");
        let done = kiln(folder, &command);
        let code = done.code;
        let line = done.error(code);
        assert!(code != 0 && line.contains(says), "{command}: {line}");
    }
    drop(writer);
}
