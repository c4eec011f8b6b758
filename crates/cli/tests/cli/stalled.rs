//! A model that learns nothing, and one that does.

use std::fs;
use std::path::Path;

use crate::command::{kiln, read_json, write_corpus};

/// A model of 5,000 parameters.
const CONFIG: &str = r#"{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 32}"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(&folder.path().join("text.txt"));
    fs::write(folder.path().join("model.json"), CONFIG).unwrap();
    folder
}

fn pretrain(flags: &str) -> String {
    format!(
        "pretrain bert --corpus text.txt --config model.json --vocab-size 100 --batch-size 8 \
         --seq-len 16 --steps 500 --eval-every 0 --save-every 200 --log-every 1000 {flags}"
    )
}

/// The lines of a run's metrics that tell of a standstill.
fn stalled(run: &Path) -> Vec<String> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(str::to_owned);
    lines.filter(|line| line.contains("\"stalled\"")).collect()
}

#[test]
fn a_model_that_learns_nothing_is_told_at_half_of_its_steps_and_again_nowhere() {
    let folder = folder();
    let run = folder.path().join("still");
    let done = kiln(folder.path(), &pretrain("--lr 0 --json --output still"));
    let warnings: Vec<_> = done
        .stderr
        .lines()
        .filter(|line| line.contains("has learned nothing"))
        .collect();
    let [warning] = warnings.as_slice() else {
        panic!("{}", done.stderr);
    };
    assert!(
        warning.starts_with("warning: mlm has learned nothing by step 250 of 500: "),
        "{warning}"
    );
    assert!(
        warning.contains("that word frequencies alone give"),
        "{warning}"
    );
    let told = &done.json()["learned_nothing"][0];
    assert_eq!(
        (&told["term"], &told["step"]),
        (&"mlm_loss".into(), &250.into())
    );
    let (loss, constant) = (&told["loss"], &told["constant_guess"]);
    assert!(
        loss.as_f64().unwrap() > constant.as_f64().unwrap(),
        "{told}"
    );
    // Some thirty words: between the entropy of ten and that of a hundred alike.
    assert!((2.3..4.6).contains(&constant.as_f64().unwrap()), "{told}");
    let before = stalled(&run);
    assert_eq!(before.len(), 1);
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("nothing learned"));

    // Taken up before that step, it is told at the same one, with the same numbers.
    for step in ["step-00000400", "step-00000500"] {
        fs::remove_dir_all(run.join("checkpoints").join(step)).unwrap();
    }
    let resumed = kiln(folder.path(), "resume still");
    assert!(resumed.stderr.contains("by step 250 of 500"), "{resumed:?}");
    assert_eq!(stalled(&run), before);
    // Taken up after it, it is not told again.
    fs::remove_dir_all(run.join("checkpoints/step-00000500")).unwrap();
    let resumed = kiln(folder.path(), "resume still");
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(
        !resumed.stderr.contains("has learned nothing"),
        "{resumed:?}"
    );
    assert_eq!(stalled(&run), before);
    assert_eq!(
        read_json(&run.join("config.json"))["training"]["steps"],
        500
    );
}

#[test]
fn a_model_that_learns_is_not_warned_of() {
    let folder = folder();
    let done = kiln(folder.path(), &pretrain("--lr 1e-2 --json --output run"));
    assert!(!done.stderr.contains("learned nothing"), "{}", done.stderr);
    assert_eq!(done.json()["learned_nothing"], serde_json::json!([]));
    assert_eq!(stalled(&folder.path().join("run")), Vec::<String>::new());
}
