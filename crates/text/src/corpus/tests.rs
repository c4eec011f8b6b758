//! Corpora as their users see them: prepared from files, opened, read, damaged.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;

use super::shard::{DOCUMENTS, HEADER, SENTENCES, TOKENS};
use super::writer::ShardWriter;
use super::*;

/// `[PAD]` to `[MASK]` are 0 to 4, `a` to `z` 5 to 30, `.` 31.
fn tokenizer() -> Tokenizer {
    let dir = tempfile::tempdir().unwrap();
    let letters: String = ('a'..='z').map(|letter| format!("{letter}\n")).collect();
    let vocabulary = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{letters}.\n");
    fs::write(dir.path().join("vocab.txt"), vocabulary).unwrap();
    Tokenizer::open(dir.path()).unwrap()
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Prepares `inputs` into the folder `name`.
    fn prepare_with(
        &self,
        inputs: &[PathBuf],
        name: &str,
        settings: &PrepareSettings,
    ) -> Result<PrepareSummary, TextError> {
        prepare(
            inputs,
            &tokenizer(),
            &self.path(name),
            settings,
            &mut |_| {},
        )
    }

    fn prepare(&self, inputs: &[PathBuf], name: &str) -> Result<Corpus, TextError> {
        self.prepare_with(inputs, name, &PrepareSettings::default())?;
        Corpus::open(&self.path(name), &tokenizer())
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Everything in a corpus as text: documents of sentences of tokens, read one sentence at a time.
fn contents(corpus: &Corpus) -> Result<Vec<Vec<String>>, TextError> {
    let tokenizer = tokenizer();
    let mut documents = Vec::new();
    for document in 0..corpus.num_documents() {
        let mut sentences = Vec::new();
        // Damaged bounds may name any range: a few of it show what happens.
        for sentence in corpus.document(document).take(1000) {
            let mut ids = Vec::new();
            corpus.read(corpus.sentence(sentence), &mut ids)?;
            assert!(ids.iter().all(|&id| id < corpus.vocab_size()));
            let tokens: Vec<String> = ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
            sentences.push(tokens.join(" "));
        }
        documents.push(sentences);
    }
    Ok(documents)
}

#[test]
fn lines_are_paragraphs_and_blank_lines_end_documents() {
    let place = Place::new();
    let text = "\u{feff}A b. C d.\r\ne.\r\n\r\n \t\n\nf\nG\n\n\n";
    let corpus = place
        .prepare(&[place.write("x.txt", text)], "shard")
        .unwrap();
    assert_eq!(
        contents(&corpus).unwrap(),
        [vec!["a b .", "c d .", "e ."], vec!["f", "g"]]
    );
    assert_eq!(corpus.num_tokens(), 10);
    assert_eq!(corpus.num_sentences(), 5);
    assert_eq!(corpus.document(1), 3..5);
    assert_eq!(corpus.sentence(1), 3..6);
    assert_eq!(corpus.sentence_len(1), 3);
    let mut across = vec![7];
    corpus.read(2..5, &mut across).unwrap();
    assert_eq!(across, [7, 31, 7, 8], "appends");
}

#[test]
fn a_file_starts_a_document_and_a_folder_stands_for_its_text_files_by_name() {
    let place = Place::new();
    place.write("b.txt", "b");
    place.write("a.txt", "a");
    place.write("c.jsonl.gz", gzip(b"{\"text\": \"c\"}"));
    place.write("notes.md", "n");
    let corpus = place
        .prepare(&[place.dir.path().to_path_buf()], "shard")
        .unwrap();
    assert_eq!(contents(&corpus).unwrap(), [["a"], ["b"], ["c"]]);
    let header = corpus.header().unwrap();
    assert_eq!(header.inputs.len(), 3);
    assert_eq!(header.inputs[1].sha256, hex(&Sha256::digest("b")));

    let empty = Place::new();
    let error = empty
        .prepare(&[empty.dir.path().to_path_buf()], "shard")
        .unwrap_err();
    assert!(
        error.to_string().contains("a folder without .txt"),
        "{error}"
    );
}

#[test]
fn json_lines_are_documents_and_the_lines_in_them_paragraphs() {
    let place = Place::new();
    let text =
        "{\"id\": 1, \"text\": \"a b.\\n\\nc\\u0064\"}\r\n\n{\"text\": \"\"}\n{\"text\": \"e\"}";
    let corpus = place
        .prepare(&[place.write("x.jsonl", text)], "shard")
        .unwrap();
    assert_eq!(
        contents(&corpus).unwrap(),
        [vec!["a b .", "[UNK]"], vec!["e"]]
    );
    assert_eq!(corpus.header().unwrap().num_unknown, 1);

    for (line, expected) in [
        (
            "{\"title\": \"a\"}",
            "x.jsonl: line 2: column 14: missing field `text`",
        ),
        ("{\"text\": 3}", "line 2: column 10: invalid type"),
        ("plain", "line 2: column 1: expected value"),
        ("[1", "line 2: column "),
    ] {
        let file = place.write("x.jsonl", format!("{{\"text\": \"a\"}}\n{line}\n"));
        let error = place.prepare(&[file], "other").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            error.contains("one object with a string \"text\""),
            "{error}"
        );
    }
}

#[test]
fn lines_may_be_sentences_already() {
    let place = Place::new();
    let settings = PrepareSettings {
        lines_are_sentences: true,
        ..PrepareSettings::default()
    };
    let file = place.write("x.txt", "a. b.\nc\n\nd. e.\n");
    place.prepare_with(&[file], "shard", &settings).unwrap();
    let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
    assert_eq!(
        contents(&corpus).unwrap(),
        [vec!["a . b .", "c"], vec!["d . e ."]]
    );
}

#[test]
fn compressed_files_hold_the_same_corpus_as_plain_ones() {
    let place = Place::new();
    let text = "a b. c.\n\nd e\n".repeat(500);
    let (first, second) = text.split_at(text.len() / 2);
    let several = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    let frames = [zstd(first), zstd(second)].concat();
    let files = [
        place.write("x.txt", &text),
        place.write("x.txt.gz", gzip(text.as_bytes())),
        place.write("y.txt.GZ", several),
        place.write("x.zst", zstd(&text)),
        place.write("y.zst", frames),
    ];
    let mut identities = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let stored = fs::read(&file).unwrap();
        let corpus = place.prepare(&[file], &format!("shard-{index}")).unwrap();
        let header = corpus.header().unwrap();
        assert_eq!(header.text_bytes, text.len() as u64);
        assert_eq!(header.inputs[0].bytes, stored.len() as u64);
        assert_eq!(header.inputs[0].sha256, hex(&Sha256::digest(&stored)));
        identities.push(corpus.identity());
    }
    assert!(identities.iter().all(|identity| *identity == identities[0]));

    let mut torn = gzip(text.as_bytes());
    torn.truncate(torn.len() - 9);
    let error = place
        .prepare(&[place.write("torn.gz", torn)], "torn")
        .unwrap_err();
    assert!(
        error.to_string().contains("torn.gz: cannot be read"),
        "{error}"
    );
}

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
            .prepare_with(&[file.clone()], &name, &settings)
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
fn a_line_longer_than_a_paragraph_may_be_is_read_in_parts_and_loses_nothing() {
    let place = Place::new();
    // Every third byte is a space, and two-byte letters fall on the limit in the second document.
    let spaced = "ab ".repeat(500_000);
    let unspaced = "ж".repeat(600_000);
    let file = place.write("x.txt", format!("{spaced}\n{unspaced}\nc\n\nd"));
    let settings = PrepareSettings {
        lines_are_sentences: true,
        ..PrepareSettings::default()
    };
    let summary = place.prepare_with(&[file], "shard", &settings).unwrap();
    assert_eq!(summary.documents, 2);
    // "ab" is no token and unknown as a word; so are the two halves of the second line.
    assert_eq!(summary.tokens, 500_000 + 2 + 2);
    assert_eq!(summary.sentences, 2 + 2 + 2);
}

