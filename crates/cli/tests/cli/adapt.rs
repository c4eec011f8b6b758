//! `kiln finetune --adapt` through the command: what is adapted, compared and refused.

mod stopped;

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::Value;

use crate::command::{Done, TINY_CONFIG, kiln, read_json, write_corpus};

const ELECTRA: &str = r#"{"model_type": "electra", "hidden_size": 32, "embedding_size": 32,
    "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 32}"#;

const DEBERTA: &str = r#"{"model_type": "deberta-v2", "hidden_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32,
    "relative_attention": true, "position_biased_input": false, "pos_att_type": "p2c|c2p",
    "position_buckets": 8}"#;

const ROBERTA: &str = r#"{"model_type": "roberta", "hidden_size": 32, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 34}"#;

const XLNET: &str = r#"{"model_type": "xlnet", "d_model": 32, "n_layer": 1, "n_head": 2,
    "d_inner": 64, "mem_len": 16}"#;

/// What is fine-tuned, and how briefly.
const TUNE: &str = "--train train.csv --epochs 2 --batch-size 8 --lr 1e-3 --eval-every 4";

/// How the model is adapted.
const ADAPT: &str = "--adapt more.txt --adapt-steps 4 --adapt-batch-size 4 --adapt-seq-len 32";

/// A folder with texts, labelled files and a model of `architecture` that has learned for two steps, `run`.
fn folder(architecture: &str, config: &str, flags: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_corpus(&path.join("text.txt"));
    write_corpus(&path.join("more.txt"));
    fs::write(path.join("model.json"), config).unwrap();
    let mut examples = String::from("id,text,label\n");
    for number in 0..32 {
        let (noun, label) =
            [("river", "water"), ("clay", "earth"), ("furnace", "fire")][number % 3];
        examples.push_str(&format!(
            "e{number},the {noun} cooled with great care,{label}\n"
        ));
    }
    fs::write(path.join("train.csv"), &examples).unwrap();
    fs::write(path.join("dev.csv"), &examples).unwrap();
    let command = format!(
        "pretrain {architecture} --corpus text.txt --config model.json --vocab-size 300 --output run \
         --steps 2 --batch-size 4 --seq-len 32 {flags}"
    );
    kiln(path, &command).ok();
    folder
}

fn finetune(folder: &Path, flags: &str) -> Done {
    kiln(folder, &format!("finetune classify {TUNE} {flags}"))
}

/// The words behind `kiln pretrain` that a group's settings have.
fn words(folder: &Path, group: &str) -> Vec<String> {
    let config = read_json(&folder.join(group).join("config.json"));
    let words = config["adapt"]["pretrain"].as_array().unwrap().iter();
    words
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

fn names(values: &Value) -> Vec<&str> {
    let values = values.as_array().unwrap().iter();
    values
        .map(|value| value["name"].as_str().unwrap())
        .collect()
}

#[test]
fn a_pair_is_adapted_and_its_discriminator_fine_tuned_beside_the_one_before() {
    let folder = folder("electra", ELECTRA, "--share none");
    let folder = folder.path();
    let done = finetune(
        folder,
        &format!("--model run --dev dev.csv {ADAPT} --seeds 1,2 --output out --json"),
    );
    let stderr = done.stderr.clone();
    let json = done.json();
    assert!(stderr.contains("adapted in 4 steps, loss "), "{stderr}");
    assert!(!stderr.contains("not used from"), "{stderr}");

    // An ordinary pretraining run of what the pair was trained with.
    let adapted = read_json(&folder.join("out/adapted/config.json"));
    assert_eq!(adapted["objective"]["detection"]["sharing"], "none");
    let checkpoint = folder.join("out/adapted/checkpoints/step-00000004");
    assert!(checkpoint.join("generator/model.safetensors").is_file());
    let discriminator = checkpoint.join("discriminator");
    assert_eq!(
        json["adapted"]["checkpoint"],
        discriminator.to_str().unwrap()
    );
    kiln(folder, "report out/adapted").ok();

    assert_eq!(
        json["before"]["runs"],
        serde_json::json!(["before_seed-1", "before_seed-2"])
    );
    assert_eq!(
        json["after"]["runs"],
        serde_json::json!(["after_seed-1", "after_seed-2"])
    );
    for (run, from) in [
        ("before_seed-1", "run/checkpoints/step-00000002"),
        ("after_seed-2", "out/adapted"),
    ] {
        let settings = read_json(&folder.join("out").join(run).join("config.json"));
        let model = settings["from"]["folder"].as_str().unwrap();
        assert!(
            model.contains(from) && model.ends_with("discriminator"),
            "{run}: {model}"
        );
    }
    let comparison = &json["comparisons"][0];
    assert_eq!(names(&comparison["pairs"]), ["seed-1", "seed-2"]);
    assert_eq!(comparison["scores"][0]["name"], comparison["main"]);
    let mean = |side: &str| json[side]["scores"][0]["mean"].as_f64().unwrap();
    let score = comparison["scores"].as_array().unwrap();
    let score = score
        .iter()
        .find(|score| score["name"] == json["before"]["scores"][0]["name"]);
    let score = score.unwrap();
    for (side, value) in [("before", mean("before")), ("after", mean("after"))] {
        // The same predictions, scored twice.
        assert_eq!(score[side].as_f64().unwrap(), value, "{side}");
    }
    assert_eq!(
        score["difference"].as_f64().unwrap(),
        mean("after") - mean("before")
    );
    let p_value = score["p_value"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&p_value), "{p_value}");
    assert_eq!(read_json(&folder.join("out/scores.json")), json);

    // All is done; what was said is said again.
    let stdout = kiln(folder, "resume out").ok();
    for expected in [
        "before",
        "after",
        "difference",
        "accuracy",
        "twice the mean of 2 seeds",
    ] {
        assert!(stdout.contains(expected), "{expected}: {stdout}");
    }
}

