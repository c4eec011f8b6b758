use super::*;

#[test]
fn records_stand_one_a_line_in_a_list_or_called_data() {
    let folder = Folder::new();
    for (name, content) in [
        (
            "a.jsonl",
            "{\"text\": \"a\", \"label\": \"x\"}\n\n{\"text\": \"b\", \"label\": \"y\"}\n",
        ),
        (
            "b.json",
            "[\n{\"text\": \"a\",\n \"label\": \"x\"},\n{\"text\": \"b\", \"label\": \"y\"}]\n",
        ),
        (
            "c.json",
            "\u{feff}{\"version\": 1, \"data\": [{\"text\": \"a\", \"label\": \"x\"}, {\"text\": \"b\", \
             \"label\": \"y\"}], \"more\": {}}",
        ),
        (
            "d.json",
            "{\"text\": \"a\", \"label\": \"x\"}{\"text\": \"b\", \"label\": \"y\"}",
        ),
        (
            "e.txt",
            "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": \"y\"}",
        ),
    ] {
        check(
            folder.spec(Task::Classify, name, content),
            &[("a", "x"), ("b", "y")],
        );
    }
}

#[test]
fn fields_are_found_in_objects_and_labels_are_lists_numbers_or_truth() {
    let folder = Folder::new();
    let content = "{\"meta\": {\"body\": \"a\"}, \"kind\": true, \"id\": 7}\n\
                   {\"meta\": {\"body\": \"b\"}, \"kind\": false, \"id\": \"8\"}\n";
    let mut spec = folder.spec(Task::Classify, "a.jsonl", content);
    spec.columns.text = Some("meta.body".parse().unwrap());
    spec.columns.labels = vec!["kind".parse().unwrap()];
    let (examples, survey) = read(spec).unwrap();
    assert_eq!(
        plain(&examples, &survey),
        pairs(&[("a", "true"), ("b", "false")])
    );
    assert_eq!(examples[0].id, "7");
    let content =
        "{\"text\": \"a\", \"labels\": [\"y\", \"x\"]}\n{\"text\": \"b\", \"labels\": []}\n";
    let mut spec = folder.spec(Task::Classify, "b.jsonl", content);
    spec.multi_label = true;
    check(spec, &[("a", "x y"), ("b", "")]);
    let content = "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [\"O\", \"I-X\"]}\n";
    check(
        folder.spec(Task::Tag, "c.jsonl", content),
        &[("a b", "O B-X")],
    );
}

#[test]
fn choices_are_lists_or_columns_and_may_begin_alike() {
    let folder = Folder::new();
    let content = "{\"sent1\": \"s\", \"sent2\": \"He\", \"ending0\": \"a\", \"ending1\": \"b\", \"label\": 1}\n";
    let (examples, survey) = read(folder.spec(Task::Choose, "a.jsonl", content)).unwrap();
    assert_eq!(
        plain(&examples, &survey),
        pairs(&[("s: He a|He b", "Some(Choice(1))")])
    );
    let content = "{\"question\": \"q\", \"choices\": [\"a\", \"b\", \"c\"], \"answer\": \"C\"}\n";
    let (examples, survey) = read(folder.spec(Task::Choose, "b.jsonl", content)).unwrap();
    assert_eq!(examples[0].target, Some(Target::Choice(2)));
    assert_eq!(survey.outputs, 3);
    let content = "premise,choice1,choice2,label\np,a,b,2\n";
    let error = wrong(Task::Choose, "c.csv", content);
    assert!(
        error.starts_with("c.csv: line 2: column \"label\": \"2\" is none of the 2"),
        "{error}"
    );
}

#[test]
fn broken_records_are_told_with_their_lines() {
    let good = "{\"text\": \"a\", \"label\": \"x\"}\n";
    let cases = [
        ("{\"text\": \"b\", \"label\": \"y}\n", "line 2: no JSON"),
        ("{\"text\": \"b\" \"label\": \"y\"}\n", "line 2: no JSON"),
        (
            "{\"text\": 5, \"label\": \"y\"}\n",
            "line 2: column \"text\": a number in the place of a text",
        ),
        ("{\"label\": \"y\"}\n", "line 2: column \"text\": missing"),
        (
            "{\"text\": \"b\", \"label\": {}}\n",
            "line 2: column \"label\": an object in the place of a label",
        ),
        (
            "{\"text\": \"b\"}\n",
            "line 2: column \"label\": an empty label",
        ),
        (
            "{\"text\": \"b\", \"label\": null}\n",
            "line 2: column \"label\": an empty label",
        ),
        ("[1, 2]\n", "line 2: a list in the place of a record"),
        ("text\n", "line 2: no JSON"),
    ];
    for (bad, expected) in cases {
        let error = wrong(Task::Classify, "a.jsonl", format!("{good}{bad}{good}"));
        assert!(
            error.starts_with(&format!("a.jsonl: {expected}")),
            "{error}"
        );
    }
    let error = wrong(Task::Classify, "a.json", format!("[{}", good.trim()));
    assert!(error.contains("ends before its list does"), "{error}");
    let error = wrong(Task::Classify, "a.json", format!("[{0} {0}]", good.trim()));
    assert!(error.contains("a comma or the list's end"), "{error}");
    let error = wrong(Task::Classify, "a.json", format!("[{}] []", good.trim()));
    assert!(error.contains("something follows"), "{error}");
    let deep = format!("{{\"text\": {}", "[".repeat(100_000));
    assert!(wrong(Task::Classify, "a.json", deep).contains("no JSON"));
}
