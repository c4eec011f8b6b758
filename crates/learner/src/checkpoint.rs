//! Checkpoints of a run: Hugging Face files for everyone, `training/` for going on.
//!
//! ```text
//! step-00000500/config.json, model.safetensors, tokenizer.json, …   `ModelFiles` writes these
//! step-00000500/training/state.json                                  where the run stood
//! step-00000500/training/<part>.safetensors                          the optimizer's moments
//! step-00000500/training/carry-<m>.safetensors                       state carried between steps
//! ```

use std::path::{Path, PathBuf};

use kiln_checkpoint::{
    CheckpointFolder, ModelFile, NamedTensor, OpenError, write_bytes, write_json, write_safetensors,
};
use serde::{Deserialize, Serialize};

use crate::error::LearnError;
use crate::model_files::ModelFiles;
use crate::newest::NewestCheckpoint;
use crate::objective::{Carry as _, Objective};
use crate::observer::{Stop, TrainOutcome};
use crate::run::RunFolder;
use crate::selection::{Evaluation, Selection};
use crate::settings::TrainingSettings;
use crate::step::Stepper;

/// The layout of `training/`; another number is another layout. Format 1 counted devices in place of
/// micro-batches.
const FORMAT: u32 = 2;

/// Where a run stands, besides its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrainingState {
    pub(crate) format: u32,
    /// Steps made, skipped ones included.
    pub(crate) step: u64,
    /// Updates of each part's optimizer, in the order of the parts.
    pub(crate) updates: Vec<u64>,
    /// Steps skipped in all, and without a good one since.
    pub(crate) bad_steps: u64,
    pub(crate) bad_in_row: u64,
    /// All evaluations so far.
    pub(crate) evaluations: Vec<Evaluation>,
    /// Micro-batches of a step, whatever the devices; 0 in format 1, which has `lanes`.
    #[serde(default)]
    pub(crate) micro_batches: usize,
    /// Ranks that they were shared among.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) ranks: usize,
    /// Devices, in format 1: each computed as many micro-batches of a step as the settings say.
    #[serde(default, skip_serializing, rename = "lanes")]
    devices_of_format_1: Option<usize>,
    /// Seconds spent in steps.
    pub(crate) seconds: f64,
    /// Loss of the first step that had a finite one, to know a model that has blown up by; none:
    /// there was no such step yet, or a version before this field wrote the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_loss: Option<f64>,
}

fn one() -> usize {
    1
}

fn is_one(ranks: &usize) -> bool {
    *ranks == 1
}

impl TrainingState {
    /// The state of a run that begins, of steps of so many micro-batches on so many ranks.
    pub(crate) fn start(micro_batches: usize, ranks: usize) -> Self {
        Self {
            format: FORMAT,
            step: 0,
            updates: Vec::new(),
            bad_steps: 0,
            bad_in_row: 0,
            evaluations: Vec::new(),
            micro_batches,
            ranks,
            devices_of_format_1: None,
            seconds: 0.0,
            first_loss: None,
        }
    }

    /// In how many sums gradients are added up that are then added up themselves: one where every rank
    /// has one of them, as where one rank has all.
    fn sums(&self) -> usize {
        if self.ranks == self.micro_batches {
            1
        } else {
            self.ranks
        }
    }
}

/// Writes the checkpoint of the current step and gives its folder: on rank 0, while the others hand
/// over what they carry. Whatever stops it in the middle leaves nothing under that name.
pub(crate) fn save<O: Objective>(
    run: &RunFolder,
    files: &ModelFiles<O::Model>,
    model: &O::Model,
    stepper: &Stepper<O>,
    state: &mut TrainingState,
) -> Result<PathBuf, LearnError> {
    let path = run.checkpoint(state.step);
    // One of the same step may be there: damaged, and passed over when the run was resumed.
    let folder = CheckpointFolder::replace(&path)?;
    write_files(&folder, files, model, stepper, state).map_err(|error| match error {
        LearnError::Write(error) => error.relocated(folder.path(), &path).into(),
        error => error,
    })?;
    folder
        .seal()
        .map_err(|error| error.relocated(folder.path(), &path))?;
    folder.commit()?;
    Ok(path)
}

