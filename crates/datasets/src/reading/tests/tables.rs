use proptest::prelude::*;

use super::*;

#[test]
fn quoted_cells_have_commas_quotes_and_lines_in_them() {
    let folder = Folder::new();
    let content = "\u{feff}text,label\r\n\"a, \"\"b\"\"\r\nc\",x\r\n\r\nd e, y \r\n";
    let spec = folder.spec(Task::Classify, "a.csv", content);
    let (examples, survey) = read(spec).unwrap();
    let expected = [("a, \"b\"\r\nc", "x"), ("d e", "y")];
    assert_eq!(plain(&examples, &survey), pairs(&expected));
    // A line in a quotation and a blank one count.
    let lines: Vec<u64> = examples.iter().map(|it| it.place.line).collect();
    assert_eq!(lines, [2, 5]);
}

#[test]
fn quotes_are_text_in_tsv_unless_asked() {
    let folder = Folder::new();
    let content = "\" is a quote\tx\nso is \"this\"\ty\n";
    let spec = folder.spec(Task::Classify, "a.tsv", content);
    check(spec, &[("\" is a quote", "x"), ("so is \"this\"", "y")]);
    let mut spec = folder.spec(Task::Classify, "b.tsv", "\"a\tb\"\tx\n\"c\"\ty\n");
    spec.quotes = Some(true);
    check(spec, &[("a\tb", "x"), ("c", "y")]);
}

#[test]
fn line_ends_of_all_systems_are_read_and_no_last_one_is_needed() {
    let folder = Folder::new();
    for (name, content) in [
        ("a.tsv", "a b\tx\r\nc d\ty\r\n"),
        ("b.tsv", "a b\tx\rc d\ty\r"),
        ("c.tsv", "a b\tx\nc d\ty"),
        ("d.csv", "a b,x\rc d,y"),
        ("e.csv", "a b,x\r\nc d,y\r\n"),
        ("f.csv", "a b;x\nc d;y\n"),
    ] {
        let spec = folder.spec(Task::Classify, name, content);
        check(spec, &[("a b", "x"), ("c d", "y")]);
    }
}

#[test]
fn compressed_and_utf_16_tables_are_read() {
    let folder = Folder::new();
    let wide: Vec<u8> = "\u{feff}text\tlabel\na é\tx\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check(folder.spec(Task::Classify, "a.tsv", wide), &[("a é", "x")]);
    // gzip of "a b\tx\nc d\tx\n", made by gzip.
    let gzip: [u8; 30] = [
        31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 75, 84, 72, 226, 172, 224, 74, 86, 72, 1, 146, 0, 105,
        205, 205, 31, 12, 0, 0, 0,
    ];
    let spec = folder.spec(Task::Classify, "a.tsv.gz", gzip);
    check(spec, &[("a b", "x"), ("c d", "x")]);
}

#[test]
fn a_header_is_told_by_its_names_its_label_or_its_looks() {
    let folder = Folder::new();
    let rows: String = (0..12)
        .map(|n| format!("a text, number {n}\tl{}\n", n % 3))
        .collect();
    let scores: String = (0..3).map(|n| format!("a text {n}\t{n}.5\n")).collect();
    let cases = [
        ("sentence\tlabel\na\tx\n".to_owned(), Task::Classify, true),
        (
            "good one\tx\nbad one\tx\n".to_owned(),
            Task::Classify,
            false,
        ),
        (format!("body\tsection\n{rows}"), Task::Classify, true),
        // A rare label stands first.
        (
            format!("It is a rare one, this.\tl9\n{rows}"),
            Task::Classify,
            false,
        ),
        (format!("body\tgrade\n{scores}"), Task::Regress, true),
        (format!("a text\t2\n{scores}"), Task::Regress, false),
        // Too few lines to tell by looks.
        ("body\tkind\na text\tx\n".to_owned(), Task::Classify, false),
    ];
    for (content, task, has_header) in cases {
        let spec = folder.spec(task, "a.tsv", &content);
        let dataset = Dataset::open(spec.clone(), true).unwrap();
        let decided = dataset.decided();
        assert_eq!(decided.header.is_some(), has_header, "{content}");
        assert!(
            decided.notes.iter().any(|it| it.contains("first line")),
            "{decided:?}"
        );
        // What is given is not decided.
        let spec = DatasetSpec {
            header: Some(false),
            ..spec
        };
        let dataset = Dataset::open(spec, true).unwrap();
        assert_eq!(dataset.decided().header, None);
    }
}

