//! From text files to documents and sentences.

use proptest::prelude::*;

use super::*;

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
    place.write("d", "d");
    place.write("image.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    let corpus = place
        .prepare(&[place.dir.path().to_path_buf()], "shard")
        .unwrap();
    assert_eq!(contents(&corpus).unwrap(), [["a"], ["b"], ["c"], ["d"]]);
    let header = corpus.header().unwrap();
    assert_eq!(header.inputs.len(), 4);
    assert_eq!(header.counted().left_out.files(), 1);
    assert_eq!(header.inputs[1].sha256, hex(&Sha256::digest("b")));

    let empty = Place::new();
    let error = empty
        .prepare(&[empty.dir.path().to_path_buf()], "shard")
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(": a folder without files: no text in it"),
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
fn a_line_longer_than_a_paragraph_may_be_is_read_in_parts_and_loses_nothing() {
    let place = Place::new();
    // A cut at a space, one between two-byte letters, and one exactly at the line's end, after which
    // the empty rest must not end the document.
    let spaced = "ab ".repeat(500_000);
    let unspaced = "ж".repeat(600_000);
    let full = "b".repeat(1 << 20);
    let file = place.write("x.txt", format!("{spaced}\n{unspaced}\n{full}\nc\n\nd"));
    let settings = PrepareSettings {
        lines_are_sentences: true,
        ..PrepareSettings::default()
    };
    let header = place.prepare_with(&[file], "shard", &settings).unwrap();
    assert_eq!(header.num_documents, 2);
    // "ab" is no token and unknown as a word; so are the two halves of the second line.
    assert_eq!(header.num_tokens, 500_000 + 2 + 1 + 2);
    assert_eq!(header.num_sentences, 2 + 2 + 1 + 2);
}

#[test]
fn text_that_is_not_utf_8_is_named_by_file_and_byte_or_left_out_and_counted() {
    let place = Place::new();
    let bytes = b"ab\xc3\xa9 c\nd \xff e\nf\n\n\xf0\x9f\nlast \xc3";
    let plain = place.write("x.txt", bytes);
    let packed = place.write("x.txt.gz", gzip(bytes));
    for file in [&plain, &packed] {
        let error = place
            .prepare(std::slice::from_ref(file), "shard")
            .unwrap_err();
        let expected = format!(
            "{}: line 2: byte 9 of the file is not UTF-8; convert the file (iconv -f CP1252 -t \
             UTF-8 if it is Western European), or leave such lines out with --skip-invalid",
            file.display()
        );
        assert_eq!(error.to_string(), expected);
    }
    let header = place.prepare_rest(&[plain], "shard").unwrap();
    assert_eq!(header.counted().skipped_lines, 3);
    let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
    assert_eq!(contents(&corpus).unwrap(), [["[UNK] c", "f"]]);
}

#[test]
fn inputs_without_text_are_refused() {
    let place = Place::new();
    for text in ["", "\n\n \n", "\u{feff}", "\u{200b}\n"] {
        let file = place.write("x.txt", text);
        let error = place
            .prepare(std::slice::from_ref(&file), "shard")
            .unwrap_err();
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
    // The zero-width space is no blank line, and no token either.
    let text = "a\n\nb\n\n\u{200b}\n\nc\n\n\u{200b}\nd";
    let corpus = place
        .prepare(&[place.write("x.txt", text)], "shard")
        .unwrap();
    assert_eq!(contents(&corpus).unwrap(), [["a"], ["b"], ["c"], ["d"]]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes under any kind of name: a corpus or an error, and nothing half-made.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        name in prop::sample::select(vec!["x.txt", "x.jsonl", "x.gz", "x.txt.zst"]),
        start in prop::sample::select(vec![
            &b""[..], b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh91AY&SY", b"\xfd7zXZ\0", b"PK\x03\x04",
            b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\xef\xbb\xbf", b"[{\"text\":", b"{\"text\":\"",
            b"{\n\"text\":", b"PAR1",
        ]),
        pack: bool,
    ) {
        let place = Place::new();
        let stored = match name {
            "x.gz" if pack => gzip(&bytes),
            "x.txt.zst" if pack => zstd::encode_all(&bytes[..], 1).unwrap(),
            _ => [start, &bytes].concat(),
        };
        let file = place.write(name, stored);
        for on_invalid in [OnInvalid::Refuse, OnInvalid::Skip] {
            let settings = PrepareSettings { threads: 1, ..PrepareSettings::default() };
            let reading = Reading { on_invalid, ..Reading::default() };
            let file = std::slice::from_ref(&file);
            match place.prepare_as(file, reading, "shard", &settings) {
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
        };
        let file = place.write("x.txt", text);
        place.prepare_with(&[file], "shard", &settings).unwrap();
        let corpus = Corpus::open(&place.path("shard"), &tokenizer()).unwrap();
        prop_assert_eq!(contents(&corpus).unwrap(), documents);
    }
}
