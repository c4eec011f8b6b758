//! Every task from a pretraining checkpoint to its scores, which are the same wherever they are asked.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{CLASSIFY, QA, SAMPLES, Sample, best, finetune, folder, rows, scores};
use crate::command::{kiln, kiln_with, read_json, shell};

/// What numbers of another batch may be off by: some roundings of numbers of size 1.
const ROUNDING: f64 = 1e-6;

/// Fine-tunes, and holds the scores of training, of `kiln evaluate` and of predictions read again against
/// each other.
fn check(folder: &Path, sample: Sample, output: &str, flags: &str) {
    let Sample {
        task,
        dev,
        examples,
        ..
    } = sample;
    let said = finetune(folder, sample, output, &format!("{flags} --json")).json();
    let run = folder.join(output);
    let scored = scores(&run);
    assert_eq!(said["scores"], scored, "{output}");
    assert_eq!(scored["examples"], examples, "{output}");
    let predictions = run.join("predictions.jsonl");
    assert_eq!(rows(&predictions).len(), examples, "{output}");
    assert_eq!(said_in_training(&run), defined(&scored), "{output}");

    let command = format!("evaluate {task} --model {output} --data {dev} --json");
    let evaluated = kiln(folder, &format!("{command} --output again.jsonl")).json();
    assert_eq!(evaluated["scores"], scored, "{output}");
    let (first, again) = (&predictions, folder.join("again.jsonl"));
    assert_eq!(
        fs::read(first).unwrap(),
        fs::read(again).unwrap(),
        "{output}"
    );

    let again = format!("evaluate {task} --json --predictions");
    let command = format!("{again} {output}/predictions.jsonl");
    assert_eq!(kiln(folder, &command).json()["scores"], scored, "{output}");
    // Elsewhere it is not known what run they are of: their numbers are the same.
    let elsewhere = kiln(folder, &format!("{again} again.jsonl")).json();
    assert_eq!(elsewhere["scores"]["scores"], scored["scores"], "{output}");

    let command = format!("predict {task} --model {output} --data {dev} --batch-size 3");
    kiln(folder, &format!("{command} --output other.jsonl")).ok();
    let other = rows(&folder.join("other.jsonl"));
    assert_alike(&Value::from(other), &Value::from(rows(&predictions)));
}

/// The scores that are numbers, by name.
fn defined(scores: &Value) -> Vec<(String, f64)> {
    let scores = scores["scores"].as_array().unwrap().iter();
    let number = |score: &Value| {
        let name = score["name"].as_str().unwrap().to_owned();
        Some((name, score["value"].as_f64()?))
    };
    scores.filter_map(number).collect()
}

/// Those of the best step in metrics.jsonl.
fn said_in_training(run: &Path) -> Vec<(String, f64)> {
    let step = read_json(&run.join("scores.json"))["step"].take();
    let metrics = rows(&run.join("metrics.jsonl"));
    let is_its = |record: &&Value| record["kind"] == "eval" && record["step"] == step;
    let record = metrics.iter().find(is_its).unwrap();
    let names = defined(&scores(run)).into_iter();
    names
        .map(|(name, _)| (name.clone(), record[&name].as_f64().unwrap()))
        .collect()
}

/// The same but for roundings.
fn assert_alike(found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len());
            let both = found.iter().zip(expected);
            both.for_each(|(found, expected)| assert_alike(found, expected));
        }
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{found:?} {expected:?}");
            let both = found.values().zip(expected.values());
            both.for_each(|(found, expected)| assert_alike(found, expected));
        }
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((found - expected).abs() <= ROUNDING, "{found} {expected}");
        }
        (found, expected) => assert_eq!(found, expected),
    }
}

