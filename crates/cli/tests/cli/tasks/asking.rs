//! What is asked on the command line and on stdin.

use serde_json::Value;

use super::{CLASSIFY, QA, SAMPLES, finetune, folder};
use crate::command::{kiln, kiln_with, shell};

#[test]
fn lines_in_lines_out() {
    let folder = folder("bert");
    let folder = folder.path();
    for sample in SAMPLES {
        finetune(folder, sample, sample.task, "").ok();
    }
    let predict = |task: &str, flags: &[&str], stdin: &str| {
        let arguments = [&["predict", task, "--model", task], flags].concat();
        kiln_with(folder, &arguments, stdin)
    };
    let objects = |task: &str, flags: &[&str], stdin: &str| -> Vec<Value> {
        let stdout = predict(task, &[&["--json"], flags].concat(), stdin).ok();
        let lines = stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };

    // Empty lines are answered too, a byte order mark is none of the text, nor is a carriage return.
    let texts = "\u{feff}The tram stops.\r\n\nThe tram stops.\tIt is late.\n";
    let found = objects("classify", &[], texts);
    assert_eq!(found.len(), 3);
    let given = ["The tram stops.", "", "The tram stops.\tIt is late."];
    assert_eq!(found, objects("classify", &given, ""));
    assert_ne!(found[0]["probabilities"], found[2]["probabilities"]);
    let lines = predict("classify", &[], texts).ok();
    let shown: Vec<&str> = lines
        .lines()
        .map(|line| line.splitn(3, "  ").nth(2).unwrap())
        .collect();
    assert_eq!(
        shown,
        ["The tram stops.", "", "The tram stops. / It is late."]
    );

    // Of many lines the order is kept, across windows of those that are read together.
    let many: Vec<String> = (0..2_100).map(|number| format!("{number}")).collect();
    let found = objects("regress", &[], &many.join("\n"));
    let ids = found
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned());
    assert!(ids.eq((1..=2_100).map(|number| number.to_string())));

    let found = objects("tag", &[], "Nora  sat\n\nin Vienna .");
    let words = found
        .iter()
        .map(|row| row["predictions"].as_array().unwrap().len());
    assert_eq!(words.collect::<Vec<_>>(), [2, 0, 3]);
    let lines = predict("tag", &[], "Nora sat\n\nin Vienna .").ok();
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.starts_with("Nora/"), "{lines}");

    let question = r#"{"id": "q", "question": "Who sat?", "context": "Nora sat in Vienna."}"#;
    let found = objects("qa", &[], &format!("{question}\n{question}\n"));
    assert_eq!((found.len(), &found[1]["id"]), (2, &Value::from("q")));
    let choice = r#"{"first": "It rains.", "endings": ["He takes an umbrella.", "He sings."]}"#;
    let found = objects("choose", &[], choice);
    assert_eq!(found[0]["probabilities"].as_array().unwrap().len(), 2);

    // Another format where it is named.
    let found = objects(
        "classify",
        &["--format", "csv"],
        "text,label\nThe tram stops.,travel\n",
    );
    assert_eq!(
        (found.len(), &found[0]["label"]),
        (1, &Value::from("travel"))
    );

    let done = predict("classify", &[], "");
    assert_eq!(done.stdout, "");
    assert!(done.stderr.contains("no text came"), "{done:?}");

    // Whoever reads the answers may go.
    let many = "seq 1000 | kiln predict classify --model classify | head -n 1";
    let done = shell(folder, many);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(done.stdout.lines().count(), 1);
}

#[test]
fn what_is_refused_midway_leaves_no_file() {
    let folder = folder("bert");
    let folder = folder.path();
    finetune(folder, CLASSIFY, "topics", "").ok();
    std::fs::write(folder.join("bad.csv"), "text,label\na,garden\nb,dance\n").unwrap();
    let command = "evaluate classify --model topics --data bad.csv --output p.jsonl";
    kiln(folder, command).late_error(1);
    let names = std::fs::read_dir(folder).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with("p.jsonl")));

    // A question that leaves no room for its context is found before the first step.
    let question = format!(
        r#"{{"id": "long", "question": "{}", "context": "Nora sat.",
            "answers": {{"text": ["Nora"], "answer_start": [0]}}}}"#,
        "who ".repeat(70)
    );
    let question = question.replace('\n', " ");
    std::fs::write(folder.join("long.jsonl"), question).unwrap();
    let command = format!(
        "finetune qa --model first --train {} --dev long.jsonl {} --output new",
        QA.train, QA.flags
    );
    let error = kiln(folder, &command).late_error(1);
    assert!(error.contains("\"long\""), "{error}");
    assert!(!folder.join("new").exists());
}
