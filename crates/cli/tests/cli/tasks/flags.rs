//! Flags that say how a model is fine-tuned: that they reach the training, seen in what comes of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;

use super::{CLASSIFY, QA, SAMPLES, best, finetune, folder, rows};
use crate::command::{kiln, read_json};

/// The tensors of a model by their names.
fn tensors(model: &Path) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(model.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| -> Vec<f32> {
        let numbers = data.chunks_exact(4);
        numbers
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
            .collect()
    };
    let tensors = file.iter();
    tensors
        .map(|(name, tensor)| (name.to_owned(), floats(tensor.data())))
        .collect()
}

/// The greatest change of an entry whose name has `part`, from the model in `first` to the one in `run`.
fn largest_change(folder: &Path, run: &str, part: &str) -> f32 {
    let before = tensors(&folder.join("first/checkpoints/step-00000001"));
    let after = tensors(&folder.join(run).join("checkpoints/step-00000006"));
    let mut found = 0.0_f32;
    let mut compared = 0;
    for (name, before) in before.iter().filter(|(name, _)| name.contains(part)) {
        let Some(after) = after.get(name) else {
            continue;
        };
        compared += 1;
        let changes = before.iter().zip(after);
        found = changes.fold(found, |most, (a, b)| most.max((a - b).abs()));
    }
    assert!(compared > 0, "{run}: no tensor has {part} in its name");
    found
}

fn values(run: &Path, kind: &str, name: &str) -> Vec<f64> {
    let metrics = rows(&run.join("metrics.jsonl"));
    let records = metrics.iter().filter(|record| record["kind"] == kind);
    records
        .map(|record| record[name].as_f64().unwrap())
        .collect()
}

#[test]
fn what_is_frozen_stays_and_lower_layers_move_less_where_rates_decay() {
    let folder = folder("bert");
    let folder = folder.path();
    let train = |run: &str, flags: &str| finetune(folder, CLASSIFY, run, flags).ok();
    train("plain", "");
    train("frozen", "--freeze-embeddings --freeze-layers 1");
    train("decayed", "--layer-decay 0.1");
    let parts = ["embeddings.word_embeddings", "encoder.layer.0.attention"];
    for part in parts {
        let change = |run| largest_change(folder, run, part);
        assert_eq!(change("frozen"), 0.0, "{part}");
        // Adam's steps are as long as the rate, whatever the gradient: a tenth of them, or a hundredth and
        // less where several factors meet, and some for what the others do to the direction.
        let (plain, decayed) = (change("plain"), change("decayed"));
        assert!(
            decayed > 0.0 && decayed < 0.3 * plain,
            "{part}: {decayed} of {plain}"
        );
    }
}

#[test]
fn sift_is_learned_with_every_task_and_by_xlnet() {
    let bert = folder("bert");
    for sample in SAMPLES {
        finetune(bert.path(), sample, sample.task, "--sift 2 --log-every 1").ok();
        let losses = values(&bert.path().join(sample.task), "train", "sift_loss");
        assert_eq!(losses.len(), 6, "{}", sample.task);
        assert!(losses.iter().all(|loss| *loss > 0.0), "{}", sample.task);
    }
    // A squared difference of numbers: where dropout does not make the two passes differ, hardly disturbed
    // embeddings are hardly predicted otherwise.
    let flags = "--sift 2 --log-every 1 --dropout 0";
    finetune(bert.path(), SAMPLES[1], "still", flags).ok();
    let numbers = values(&bert.path().join("still"), "train", "sift_loss");
    assert!(numbers.iter().all(|loss| *loss < 0.1), "{numbers:?}");

    let xlnet = folder("xlnet");
    for sample in [CLASSIFY, QA] {
        finetune(xlnet.path(), sample, sample.task, "--sift --log-every 1").ok();
        let losses = values(&xlnet.path().join(sample.task), "train", "sift_loss");
        assert!(losses.iter().all(|loss| *loss > 0.0), "{}", sample.task);
    }
}

/// Weights and smoothed labels are divided by the whole step's weight: how it is cut into micro-batches changes
/// nothing but roundings.
#[test]
fn classes_weigh_and_labels_are_smoothed_whatever_the_micro_batches() {
    let folder = folder("bert");
    let folder = folder.path();
    let flags = "--class-weights balanced --label-smoothing 0.1 --dropout 0 --log-every 1 --epochs 1 \
                 --max-len 24 --eval-every 0 --lr 0.001";
    let train = |run: &str, batches: &str| {
        let command = format!(
            "finetune classify --model first --train topics-train.csv --dev topics-dev.csv {flags} {batches} \
             --output {run}"
        );
        crate::command::kiln(folder, &command).ok();
        values(&folder.join(run), "train", "loss")
    };
    let whole = train("whole", "--batch-size 8");
    let pieces = train("pieces", "--batch-size 2 --accumulate 4");
    assert_eq!(whole.len(), pieces.len());
    for (step, (whole, pieces)) in whole.iter().zip(&pieces).enumerate() {
        // Roundings of sums in another order, carried through fifty steps.
        assert!(
            (whole - pieces).abs() < 1e-3,
            "step {}: {whole} and {pieces}",
            step + 1
        );
    }
    let settings = read_json(&folder.join("whole/config.json"))["fine_tuning"].take();
    assert_eq!(settings["class_weights"].as_array().unwrap().len(), 6);
    assert_eq!(settings["label_smoothing"], 0.1);
}

