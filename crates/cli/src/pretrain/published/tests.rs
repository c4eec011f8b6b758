//! Flags and published settings together: what comes of them, and what runs of before came to.

use clap::{Args as _, Command, FromArgMatches as _};
use kiln_learner::TrainingSettings;
use kiln_tasks::RunSettings;

use super::*;
use crate::pretrain::flags;
use crate::pretrain::{PretrainArgs, objective};

/// Tokens in the sequences of the runs in `before_kinds.json`.
const SEQ_LEN: usize = 32;

fn args(flags: &str) -> PretrainArgs {
    let words = format!("pretrain {flags} --preset tiny --corpus text.txt --output run");
    let command = PretrainArgs::augment_args(Command::new("pretrain"));
    let matches = command.try_get_matches_from(words.split(' ')).unwrap();
    PretrainArgs::from_arg_matches(&matches).unwrap()
}

/// The objective's settings that a run with these flags has.
fn settings(flags: &str) -> ObjectiveSettings {
    let args = args(flags);
    let architecture = args.architecture.0;
    let name = args.objective.as_deref();
    let published = architecture.objective(name, Some("tiny"), SEQ_LEN);
    let changes = Changes::find(&args.flags, architecture, &published).unwrap();
    objective::settings(&args, &published, &changes, SEQ_LEN, None).unwrap()
}

/// A run's settings with this objective.
fn run(objective: &Value) -> RunSettings {
    let training = TrainingSettings::default();
    serde_json::from_value(json!({
        "versions": {}, "architecture": "bert", "model": {}, "init_from": null,
        "objective": objective,
        "data": {"shards": "s", "corpus": "c", "eval_shards": null, "eval_corpus": null,
            "held_out": 0.05, "eval_batches": 50, "tokenizer": "t", "tokenizer_identity": "i",
            "seq_len": SEQ_LEN},
        "training": training, "devices": ["flex:0"],
    }))
    .unwrap()
}

#[test]
fn runs_written_before_objectives_had_kinds_read_as_those_made_now() {
    let runs: Vec<Value> = serde_json::from_str(include_str!("before_kinds.json")).unwrap();
    for before in runs {
        let flags = before["flags"].as_str().unwrap();
        let read = run(&before["objective"]);
        assert_eq!(read.objective, settings(flags), "{flags}");
        let written = serde_json::to_value(&read).unwrap();
        assert!(written["objective"]["kind"].is_string(), "{flags}");
        assert_eq!(run(&written["objective"]), read, "{flags}");
    }
}

#[test]
fn every_flag_has_a_key_somewhere_and_every_value_of_it_can_be_read() {
    let mut published_by = Vec::new();
    for architecture in ARCHITECTURES {
        let names = architecture.objectives();
        let names = names.into_iter().map(Some);
        for name in names.chain([None]) {
            published_by.push((*architecture, architecture.objective(name, None, SEQ_LEN)));
        }
    }
    for flag in flags() {
        let mut owners = 0;
        for (architecture, objective) in &published_by {
            let published = published(*architecture, objective);
            let Some(key) = key_in(&published, flag.keys) else {
                continue;
            };
            owners += 1;
            for value in flag.values() {
                let changes = Changes(vec![(key, flag, &value)]);
                let read = changes.of_objective(objective);
                assert!(read.is_ok(), "--{} {value}", flag.name);
            }
        }
        assert!(owners > 0, "--{}", flag.name);
    }
}
