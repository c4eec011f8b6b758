//! What is told of a text: nothing of it is lost in silence, by any command that reads it.

use std::fs;
use std::path::Path;

use crate::command::{folder, kiln};

const RUN: &str = "--config tiny.json --steps 1 --batch-size 2 --seq-len 16 --eval-batches 1";

/// A text of Chinese characters, `number` of them, each a hundred times.
fn write_chinese(path: &Path, number: u32) {
    let characters = (0..number * 100).map(|n| char::from_u32(0x4e00 + n % number).unwrap());
    let mut text = String::new();
    for (index, c) in characters.enumerate() {
        text.push(c);
        if index % 50 == 49 {
            text.push_str("。\n");
        }
    }
    fs::write(path, text).unwrap();
}

#[track_caller]
fn assert_told(stderr: &str, what: &str) {
    assert!(stderr.contains(what), "{what}: {stderr}");
}

#[test]
fn no_flag_is_advised_for_the_one_character_that_none_can_keep() {
    let folder = folder();
    let text = "the clay ki\0ln is hot and the pot is red today.\n".repeat(200);
    fs::write(folder.path().join("nul.txt"), text).unwrap();
    for architecture in ["deberta", "xlnet"] {
        let train = format!(
            "tokenizer train --arch {architecture} --corpus nul.txt --vocab-size 60 --output \
             {architecture}"
        );
        let done = kiln(folder.path(), &train);
        assert_eq!(done.code, 0, "{done:?}");
        assert_told(
            &done.stderr,
            "have no piece and are unknown: U+0000; no SentencePiece model can have it; take it out of \
             the text",
        );
    }
}

#[test]
fn characters_without_a_piece_are_named_and_the_flags_that_are_advised_keep_them() {
    let folder = folder();
    let folder = folder.path();
    write_chinese(&folder.join("zh.txt"), 1500);
    let train = |flags: &str| {
        let command = format!("tokenizer train --arch bert --corpus zh.txt --json {flags}");
        kiln(folder, &command)
    };
    let done = train("--vocab-size 1300 --output small");
    // 1,295 entries beside the special tokens; the full stop comes most often.
    assert_told(
        &done.stderr,
        "warning: 206 of the text's 1,501 characters, 13.46 % of it, have no piece and are unknown: 匎 ",
    );
    assert_told(
        &done.stderr,
        "--limit-alphabet 1501 --vocab-size 1506 keeps all",
    );
    let dropped = &done.json()["text"]["dropped_characters"];
    assert_eq!(dropped["characters"], 206);
    let done = train("--limit-alphabet 1501 --vocab-size 1506 --output all");
    assert_eq!(done.stderr, "");
    assert_eq!(done.json()["vocab_size"], 1506);
    let done = train("--vocab-size 2000 --output enough");
    assert_eq!(done.json()["vocab_size"], 1506);

    // Unknown text is told by every command, and again when it comes from the cache.
    let prepared = kiln(
        folder,
        "prepare --tokenizer small --corpus zh.txt --output shards",
    );
    assert_told(
        &prepared.stderr,
        "warning: 13.46 % of the tokens are unknown, first in: ",
    );
    let pretrain = |source: &str, output: &str| {
        kiln(
            folder,
            &format!("pretrain bert {source} --tokenizer small --output {output} {RUN}"),
        )
    };
    for (source, output) in [
        ("--corpus zh.txt", "first"),
        ("--corpus zh.txt", "cached"),
        ("--data shards", "prepared"),
    ] {
        let done = pretrain(source, output);
        assert_told(&done.stderr, "tokens, 13.46 % unknown");
        assert_told(
            &done.stderr,
            "warning: 13.46 % of the tokens are unknown, first in: ",
        );
        done.ok();
    }
}

#[test]
fn a_vocabulary_without_room_names_flags_that_make_room() {
    let folder = folder();
    for (arch, flag) in [
        ("bert", "--limit-alphabet"),
        ("deberta", "--character-coverage"),
        ("xlnet", "--character-coverage"),
    ] {
        let train = |flags: &str| {
            kiln(
                folder.path(),
                &format!("tokenizer train --arch {arch} --corpus text.txt {flags}"),
            )
        };
        let line = train("--vocab-size 26 --output no").error(2);
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |word: &str| {
            let at = words.iter().position(|found| *found == word).unwrap();
            words[at + 1].trim_end_matches(';')
        };
        let needed = after("takes");
        let most = words[words.iter().position(|word| *word == flag).unwrap() + 2];
        train(&format!("--vocab-size {needed} --output {arch}-enough")).ok();
        train(&format!(
            "--vocab-size 26 {flag} {most} --output {arch}-less"
        ))
        .ok();
        // No alphabet at all has room there.
        let line = train("--vocab-size 5 --output no").error(2);
        assert!(line.ends_with("choose at least that"), "{line}");
    }
}

