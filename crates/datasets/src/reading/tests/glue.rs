use super::*;

fn labelled(glue: GlueTask, name: &str, content: &str, expected: &[(&str, &str)]) {
    let folder = Folder::new();
    let mut spec = folder.spec(glue.task(), name, content);
    spec.glue = Some(glue);
    let (examples, survey) = read(spec).unwrap();
    assert_eq!(
        plain(&examples, &survey),
        pairs(expected),
        "{}",
        glue.name()
    );
    assert_eq!(survey.labels.names(), glue.label_names());
}

/// With headers and rows as the original download has them.
#[test]
fn the_original_downloads_are_read() {
    labelled(
        GlueTask::Cola,
        "train.tsv",
        "gj04\t1\t\tOur friends won't buy.\ngj04\t0\t*\tThey \"drank.\n",
        &[
            ("Our friends won't buy.", "acceptable"),
            ("They \"drank.", "unacceptable"),
        ],
    );
    labelled(
        GlueTask::Sst2,
        "train.tsv",
        "sentence\tlabel\nhide new\t0\n",
        &[("hide new", "negative")],
    );
    labelled(
        GlueTask::Mrpc,
        "train.tsv",
        "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t7\t8\t\"a\tb\"\n",
        &[("\"a|b\"", "equivalent")],
    );
    labelled(
        GlueTask::Qqp,
        "train.tsv",
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta\tb\t0\n",
        &[("a|b", "not_duplicate")],
    );
    labelled(
        GlueTask::Mnli,
        "dev_matched.tsv",
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t\
         sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tlabel2\tlabel3\tlabel4\t\
         label5\tgold_label\n0\t1\t2\tg\tx\tx\tx\tx\ta\tb\tneutral\tneutral\tentailment\tneutral\t\
         neutral\tneutral\n",
        &[("a|b", "neutral")],
    );
    labelled(
        GlueTask::Qnli,
        "train.tsv",
        "index\tquestion\tsentence\tlabel\n0\tq\ts\tentailment\n",
        &[("q|s", "entailment")],
    );
    labelled(
        GlueTask::Rte,
        "train.tsv",
        "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n",
        &[("a|b", "not_entailment")],
    );
    labelled(
        GlueTask::Wnli,
        "train.tsv",
        "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n",
        &[("a|b", "entailment")],
    );
    labelled(
        GlueTask::Stsb,
        "train.tsv",
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n\
         0\tg\tf\t2012\t1\tnone\tnone\ta\tb\t2.5\n",
        &[("a|b", "Some(Numbers([2.5]))")],
    );
}

#[test]
fn names_of_hugging_face_are_read_and_numbers_are_its_labels() {
    labelled(
        GlueTask::Mnli,
        "a.jsonl",
        "{\"premise\": \"a\", \"hypothesis\": \"b\", \"label\": 2, \"idx\": 0}\n",
        &[("a|b", "contradiction")],
    );
    labelled(
        GlueTask::Qnli,
        "a.csv",
        "question,sentence,label,idx\nq,s,1,0\n",
        &[("q|s", "not_entailment")],
    );
    labelled(
        GlueTask::Cola,
        "a.csv",
        "sentence,label,idx\ns,1,0\n",
        &[("s", "acceptable")],
    );
    // Their test sets have -1 for labels.
    let folder = Folder::new();
    let mut spec = folder.spec(Task::Classify, "a.csv", "sentence,label,idx\ns,-1,0\n");
    spec.glue = Some(GlueTask::Sst2);
    let labels = LabelMap::default();
    let dataset = Dataset::open(spec.clone(), false).unwrap();
    let example = dataset.examples(&labels).next().unwrap().unwrap();
    assert_eq!((example.target, &*example.id), (None, "0"));
    let error = folder.shown(&read(spec).unwrap_err());
    assert!(
        error.starts_with("a.csv: line 2: column \"label\": an empty label"),
        "{error}"
    );
}

#[test]
fn torn_rows_are_left_out_of_qqp_alone_and_counted() {
    let folder = Folder::new();
    let content =
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta\tb\t0\n4\t5\t6\tc\n";
    let mut spec = folder.spec(Task::Classify, "train.tsv", content);
    spec.glue = Some(GlueTask::Qqp);
    let (examples, survey) = read(spec.clone()).unwrap();
    assert_eq!((examples.len(), survey.counts.short_rows), (1, 1));
    spec.glue = None;
    spec.columns.text = Some("question1".parse().unwrap());
    spec.columns.labels = vec!["is_duplicate".parse().unwrap()];
    assert!(
        folder
            .shown(&read(spec).unwrap_err())
            .starts_with("train.tsv: line 3: 4 columns")
    );
}

#[test]
fn tasks_are_found_by_name_and_most_have_two_texts() {
    for (name, task) in [
        ("SST-2", GlueTask::Sst2),
        ("sts-b", GlueTask::Stsb),
        ("CoLA", GlueTask::Cola),
    ] {
        assert_eq!(GlueTask::parse(name), Some(task));
    }
    assert_eq!(GlueTask::parse("squad"), None);
    let pairs = GlueTask::ALL
        .into_iter()
        .filter(|task| task.is_pair())
        .count();
    assert_eq!(pairs, 7);
}