#[test]
fn a_models_own_objective_goes_on() {
    let bert = [TINY_CONFIG; 2];
    for (architecture, config, flags, expected, unexpected) in [
        ("bert", bert[0], "", "--seed=1", "--no-next-sentence"),
        (
            "bert",
            bert[1],
            "--no-next-sentence",
            "--no-next-sentence",
            "--objective",
        ),
        ("roberta", ROBERTA, "", "roberta", "--no-next-sentence"),
        ("xlnet", XLNET, "", "xlnet", "--objective"),
        ("deberta", DEBERTA, "", "--objective=rtd", "--mlm-head"),
        (
            "deberta",
            DEBERTA,
            "--objective mlm --mlm-head legacy",
            "--mlm-head=legacy",
            "--share",
        ),
        (
            "electra",
            ELECTRA,
            "--uniform-generator",
            "--uniform-generator",
            "--share",
        ),
    ] {
        let folder = folder(architecture, config, flags);
        let folder = folder.path();
        let flags = format!("--model run --held-out 0.25 {ADAPT} --output out");
        let done = finetune(folder, &flags);
        let stderr = done.stderr.clone();
        done.ok();
        let words = words(folder, "out");
        let has = |flag: &str| words.iter().any(|word| word.starts_with(flag));
        assert!(
            has(expected) && !has(unexpected),
            "{architecture}: {words:?}"
        );
        // Everything that was learned is there to go on with.
        let (adapting, _) = stderr.split_once("adapted in").unwrap();
        assert!(!adapting.contains("freshly"), "{architecture}: {adapting}");
        let metrics = fs::read_to_string(folder.join("out/adapted/metrics.jsonl")).unwrap();
        assert!(metrics.contains("\"step\":4"), "{architecture}: {metrics}");
    }
}

