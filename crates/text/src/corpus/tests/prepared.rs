//! The shard folder: complete or absent, the same every time, found again.

use std::process::Command;

use kiln_files::WholeFolder;

use super::super::header::{DOCUMENTS, HEADER, SENTENCES, TOKENS};
use super::super::writer::ShardWriter;
use super::*;

#[test]
fn any_number_of_threads_writes_the_same_bytes() {
    let place = Place::new();
    // Larger than a block of one thread, so that blocks end at different places.
    let text: String = (0..65_000u32)
        .map(|n| match n % 7 {
            0 => "\n".to_string(),
            k => format!("{} x. Y z.\n", "abcdefgh ".repeat(k as usize)),
        })
        .collect();
    assert!(text.len() > 2 << 20, "{}", text.len());
    let file = place.write("x.txt", text);
    for threads in [1, 2, 3] {
        let settings = PrepareSettings {
            threads,
            ..PrepareSettings::default()
        };
        let name = format!("shard-{threads}");
        place
            .prepare_with(std::slice::from_ref(&file), &name, &settings)
            .unwrap();
        for part in [HEADER, TOKENS, SENTENCES, DOCUMENTS] {
            let read = |name: &str| fs::read(place.path(name).join(part)).unwrap();
            assert!(read("shard-1") == read(&name), "{part}, {threads} threads");
        }
        let mut names: Vec<_> = fs::read_dir(place.path(&name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [DOCUMENTS, HEADER, SENTENCES, TOKENS],
            "nothing else"
        );
    }
}

#[test]
fn an_existing_folder_is_refused_unless_it_is_empty() {
    let place = Place::new();
    let file = place.write("x.txt", "a");
    fs::create_dir(place.path("shard")).unwrap();
    place.prepare(std::slice::from_ref(&file), "shard").unwrap();
    let error = place
        .prepare(std::slice::from_ref(&file), "shard")
        .unwrap_err();
    let expected = format!(
        "{}: exists already; choose another folder or remove it",
        place.path("shard").display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(matches!(
        place.prepare(&[file], "x.txt"),
        Err(TextError::Exists { .. })
    ));
}

#[test]
fn an_error_in_the_middle_leaves_nothing() {
    let place = Place::new();
    let mut bytes = "a b c\n".repeat(1_000_000).into_bytes();
    bytes.push(0xff);
    let file = place.write("x.txt", bytes);
    assert!(place.prepare(&[file], "shard").is_err());
    assert_eq!(place.names(), ["x.txt"]);
}

/// Set for the child process that is to die while it writes.
const KILLED: &str = "KILN_TEST_KILLED_IN";

#[test]
fn a_killed_run_leaves_nothing_under_the_final_name_and_the_next_run_cleans_up() {
    if let Ok(dir) = std::env::var(KILLED) {
        let dir = PathBuf::from(dir);
        let inputs = [dir.join("x.txt")];
        let settings = PrepareSettings {
            threads: 1,
            ..PrepareSettings::default()
        };
        let _ = prepare(
            &Inputs::find(&inputs, Reading::default()).unwrap(),
            &tokenizer(),
            &dir.join("shard"),
            &settings,
            &mut |_| std::process::abort(),
        );
        return;
    }
    let place = Place::new();
    let file = place.write("x.txt", "a b c\n".repeat(300_000));
    let name = "corpus::tests::prepared::a_killed_run_leaves_nothing_under_the_final_name_and_the_next_run_cleans_up";
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(KILLED, place.dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    let names = place.names();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0].starts_with(".tmp-shard-"), "{names:?}");
    assert_eq!(names[1], format!("{}.lock", names[0]));

    // A run at work keeps its folder, whoever else starts.
    let working = WholeFolder::create(&place.path("shard")).unwrap();
    assert!(!place.path(&names[0]).exists(), "the killed run's is gone");
    place.prepare(&[file], "shard").unwrap();
    assert!(working.path().exists());
    drop(working);
    assert_eq!(place.names(), ["shard", "x.txt"]);
}

#[test]
fn a_large_vocabulary_takes_four_bytes_an_id() {
    for (vocab_size, bytes) in [(65_535, 2), (65_536, 4), (70_000, 4)] {
        let dir = tempfile::tempdir().unwrap();
        let ids = [0, vocab_size - 1, 258];
        let mut writer = ShardWriter::create(dir.path(), vocab_size).unwrap();
        writer.push_sentence(&ids).unwrap();
        assert!(writer.push_sentence(&[vocab_size]).is_err());
        let mut writer = {
            let dir = dir.path().join("again");
            fs::create_dir(&dir).unwrap();
            ShardWriter::create(&dir, vocab_size).unwrap()
        };
        writer.push_sentence(&ids).unwrap();
        let read = ReadSettings {
            on_invalid: OnInvalid::Refuse,
            lines_are_sentences: false,
            text_field: "text".to_owned(),
        };
        let header = Header::new(&[0; 32], vocab_size, read);
        writer.finish(header).unwrap();
        let shard = Shard::open(&dir.path().join("again")).unwrap();
        let mut read = Vec::new();
        shard.read(0..3, &mut read);
        assert_eq!(read, ids);
        assert_eq!(shard.header().files[TOKENS].bytes, 3 * bytes);
    }
}

#[test]
fn a_corpus_in_memory_equals_the_same_corpus_from_files() {
    let place = Place::new();
    let files = place
        .prepare(&[place.write("x.txt", "a b\nc\n\nd a\n")], "shard")
        .unwrap();
    let documents = vec![
        vec![],
        vec![vec![5, 6], vec![], vec![7]],
        vec![vec![]],
        vec![vec![8, 5]],
    ];
    let memory = Corpus::in_memory(documents, tokenizer().vocab_size());
    assert_eq!(contents(&memory).unwrap(), contents(&files).unwrap());
    assert_eq!(memory.identity(), files.identity());
    assert_eq!(memory.unigram_entropy(), files.unigram_entropy());
    assert_eq!(memory.num_documents(), 2);
    let other = Corpus::in_memory(vec![vec![vec![5, 6], vec![7], vec![8, 5]]], 32);
    assert_ne!(other.identity(), files.identity(), "other documents");
    let empty = Corpus::in_memory(vec![], 32);
    assert_eq!((empty.num_documents(), empty.num_tokens()), (0, 0));
    assert_eq!(empty.unigram_entropy(), 0.0);
}

#[test]
fn the_unigram_entropy_is_that_of_the_distribution_of_tokens() {
    // Four tokens, equally frequent: ln 4. Then 1/2, 1/4, 1/4: 1.5 ln 2.
    let uniform = Corpus::in_memory(vec![vec![vec![1, 2, 3, 4]]], 10);
    assert!((uniform.unigram_entropy() - 4f64.ln()).abs() < 1e-12);
    let skewed = Corpus::in_memory(vec![vec![vec![1, 1], vec![2, 3]]], 10);
    assert!((skewed.unigram_entropy() - 1.5 * 2f64.ln()).abs() < 1e-12);
}

#[test]
fn a_cached_corpus_is_prepared_once_and_again_after_a_change() {
    let place = Place::new();
    let file = place.write("x.txt", "a b\n");
    let get = |settings: PrepareSettings| {
        let mut reports = 0;
        let corpus = cached(
            &Inputs::find(std::slice::from_ref(&file), Reading::default()).unwrap(),
            &tokenizer(),
            &place.path("cache"),
            &settings,
            &mut |_| reports += 1,
        )
        .unwrap();
        (contents(&corpus).unwrap(), reports > 0)
    };
    let default = PrepareSettings::default();
    let first = vec![vec!["a b".to_string()]];
    assert_eq!(get(default), (first.clone(), true));
    assert_eq!(get(default), (first.clone(), false));
    let threads = PrepareSettings {
        threads: 3,
        ..default
    };
    assert_eq!(get(threads), (first.clone(), false), "threads don't matter");
    let lines = PrepareSettings {
        lines_are_sentences: true,
        ..default
    };
    assert_eq!(get(lines), (first, true));
    fs::write(&file, "a b c\n").unwrap();
    assert_eq!(get(default), (vec![vec!["a b c".to_string()]], true));
    assert_eq!(place.names(), ["cache", "x.txt"]);
}

#[test]
fn what_the_tokens_do_not_hold_is_counted_and_named() {
    let place = Place::new();
    let long = "a".repeat(101);
    let text = format!("a b [MASK] 日 {long} 日\n\n[MASK] [SEP] 月 {long}.{long}\n");
    let inputs = [place.write("x.txt", text)];
    for threads in [1, 3] {
        let shard = format!("shard-{threads}");
        let settings = PrepareSettings {
            threads,
            ..PrepareSettings::default()
        };
        let summary = place.prepare_with(&inputs, &shard, &settings).unwrap();
        let special = [("[MASK]".to_string(), 2), ("[SEP]".to_string(), 1)];
        let notes = summary.notes.clone().unwrap();
        assert_eq!(notes.special_tokens, special.into());
        assert_eq!(notes.long_words, 3);
        assert_eq!(notes.unknown_examples, ["日"]);
        let corpus = Corpus::open(&place.path(&shard), &tokenizer()).unwrap();
        let header = corpus.header().unwrap();
        assert_eq!(header, &summary);
        // Twice 日, 月, and the long words.
        assert_eq!(header.num_unknown, 6);
    }
    let known = [place.write("y.txt", "a b\n")];
    let summary = place
        .prepare_with(&known, "known", &PrepareSettings::default())
        .unwrap();
    assert_eq!(summary.notes, Some(TextNotes::default()));
}

#[test]
fn the_size_of_a_text_is_that_of_its_text_however_it_is_stored() {
    let place = Place::new();
    let text = "a b\nc d\n\ne f\n\n";
    let size = |name: &str, bytes: &[u8]| {
        let inputs = [place.write(name, bytes)];
        let shard = format!("{name}-shard");
        place.prepare_rest(&inputs, &shard).unwrap().text_bytes
    };
    let plain = text.len() as u64;
    assert_eq!(size("a.txt", text.as_bytes()), plain);
    assert_eq!(size("b.txt.gz", &gzip(text.as_bytes())), plain);
    assert_eq!(
        size("c.txt", &[b"\xef\xbb\xbf", text.as_bytes()].concat()),
        plain
    );
    assert_eq!(size("d.txt", &[b"\xff\n", text.as_bytes()].concat()), plain);
    let records = "{\"id\": 1, \"text\": \"a b\\nc d\"}\n{\"text\": \"e f\", \"id\": 2}\n";
    assert_eq!(size("e.jsonl", records.as_bytes()), plain);
}