#[test]
fn columns_are_given_by_name_or_number() {
    let folder = Folder::new();
    let content = "nr,body,more,kind\n7,a,b,x\n8,c,d,y\n";
    let mut spec = folder.spec(Task::Classify, "a.csv", content);
    spec.columns.text = Some("BODY".parse().unwrap());
    spec.columns.second = Some("3".parse().unwrap());
    spec.columns.labels = vec!["kind".parse().unwrap()];
    spec.columns.id = Some("nr".parse().unwrap());
    let (examples, survey) = read(spec.clone()).unwrap();
    assert_eq!(
        plain(&examples, &survey),
        pairs(&[("a|b", "x"), ("c|d", "y")])
    );
    assert_eq!(examples[1].id, "8");
    spec.columns.text = Some("title".parse().unwrap());
    let error = folder.shown(&read(spec).unwrap_err());
    let expected = "column \"title\": the file has no such column; the columns are \"nr\", \"body\", \
                    \"more\", \"kind\"";
    assert_eq!(error, expected);
}

#[test]
fn several_files_are_read_as_one_and_have_one_header() {
    let folder = Folder::new();
    let first = folder.write("a.csv", "text,label\na,x\n");
    let second = folder.write("b.csv", "text,label\nb,y\n");
    let third = folder.write("c.csv", "label,text\nz,c\n");
    let spec = DatasetSpec::new(Task::Classify, vec![first.clone(), second]);
    check(spec, &[("a", "x"), ("b", "y")]);
    let spec = DatasetSpec::new(Task::Classify, vec![first, third]);
    let error = folder.shown(&read(spec).unwrap_err());
    assert!(
        error.starts_with("c.csv: line 1: not the header"),
        "{error}"
    );
}

#[test]
fn several_labels_stand_in_a_cell_or_in_columns_of_0_and_1() {
    let folder = Folder::new();
    let mut spec = folder.spec(
        Task::Classify,
        "a.csv",
        "text,labels\na,\"y, x,y\"\nb,\nc,x\n",
    );
    spec.multi_label = true;
    check(spec, &[("a", "x y"), ("b", ""), ("c", "x")]);
    let mut spec = folder.spec(
        Task::Classify,
        "b.csv",
        "text,toxic,rude\na,0,1\nb,1,1\nc,0,0\n",
    );
    spec.multi_label = true;
    spec.columns.labels = vec!["toxic".parse().unwrap(), "rude".parse().unwrap()];
    check(spec, &[("a", "rude"), ("b", "rude toxic"), ("c", "")]);
    let error = wrong(Task::Classify, "a.csv", "text,label\na,x\nb,\n");
    let expected =
        "a.csv: line 3: column \"label\": an empty label; give it one, or leave the line out";
    assert_eq!(error, expected);
}

