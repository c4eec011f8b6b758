//! How changes of a run come into its settings, and how they are taken back with lost steps.

use std::collections::BTreeMap;

use kiln_learner::{LearnError, Stretch};
use serde_json::Value;

use crate::change::Change;
use crate::settings::RunSettings;

/// The parts of the settings whose changes are told; the rest can't be changed, or is where things
/// lie.
const TOLD: [&str; 3] = ["training", "devices", "data.eval_batches"];

/// Parts of them that only keep account.
const SILENT: &str = "training.stretches";

impl RunSettings {
    /// Notes what became of the settings since `before`, from the step after `step` on. Changes of
    /// the same step become one, and a change taken back is none: not even of the batches.
    ///
    /// # Errors
    /// If the settings hold what JSON can't say.
    pub fn record_changes(&mut self, before: &Self, step: u64) -> Result<(), LearnError> {
        if self.batches() != before.batches() && step > 0 {
            let stretch = Stretch {
                until: step,
                sequences: before.training.sequences(before.devices.len()),
            };
            let stretches = &mut self.training.stretches;
            // Changed twice without a step in between: the first was never used.
            if stretches.last().is_none_or(|last| last.until < step) {
                stretches.push(stretch);
            }
        }
        let (was, is) = (told(before)?, told(self)?);
        let changed = is.into_iter().filter_map(|(field, is)| {
            let was = was.get(&field).cloned().unwrap_or(Value::Null);
            (was != is).then_some((field, (was, is)))
        });
        let change = Change {
            after_step: step,
            settings: changed.collect(),
        };
        self.add(change);
        let is_used = (self.changes.last())
            .is_some_and(|change| change.after_step == step && self.are_of_other_batches(change));
        if !is_used {
            let stretches = &mut self.training.stretches;
            stretches.retain(|stretch| stretch.until != step);
        }
        Ok(())
    }

    /// Lets whatever was changed after `step` hold from there on: where checkpoints are lost, the
    /// steps between are made again as they are asked for now.
    pub fn rewind_changes(&mut self, step: u64) {
        let stretches = &mut self.training.stretches;
        for stretch in stretches.iter_mut() {
            stretch.until = stretch.until.min(step);
        }
        // Of stretches that end with the same step only the first has steps.
        stretches.dedup_by_key(|stretch| stretch.until);
        stretches.retain(|stretch| stretch.until > 0);
        for mut change in std::mem::take(&mut self.changes) {
            change.after_step = change.after_step.min(step);
            self.add(change);
        }
    }

    /// Sequences of a micro-batch, and micro-batches of a step: on how many devices does not matter.
    fn batches(&self) -> (usize, usize) {
        let training = &self.training;
        (
            training.batch_size,
            training.accumulate.saturating_mul(self.devices.len()),
        )
    }

    /// Whether steps are made of other batches now than before `change`, which led here.
    fn are_of_other_batches(&self, change: &Change) -> bool {
        let number = |field, now: usize| change.was(field).map_or(now, |was| was as usize);
        let devices = change.settings.get("devices");
        let devices = devices.and_then(|(was, _)| was.as_array()).map(Vec::len);
        let micro_batches = number("training.accumulate", self.training.accumulate)
            .saturating_mul(devices.unwrap_or(self.devices.len()));
        let batch_size = number("training.batch_size", self.training.batch_size);
        (batch_size, micro_batches) != self.batches()
    }

    fn add(&mut self, change: Change) {
        match self.changes.last_mut() {
            Some(last) if last.after_step == change.after_step => {
                for (field, (was, is)) in change.settings {
                    let entry = last.settings.entry(field).or_insert((was, Value::Null));
                    entry.1 = is;
                }
                last.settings.retain(|_, (was, is)| was != is);
            }
            _ => self.changes.push(change),
        }
        self.changes.retain(|change| !change.settings.is_empty());
    }
}