#[test]
fn lines_that_are_left_out_are_counted_by_every_command() {
    let folder = folder();
    let folder = folder.path();
    let text = fs::read(folder.join("text.txt")).unwrap();
    fs::write(
        folder.join("half.txt"),
        [&text[..], b"\xcf\xee\n\xcf\xee\n"].concat(),
    )
    .unwrap();
    let warning = "warning: 2 lines that are not UTF-8 were left out\n";
    for command in [
        "tokenizer train --arch bert --vocab-size 150 --output tok".to_string(),
        "prepare --tokenizer tok --output shards".to_string(),
        format!("pretrain bert --tokenizer tok --output first {RUN}"),
        format!("pretrain bert --tokenizer tok --output cached {RUN}"),
        format!("pretrain bert --vocab-size 150 --output trained {RUN}"),
    ] {
        let done = kiln(
            folder,
            &format!("{command} --corpus half.txt --skip-invalid"),
        );
        assert_eq!(
            done.stderr.matches(warning).count(),
            1,
            "{command}: {done:?}"
        );
        done.ok();
    }
}

#[test]
fn special_tokens_and_long_words_in_the_text_are_told_by_every_command() {
    let folder = folder();
    let folder = folder.path();
    let mut text = fs::read_to_string(folder.join("text.txt")).unwrap();
    let long = "acgt".repeat(30);
    text.push_str(&format!("Fill in the [MASK] and [MASK]. {long} [SEP]\n"));
    fs::write(folder.join("typed.txt"), text).unwrap();
    let corpus = "--corpus typed.txt --json";
    for (command, place) in [
        (
            "tokenizer train --arch bert --vocab-size 150 --output tok".to_string(),
            "/text",
        ),
        ("prepare --tokenizer tok --output shards".to_string(), ""),
        (
            format!("pretrain bert --tokenizer tok --output first {RUN}"),
            "/corpus",
        ),
        (
            format!("pretrain bert --tokenizer tok --output cached {RUN}"),
            "/corpus",
        ),
    ] {
        let done = kiln(folder, &format!("{command} {corpus}"));
        assert_told(
            &done.stderr,
            "special tokens typed in: [MASK] 2 times, [SEP] once; ",
        );
        assert_told(&done.stderr, "warning: 1 word");
        let json = done.json();
        let told = json.pointer(place).unwrap();
        assert_eq!(told["special_tokens"]["[MASK]"], 2, "{command}: {json}");
        assert_eq!(told["long_words"], 1, "{command}: {json}");
    }
}

#[test]
fn a_text_of_long_words_is_refused_with_kinds_that_take_it() {
    let folder = folder();
    let folder = folder.path();
    let lines: String = (0..40)
        .map(|n| format!("{}\n", "acgtgca".repeat(20 + n)))
        .collect();
    fs::write(folder.join("dna.txt"), lines).unwrap();
    let train = |flags: &str| {
        kiln(
            folder,
            &format!("tokenizer train --arch bert --corpus dna.txt {flags}"),
        )
    };
    let line = train("--vocab-size 300 --output no").error(1);
    for part in [
        "error: dna.txt: ",
        "100 characters",
        "--kind byte-bpe",
        "--kind unigram",
    ] {
        assert_told(&line, part);
    }
    train("--vocab-size 300 --kind byte-bpe --output bytes").ok();
    train("--vocab-size 30 --kind unigram --output pieces").ok();
    let line = kiln(
        folder,
        &format!("pretrain bert --corpus dna.txt --output run {RUN}"),
    )
    .error(1);
    assert_told(&line, "kiln tokenizer train --arch bert --kind byte-bpe");
    assert_told(&line, "--tokenizer");
    for tokenizer in ["bytes", "pieces"] {
        let command = format!(
            "pretrain bert --corpus dna.txt --tokenizer {tokenizer} --output on-{tokenizer} {RUN}"
        );
        kiln(folder, &command).ok();
    }
}

