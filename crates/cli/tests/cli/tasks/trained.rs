//! How a model is trained: positives that weigh more, passes in bfloat16, memory said beforehand.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{CLASSIFY, best, finetune, folder, rows};
use crate::command::{kiln, read_json};

fn losses(run: &Path) -> Vec<f64> {
    let metrics = rows(&run.join("metrics.jsonl"));
    let steps = metrics.iter().filter(|record| record["kind"] == "train");
    steps
        .map(|record| record["loss"].as_f64().unwrap())
        .collect()
}

#[test]
fn positives_weigh_by_how_rare_they_are_among_the_examples_that_are_trained_on() {
    let folder = folder("bert");
    let folder = folder.path();
    let labels = ["\"sport,wet\"", "sport", "sport", "wet", "", "", "", ""];
    let table = labels.iter().enumerate();
    let table = table.map(|(number, labels)| format!("words number {number},{labels}\n"));
    let table: String = std::iter::once("text,label\n".to_owned())
        .chain(table)
        .collect();
    fs::write(folder.join("several.csv"), table).unwrap();
    let train = |output: &str, flags: &str| {
        let command = format!(
            "finetune classify --model first --multi-label --train several.csv --output {output} --steps 4 \
             --batch-size 4 --lr 0.005 --log-every 1 {flags}"
        );
        kiln(folder, &command).ok();
        let settings = read_json(&folder.join(output).join("config.json"));
        settings["fine_tuning"]["positive_weights"].clone()
    };
    // 5 negatives to 3 positives, 6 to 2.
    let balanced = train("balanced", "--positive-weights balanced");
    assert_eq!(balanced, serde_json::json!([5.0 / 3.0, 3.0]));
    let told = train("told", "--positive-weights wet=3,sport=1.6666666666666667");
    assert_eq!(told, balanced);
    assert_eq!(train("plain", ""), Value::Null);
    let run = |name: &str| losses(&folder.join(name));
    assert_eq!(run("told"), run("balanced"));
    assert_ne!(run("plain"), run("balanced"));
    // The same weight for all is none.
    train("ones", "--positive-weights wet=1,sport=1");
    assert_eq!(run("ones"), run("plain"));
}

/// What bfloat16 rounds off: as in `precision.rs`, one part in 256 of the first loss for a number, and as
/// much again for the steps made with such gradients.
const BOUND: f64 = 2.0 / 256.0;

#[test]
fn passes_in_bfloat16_follow_float32s_and_go_on_where_they_were_stopped() {
    let folder = folder("bert");
    let folder = folder.path();
    for (number, flags) in ["--log-every 1", "--log-every 1 --lora 2 --lora-dropout 0.1"]
        .into_iter()
        .enumerate()
    {
        let [exact, rounded] = ["float32", "bf16"].map(|precision| {
            let name = format!("{precision}-{number}");
            finetune(
                folder,
                CLASSIFY,
                &name,
                &format!("{flags} --precision {precision}"),
            )
            .ok();
            folder.join(name)
        });
        let settings = |run: &Path| read_json(&run.join("config.json"))["training"].take();
        assert_eq!(settings(&rounded)["precision"], "bf16");
        assert!(settings(&exact).get("precision").is_none());
        let (exact, found) = (losses(&exact), losses(&rounded));
        assert_eq!((exact.len(), found.len()), (6, 6));
        assert_ne!(exact, found);
        for (exact, found) in exact.iter().zip(&found) {
            let off = (exact - found).abs();
            assert!(off < BOUND * exact, "{flags}: {exact}, {found} in bf16");
        }
        let last = rounded.join("checkpoints/step-00000006");
        let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
        let (straight, scores) = (weights(&last), read_json(&rounded.join("scores.json")));
        fs::remove_dir_all(&last).unwrap();
        fs::remove_file(rounded.join("scores.json")).unwrap();
        kiln(folder, &format!("resume bf16-{number}")).ok();
        assert!(weights(&last) == straight, "{flags}");
        assert_eq!(read_json(&rounded.join("scores.json")), scores, "{flags}");
        assert!(best(&rounded).is_dir());
    }
}

#[test]
fn a_run_says_beforehand_how_much_memory_it_needs_and_warns_where_there_is_too_little() {
    let folder = folder("bert");
    let folder = folder.path();
    let told = finetune(folder, CLASSIFY, "run", "").stderr;
    let line = told.lines().find(|line| line.starts_with("memory: about "));
    // Rows as long as the longest one, not as --max-len allows.
    assert!(
        line.is_some_and(|line| line.contains(" a batch of 8 x 24)")),
        "{told}"
    );
    #[cfg(target_os = "linux")]
    {
        // Enough to read the files, not for such a batch.
        let command = "finetune classify --model first --train topics-train.csv --max-len 24 --output \
                       large --steps 1 --batch-size 4096";
        let told = crate::command::kiln_with_memory(folder, 700_000, command).stderr;
        let warning = told
            .lines()
            .find(|line| line.starts_with("warning: not enough memory: "));
        let warning = warning.unwrap_or_else(|| panic!("{told}"));
        assert!(
            warning.contains("--batch-size 4096 on rows of 24 tokens needs about "),
            "{warning}"
        );
        assert!(warning.ends_with(" makes the same step"), "{warning}");
    }
}