#[test]
fn every_task_has_the_same_scores_in_training_evaluated_and_scored_again() {
    let folder = folder("bert");
    let folder = folder.path();
    for sample in SAMPLES {
        check(folder, sample, sample.task, "");
        let config = read_json(&best(&folder.join(sample.task)).join("config.json"));
        let class = match sample.task {
            "classify" | "regress" => "BertForSequenceClassification",
            "tag" => "BertForTokenClassification",
            "qa" => "BertForQuestionAnswering",
            _ => "BertForMultipleChoice",
        };
        assert_eq!(config["architectures"][0], class);
        let problem = match sample.task {
            "classify" => Value::from("single_label_classification"),
            "regress" => Value::from("regression"),
            _ => Value::Null,
        };
        assert_eq!(config["problem_type"], problem, "{}", sample.task);
        let labels = match sample.task {
            "classify" => 6,
            "regress" => 1,
            "tag" => 7,
            _ => 0,
        };
        let label_to_id = config["label2id"].as_object();
        assert_eq!(label_to_id.map_or(0, serde_json::Map::len), labels);
        for (name, id) in label_to_id.into_iter().flatten() {
            assert_eq!(config["id2label"][id.to_string()], name.as_str());
        }
    }
    // Some of it was learned: what is compared is not the same label for all.
    let said: Vec<Value> = rows(&folder.join("classify/predictions.jsonl"));
    assert!(
        said.iter()
            .any(|row| row["prediction"] != said[0]["prediction"])
    );

    // The order of examples changes no prediction.
    let text = fs::read_to_string(folder.join("topics-dev.csv")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    fs::write(folder.join("reversed.csv"), lines.join("\n")).unwrap();
    kiln(
        folder,
        "evaluate classify --model classify --data reversed.csv --output reversed.jsonl",
    )
    .ok();
    let mut reversed = rows(&folder.join("reversed.jsonl"));
    reversed.reverse();
    for (found, mut expected) in reversed.into_iter().zip(said) {
        expected["id"] = found["id"].clone();
        assert_alike(&found, &expected);
    }

    // A checkpoint is a model as any other.
    write_inputs(&folder.join("x.safetensors"));
    for sample in SAMPLES.iter().filter(|sample| sample.task != "choose") {
        let command = format!(
            "forward --model {} --inputs x.safetensors --outputs y.safetensors",
            sample.task
        );
        kiln(folder, &command).ok();
    }

    words_without_tokens_count(folder);
    several_runs_name_the_best(folder);
}

/// `input_ids` of one text.
fn write_inputs(path: &Path) {
    let ids: Vec<u8> = [2_i64, 7, 8, 3]
        .iter()
        .flat_map(|id| id.to_le_bytes())
        .collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![1, 4], &ids).unwrap();
    let bytes = safetensors::serialize([("input_ids", view)], None).unwrap();
    fs::write(path, bytes).unwrap();
}

fn words_without_tokens_count(folder: &Path) {
    // The second word is deleted from texts before they are cut into tokens.
    let long = "bridge\tO\n".repeat(40);
    let text = format!("Nora\tB-PERSON\n\u{200b}\tO\nsat\tO\n\n{long}\n");
    fs::write(folder.join("odd.conll"), text).unwrap();
    let command = "evaluate tag --model tag --data odd.conll --output odd.jsonl";
    kiln(folder, command).ok();
    let rows = rows(&folder.join("odd.jsonl"));
    let words = rows
        .iter()
        .map(|row| row["predictions"].as_array().unwrap().len());
    assert_eq!(words.collect::<Vec<_>>(), [3, 40]);
    assert_eq!(
        (&rows[0]["predictions"][1], &rows[0]["unread"]),
        (&Value::from("O"), &Value::from(1))
    );
}

fn several_runs_name_the_best(folder: &Path) {
    finetune(folder, CLASSIFY, "group", "--seeds 1,2").ok();
    let best = read_json(&folder.join("group/scores.json"))["best"].take();
    let best = best.as_str().unwrap();
    let error = kiln(folder, "predict classify --model group words").error(2);
    assert!(error.contains(&format!("group/{best}")), "{error}");
    let arguments = ["predict", "classify", "--model", &format!("group/{best}")];
    assert_eq!(
        kiln_with(folder, &arguments, "a\nb").ok().lines().count(),
        2
    );
    // The best checkpoint of a run, not the newest.
    let named = read_json(&folder.join("classify/scores.json"));
    let step = named["checkpoint"].as_str().unwrap();
    let command = format!(
        "kiln predict classify --model classify --data topics-dev.csv > a 2> /dev/null && kiln predict \
         classify --model classify/{step} --data topics-dev.csv > b 2> /dev/null && cmp a b"
    );
    shell(folder, &command).ok();
}

#[test]
fn other_architectures_do_every_task() {
    for architecture in ["roberta", "electra", "deberta", "xlnet"] {
        let folder = folder(architecture);
        let folder = folder.path();
        for sample in SAMPLES {
            check(folder, sample, sample.task, "");
        }
        if architecture == "xlnet" {
            check(folder, QA, "beam", "--beam");
            let config = read_json(&best(&folder.join("beam")).join("config.json"));
            assert_eq!(config["architectures"][0], "XLNetForQuestionAnswering");
        }
        // A text is summed up by its tokens alone: what stands beside it in a batch changes nothing.
        let summed_up: &[Sample] = match architecture {
            "electra" => &SAMPLES[4..],
            "xlnet" => &[CLASSIFY, SAMPLES[4]],
            _ => &[],
        };
        for kind in ["mean", "first", "last"] {
            for sample in summed_up {
                let run = format!("{}-{kind}", sample.task);
                check(folder, *sample, &run, &format!("--summary-type {kind}"));
                let config = read_json(&best(&folder.join(&run)).join("config.json"));
                assert_eq!(config["summary_type"], kind, "{run}");
            }
        }
        if summed_up.is_empty() {
            let done = finetune(folder, CLASSIFY, "no", "--summary-type mean");
            let error = done.late_error(2);
            assert!(error.contains("--summary-type"), "{error}");
            assert!(!folder.join("no").exists());
        }
        // Of a pair the discriminator was taken, and one model is left.
        let found = best(&folder.join("classify"));
        assert!(found.join("model.safetensors").is_file(), "{architecture}");
    }
}
