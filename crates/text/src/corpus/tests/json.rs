//! Records of JSON in every form, and what is wrong with them.

use super::*;

fn field(name: &str) -> Reading {
    Reading {
        text_field: name.to_owned(),
        ..Reading::default()
    }
}

#[test]
fn records_are_read_in_every_form_and_under_every_name() {
    let place = Place::new();
    let lines = "{\"text\": \"a b\"}\n\n \n{\"text\": \"c\"}";
    let pretty = "[\n  {\n    \"id\": [1, {\"x\": \"]}\\\"\"}],\n    \"text\": \"a b\"\n  },\n  {\"text\": \"c\"}\n]\n";
    let cases = [
        ("a.jsonl", lines),
        ("b.ndjson", lines),
        ("c.json", lines),
        ("d.txt", lines),
        ("e", lines),
        (
            "f.jsonl",
            "\u{feff}{\"text\": \"a b\"}\r\n{\"text\": \"c\"}\r\n",
        ),
        ("g.json", "[{\"text\": \"a b\"}, {\"text\": \"c\"}]"),
        ("h.json", pretty),
        ("i.txt", pretty),
        ("j.jsonl", pretty),
        ("k.json", "\u{feff} [ \"a b\",\"c\" ] "),
        ("l.json", "{\n\"text\": \"a b\"\n}\n{\n\"text\": \"c\"\n}\n"),
        ("m.json", "{\"text\": \"a b\"}{\"text\": \"c\"}"),
        (
            "n.json",
            "[{\"text\": \"a b\", \"score\": NaN},\n{\"n\": -Infinity, \"text\": \"c\"}]",
        ),
    ];
    for (name, text) in cases {
        for (name, stored) in [
            (name.to_owned(), text.as_bytes().to_vec()),
            (format!("{name}.gz"), gzip(text.as_bytes())),
        ] {
            let file = place.write(&name, stored);
            let (documents, header) = place
                .read(&[file], Reading::default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(documents, [["a b"], ["c"]], "{name}");
            assert_eq!(header.counted(), Counted::default(), "{name}");
        }
    }
    let named = Inputs::find(&[place.path("a.jsonl")], Reading::default()).unwrap();
    assert_eq!(named.json_by_content(), None);
    let other = Inputs::find(
        &[place.path("e"), place.path("d.txt.gz")],
        Reading::default(),
    )
    .unwrap();
    assert_eq!(
        other.json_by_content(),
        Some((2, place.path("e").as_path()))
    );
}

#[test]
fn the_text_may_lie_in_another_field() {
    let place = Place::new();
    let file = place.write(
        "x.jsonl",
        "{\"a\": {\"b\": \"a b\"}, \"text\": \"x\"}\n{\"a.b\": \"c\"}\n",
    );
    let (documents, _) = place
        .read(std::slice::from_ref(&file), field("a.b"))
        .unwrap();
    assert_eq!(documents, [["a b"], ["c"]]);
    let error = place.read(&[file], field("")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--text-field = \"\": name the field that holds the text"
    );
}

#[test]
fn a_record_without_text_is_told_with_its_place_or_left_out_and_counted() {
    let field = "name the field that holds the text with --text-field, or leave such records out with --skip-invalid";
    let mend = "mend the record, or leave it out with --skip-invalid";
    let cases = [
        (
            "{\"title\": \"a\"}",
            "column 14: the record has no field \"text\" (it has title)",
            field,
        ),
        (
            "{\"text\": null}",
            "column 13: null in the place of a string",
            field,
        ),
        (
            "{\"text\": 3}",
            "column 10: the number 3 in the place of a string",
            field,
        ),
        (
            "{\"text\": NaN}",
            "column 10: NaN or an infinity in the place of a string",
            field,
        ),
        (
            "[\"text\"]",
            "column 8: a list in the place of a record, which is an object",
            field,
        ),
        ("plain", "column 1: this is no JSON", mend),
        ("[1", "column 2: the record ends inside of a list", mend),
        (
            "{\"text\": \"b\"} {}",
            "column 15: something follows behind the record",
            mend,
        ),
        (
            "{'text': 'b'}",
            "column 2: a key without double quotes",
            mend,
        ),
    ];
    let place = Place::new();
    for (line, expected, remedy) in cases {
        let text = format!("{{\"text\": \"a\"}}\n{line}\n{{\"text\": \"c\"}}\n");
        let file = place.write("x.jsonl", text);
        let error = place
            .read(std::slice::from_ref(&file), Reading::default())
            .unwrap_err();
        let expected = format!("{}: line 2: {expected}; {remedy}", file.display());
        assert_eq!(error.to_string(), expected);
        let (documents, header) = place.read(&[file], skipping()).unwrap();
        assert_eq!(documents, [["a"], ["c"]], "{line}");
        assert_eq!(header.counted().skipped_records, 1, "{line}");
    }
    let file = place.write(
        "x.json",
        "[\n  {\"text\": \"a\"},\n  {\n    \"text\": 3\n  },\n {\"text\": \"c\"}]",
    );
    let error = place
        .read(std::slice::from_ref(&file), Reading::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("x.json: line 4: column 13: the number 3"),
        "{error}"
    );
    let (documents, header) = place.read(&[file], skipping()).unwrap();
    assert_eq!(
        (documents, header.counted().skipped_records),
        (vec![vec!["a".to_owned()], vec!["c".to_owned()]], 1)
    );
}

#[test]
fn a_list_that_is_broken_is_told_with_its_place() {
    let place = Place::new();
    for (text, expected) in [
        (
            "[{\"text\": \"a\"}",
            "line 1: column 15: the file ends before the list does; is it whole?",
        ),
        (
            "[{\"text\": \"a\"},\n",
            "line 2: column 1: the file ends before the list does",
        ),
        (
            "[{\"text\": \"a\"}\n {\"text\": \"b\"}]",
            "line 2: column 2: a comma or the list's end has to come",
        ),
        (
            "[{\"text\": \"a\"}]\nb",
            "line 2: column 1: something follows behind the list",
        ),
        (
            "[{\"text\": \"a\"},\n{\"text\": \"b",
            "line 2: column 11: the record ends inside of a string",
        ),
    ] {
        let file = place.write("x.json", text);
        let error = place
            .read(&[file], Reading::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn halves_of_surrogate_pairs_become_replacement_characters_and_are_counted() {
    let place = Place::new();
    let file = place.write("x.jsonl", "{\"text\": \"a \\ud83d b\"}\n");
    let (documents, header) = place.read(&[file], Reading::default()).unwrap();
    assert_eq!(header.counted().replaced_surrogates, 1);
    // BERT's normaliser drops U+FFFD.
    assert_eq!(documents, [["a b"]]);
}

#[test]
fn a_record_longer_than_memory_should_hold_is_told_or_left_out() {
    let place = Place::new();
    let mut text = b"{\"text\": \"a\"}\n{\"text\": \"".to_vec();
    text.resize(text.len() + (257 << 20), b'x');
    text.extend(b"\"}\n{\"text\": \"c\"}\n");
    let file = place.write("x.jsonl.zst", zstd::encode_all(&text[..], 1).unwrap());
    drop(text);
    let error = place
        .read(std::slice::from_ref(&file), Reading::default())
        .unwrap_err();
    let expected = "x.jsonl.zst: line 2: column 1: a record of more than 256 MiB";
    assert!(error.to_string().contains(expected), "{error}");
    let (documents, header) = place.read(&[file], skipping()).unwrap();
    assert_eq!(documents, [["a"], ["c"]]);
    assert_eq!(header.counted().skipped_records, 1);
}

#[test]
fn with_nothing_left_it_is_said_what_was_left_out() {
    let place = Place::new();
    let file = place.write("x.jsonl", "{\"body\": \"a\"}\n{\"body\": \"b\"}\n");
    let error = place.read(&[file], skipping()).unwrap_err().to_string();
    assert!(
        error.contains("x.jsonl: left out: 2 records without a text in \"text\": no text in it"),
        "{error}"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever the strings: what is written as JSON in any form is read as its text.
    #[test]
    fn records_survive_in_every_form(
        texts in proptest::collection::vec("[a-z]( [a-z]){0,5}", 1..6),
        noise in "\\PC*",
    ) {
        let place = Place::new();
        let records: Vec<_> = texts
            .iter()
            .map(|text| serde_json::json!({ "noise": [noise], "text": text, "{": noise }))
            .collect();
        let line = |record: &serde_json::Value| record.to_string();
        let list = serde_json::Value::from(records.clone());
        let pretty = |record: &serde_json::Value| serde_json::to_string_pretty(record).unwrap();
        let forms = [
            records.iter().map(line).collect::<Vec<_>>().join("\n"),
            records.iter().map(pretty).collect::<Vec<_>>().join("\n"),
            line(&list),
            pretty(&list),
        ];
        let expected: Vec<Vec<String>> = texts.iter().map(|text| vec![text.clone()]).collect();
        for text in forms {
            let file = place.write("x.json", text);
            let (documents, _) = place.read(&[file], Reading::default()).unwrap();
            proptest::prop_assert_eq!(&documents, &expected);
        }
    }
}