/// Fills the folder; errors name files in it.
fn write_files<O: Objective>(
    folder: &CheckpointFolder,
    files: &ModelFiles<O::Model>,
    model: &O::Model,
    stepper: &Stepper<O>,
    state: &mut TrainingState,
) -> Result<(), LearnError> {
    files.write(model, folder.path())?;
    let training = folder.subfolder("training")?;
    state.updates = stepper
        .optimizers
        .iter()
        .map(|optimizer| optimizer.updates())
        .collect();
    for optimizer in &stepper.optimizers {
        let file = training.join(format!("{}.safetensors", optimizer.part().name));
        write_safetensors(&file, &optimizer.tensors()?)?;
    }
    stepper.gather_carries(|m, bytes| {
        if !bytes.is_empty() {
            write_bytes(&carry_file(&training, m), bytes)?;
        }
        Ok(())
    })?;
    write_json(&training.join("state.json"), state)?;
    Ok(())
}

/// Deletes the checkpoints that the settings do not keep; says of each that can't be deleted why.
///
/// Those of later steps, passed over when the run was resumed, stay until they are written again.
pub(crate) fn prune(
    run: &RunFolder,
    settings: &TrainingSettings,
    state: &TrainingState,
) -> Result<Vec<String>, LearnError> {
    let mut present = run.list_checkpoints()?;
    present.retain(|(step, _)| *step <= state.step);
    let newest = present
        .iter()
        .rev()
        .take(settings.keep_last)
        .map(|(step, _)| *step);
    let select = &settings.select;
    let mut by_rank: Vec<&Evaluation> = state
        .evaluations
        .iter()
        .filter(|evaluation| present.iter().any(|(step, _)| *step == evaluation.step))
        .collect();
    by_rank.sort_by(|a, b| select.badness(a).total_cmp(&select.badness(b)));
    let best = by_rank
        .iter()
        .take(settings.keep_best)
        .map(|evaluation| evaluation.step);
    let keep: Vec<u64> = newest.chain(best).collect();
    let mut stuck = Vec::new();
    for (step, path) in present {
        if !keep.contains(&step) {
            // Renamed first: a kill in the middle leaves no half-deleted checkpoint under a name
            // that resume would try, and what it leaves `clean_stale` removes.
            let doomed = path.with_file_name(format!(".tmp-old-step-{step:08}"));
            let deleted = std::fs::rename(&path, &doomed)
                .map_err(|reason| (&path, reason))
                .and_then(|()| {
                    std::fs::remove_dir_all(&doomed).map_err(|reason| (&doomed, reason))
                });
            if let Err((path, reason)) = deleted {
                stuck.push(format!(
                    "{}: no longer kept, but cannot be deleted ({reason}); delete it by hand",
                    path.display()
                ));
            }
        }
    }
    Ok(stuck)
}

/// Step, folder and deciding value of the checkpoint on disk whose evaluation was the best.
pub(crate) fn best_checkpoint(
    run: &RunFolder,
    state: &TrainingState,
    select: &Selection,
) -> Option<(u64, PathBuf, f64)> {
    let present = run.list_checkpoints().ok()?;
    let is_present = |step: u64| present.iter().any(|(found, _)| *found == step);
    state
        .evaluations
        .iter()
        .filter(|evaluation| is_present(evaluation.step))
        .min_by(|a, b| select.badness(a).total_cmp(&select.badness(b)))
        .and_then(|best| {
            let value = select.value_of(best)?;
            Some((best.step, run.checkpoint(best.step), value))
        })
}

