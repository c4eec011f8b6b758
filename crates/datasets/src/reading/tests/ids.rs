use super::*;

/// Tables whose third example has the id of the first.
const TWICE: &str = "id,text,label\na,one,x\nb,two,y\na,three,x\n";

#[test]
fn an_id_of_two_examples_is_refused_with_both_places_and_a_remedy() {
    let error = wrong(Task::Classify, "a.csv", TWICE);
    let expected = "a.csv: line 4: id \"a\": example 3 of the file has it, and so has example 1 in line 2; \
                    give each its own, leave one out, or name another column with --id";
    assert_eq!(error, expected);
    // All of it in one line, where no column says the ids.
    let answer = "\"answers\": [{\"text\": \"b\", \"answer_start\": 0}]";
    let question = |id: &str| format!("{{\"id\": {id}, \"question\": \"q\", {answer}}}");
    let squad = format!(
        "{{\"data\": [{{\"paragraphs\": [{{\"context\": \"b\", \"qas\": [{}, {}, {}]}}]}}]}}",
        question("\"7\""),
        question("8"),
        question("7")
    );
    let error = wrong(Task::Qa, "a.json", squad);
    let expected = "a.json: line 1: id \"7\": example 3 of the file has it, and so has example 1 in line 1; \
                    give each its own, leave one out";
    assert_eq!(error, expected);
}

#[test]
fn the_remedies_help() {
    let folder = Folder::new();
    let mut spec = folder.spec(Task::Classify, "a.csv", TWICE);
    spec.columns.id = Some(Column::Name("text".to_owned()));
    let (examples, _) = read(spec).unwrap();
    assert_eq!(examples[2].id, "three");
    let own = TWICE.replace("a,three", "c,three");
    assert!(read(folder.spec(Task::Classify, "b.csv", own)).is_ok());
}

#[test]
fn examples_without_ids_and_those_of_other_files_are_no_doubles() {
    let folder = Folder::new();
    let rows = "text,label\none,x\none,x\n";
    assert!(read(folder.spec(Task::Classify, "a.csv", rows)).is_ok());
    let part = "id,text,label\n1,one,x\n,two,y\n,three,y\n";
    let mut spec = folder.spec(Task::Classify, "b.csv", part);
    spec.files.push(folder.write("c.csv", part));
    assert_eq!(read(spec).unwrap().0.len(), 6);
}

#[test]
fn what_is_only_predicted_may_have_them() {
    let folder = Folder::new();
    let spec = folder.spec(Task::Classify, "a.csv", TWICE);
    let dataset = Dataset::open(spec, false).unwrap();
    let labels = LabelMap::new(Labels::new(vec!["x".to_owned(), "y".to_owned()]));
    assert_eq!(dataset.examples(&labels).filter(Result::is_ok).count(), 3);
}
