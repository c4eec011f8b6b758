use super::*;

fn names(names: &[&str]) -> Labels {
    Labels::new(names.iter().map(|it| (*it).to_owned()).collect())
}

fn labels_of(spec: &DatasetSpec) -> Labels {
    let dataset = Dataset::open(spec.clone(), true).unwrap();
    dataset.survey().unwrap().labels
}

#[test]
fn labels_are_sorted_by_name_and_integers_by_number() {
    let folder = Folder::new();
    let spec = folder.spec(Task::Classify, "a.tsv", "a\t10\nb\t9\nc\t-1\nd\t9\n");
    assert_eq!(labels_of(&spec), names(&["-1", "9", "10"]));
    let survey = Dataset::open(spec, true).unwrap().survey().unwrap();
    assert_eq!((survey.examples, survey.frequencies), (4, vec![1, 2, 1]));
    let spec = folder.spec(Task::Classify, "a.tsv", "a\tz10\nb\tz9\nc\ta\n");
    assert_eq!(labels_of(&spec), names(&["a", "z10", "z9"]));
}

#[test]
fn integers_are_ids_only_where_a_file_has_no_names_and_that_is_said() {
    let model = || names(&["bad", "good"]);
    let ids = LabelMap::fit(model(), &names(&["0", "1"]));
    assert_eq!(ids.id("1"), Ok(1));
    assert_eq!(ids.notes().len(), 1);
    assert!(ids.id("2").is_err() && ids.id("good").is_err());
    // One name among them: all are names.
    let by_name = LabelMap::fit(model(), &names(&["0", "good"]));
    assert_eq!((by_name.id("good"), by_name.notes().len()), (Ok(1), 0));
    assert!(by_name.id("0").is_err());
    // The model's names are integers, in another order.
    let by_name = LabelMap::fit(names(&["1", "0"]), &names(&["0", "1"]));
    assert_eq!((by_name.id("0"), by_name.notes().len()), (Ok(1), 0));
}

#[test]
fn a_label_that_the_model_lacks_is_told_with_its_line() {
    let folder = Folder::new();
    let spec = folder.spec(Task::Classify, "a.tsv", "text\tlabel\na\tx\nb\ty\n");
    let dataset = Dataset::open(spec, true).unwrap();
    let labels = LabelMap::new(names(&["x", "z"]));
    let read: Vec<_> = dataset.examples(&labels).collect();
    assert_eq!(read.len(), 2);
    let error = folder.shown(read[1].as_ref().unwrap_err());
    let expected = "a.tsv: line 3: column \"label\": label \"y\": the model lacks it (it has x, z); mend it, or train with \
                    a file that has it (kiln predict --unlabelled reads none)";
    assert_eq!(error, expected);
}

#[test]
fn files_without_labels_are_read_where_none_are_needed() {
    let folder = Folder::new();
    let labels = LabelMap::new(names(&["x"]));
    for (name, content) in [
        ("a.csv", "text\na\n\"\"\n"),
        ("b.csv", "text,label\na,x\n,\n"),
        ("c.txt", "a\n\n"),
        ("d.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\"}\n"),
    ] {
        let spec = folder.spec(Task::Classify, name, content);
        let dataset = Dataset::open(spec.clone(), false).unwrap();
        let examples: Vec<Example> = dataset.examples(&labels).map(Result::unwrap).collect();
        assert_eq!(examples.len(), 2, "{name}");
        assert_eq!(examples[1].target, None);
        assert!(read(spec).is_err(), "{name}");
    }
}
