//! GLUE's files as they are downloaded.

use std::fs;
use std::path::Path;

use super::{folder, scores};
use crate::command::kiln;

const WORDS: [&str; 7] = [
    "river", "stone", "light", "seven", "green", "bridge", "window",
];

fn text(number: usize) -> String {
    let words = (0..6).map(|place| WORDS[(number * 3 + place * place) % WORDS.len()]);
    words.collect::<Vec<_>>().join(" ")
}

fn write(folder: &Path, name: &str, header: &str, row: impl Fn(usize) -> String) {
    let rows: Vec<String> = (0..40).map(row).collect();
    let text = format!("{header}{}\n", rows.join("\n"));
    fs::write(folder.join(name), text).unwrap();
}

#[test]
fn glue_is_scored_as_glue_scores_it() {
    let folder = folder("bert");
    let folder = folder.path();
    // MRPC has a byte order mark and quotes that end nothing, CoLA no header.
    let header = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n";
    write(folder, "mrpc.tsv", header, |row| {
        format!(
            "{}\t{row}\t{row}\t{}\t\"{}",
            row % 2,
            text(row),
            text(row + 1)
        )
    });
    write(folder, "cola.tsv", "", |row| {
        let mark = if row % 2 == 0 { "*" } else { "" };
        format!("gj04\t{}\t{mark}\t{}", row % 2, text(row))
    });
    let columns = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2";
    let similar = |row: usize| {
        let sentences = format!("{}\t{}", text(row), text(row + 1));
        format!("{row}\tmain\tMSR\t2012\t{row}\tnone\tnone\t{sentences}")
    };
    write(folder, "stsb.tsv", &format!("{columns}\tscore\n"), |row| {
        format!("{}\t{}.{}00", similar(row), row % 5, row % 10)
    });
    write(folder, "test.tsv", &format!("{columns}\n"), similar);
    for (glue, task, main) in [
        ("mrpc", "classify", "combined"),
        ("cola", "classify", "mcc"),
        ("stsb", "regress", "combined"),
    ] {
        let command = format!(
            "finetune {task} --model first --glue {glue} --train {glue}.tsv --dev {glue}.tsv --output \
             {glue} --steps 2 --batch-size 8 --lr 0.005"
        );
        let done = kiln(folder, &command);
        let shown = done.stderr.contains(&format!("  {main} "));
        assert!(done.code == 0 && shown, "{done:?}");
        let scored = scores(&folder.join(glue));
        assert_eq!(
            (&scored["main"], &scored["examples"]),
            (&main.into(), &40.into())
        );
        let command = format!("evaluate {task} --predictions {glue}/predictions.jsonl --json");
        assert_eq!(kiln(folder, &command).json()["scores"], scored, "{glue}");
        let command =
            format!("evaluate {task} --model {glue} --glue {glue} --data {glue}.tsv --json");
        assert_eq!(kiln(folder, &command).json()["scores"], scored, "{glue}");
    }
    // Test files have no labels.
    let command = "predict regress --model stsb --glue stsb --data test.tsv";
    assert_eq!(kiln(folder, command).ok().lines().count(), 40);
}
