//! Shards that were cut, changed, or made with another tokenizer.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::super::header::{DOCUMENTS, HEADER, SENTENCES, TOKENS};
use super::*;

#[test]
fn truncated_grown_and_missing_files_are_named_with_the_remedy() {
    let place = Place::new();
    let file = place.write("x.txt", "a b c\n\nd e\n");
    for name in [TOKENS, SENTENCES, DOCUMENTS] {
        let shard = place.path("shard");
        let _ = fs::remove_dir_all(&shard);
        place.prepare(std::slice::from_ref(&file), "shard").unwrap();
        let path = shard.join(name);
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &[], &[&bytes[..], b"x"].concat()] {
            fs::write(&path, damaged).unwrap();
            let error = Corpus::open(&shard, &tokenizer()).unwrap_err();
            let expected = format!(
                "{}: has {} bytes, the header says {}; remove the folder and prepare the corpus again",
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
fn a_header_of_an_older_version_without_notes_opens() {
    let place = Place::new();
    let corpus = place
        .prepare(&[place.write("x.txt", "a b c\n")], "shard")
        .unwrap();
    let mut header = corpus.header().unwrap().clone();
    assert!(header.notes.is_some());
    header.notes = None;
    let json = header.to_json().unwrap();
    assert!(!json.contains("notes"), "{json}");
    let shard = place.path("shard");
    fs::write(shard.join(HEADER), json).unwrap();
    let corpus = Corpus::open(&shard, &tokenizer()).unwrap();
    assert_eq!(corpus.header(), Some(&header));
}

#[test]
fn the_header_of_a_corpus_of_400_000_files_opens() {
    let place = Place::new();
    let corpus = place
        .prepare(&[place.write("x.txt", "a b c\n")], "shard")
        .unwrap();
    let mut header = corpus.header().unwrap().clone();
    let one = header.inputs[0].clone();
    header.inputs = (0..400_000)
        .map(|number| InputFile {
            path: format!("/data/corpora/crawl/2026-11/part-{number:06}/segment.warc.txt.gz"),
            ..one.clone()
        })
        .collect();
    let json = header.to_json().unwrap();
    assert!(json.len() > 64 << 20, "{}", json.len());
    let shard = place.path("shard");
    fs::write(shard.join(HEADER), json).unwrap();
    let corpus = Corpus::open(&shard, &tokenizer()).unwrap();
    assert_eq!(corpus.header(), Some(&header));
}

#[test]
fn what_is_no_header_is_refused_at_its_first_wrong_byte() {
    let place = Place::new();
    place
        .prepare(&[place.write("x.txt", "a b c\n")], "shard")
        .unwrap();
    let path = place.path("shard").join(HEADER);
    // A terabyte that takes no room: reading it whole would end otherwise.
    let file = fs::File::create(&path).unwrap();
    if file.set_len(1 << 40).is_ok() {
        let error = Corpus::open(&place.path("shard"), &tokenizer()).unwrap_err();
        assert!(error.to_string().contains("not a header"), "{error}");
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
        place.prepare(std::slice::from_ref(&file), "shard").unwrap();
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// One byte changed anywhere in a shard: an error, or ids inside the vocabulary; and `verify`
    /// finds it where opening doesn't.
    #[test]
    fn a_changed_byte_is_found_or_harmless(
        name in prop::sample::select(vec![HEADER, TOKENS, SENTENCES, DOCUMENTS]),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        // Prepared once: bringing files to the disk takes most of the time.
        static WHOLE: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
            let place = Place::new();
            place.prepare(&[place.write("x.txt", "a b c\nd\n\ne f\n\ng")], "shard").unwrap();
            [HEADER, TOKENS, SENTENCES, DOCUMENTS]
                .map(|name| (name, fs::read(place.path("shard").join(name)).unwrap()))
                .to_vec()
        });
        let place = Place::new();
        let shard = place.path("shard");
        fs::create_dir(&shard).unwrap();
        for (name, bytes) in WHOLE.iter() {
            fs::write(shard.join(name), bytes).unwrap();
        }
        let path = shard.join(name);
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