/// Copies a model without the tensors whose names begin so.
fn copy_without(from: &Path, to: &Path, prefix: &str) {
    fs::create_dir(to).unwrap();
    for name in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let bytes = fs::read(from.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<(String, TensorView<'_>)> = file
        .iter()
        .filter(|(name, _)| !name.starts_with(prefix))
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .collect();
    safetensors::serialize_to_file(kept, None, &to.join("model.safetensors")).unwrap();
}

#[test]
fn what_a_folder_lacks_is_drawn_and_named() {
    let encoder = folder("bert", TINY_CONFIG, "");
    let path = encoder.path();
    copy_without(
        &path.join("run/checkpoints/step-00000002"),
        &path.join("model"),
        "cls.",
    );
    let done = finetune(
        path,
        &format!("--model model --dev dev.csv {ADAPT} --output out"),
    );
    let (adapting, _) = done.stderr.split_once("adapted in").unwrap();
    let line = adapting
        .lines()
        .find(|line| line.contains("freshly initialised, not in"));
    let line = line.unwrap_or_else(|| panic!("{adapting}"));
    assert!(
        line.contains("cls.predictions") && line.contains("cls.seq_relationship"),
        "{line}"
    );
    assert!(!line.contains("pooler"), "{line}");
    done.ok();

    let pair = folder("electra", ELECTRA, "");
    let path = pair.path();
    let halves = path.join("run/checkpoints/step-00000002");
    copy_without(&halves.join("discriminator"), &path.join("model"), "none");
    let done = finetune(
        path,
        &format!("--model model --dev dev.csv {ADAPT} --output out"),
    );
    assert!(
        done.stderr
            .contains("holds a discriminator alone: the generator"),
        "{}",
        done.stderr
    );
    done.ok();

    // The other half has learned what nothing would go on with.
    let flags = format!(
        "--model {} --dev dev.csv {ADAPT} --output alone",
        halves.join("generator").display()
    );
    let line = refused(path, &flags, 2);
    assert!(line.contains("a generator alone"), "{line}");
}

/// The last line of a command that is refused before anything is written.
#[track_caller]
fn refused(folder: &Path, flags: &str, code: i32) -> String {
    let line = finetune(folder, flags).late_error(code);
    for output in ["alone", "refused"] {
        assert!(!folder.join(output).exists(), "{flags}");
    }
    line
}

#[test]
fn what_can_not_be_adapted_or_compared_is_refused_before_anything_is_written() {
    let folder = folder("bert", TINY_CONFIG, "");
    let folder = folder.path();
    let model = "--model run --output refused";
    for (flags, code, expected) in [
        (
            "--adapt more.txt",
            2,
            "--adapt: there is nothing that both models could be compared on",
        ),
        (
            "--adapt - --dev dev.csv",
            2,
            "--adapt -: standard input can't be read again",
        ),
        (
            "--adapt none.txt --dev dev.csv",
            1,
            "none.txt: cannot be read",
        ),
        (
            "--adapt more.txt --adapt-steps 0 --dev dev.csv",
            2,
            "--adapt: steps = 0",
        ),
        (
            "--adapt more.txt --adapt-lr=-1 --dev dev.csv",
            2,
            "--adapt: learning_rate = -1",
        ),
        (
            "--adapt more.txt --adapt-seq-len 64 --dev dev.csv",
            2,
            "seq_len = 64",
        ),
    ] {
        let line = refused(folder, &format!("{model} {flags}"), code);
        assert!(line.contains(expected), "{flags}: {line}");
    }
    for flags in [
        "--adapt-steps 4 --dev dev.csv",
        "--adapt more.txt --random-weights --dev dev.csv",
    ] {
        let done = finetune(folder, &format!("{model} {flags}"));
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("--adapt"), "{done:?}");
    }
}

#[test]
fn folds_of_both_sides_stand_in_the_order_of_the_file_for_each_value_of_a_grid() {
    let folder = folder("bert", TINY_CONFIG, "");
    let folder = folder.path();
    let flags = "--train train.csv --epochs 1 --batch-size 8 --folds 2 --grid lr=1e-3,1e-2";
    let command = format!("finetune classify --model run {flags} {ADAPT} --output out --json");
    let json = kiln(folder, &command).json();
    assert_eq!(names(&json["comparisons"]), ["lr-1e-3", "lr-1e-2"]);
    for comparison in json["comparisons"].as_array().unwrap() {
        assert_eq!(comparison["pairs"][0]["tests"][0]["examples"], 32);
    }
    let expected: Vec<String> = (0..32).map(|number| format!("e{number}")).collect();
    for side in ["before", "after"] {
        let rows = fs::read_to_string(folder.join(format!("out/{side}_lr-1e-2.predictions.jsonl")))
            .unwrap();
        assert_eq!(ids(&rows), expected, "{side}");
    }

    let command =
        "finetune classify --model run --train train.csv --epochs 1 --folds 2 --output plain";
    kiln(folder, command).ok();
    let rows = fs::read_to_string(folder.join("plain/predictions.jsonl")).unwrap();
    assert_eq!(ids(&rows), expected);
}

fn ids(rows: &str) -> Vec<String> {
    let rows = rows
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap());
    rows.map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}