impl NewestCheckpoint {
    /// How a run ended whose last step this is; `select` says which checkpoint is its best.
    ///
    /// # Errors
    /// If where the run stood can't be read.
    pub fn outcome(&self, run: &RunFolder, select: &Selection) -> Result<TrainOutcome, LearnError> {
        let state = read_state(&self.path.join("training/state.json"))?;
        Ok(TrainOutcome {
            step: self.step,
            stop: Stop::Done,
            checkpoint: self.path.clone(),
            best_checkpoint: best_checkpoint(run, &state, select),
            bad_steps: state.bad_steps,
        })
    }
}

/// What [`restore`] found.
pub(crate) struct Restored<O: Objective> {
    pub(crate) model: O::Model,
    pub(crate) state: TrainingState,
    pub(crate) path: PathBuf,
    /// What there is to know of it: newer ones passed over, and why.
    pub(crate) warnings: Vec<String>,
}

/// Takes up the checkpoint that a run goes on from: into `model` and `stepper`.
///
/// Where the next step begins a stretch with other batches, what is carried from step to step starts
/// anew.
pub(crate) fn restore<O: Objective>(
    newest: NewestCheckpoint,
    files: &ModelFiles<O::Model>,
    model: O::Model,
    stepper: &mut Stepper<O>,
    settings: &TrainingSettings,
) -> Result<Restored<O>, LearnError> {
    let (path, mut warnings) = (newest.path, newest.passed_over);
    let training = path.join("training");
    let mut state = read_state(&training.join("state.json"))?;
    let last_stretch = settings.stretches.last();
    let other_batches = last_stretch.is_some_and(|stretch| stretch.until == state.step);
    state.format = FORMAT;
    let micro_batches = stepper.placement.micro_batches();
    if let Some(devices) = state.devices_of_format_1.take() {
        // Whoever changed the accumulation since may have changed it with them.
        state.micro_batches = if micro_batches.is_multiple_of(devices.max(1)) {
            micro_batches
        } else {
            devices.saturating_mul(settings.accumulate)
        };
    }
    if state.micro_batches != micro_batches && !other_batches {
        return Err(LearnError::Run {
            path,
            problem: format!(
                "the run's steps have {} micro-batches (devices times accumulation), {micro_batches} \
                 are asked for; resume with as many",
                state.micro_batches
            ),
        });
    }
    let sums = state.sums();
    state.micro_batches = micro_batches;
    state.ranks = stepper.placement.ranks();
    if state.sums() != sums && !other_batches {
        warnings.push(format!(
            "gradients are added up on {} ranks now, each of which has several: the run goes on, but \
             not to the last bit",
            state.ranks
        ));
    }
    // It counts steps in a row, and these two are not: somebody has seen the first and went on.
    state.bad_in_row = 0;
    let model = files.read(model, &path)?;
    let device = stepper.placement.first().clone().inner();
    for (optimizer, &updates) in stepper.optimizers.iter_mut().zip(&state.updates) {
        let file = training.join(format!("{}.safetensors", optimizer.part().name));
        optimizer
            .restore(updates, read_tensors(&file)?, &device)
            .map_err(|problem| LearnError::Run {
                path: file,
                problem,
            })?;
    }
    if other_batches {
        if carry_file(&training, 0).is_file() {
            warnings.push(
                "what the model remembers of the text before starts anew, as batches have changed"
                    .to_owned(),
            );
        }
    } else {
        for (m, carry) in stepper.placement.mine().zip(&mut stepper.carries) {
            let file = carry_file(&training, m);
            let tensors = if file.is_file() {
                read_tensors(&file)?
            } else {
                Vec::new()
            };
            let start = carry.clone();
            *carry = start
                .restored(tensors)
                .map_err(|error| in_carry(error, &file))?;
        }
    }
    Ok(Restored {
        model,
        state,
        path,
        warnings,
    })
}

