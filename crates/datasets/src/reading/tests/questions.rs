use super::*;
use crate::Answer;

fn squad(context: &str, qas: &str) -> String {
    format!(
        "{{\"version\": \"v2.0\", \"data\": [{{\"title\": \"t\", \"paragraphs\": [{{\"context\": \
         \"{context}\", \"qas\": [{qas}]}}]}}]}}"
    )
}

#[test]
fn articles_of_both_versions_are_read_and_places_are_counted_in_characters() {
    let folder = Folder::new();
    let qas = "{\"id\": \"1\", \"question\": \"q\", \"answers\": [{\"text\": \"a😀\", \"answer_start\": 2}, \
               {\"text\": \"é\", \"answer_start\": 0}]}, \
               {\"id\": 2, \"question\": \"r\", \"answers\": [], \"is_impossible\": true, \
               \"plausible_answers\": [{\"text\": \"a\", \"answer_start\": 2}]}";
    let (examples, survey) = read(folder.spec(Task::Qa, "a.json", squad("é a😀", qas))).unwrap();
    assert_eq!((survey.examples, survey.unanswered), (2, 1));
    let answer = |text: &str, start| Answer {
        text: text.to_owned(),
        start,
    };
    let expected = vec![answer("a😀", 2), answer("é", 0)];
    assert_eq!(examples[0].target, Some(Target::Answers(expected)));
    assert_eq!(examples[1].target, Some(Target::Answers(Vec::new())));
    assert_eq!(examples[1].id, "2");
    let context = |example: &Example| match &example.input {
        Input::Question { context, .. } => std::sync::Arc::clone(context),
        _ => panic!("no question"),
    };
    assert!(std::sync::Arc::ptr_eq(
        &context(&examples[0]),
        &context(&examples[1])
    ));
}

#[test]
fn an_answer_that_stands_elsewhere_is_an_error_or_counted() {
    let folder = Folder::new();
    let qas = "{\"id\": \"x1\", \"question\": \"q\", \"answers\": [{\"text\": \"a\", \"answer_start\": 3}]}, \
               {\"id\": \"x2\", \"question\": \"q\", \"answers\": [{\"text\": \"é\", \"answer_start\": 0}]}";
    let mut spec = folder.spec(Task::Qa, "a.json", squad("é a", qas));
    let error = folder.shown(&read(spec.clone()).unwrap_err());
    let expected = "a.json: line 1: question x1: its answer \"a\" does not stand at character 3, but at \
                    2; mend it, or leave such questions out with --skip-misplaced";
    assert_eq!(error, expected);
    spec.skip_misplaced = true;
    let (examples, survey) = read(spec).unwrap();
    assert_eq!(
        (examples.len(), survey.examples, survey.counts.misplaced),
        (1, 1, 1)
    );
    for start in ["-1", "99999999999", "9223372036854775807"] {
        let qas = format!(
            "{{\"id\": \"x\", \"question\": \"q\", \"answers\": [{{\"text\": \"a\", \"answer_start\": {start}}}]}}"
        );
        let error = wrong(Task::Qa, "a.json", squad("é a", &qas));
        assert!(error.contains("does not stand at"), "{error}");
    }
}

#[test]
fn rows_of_hugging_face_and_of_tables_are_read() {
    let folder = Folder::new();
    let content = "{\"id\": \"1\", \"context\": \"a b\", \"question\": \"q\", \"answers\": {\"text\": [\"b\"], \
                   \"answer_start\": [2]}}\n\
                   {\"id\": \"2\", \"context\": \"a b\", \"question\": \"r\", \"answers\": {\"text\": [], \
                   \"answer_start\": []}}\n";
    let (examples, _) = read(folder.spec(Task::Qa, "a.jsonl", content)).unwrap();
    let answers = |example: &Example| match &example.target {
        Some(Target::Answers(answers)) => answers.len(),
        _ => panic!("no answers"),
    };
    assert_eq!(examples.iter().map(answers).collect::<Vec<_>>(), [1, 0]);
    let content = "question,context,answer,answer_start\nq,a b,b,2\nr,a b,,\n";
    let (examples, _) = read(folder.spec(Task::Qa, "b.csv", content)).unwrap();
    assert_eq!(examples.iter().map(answers).collect::<Vec<_>>(), [1, 0]);
    let content = "question,context,answer,answer_start\nq,a b,b,two\n";
    let error = wrong(Task::Qa, "b.csv", content);
    assert!(
        error.starts_with("b.csv: line 2: column \"answer_start\""),
        "{error}"
    );
}

#[test]
fn broken_articles_and_questions_without_answers_are_told() {
    let no_answers = "{\"id\": \"x\", \"question\": \"q\"}";
    let error = wrong(Task::Qa, "a.json", squad("c", no_answers));
    assert!(
        error.starts_with("a.json: line 1: question x: no answers"),
        "{error}"
    );
    let folder = Folder::new();
    let spec = folder.spec(Task::Qa, "a.json", squad("c", no_answers));
    let dataset = Dataset::open(spec, false).unwrap();
    let labels = LabelMap::default();
    let examples: Vec<_> = dataset.examples(&labels).map(Result::unwrap).collect();
    assert_eq!(examples[0].target, None);
    let error = wrong(
        Task::Qa,
        "a.json",
        squad("c", "{\"question\": \"q\", \"answers\": []}"),
    );
    assert!(error.contains("missing field `id`"), "{error}");
    let error = wrong(Task::Qa, "a.json", squad("c", "").replace("]}]}", "]}]"));
    assert!(error.starts_with("a.json: line 1"), "{error}");
}