#[test]
fn text_that_is_not_utf_8_is_named_by_file_and_byte_or_left_out_and_counted() {
    let place = Place::new();
    let bytes = b"ab\xc3\xa9 c\nd \xff e\nf\n\n\xf0\x9f\nlast \xc3";
    let plain = place.write("x.txt", bytes);
    let packed = place.write("x.txt.gz", gzip(bytes));
    for file in [&plain, &packed] {
        let error = place.prepare(&[file.clone()], "shard").unwrap_err();
        let expected = format!(
            "{}: byte 9 is not UTF-8; convert the file, or choose to skip invalid lines",
            file.display()
        );
        assert_eq!(error.to_string(), expected);
    }
    let settings = PrepareSettings {
        on_invalid: OnInvalid::Skip,
        ..PrepareSettings::default()
    };
    let summary = place.prepare_with(&[plain], "shard", &settings).unwrap();
    assert_eq!(summary.skipped_lines, 3);
    let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
    assert_eq!(contents(&corpus).unwrap(), [["[UNK] c", "f"]]);
}

#[test]
fn inputs_without_text_are_refused() {
    let place = Place::new();
    for text in ["", "\n\n \n", "\u{feff}", "\u{200b}\n\u{0}"] {
        let file = place.write("x.txt", text);
        let error = place.prepare(&[file.clone()], "shard").unwrap_err();
        let expected = format!("{}: no text in it; pass files with", file.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    assert!(place.prepare(&[], "shard").is_err());
    let error = place.prepare(&[place.path("no")], "shard").unwrap_err();
    assert!(error.to_string().contains("no: cannot be read"), "{error}");
    assert_eq!(place.names(), ["x.txt"], "nothing half-made");
}

#[test]
fn documents_of_one_word_are_documents() {
    let place = Place::new();
    let corpus = place
        .prepare(&[place.write("x.txt", "a\n\nb\n\n\u{200b}\n\nc")], "shard")
        .unwrap();
    assert_eq!(contents(&corpus).unwrap(), [["a"], ["b"], ["c"]]);
}

#[test]
fn an_existing_folder_is_refused_unless_it_is_empty() {
    let place = Place::new();
    let file = place.write("x.txt", "a");
    fs::create_dir(place.path("shard")).unwrap();
    place.prepare(&[file.clone()], "shard").unwrap();
    let error = place.prepare(&[file.clone()], "shard").unwrap_err();
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
            &inputs,
            &tokenizer(),
            &dir.join("shard"),
            &settings,
            &mut |_| std::process::abort(),
        );
        return;
    }
    let place = Place::new();
    let file = place.write("x.txt", "a b c\n".repeat(300_000));
    let name = "corpus::tests::a_killed_run_leaves_nothing_under_the_final_name_and_the_next_run_cleans_up";
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(KILLED, place.dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success());
    let names = place.names();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].starts_with(".shard.partial-"), "{names:?}");

    // A run at work keeps its folder, whoever else starts.
    let working = temporary::Temporary::create(&place.path("shard")).unwrap();
    assert!(!place.path(&names[0]).exists(), "the killed run's is gone");
    place.prepare(&[file], "shard").unwrap();
    assert!(working.path().exists());
    drop(working);
    assert_eq!(place.names(), ["shard", "x.txt"]);
}