#[test]
fn numbers_are_finite_and_as_many_everywhere() {
    let folder = Folder::new();
    let mut spec = folder.spec(
        Task::Regress,
        "a.csv",
        "text,score,other\na,1.5,2\nb,3,-1e-1\n",
    );
    spec.columns.labels = vec!["score".parse().unwrap(), "other".parse().unwrap()];
    let (examples, survey) = read(spec).unwrap();
    assert_eq!(examples[1].target, Some(Target::Numbers(vec![3.0, -0.1])));
    assert_eq!(survey.outputs, 2);
    let error = wrong(Task::Regress, "a.csv", "text,score\na,1\nb,NaN\n");
    assert_eq!(
        error,
        "a.csv: line 3: column \"score\": \"NaN\" in the place of a number"
    );
    let content = "{\"text\": \"a\", \"label\": [1, 2]}\n{\"text\": \"b\", \"label\": [1]}\n";
    let error = wrong(Task::Regress, "a.jsonl", content);
    assert!(
        error.starts_with("a.jsonl: line 2: 1 numbers, the first example has 2"),
        "{error}"
    );
}

#[test]
fn broken_tables_are_told_with_line_and_column() {
    let cases: [(&str, &[u8], &str); 9] = [
        (
            "a.csv",
            b"text,label\na,x\nb\n",
            "line 3: 1 columns, the first line has 2",
        ),
        (
            "a.tsv",
            b"a\tx\nb\ty\tz\n",
            "line 2: 3 columns, the first line has 2",
        ),
        (
            "a.csv",
            b"text,label\na,x\nb,\"y\nc,z\n",
            "line 3: column 2: a quote that begins here is open",
        ),
        (
            "a.csv",
            b"text,label\n\"a\" b,x\n",
            "line 2: column 1: text behind a closing quote",
        ),
        (
            "a.csv",
            b"text,label\n\"a,x\nb,y\"\nc,z\n",
            "line 2: 1 columns in 2 lines (is a quote left open?), the first line has 2",
        ),
        (
            "a.csv",
            b"text,label\na,x\nb,\xff\n",
            "line 3: column 2: not UTF-8",
        ),
        (
            "a.tsv",
            b"text\tlabel\na\tx\nb\t\xe4\n",
            "line 3: column 2: not UTF-8",
        ),
        ("a.tsv", b"a\tx\n \ty\n", "line 2: column 1: an empty text"),
        ("a.tsv", b"text\tlabel\n", "no examples in it"),
    ];
    for (name, content, expected) in cases {
        let error = wrong(Task::Classify, name, content);
        let expected = format!("{name}: {expected}");
        assert!(error.starts_with(&expected), "{error} / {expected}");
    }
    assert!(wrong(Task::Classify, "a.csv", "").contains("no examples"));
    let zeros = wrong(Task::Classify, "a.tsv", [0; 64]);
    assert!(zeros.contains("binary"), "{zeros}");
}

#[test]
fn a_hundred_thousand_columns_and_a_long_line_are_read() {
    let folder = Folder::new();
    let wide = vec!["1"; 100_000].join("\t");
    let mut spec = folder.spec(Task::Classify, "a.tsv", format!("{wide}\n{wide}\n"));
    spec.columns.text = Some(Column::Number(1));
    spec.columns.labels = vec![Column::Number(100_000)];
    assert_eq!(read(spec).unwrap().0.len(), 2);
    let long = "é ".repeat(1 << 20);
    let spec = folder.spec(Task::Classify, "b.tsv", format!("{long}\tx\na\0b\tx\n"));
    let (examples, _) = read(spec).unwrap();
    assert_eq!(examples.len(), 2);
}

proptest! {
    #[test]
    fn what_a_csv_library_writes_is_read_back(
        rows in prop::collection::vec(("\\PC*[a-z]", "[a-zé,\"\n\r]*[a-z]"), 1..20),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["text", "label"]).unwrap();
        for (text, label) in &rows {
            writer.write_record([text, label]).unwrap();
        }
        let folder = Folder::new();
        let spec = folder.spec(Task::Classify, "a.csv", writer.into_inner().unwrap());
        let (examples, survey) = read(spec).unwrap();
        let trimmed = |(text, label): &(String, String)| (text.clone(), label.trim().to_owned());
        let expected: Vec<_> = rows.iter().map(trimmed).collect();
        prop_assert_eq!(plain(&examples, &survey), expected);
    }
}
