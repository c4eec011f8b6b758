//! Several runs by one command: seeds, folds, a grid; from the model as it was and from the adapted one.
//! Each is a run as any other, in a folder of its own.

use std::path::{Path, PathBuf};

use kiln_learner::RunFolder;
use kiln_tasks::labelled::{FineTuneSettings, GroupSettings, KnownData, Planned};
use kiln_text::Tokenizer;

use super::adapt::{self, adapted, clear_unbegun};
use super::training::{self, Ended, Show};
use super::{compared, grouped};
use crate::devices;
use crate::failure::Failure;
use crate::folders::absolute;
use crate::interrupt::Watch;
use crate::pretrain::PretrainPlan;
use crate::pretrain::folder::NewRun;
use crate::wording::shell;

/// Several runs in one folder.
pub(super) struct Group {
    folder: PathBuf,
    settings: GroupSettings,
    /// The devices, where they are others than before.
    moved: Option<Vec<String>>,
    /// Keeps other processes out.
    _lock: RunFolder,
}

impl Group {
    /// Writes down what is to be done.
    ///
    /// # Errors
    /// If the folder can't be made.
    pub(super) fn create(
        path: &Path,
        settings: GroupSettings,
        tokenizer: &Tokenizer,
    ) -> Result<Self, Failure> {
        let folder = RunFolder::create(path)?;
        tokenizer.save(&folder.tokenizer())?;
        folder.write_settings(&settings)?;
        Ok(Self {
            folder: absolute(path)?,
            settings,
            moved: None,
            _lock: folder,
        })
    }

    /// The group in a folder, to go on on the devices named, if some are.
    ///
    /// # Errors
    /// If its settings can't be read, a device does not answer, or another process is at it.
    pub(super) fn open(path: &Path, backend: &[String]) -> Result<Self, Failure> {
        let (folder, mut settings): (_, GroupSettings) = RunFolder::open(path)?;
        let folder = folder.locked()?;
        let mut moved = None;
        if !backend.is_empty() {
            let before = settings.runs.first();
            let before = before.map_or(&[][..], |run| &run.settings.devices);
            let names = devices::moved(backend, before)?;
            // Not written down before they answer.
            devices::open(&devices::choose(&names)?)?;
            let of_runs = settings.runs.iter_mut();
            let of_runs = of_runs.map(|run| &mut run.settings.devices);
            let of_adapting = settings.adapt.iter_mut().map(|adapt| &mut adapt.devices);
            of_runs
                .chain(of_adapting)
                .for_each(|devices| devices.clone_from(&names));
            folder.write_settings(&settings)?;
            moved = Some(names);
        }
        Ok(Self {
            folder: absolute(path)?,
            settings,
            moved,
            _lock: folder,
        })
    }

    /// Adapts the model, if that is asked for, as `plan` says where it is known; trains what is not
    /// trained yet, run after run, and brings the scores together. `known` are data that were read.
    ///
    /// # Errors
    /// If a run fails, or somebody stops it. Those before it are whole.
    pub(super) fn train(
        &self,
        plan: Option<PretrainPlan<'_>>,
        known: &mut KnownData,
        show: Show,
    ) -> Result<(), Failure> {
        let adapt = self.settings.adapt.as_ref();
        let watch = match adapt {
            Some(adapt) => adapt::carry_out(adapt, &self.folder, plan, show)?,
            None => None,
        };
        let watch = match watch {
            Some(watch) => watch,
            None => Watch::new(show.console)?,
        };
        let tokenizer = Tokenizer::open(&self.folder.join("tokenizer"))?;
        let runs = &self.settings.runs;
        let tell_stopped = |failure: &Failure| {
            if let Failure::Interrupted(_) = failure {
                show.console.note(format_args!(
                    "it and the runs behind it go on with: kiln resume {}",
                    shell(&self.folder)
                ));
            }
        };
        let mut scored = Vec::new();
        for (number, planned) in runs.iter().enumerate() {
            show.console.note(format_args!(
                "run {} of {}: {}",
                number + 1,
                runs.len(),
                planned.name
            ));
            watch.go_on().inspect_err(tell_stopped)?;
            let ended = self.train_one(planned, &tokenizer, known, (show, &watch));
            let scores = ended.inspect_err(tell_stopped)?.scores.scores;
            scored.extend(scores.map(|scores| (planned.name.clone(), scores)));
        }
        watch.all_is_saved();
        match adapt {
            Some(_) => compared::conclude(&self.folder, runs, &scored, show),
            None => grouped::conclude(&self.folder, runs, &scored, show),
        }
    }

    fn train_one(
        &self,
        planned: &Planned,
        tokenizer: &Tokenizer,
        known: &mut KnownData,
        show: (Show, &Watch),
    ) -> Result<Ended, Failure> {
        let path = self.folder.join(&planned.name);
        let placed = |settings: FineTuneSettings| -> Result<FineTuneSettings, Failure> {
            // The folder may have been moved since it was planned.
            let mut settings = settings;
            settings.data.tokenizer = path.join("tokenizer");
            if let Some(devices) = &self.moved {
                settings.devices.clone_from(devices);
            }
            if planned.adapted {
                settings.from.folder = adapted(&self.folder)?.1;
            }
            Ok(settings)
        };
        clear_unbegun(&path)?;
        if path.exists() {
            let (run, settings): (_, FineTuneSettings) = RunFolder::open(&path)?;
            return training::train(&run, &placed(settings)?, known, show);
        }
        let settings = placed(planned.settings.clone())?;
        let new = NewRun::create(&path)?;
        tokenizer.save(&new.run().tokenizer())?;
        new.run().write_settings(&settings)?;
        training::train(new.run(), &settings, known, show)
    }
}