#[test]
fn truncated_grown_and_missing_files_are_named_with_the_remedy() {
    let place = Place::new();
    let file = place.write("x.txt", "a b c\n\nd e\n");
    for name in [TOKENS, SENTENCES, DOCUMENTS] {
        let shard = place.path("shard");
        let _ = fs::remove_dir_all(&shard);
        place.prepare(&[file.clone()], "shard").unwrap();
        let path = shard.join(name);
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &[], &[&bytes[..], b"x"].concat()] {
            fs::write(&path, damaged).unwrap();
            let error = Corpus::open(&shard, &tokenizer()).unwrap_err();
            let expected = format!(
                "{}: has {} bytes, the header says {}; prepare the corpus again",
                path.display(),
                damaged.len(),
                bytes.len()
            );
            assert_eq!(error.to_string(), expected);
        }
        fs::remove_file(&path).unwrap();
        let error = Corpus::open(&shard, &tokenizer()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_changed_header_is_refused() {
    let place = Place::new();
    place
        .prepare(&[place.write("x.txt", "a b c\n\nd e\n")], "shard")
        .unwrap();
    let path = place.path("shard").join(HEADER);
    let text = fs::read_to_string(&path).unwrap();
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        Corpus::open(&place.path("shard"), &tokenizer())
            .unwrap_err()
            .to_string()
    };
    let changed = error(&text.replace("\"num_tokens\": 5", "\"num_tokens\": 4"));
    assert!(changed.contains("its checksum differs"), "{changed}");
    let torn = error(&text[..text.len() / 2]);
    assert!(torn.contains("header.json: not a header"), "{torn}");
    let missing = {
        fs::remove_file(&path).unwrap();
        Corpus::open(&place.path("shard"), &tokenizer())
            .unwrap_err()
            .to_string()
    };
    assert!(missing.contains("header.json: cannot be read"), "{missing}");
}

#[test]
fn a_header_with_a_right_checksum_and_impossible_counts_is_refused() {
    let place = Place::new();
    place
        .prepare(&[place.write("x.txt", "a b c\n\nd e\n")], "shard")
        .unwrap();
    let shard = place.path("shard");
    let header = Corpus::open(&shard, &tokenizer())
        .unwrap()
        .header()
        .unwrap()
        .clone();
    let edits: [fn(&mut Header); 8] = [
        |header| header.version = 2,
        |header| header.num_tokens = u64::MAX,
        |header| header.num_sentences = u64::MAX,
        |header| header.num_documents = 0,
        |header| header.num_tokens = 1,
        |header| header.vocab_size = 70_000,
        |header| header.unigram_entropy = -1.0,
        |header| header.files.clear(),
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let mut changed = header.clone();
        edit(&mut changed);
        fs::write(shard.join(HEADER), changed.to_json().unwrap()).unwrap();
        let error = Corpus::open(&shard, &tokenizer()).unwrap_err();
        assert!(error.to_string().contains(HEADER), "{index}: {error}");
    }
}

#[test]
fn another_tokenizer_is_refused_and_both_are_named() {
    let place = Place::new();
    place
        .prepare(&[place.write("x.txt", "a b c")], "shard")
        .unwrap();
    let other = place.write("other.txt", "[UNK]\na\nb\n");
    let other = Tokenizer::open(&other).unwrap();
    let error = Corpus::open(&place.path("shard"), &other)
        .unwrap_err()
        .to_string();
    let made_with = &hex(&tokenizer().identity())[..12];
    let passed = &hex(&other.identity())[..12];
    assert!(
        error.contains(&format!("made with tokenizer {made_with}")),
        "{error}"
    );
    assert!(
        error.contains(&format!("other.txt is tokenizer {passed}")),
        "{error}"
    );
    assert!(
        error.contains("pass the tokenizer it was made with"),
        "{error}"
    );
}

#[test]
fn an_id_outside_the_vocabulary_is_refused_where_it_is_read() {
    let place = Place::new();
    place
        .prepare(&[place.write("x.txt", "a b c\n\nd e\n")], "shard")
        .unwrap();
    let path = place.path("shard").join(TOKENS);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2..4].copy_from_slice(&[0xff, 0xff]);
    fs::write(&path, bytes).unwrap();
    let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
    let mut ids = vec![9];
    let error = corpus.read(0..3, &mut ids).unwrap_err().to_string();
    assert_eq!(ids, [9], "nothing was appended");
    assert!(
        error
            .ends_with("token 1 has id 65535, the vocabulary ends at 32; prepare the corpus again"),
        "{error}"
    );
    corpus.read(2..5, &mut ids).unwrap();
    let verified = corpus.verify().unwrap_err().to_string();
    assert!(
        verified.contains("tokens.bin: changed since it was written"),
        "{verified}"
    );

    let memory = Corpus::in_memory(vec![vec![vec![1, 32]]], 32);
    assert!(memory.read(0..2, &mut ids).is_err());
    assert!(memory.read(0..3, &mut ids).is_err());
}