#[test]
fn the_default_vocabulary_depends_on_the_text_alone() {
    let folder = folder();
    let folder = folder.path();
    // Words enough for 1,900 entries: pairs of syllables.
    let syllables = ["ka", "lo", "mi", "ne", "pu", "ra", "so", "ti", "vu", "we"];
    let words = (0..11_000usize).map(|n| {
        let pick = |place: usize| {
            syllables[n.wrapping_mul(2_654_435_761) / 10usize.pow(place as u32) % 10]
        };
        format!("{}{}{}{}", pick(1), pick(3), pick(5), pick(6))
    });
    let lines: Vec<Vec<String>> = words
        .collect::<Vec<_>>()
        .chunks(10)
        .map(<[_]>::to_vec)
        .collect();
    let lines: Vec<String> = lines.iter().map(|line| line.join(" ")).collect();
    fs::write(folder.join("plain.txt"), lines.join("\n\n")).unwrap();
    let records: String = lines
        .iter()
        .map(|line| format!("{{\"source\": \"somewhere on the web\", \"text\": \"{line}\"}}\n"))
        .collect();
    fs::write(folder.join("records.jsonl"), records).unwrap();
    fs::create_dir(folder.join("junk")).unwrap();
    fs::copy(folder.join("plain.txt"), folder.join("junk/a.txt")).unwrap();
    fs::write(folder.join("junk/model.bin"), vec![0xf0; 3_000_000]).unwrap();
    let mut sources = vec![
        "plain.txt",
        "records.jsonl",
        "junk",
        "plain.txt --eval-corpus text.txt",
    ];
    #[cfg(unix)]
    {
        fs::create_dir(folder.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.join("plain.txt"), folder.join("link/a.txt")).unwrap();
        sources.push("link");
    }
    for (index, source) in sources.into_iter().enumerate() {
        let command = format!("pretrain bert --corpus {source} --output run-{index} {RUN}");
        let done = kiln(folder, &command);
        assert_told(
            &done.stderr,
            "tokenizer: 1,900 entries, trained on the corpus",
        );
        done.ok();
    }
}

#[test]
fn a_tokenizer_is_trained_on_a_sample_if_asked_and_says_so() {
    let folder = folder();
    let folder = folder.path();
    let train = |flags: &str| {
        let command = "tokenizer train --arch bert --corpus text.txt --vocab-size 150 --json";
        kiln(folder, &format!("{command} {flags}"))
    };
    let done = train("--tokenizer-sample 6kB --output some");
    assert_told(&done.stderr, "the tokenizer is trained on a sample of ");
    assert_told(&done.stderr, "--tokenizer-sample all");
    let sampled = done.json()["text"]["sampled_bytes"].as_u64().unwrap();
    assert!((1_000..12_000).contains(&sampled), "{sampled}");
    for size in ["all", "1GB"] {
        let done = train(&format!("--tokenizer-sample {size} --output all-{size}"));
        assert!(!done.stderr.contains("sample"), "{done:?}");
        assert!(done.json()["text"]["sampled_bytes"].is_null());
    }
    let command = format!(
        "pretrain bert --corpus text.txt --vocab-size 150 --tokenizer-sample 6kB --output run {RUN}"
    );
    let done = kiln(folder, &command);
    assert_told(&done.stderr, "the tokenizer is trained on a sample of ");
    done.ok();
}

#[test]
fn flags_of_the_alphabet_are_refused_where_nothing_is_trained_or_the_kind_has_none() {
    let folder = folder();
    let folder = folder.path();
    for (command, expected) in [
        (
            "--kind unigram --limit-alphabet 9",
            "--limit-alphabet: only word-piece",
        ),
        (
            "--kind byte-bpe --limit-alphabet 9",
            "--limit-alphabet: only word-piece",
        ),
        (
            "--character-coverage 0.9",
            "--character-coverage: only unigram",
        ),
        (
            "--kind unigram --character-coverage 1.5",
            "--character-coverage 1.5: choose",
        ),
        (
            "--kind unigram --character-coverage nan",
            "--character-coverage NaN: choose",
        ),
    ] {
        let command = format!(
            "tokenizer train --arch bert {command} --corpus none.txt --vocab-size 300 --output tok"
        );
        let line = kiln(folder, &command).error(2);
        assert_told(&line, expected);
    }
    kiln(
        folder,
        "tokenizer train --arch bert --corpus text.txt --vocab-size 150 --output tok",
    )
    .ok();
    for flag in [
        "--limit-alphabet 9",
        "--character-coverage 0.9",
        "--tokenizer-sample 1MB",
    ] {
        let command =
            format!("pretrain bert --corpus text.txt --tokenizer tok {flag} --output run");
        let done = kiln(folder, &command);
        assert_eq!(done.code, 2, "{done:?}");
        assert_told(&done.stderr, "cannot be used with");
    }
}
