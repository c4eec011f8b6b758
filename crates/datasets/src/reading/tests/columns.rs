//! Which column is what.

use super::*;

/// Texts and labels of a file that nothing is known of, as it is read to be predicted.
fn unlabelled(task: Task, name: &str, content: &str) -> Vec<(String, String)> {
    let folder = Folder::new();
    let dataset = Dataset::open(folder.spec(task, name, content), false).unwrap();
    let survey = dataset.survey().unwrap();
    let labels = LabelMap::new(survey.labels.clone());
    let examples: Vec<Example> = dataset.examples(&labels).map(Result::unwrap).collect();
    plain(&examples, &survey)
}

#[test]
fn where_no_labels_are_needed_a_column_of_another_name_holds_none() {
    for (task, name, content) in [
        (Task::Classify, "test.tsv", "index\tsentence\n7\ta b\n"),
        (Task::Classify, "a.csv", "text,source\na b,web\n"),
        (Task::Regress, "a.csv", "text,source\na b,web\n"),
        (
            Task::Classify,
            "a.jsonl",
            "{\"text\": \"a b\", \"lang\": \"en\"}\n",
        ),
        (
            Task::Classify,
            "a.jsonl",
            "{\"text\": \"a b\", \"meta\": {}}\n",
        ),
        (Task::Tag, "a.csv", "words,note\na b,seen\n"),
    ] {
        let found = unlabelled(task, name, content);
        assert_eq!(found, pairs(&[("a b", "none")]), "{content}");
    }
    // By its name, or where there are no names, it is one.
    for (name, content) in [
        ("a.csv", "text,label\na b,x\n"),
        ("a.tsv", "a b\tx\nc d\ty\n"),
    ] {
        let found = unlabelled(Task::Classify, name, content);
        assert_eq!(found[0], pairs(&[("a b", "x")])[0], "{content}");
    }
}

#[test]
fn labels_are_not_read_where_nobody_wants_them() {
    let cases = [
        (Task::Classify, "a.csv", "text,label\na b,x\n"),
        (Task::Regress, "a.csv", "text,score\na b,many\n"),
        (Task::Tag, "a.conll", "a\tB-X\nb\tO\n"),
        (
            Task::Qa,
            "a.json",
            r#"{"data": [{"paragraphs": [{"context": "Nora sat.", "qas": [{"id": "1", "question": "Who?",
                "answers": [{"text": "Nora", "answer_start": 0}]}]}]}]}"#,
        ),
    ];
    for (task, name, content) in cases {
        let folder = Folder::new();
        let mut spec = folder.spec(task, name, content);
        spec.unlabelled = true;
        let dataset = Dataset::open(spec.clone(), false).unwrap();
        // A model has other labels.
        let labels = LabelMap::new(Labels::new(vec!["z".into()]));
        let examples: Vec<Example> = dataset.examples(&labels).map(Result::unwrap).collect();
        assert_eq!(examples.len(), 1, "{name}");
        assert_eq!(examples[0].target, None, "{name}");
        spec.columns.labels = vec!["label".parse().unwrap()];
        let error = Dataset::open(spec, false).unwrap_err().to_string();
        assert!(error.contains("--unlabelled"), "{error}");
    }
}

#[test]
fn pairs_are_told_by_the_names_of_both_texts() {
    for header in [
        "question\tsentence\tlabel",
        "text\ttext_pair\tlabel",
        "label_id\tpremise\thypothesis\tlabel",
    ] {
        let row = if header.starts_with("label_id") {
            "1\tfirst\tsecond\tx"
        } else {
            "first\tsecond\tx"
        };
        let folder = Folder::new();
        let spec = folder.spec(Task::Classify, "a.tsv", format!("{header}\n{row}\n"));
        check(spec, &[("first|second", "x")]);
    }
    // Half of the names is a text alone.
    let folder = Folder::new();
    let spec = folder.spec(Task::Classify, "a.csv", "sentence1,label\nalone,x\n");
    check(spec, &[("alone", "x")]);
    let mut spec = folder.spec(
        Task::Classify,
        "b.tsv",
        "question\tsentence\tlabel\na\tb\tx\n",
    );
    spec.columns.text = Some("sentence".parse().unwrap());
    check(spec, &[("b", "x")]);
}

#[test]
fn how_many_examples_are_pairs_is_counted() {
    let folder = Folder::new();
    for (content, pairs) in [
        ("sentence1,sentence2,label\na,b,x\nc,d,y\n", 2),
        ("text,label\na,x\n", 0),
    ] {
        let (_, survey) = read(folder.spec(Task::Classify, "a.csv", content)).unwrap();
        assert_eq!(survey.pairs, pairs);
    }
}

#[test]
fn a_pair_behind_a_single_text_is_not_halved() {
    let content = "{\"sentence1\": \"a\", \"label\": \"x\"}\n\
                   {\"sentence1\": \"b\", \"sentence2\": \"c\", \"label\": \"x\"}\n";
    let error = wrong(Task::Classify, "a.jsonl", content);
    assert!(
        error.starts_with("a.jsonl: line 2: column \"sentence2\": the first record lacks it"),
        "{error}"
    );
    let folder = Folder::new();
    let mut spec = folder.spec(Task::Classify, "a.jsonl", content);
    spec.columns.text = Some("sentence1".parse().unwrap());
    check(spec, &[("a", "x"), ("b", "x")]);
}

#[test]
fn a_column_is_one_thing_and_a_name_is_of_one_column() {
    let folder = Folder::new();
    let content = "text,text,label\na,b,x\n";
    let error = wrong(Task::Classify, "a.csv", content);
    assert!(
        error.starts_with("column \"text\": several columns have this name"),
        "{error}"
    );
    let mut spec = folder.spec(Task::Classify, "a.csv", content);
    spec.columns.text = Some(Column::Number(2));
    check(spec, &[("b", "x")]);

    let mut spec = folder.spec(Task::Classify, "b.csv", "text,label\na,x\n");
    spec.columns.text = Some("label".parse().unwrap());
    spec.columns.labels = vec!["label".parse().unwrap()];
    let error = read(spec.clone()).unwrap_err().to_string();
    assert!(
        error.starts_with("column \"label\": is taken for two things"),
        "{error}"
    );
    spec.columns.second = Some("text".parse().unwrap());
    spec.columns.text = Some("text".parse().unwrap());
    assert!(read(spec).is_err());
}

#[test]
fn a_table_of_one_column_may_have_another_delimiter() {
    let error = wrong(Task::Classify, "a.csv", "a b|x\nc d|y\n");
    assert!(error.contains("--delimiter"), "{error}");
    let folder = Folder::new();
    let mut spec = folder.spec(Task::Classify, "a.csv", "a b|x\nc d|y\n");
    spec.delimiter = Some('|');
    check(spec, &[("a b", "x"), ("c d", "y")]);
}

#[test]
fn several_numbers_in_a_cell_need_a_separator() {
    let content = "text,score\na,\"1,2\"\n";
    let error = wrong(Task::Regress, "a.csv", content);
    assert!(
        error.contains("\"1,2\" in the place of a number; where a cell holds several, --separator"),
        "{error}"
    );
    let folder = Folder::new();
    let mut spec = folder.spec(Task::Regress, "a.csv", content);
    spec.separator = Some(",".into());
    check(spec, &[("a", "Some(Numbers([1.0, 2.0]))")]);
}
