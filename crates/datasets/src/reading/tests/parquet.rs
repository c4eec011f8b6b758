//! Files that Hugging Face's `datasets` 5.2.0 wrote with `to_parquet`.

use super::*;

fn file(task: Task, name: &str) -> DatasetSpec {
    let path = format!(
        "{}/tests/fixtures/parquet/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    DatasetSpec::new(task, vec![path.into()])
}

#[test]
fn names_of_labels_stand_in_the_file() {
    let (examples, survey) = read(file(Task::Classify, "classes.parquet")).unwrap();
    assert_eq!(
        plain(&examples, &survey),
        pairs(&[("a b", "good"), ("é", "bad")])
    );
    assert_eq!(survey.labels.names(), ["bad", "good"]);
    assert_eq!((&*examples[1].id, examples[1].place.line), ("6", 2));
    check(
        file(Task::Tag, "tags.parquet"),
        &[("a b", "B-X I-X"), ("c", "O")],
    );
    let mut spec = file(Task::Classify, "labels.parquet");
    spec.multi_label = true;
    check(spec, &[("a", "x z"), ("b", "")]);
}

#[test]
fn numbers_and_questions_are_read() {
    let mut spec = file(Task::Regress, "labels.parquet");
    spec.columns.labels = vec!["score".parse().unwrap()];
    let (examples, _) = read(spec).unwrap();
    assert_eq!(examples[0].target, Some(Target::Numbers(vec![0.5])));
    let (examples, _) = read(file(Task::Qa, "questions.parquet")).unwrap();
    let answer = crate::Answer {
        text: "a".to_owned(),
        start: 2,
    };
    assert_eq!(examples[0].target, Some(Target::Answers(vec![answer])));
    assert_eq!(examples[1].target, Some(Target::Answers(Vec::new())));
}

#[test]
fn a_torn_file_is_refused() {
    let folder = Folder::new();
    let whole = std::fs::read(&file(Task::Tag, "tags.parquet").files[0]).unwrap();
    for length in [8, whole.len() / 2, whole.len() - 1] {
        let error = wrong(Task::Tag, "a.parquet", &whole[..length]);
        assert!(error.starts_with("a.parquet: "), "{error}");
    }
    let mut spec = folder.spec(Task::Tag, "a.parquet", &whole);
    spec.format = Some(Format::Csv);
    assert!(read(spec).is_err());
}

#[test]
fn a_damaged_byte_gives_examples_or_an_error() {
    let folder = Folder::new();
    for name in ["classes.parquet", "tags.parquet", "questions.parquet"] {
        let task = match name {
            "tags.parquet" => Task::Tag,
            "questions.parquet" => Task::Qa,
            _ => Task::Classify,
        };
        let whole = std::fs::read(&file(task, name).files[0]).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            let _ = read(folder.spec(task, "a.parquet", &damaged));
        }
    }
}