/// The settings that are told, by path.
fn told(settings: &RunSettings) -> Result<BTreeMap<String, Value>, LearnError> {
    let value = serde_json::to_value(settings)
        .map_err(|error| LearnError::Settings(format!("cannot be written as JSON ({error})")))?;
    let mut fields = BTreeMap::new();
    flatten("", &value, &mut fields);
    let is_part = |field: &str, part: &str| {
        field
            .strip_prefix(part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    fields
        .retain(|field, _| TOLD.iter().any(|part| is_part(field, part)) && !is_part(field, SILENT));
    Ok(fields)
}

/// Objects become dotted names; lists stay whole.
fn flatten(name: &str, value: &Value, fields: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(inner) => {
            for (field, value) in inner {
                let path = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                flatten(&path, value, fields);
            }
        }
        other => {
            fields.insert(name.to_owned(), other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> RunSettings {
        let training = serde_json::to_value(kiln_learner::TrainingSettings::default()).unwrap();
        serde_json::from_value(json!({
            "versions": {}, "architecture": "bert", "model": {"hidden_size": 8}, "init_from": null,
            "objective": {"next_sentence": true, "examples": "pairs", "mask_rate": 0.15,
                "mask_share": 0.8, "random_share": 0.1, "whole_word": false, "max_predictions": 20,
                "short_seq_prob": 0.1},
            "data": {"shards": "s", "corpus": "c", "eval_shards": null, "eval_corpus": null,
                "held_out": 0.05, "eval_batches": 50, "tokenizer": "t", "tokenizer_identity": "i",
                "seq_len": 32},
            "training": training, "devices": ["flex:0"],
        }))
        .unwrap()
    }

    /// The settings with a change at `step`.
    fn changed(
        before: &RunSettings,
        step: u64,
        change: impl FnOnce(&mut RunSettings),
    ) -> RunSettings {
        let mut after = before.clone();
        change(&mut after);
        after.record_changes(before, step).unwrap();
        after
    }

    #[test]
    fn settings_without_a_change_are_written_as_ever() {
        let written = serde_json::to_value(settings()).unwrap();
        assert!(written.get("changes").is_none() && written["training"].get("stretches").is_none());
        assert!(written["data"].get("source").is_none());
    }

    #[test]
    fn a_change_holds_what_was_and_what_is_and_reads_back() {
        let after = changed(&settings(), 20, |settings| {
            settings.training.steps = 2000;
            settings.training.optimizer.learning_rate = 5e-5;
            // Where things lie is no change.
            settings.data.shards = "elsewhere".into();
        });
        let written = serde_json::to_value(&after).unwrap();
        assert_eq!(
            written["changes"],
            json!([{"after_step": 20, "settings": {
                "training.optimizer.learning_rate": [1e-4, 5e-5], "training.steps": [1000, 2000],
            }}])
        );
        assert_eq!(
            serde_json::from_value::<RunSettings>(written).unwrap(),
            after
        );
        assert!(after.training.stretches.is_empty(), "batches stayed");
    }

    #[test]
    fn changes_of_one_step_are_one_and_what_is_taken_back_is_none() {
        let once = changed(&settings(), 20, |settings| settings.training.batch_size = 8);
        let twice = changed(&once, 20, |settings| settings.training.batch_size = 4);
        let fields = &twice.changes[0].settings;
        assert_eq!(fields["training.batch_size"], (json!(32), json!(4)));
        let stretch = Stretch {
            until: 20,
            sequences: 32,
        };
        assert_eq!(twice.training.stretches, [stretch]);
        let back = changed(&twice, 20, |settings| settings.training.batch_size = 32);
        assert!(back.changes.is_empty());
        assert_eq!(back.training.data_steps(25, 1), 25);
        // What is carried from step to step would start anew behind it.
        assert!(back.training.stretches.is_empty());
    }

    #[test]
    fn a_stretch_stays_as_long_as_batches_are_others() {
        let first = changed(&settings(), 10, |settings| settings.training.batch_size = 8);
        let second = changed(&first, 20, |settings| {
            settings.training.batch_size = 4;
            settings.devices = vec!["cuda:0".to_owned()];
        });
        assert_eq!(second.training.stretches.len(), 2);
        // The other device stays, and has no part in batches.
        let back = changed(&second, 20, |settings| settings.training.batch_size = 8);
        assert_eq!(back.training.stretches, first.training.stretches);
        assert_eq!(back.changes.len(), 2);
        let two = changed(&second, 20, |settings| {
            settings.training.batch_size = 8;
            settings.devices.push("cuda:1".to_owned());
        });
        assert_eq!(two.training.stretches, second.training.stretches);
        let other = changed(&second, 20, |settings| settings.training.steps = 99);
        assert_eq!(other.training.stretches, second.training.stretches);
    }

    #[test]
    fn another_split_of_the_same_micro_batches_leaves_no_stretch() {
        let two = changed(&settings(), 10, |settings| {
            settings.devices = vec!["cuda:0".to_owned(), "cuda:1".to_owned()];
        });
        let one = changed(&two, 20, |settings| {
            settings.devices = vec!["cuda:0".to_owned()];
            settings.training.accumulate = 2;
        });
        assert_eq!(one.training.stretches, two.training.stretches);
        assert_eq!(one.changes.len(), 2);
        // Nor does a change of batches that is taken back to another split of them.
        let larger = changed(&two, 20, |settings| settings.training.batch_size = 64);
        assert_eq!(larger.training.stretches.len(), 2);
        let back = changed(&larger, 20, |settings| {
            settings.training.batch_size = 32;
            settings.devices = vec!["cuda:0".to_owned()];
            settings.training.accumulate = 2;
        });
        assert_eq!(back.training.stretches, two.training.stretches);
    }

    #[test]
    fn batches_changed_before_the_first_step_leave_no_stretch() {
        let after = changed(&settings(), 0, |settings| settings.training.batch_size = 8);
        assert!(after.training.stretches.is_empty() && after.changes.len() == 1);
    }

    #[test]
    fn changes_behind_a_lost_checkpoint_begin_where_the_run_goes_on() {
        let once = changed(&settings(), 10, |settings| settings.training.batch_size = 8);
        let mut twice = changed(&once, 20, |settings| {
            settings.training.batch_size = 4;
            settings.training.steps = 50;
        });
        let before = twice.clone();
        twice.rewind_changes(20);
        assert_eq!(twice, before);
        twice.rewind_changes(6);
        assert_eq!(twice.changes.len(), 1);
        assert_eq!(twice.changes[0].after_step, 6);
        assert_eq!(
            twice.changes[0].settings["training.batch_size"],
            (json!(32), json!(4))
        );
        let stretch = Stretch {
            until: 6,
            sequences: 32,
        };
        assert_eq!(twice.training.stretches, [stretch]);
    }
}