#[test]
fn impossible_bounds_can_not_be_read() {
    let place = Place::new();
    let file = place.write("x.txt", "a b c\nd\n\ne f\n");
    for (name, corrupt) in [
        (SENTENCES, u64::MAX),
        (SENTENCES, 100),
        (SENTENCES, 0),
        (DOCUMENTS, u64::MAX),
        (DOCUMENTS, 0),
    ] {
        let shard = place.path("shard");
        let _ = fs::remove_dir_all(&shard);
        place.prepare(&[file.clone()], "shard").unwrap();
        let mut bytes = fs::read(shard.join(name)).unwrap();
        bytes[8..16].copy_from_slice(&corrupt.to_le_bytes());
        fs::write(shard.join(name), bytes).unwrap();
        let corpus = Corpus::open(&shard, &tokenizer()).unwrap();
        let error = contents(&corpus).unwrap_err().to_string();
        assert!(
            error.contains("bounds are damaged"),
            "{name} {corrupt}: {error}"
        );
        assert!(corpus.verify().unwrap_err().to_string().contains(name));
    }
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
        let header = Header::new(&[0; 32], vocab_size, PrepareSettings::default());
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
            &[file.clone()],
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any bytes under any kind of name: a corpus or an error, and nothing half-made.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        name in prop::sample::select(vec!["x.txt", "x.jsonl", "x.gz", "x.txt.zst"]),
        pack: bool,
    ) {
        let place = Place::new();
        let stored = match name {
            "x.gz" if pack => gzip(&bytes),
            "x.txt.zst" if pack => zstd::encode_all(&bytes[..], 1).unwrap(),
            _ => bytes,
        };
        let file = place.write(name, stored);
        for on_invalid in [OnInvalid::Refuse, OnInvalid::Skip] {
            let settings = PrepareSettings { on_invalid, threads: 1, ..PrepareSettings::default() };
            match place.prepare_with(&[file.clone()], "shard", &settings) {
                Ok(_) => {
                    let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
                    prop_assert!(contents(&corpus).is_ok());
                    corpus.verify().unwrap();
                    fs::remove_dir_all(place.path("shard")).unwrap();
                }
                Err(_) => prop_assert_eq!(place.names(), vec![name.to_string()]),
            }
        }
    }

    /// What was written is read: documents of sentences of words, however they are spread.
    #[test]
    fn documents_survive_the_way_through_files(
        documents in prop::collection::vec(
            prop::collection::vec("[a-z]( [a-z]){0,5}", 1..5), 1..8),
    ) {
        let place = Place::new();
        let text = documents.iter().map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n\n");
        let settings = PrepareSettings {
            lines_are_sentences: true,
            threads: 1,
            ..PrepareSettings::default()
        };
        let file = place.write("x.txt", text);
        place.prepare_with(&[file], "shard", &settings).unwrap();
        let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
        prop_assert_eq!(contents(&corpus).unwrap(), documents);
    }

    /// One byte changed anywhere in a shard: an error, or ids inside the vocabulary; and `verify`
    /// finds it where opening doesn't.
    #[test]
    fn a_changed_byte_is_found_or_harmless(
        name in prop::sample::select(vec![HEADER, TOKENS, SENTENCES, DOCUMENTS]),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let place = Place::new();
        place.prepare(&[place.write("x.txt", "a b c\nd\n\ne f\n\ng")], "shard").unwrap();
        let path = place.path("shard").join(name);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(&path, bytes).unwrap();
        if let Ok(corpus) = Corpus::open(&place.path("shard"), &tokenizer()) {
            let _ = contents(&corpus);
            // A space changed for another space in the JSON text changes nothing.
            prop_assert!(name == HEADER || corpus.verify().is_err());
        }
    }

    /// Any bytes as a header: refused.
    #[test]
    fn any_bytes_as_a_header_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let place = Place::new();
        fs::create_dir(place.path("shard")).unwrap();
        fs::write(place.path("shard").join(HEADER), bytes).unwrap();
        prop_assert!(Corpus::open(&place.path("shard"), &tokenizer()).is_err());
    }
}
