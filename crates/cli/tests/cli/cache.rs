//! `kiln cache`: what is kept of tokenised text, and how to be rid of it.

use std::fs;

use crate::command::{TINY_CONFIG, kiln, write_corpus};

#[test]
fn the_cache_is_listed_with_its_text_and_runs_and_cleared_of_what_is_kilns() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_corpus(&folder.join("text.txt"));
    fs::write(folder.join("tiny.json"), TINY_CONFIG).unwrap();
    // The cache's place is the environment's.
    let list = || kiln(folder, "cache list --json").json();
    assert_eq!(list()["entries"].as_array().unwrap().len(), 0);
    assert!(
        kiln(folder, "cache list")
            .ok()
            .contains("0 tokenised corpora, 0 B")
    );
    kiln(
        folder,
        "tokenizer train --arch bert --corpus text.txt --vocab-size 150 --output tok",
    )
    .ok();
    let pretrain = |output: &str| {
        let command = "pretrain bert --corpus text.txt --tokenizer tok --config tiny.json --steps 1 \
                       --batch-size 2 --seq-len 16";
        kiln(folder, &format!("{command} --output {output}")).ok()
    };
    pretrain("first");
    pretrain("second");

    let listed = list();
    let corpora: Vec<_> = listed["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "corpus")
        .collect();
    let [corpus] = corpora.as_slice() else {
        panic!("{listed}");
    };
    assert_eq!(corpus["inputs"], serde_json::json!(["text.txt"]));
    assert_eq!(corpus["in_use"], false);
    assert!(corpus["bytes"].as_u64() > Some(1000) && corpus["age_seconds"].as_u64() < Some(3600));
    let runs = corpus["runs"].as_array().unwrap();
    assert!(runs[0].as_str().unwrap().ends_with("first"), "{listed}");
    assert_eq!(runs.len(), 2);
    let text = kiln(folder, "cache list").ok();
    assert!(text.contains("1 tokenised corpus, "), "{text}");
    assert!(
        text.contains("  text.txt; ") && text.contains("second\n"),
        "{text}"
    );

    let cache = folder.join("cache/kiln/corpora");
    fs::write(cache.join("mine.txt"), "mine").unwrap();
    let text = kiln(folder, "cache clear --older-than 1").ok();
    assert!(
        text.contains("0 B freed") && text.contains("kept, younger: "),
        "{text}"
    );
    let cleared = kiln(folder, "cache clear --json").json();
    assert_eq!(cleared["freed_bytes"], listed["bytes"]);
    assert_eq!(cleared["deleted"].as_array().unwrap().len(), 2);
    let left: Vec<_> = fs::read_dir(&cache).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let text = kiln(folder, "cache clear").ok();
    assert!(
        text.contains("left alone: 1 that Kiln did not make"),
        "{text}"
    );
    pretrain("third");
    let text = kiln(folder, "cache clear").ok();
    assert!(
        text.contains("to resume ") && text.contains("third, its text is needed"),
        "{text}"
    );
    pretrain("fourth");
    // Shards that were made with kiln prepare are nobody's to clear.
    kiln(
        folder,
        "prepare --tokenizer tok --corpus text.txt --output shards",
    )
    .ok();
    let text = kiln(folder, "cache clear --cache-dir .").ok();
    assert!(text.contains("0 B freed"), "{text}");
    assert!(folder.join("shards/header.json").is_file());
}
