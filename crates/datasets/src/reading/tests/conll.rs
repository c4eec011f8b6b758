use super::super::tags::to_iob2;
use super::*;

fn converted(scheme: Scheme, tags: &str) -> (String, u64) {
    let mut tags: Vec<String> = tags.split(' ').map(str::to_owned).collect();
    let strays = to_iob2(&mut tags, scheme).unwrap();
    (tags.join(" "), strays)
}

#[test]
fn every_scheme_becomes_iob2() {
    let iob2 = "B-A I-A O B-A B-A I-A B-B";
    for (scheme, tags) in [
        (Scheme::Iob1, "I-A I-A O I-A B-A I-A I-B"),
        (Scheme::Iob2, iob2),
        (Scheme::Bioes, "B-A E-A O S-A B-A E-A S-B"),
        (Scheme::Bilou, "B-A L-A O U-A B-A L-A U-B"),
        (Scheme::None, iob2),
    ] {
        assert_eq!(converted(scheme, tags), (iob2.to_owned(), 0), "{scheme:?}");
    }
}

#[test]
fn stray_tags_are_counted_and_stay() {
    for (scheme, tags, expected, strays) in [
        (Scheme::Iob2, "O I-A I-A", "O I-A I-A", 1),
        (Scheme::Iob2, "B-A I-B", "B-A I-B", 1),
        (Scheme::Iob1, "O B-A", "O B-A", 1),
        (Scheme::Bioes, "B-A O", "B-A O", 1),
        (Scheme::Bioes, "O E-A", "O I-A", 1),
        (Scheme::Bioes, "S-A I-A", "B-A I-A", 2),
        (Scheme::Bilou, "B-A I-A", "B-A I-A", 1),
    ] {
        assert_eq!(
            converted(scheme, tags),
            (expected.to_owned(), strays),
            "{tags}"
        );
    }
    let mut tags = vec!["O".to_owned(), "E-A".to_owned()];
    let (place, reason) = to_iob2(&mut tags, Scheme::Iob2).unwrap_err();
    assert_eq!(
        (place, &*reason),
        (1, "tag \"E-A\" is not one of scheme iob2")
    );
}

#[test]
fn schemes_are_recognised_and_mixed_ones_refused() {
    let folder = Folder::new();
    let file = |tags: &str| -> String {
        let line = |tag: &str| {
            if tag == "/" {
                "\n".to_owned()
            } else {
                format!("w\t{tag}\n")
            }
        };
        tags.split(' ').map(line).collect()
    };
    for (tags, scheme) in [
        ("I-A I-A / O I-A", Scheme::Iob1),
        ("I-A B-A", Scheme::Iob1),
        ("B-A I-A / B-A", Scheme::Iob2),
        ("S-A / B-A E-A", Scheme::Bioes),
        ("U-A / B-A I-A L-A", Scheme::Bilou),
        ("NOUN VERB", Scheme::None),
        ("B-creative-work I-creative-work", Scheme::Iob2),
    ] {
        let spec = folder.spec(Task::Tag, "a.conll", file(tags));
        assert_eq!(
            Dataset::open(spec, true).unwrap().scheme(),
            scheme,
            "{tags}"
        );
    }
    for (tags, expected) in [
        (
            "O B-A / I-A",
            "a.conll: line 4: tag \"I-A\" begins an entity",
        ),
        ("S-A L-A", "a.conll: line 2: tags of BILOU among"),
        ("B-A NOUN", "a.conll: line 2: tag \"NOUN\" is of no scheme"),
    ] {
        let error = wrong(Task::Tag, "a.conll", file(tags));
        assert!(error.starts_with(expected), "{error}");
    }
    // One stray among many is told in a count.
    let many = format!("I-A / {}", vec!["B-A"; 99].join(" / "));
    let (_, survey) = read(folder.spec(Task::Tag, "a.conll", file(&many))).unwrap();
    assert_eq!(survey.counts.stray_tags, 1);
    assert_eq!(survey.counts.notes().len(), 1);
}

#[test]
fn sentences_end_with_blank_lines_documents_and_files() {
    let folder = Folder::new();
    let content = "-DOCSTART- -X- -X- O\r\n\r\n# NN B O\r\nb NN B B-A\r\n\r\n\r\nc  NN B O\r\n\
                   -DOCSTART- -X- -X- O\r\nd NN B O";
    let (examples, survey) = read(folder.spec(Task::Tag, "a.txt", content)).unwrap();
    assert_eq!(
        plain(&examples, &survey),
        pairs(&[("# b", "O B-A"), ("c", "O"), ("d", "O")])
    );
    let lines: Vec<u64> = examples.iter().map(|it| it.place.line).collect();
    assert_eq!(lines, [3, 7, 9]);
    // A blank line may hold tabs, or the mark of a file that was joined.
    let content = "a b\tO\n\t\nc\u{feff}\tO\n\n\u{feff}\n";
    check(
        folder.spec(Task::Tag, "b.conll", content),
        &[("a b", "O"), ("c\u{feff}", "O")],
    );
}