#[test]
fn windows_that_start_every_so_many_tokens_and_labels_of_all_tokens_are_what_the_run_keeps() {
    let folder = folder("bert");
    let folder = folder.path();
    finetune(folder, QA, "qa", "--doc-stride 8 --schedule constant").ok();
    let settings = read_json(&folder.join("qa/config.json"));
    assert_eq!(settings["task"]["stride"], serde_json::json!({"starts": 8}));
    let rates = values(&folder.join("qa"), "train", "learning_rate");
    assert!(
        rates.iter().all(|rate| *rate == rates[rates.len() - 1]),
        "{rates:?}"
    );
    let tag = SAMPLES[2];
    finetune(folder, tag, "all", "--label-all-tokens").ok();
    finetune(folder, tag, "first-tokens", "").ok();
    assert_eq!(
        read_json(&folder.join("all/config.json"))["task"]["label_all_tokens"],
        true
    );
    let [all, first] = ["all", "first-tokens"].map(|run| values(&folder.join(run), "eval", "loss"));
    assert_ne!(all, first);
}

#[test]
fn the_loss_decides_where_it_is_asked_to() {
    let folder = folder("bert");
    let folder = folder.path();
    for (sample, score) in [(CLASSIFY, "accuracy"), (QA, "f1")] {
        let run = folder.join(sample.task);
        finetune(folder, sample, sample.task, "--metric loss --early-stop 9").ok();
        let losses = values(&run, "eval", "loss");
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let best = read_json(&run.join("scores.json"))["step"].as_f64();
        let steps = values(&run, "eval", "step").into_iter();
        let of_best = steps.zip(losses).find(|(step, _)| Some(*step) == best);
        assert_eq!(
            of_best.map(|(_, loss)| loss),
            Some(least),
            "{}",
            sample.task
        );
        // Scored it is as ever.
        let (task, dev) = (sample.task, sample.dev);
        let command = format!("evaluate {task} --model {task} --data {dev} --json");
        assert_eq!(kiln(folder, &command).json()["scores"]["main"], score);
    }
}

#[test]
fn texts_where_the_model_learned_from_pairs_are_told() {
    let folder = folder("bert");
    let folder = folder.path();
    let regress = SAMPLES[1];
    finetune(folder, regress, "pairs", "").ok();
    finetune(folder, CLASSIFY, "texts", "").ok();
    let said = |command: &str| {
        let done = kiln(folder, command);
        assert_eq!(done.code, 0, "{done:?}");
        done.stderr.contains("another number of texts")
    };
    let (pairs, texts) = (regress.dev, CLASSIFY.dev);
    assert!(!said(&format!(
        "predict regress --model pairs --data {pairs}"
    )));
    assert!(said(&format!(
        "predict regress --model pairs --unlabelled --data {texts}"
    )));
    assert!(said("predict regress --model pairs alone"));
    assert!(!said("predict classify --model texts alone"));
    // A file of pairs is read with its labels left out: they are none of the model's.
    let command = format!("predict classify --model texts --unlabelled --data {pairs}");
    assert!(said(&command));
    // A copy of the checkpoint knows it too.
    fs::rename(best(&folder.join("pairs")), folder.join("copy")).unwrap();
    assert!(said("predict regress --model copy alone"));

    fs::write(folder.join("alone.csv"), "text,score\none,1\ntwo,2\n").unwrap();
    let command = format!(
        "finetune regress --model first --train {} --dev alone.csv --steps 1 --output other",
        regress.train
    );
    assert!(said(&command));
}

/// Predictions are asked for of files whose second column is anything, and printed a line each.
#[test]
fn any_table_with_texts_is_predicted() {
    let folder = folder("bert");
    let folder = folder.path();
    finetune(folder, CLASSIFY, "texts", "").ok();
    let table = "index\tsentence\n7\tBoil the water.\n8\tA song\n9\tA road\n";
    fs::write(folder.join("test.tsv"), table).unwrap();
    let predict = "predict classify --model texts --data";
    assert_eq!(
        kiln(folder, &format!("{predict} test.tsv"))
            .ok()
            .lines()
            .count(),
        3
    );
    fs::write(folder.join("foreign.csv"), "text,label\n\"a\nb\",dance\n").unwrap();
    let error = kiln(folder, &format!("{predict} foreign.csv")).late_error(1);
    assert!(error.contains("--unlabelled"), "{error}");
    let said = kiln(folder, &format!("{predict} foreign.csv --unlabelled")).ok();
    assert!(said.lines().count() == 1 && said.contains("a b"), "{said}");
}