/// The error of a run whose carried state in `file` can't be used.
fn in_carry(error: OpenError, file: &Path) -> LearnError {
    let path = file.to_path_buf();
    match error {
        OpenError::NoTensor { name, .. } => LearnError::Run {
            path,
            problem: format!(
                "holds no {name}; resume with the batch size, accumulation and model that the run \
                 was started with"
            ),
        },
        OpenError::Shape {
            name,
            found,
            expected,
            ..
        } => LearnError::Run {
            path,
            problem: format!(
                "{name} has shape {found:?}, {expected:?} follows from the settings; resume with the \
                 batch size and model that the run was started with"
            ),
        },
        error => error.into(),
    }
}

fn carry_file(training: &Path, m: usize) -> PathBuf {
    training.join(format!("carry-{m}.safetensors"))
}

pub(crate) fn read_state(path: &Path) -> Result<TrainingState, LearnError> {
    let text = std::fs::read_to_string(path).map_err(|reason| LearnError::Read {
        path: path.into(),
        reason,
    })?;
    let state: TrainingState = serde_json::from_str(&text).map_err(|error| LearnError::Run {
        path: path.into(),
        problem: format!("not a training state ({error}); another version may have written it"),
    })?;
    let is_known = match state.format {
        1 => state.devices_of_format_1.is_some(),
        format => format == FORMAT,
    };
    if !is_known {
        return Err(LearnError::Run {
            path: path.into(),
            problem: format!(
                "written in format {}, this version reads {FORMAT}; resume with the version that \
                 wrote it",
                state.format
            ),
        });
    }
    Ok(state)
}

fn read_tensors(path: &Path) -> Result<Vec<NamedTensor>, LearnError> {
    let file = ModelFile::open(path)?;
    let mut tensors = Vec::new();
    for name in file.names() {
        let shape = file
            .info(name)
            .map_or_else(Vec::new, |info| info.shape.clone());
        tensors.push(NamedTensor {
            name: name.to_owned(),
            shape,
            data: file.read(name)?,
        });
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_counts_devices_is_read_and_one_that_counts_nothing_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let before = r#"{"format": 1, "step": 4, "updates": [4], "bad_steps": 0, "bad_in_row": 0,
            "evaluations": [], "lanes": 2, "seconds": 1.5}"#;
        std::fs::write(&path, before).unwrap();
        assert_eq!(read_state(&path).unwrap().devices_of_format_1, Some(2));
        let now = serde_json::to_string(&TrainingState::start(6, 1)).unwrap();
        std::fs::write(&path, &now).unwrap();
        assert_eq!(read_state(&path).unwrap(), TrainingState::start(6, 1));
        for wrong in [
            before.replace("lanes\": 2", "micro_batches\": 2"),
            now.replace('2', "3"),
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert!(read_state(&path).is_err());
        }
    }

    #[test]
    fn a_checkpoint_that_cannot_be_deleted_is_named_and_the_others_go() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        for step in 1..=4 {
            std::fs::create_dir_all(run.checkpoint(step)).unwrap();
            std::fs::write(run.checkpoint(step).join("config.json"), "{}").unwrap();
        }
        // Something is in the way of the name it would have while it is deleted.
        let way = run.checkpoints().join(".tmp-old-step-00000001");
        std::fs::create_dir_all(way.join("in/the/way")).unwrap();
        let settings = TrainingSettings {
            keep_last: 2,
            ..Default::default()
        };
        let state = TrainingState {
            step: 4,
            ..TrainingState::start(1, 1)
        };
        let stuck = prune(&run, &settings, &state).unwrap();
        assert_eq!(stuck.len(), 1);
        let name = run.checkpoint(1).display().to_string();
        assert!(stuck[0].starts_with(&name), "{stuck:?}");
        let steps: Vec<u64> = run
            .list_checkpoints()
            .unwrap()
            .iter()
            .map(|c| c.0)
            .collect();
        assert_eq!(steps, [1, 3, 4]);
    }
}