#[test]
fn columns_and_comments_are_chosen() {
    let folder = Folder::new();
    let content = "# text = a b c\n1\ta\tDET\t_\n2\tb\tNOUN\t_\n";
    let mut spec = folder.spec(Task::Tag, "a.conllu", content);
    spec.columns.text = Some(Column::Number(2));
    spec.columns.labels = vec![Column::Number(3)];
    let error = folder.shown(&read(spec.clone()).unwrap_err());
    assert!(error.starts_with("a.conllu: line 2: 1 columns"), "{error}");
    assert!(error.ends_with("say so with --comments"), "{error}");
    spec.comments = true;
    check(spec, &[("a b", "DET NOUN")]);
    let spec = folder.spec(Task::Tag, "b.conll", "a\nb\n\nc\n");
    let labels = LabelMap::default();
    let dataset = Dataset::open(spec, false).unwrap();
    assert_eq!(dataset.examples(&labels).filter(Result::is_ok).count(), 2);
}

#[test]
fn broken_sentences_are_told_with_their_lines() {
    for (content, expected) in [
        ("a\tO\nb\n", "line 2: 1 columns, the lines before have 2"),
        (
            "a\tO\nb\tO\tO\n",
            "line 2: 3 columns, the lines before have 2",
        ),
        ("a\tO\n\tO\n", "line 2: column 1: an empty word"),
        ("a\tO\nb\t\n", "line 2: column 2: an empty tag"),
        ("a\nb\n", "line 1: no tags"),
    ] {
        let error = wrong(Task::Tag, "a.conll", content);
        assert!(
            error.starts_with(&format!("a.conll: {expected}")),
            "{error}"
        );
    }
    let error = wrong(Task::Tag, "a.conll", b"a\tO\nb\t\xff\n");
    assert!(
        error.starts_with("a.conll: line 2: column 2: not UTF-8"),
        "{error}"
    );
    let error = wrong(Task::Tag, "a.conll", "w\tO\n".repeat(100_001));
    assert!(error.contains("without a blank line"), "{error}");
    // The line of the word whose label the model lacks.
    let folder = Folder::new();
    let spec = folder.spec(Task::Tag, "a.conll", "a\tO\nb\tB-X\n");
    let labels = LabelMap::new(Labels::new(vec!["O".to_owned()]));
    let dataset = Dataset::open(spec, true).unwrap();
    let error = dataset.examples(&labels).find_map(Result::err).unwrap();
    let error = folder.shown(&error);
    assert!(
        error.starts_with("a.conll: line 2: label \"B-X\": the model lacks it"),
        "{error}"
    );
}

#[test]
fn tags_are_told_at_their_lines_with_comments_between_words() {
    let folder = Folder::new();
    let wrong = |content: &str, scheme| {
        let mut spec = folder.spec(Task::Tag, "a.conll", content);
        spec.comments = true;
        spec.scheme = scheme;
        let labels = LabelMap::new(Labels::new(vec!["O".to_owned()]));
        let error = match Dataset::open(spec, true) {
            Ok(dataset) => dataset.examples(&labels).find_map(Result::err).unwrap(),
            Err(error) => error,
        };
        folder.shown(&error)
    };
    let content = "# one\na\tO\n# two\nb\tB-X\n# three\nc\tE-X\n";
    let error = wrong(content, Some(Scheme::Iob2));
    let expected = "a.conll: line 6: tag \"E-X\" is not one of scheme iob2";
    assert!(error.starts_with(expected), "{error}");
    let error = wrong(content, None);
    let expected = "a.conll: line 4: label \"B-X\": the model lacks it";
    assert!(error.starts_with(expected), "{error}");
    let error = wrong("# one\na\tB-X\n# two\nb\tNOUN\n", None);
    let expected = "a.conll: line 4: tag \"NOUN\" is of no scheme";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn tags_in_json_are_told_by_their_words() {
    let line = |tags: &str| {
        let words = vec!["\"w\""; tags.split(' ').count()].join(", ");
        let tags = tags.split(' ').map(|tag| format!("\"{tag}\""));
        let tags = tags.collect::<Vec<_>>().join(", ");
        format!("{{\"tokens\": [{words}], \"tags\": [{tags}]}}\n")
    };
    let error = wrong(Task::Tag, "a.jsonl", line("O O") + &line("B-A O NOUN"));
    let expected = "a.jsonl: line 2: word 3: tag \"NOUN\" is of no scheme";
    assert!(error.starts_with(expected), "{error}");
    let folder = Folder::new();
    let mut spec = folder.spec(Task::Tag, "a.jsonl", line("O O") + &line("O O E-A"));
    spec.scheme = Some(Scheme::Iob2);
    let error = folder.shown(&read(spec).unwrap_err());
    let expected = "a.jsonl: line 2: word 3: tag \"E-A\" is not one of scheme iob2";
    assert!(error.starts_with(expected), "{error}");
    let spec = folder.spec(Task::Tag, "b.jsonl", line("O O") + &line("O B-A"));
    let labels = LabelMap::new(Labels::new(vec!["O".to_owned()]));
    let dataset = Dataset::open(spec, true).unwrap();
    let error = dataset.examples(&labels).find_map(Result::err).unwrap();
    let error = folder.shown(&error);
    let expected = "b.jsonl: line 2: word 2: label \"B-A\": the model lacks it";
    assert!(error.starts_with(expected), "{error}");
}
