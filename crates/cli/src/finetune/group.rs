//! Several runs by one command: seeds, folds, a grid; from the model as it was and from the adapted one.
//! Each is a run as any other, in a folder of its own.

use std::path::{Path, PathBuf};

use kiln_learner::RunFolder;
use kiln_tasks::labelled::FineTuneSettings;
use kiln_text::Tokenizer;

use super::adapt::{adapted, clear_unbegun};
use super::planned::{GroupSettings, Planned};
use super::training::{self, Ended, Show};
use super::{compared, grouped};
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
    backend: Vec<String>,
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
            backend: Vec::new(),
            _lock: folder,
        })
    }

    /// The group in a folder, to go on on the devices named, if some are.
    ///
    /// # Errors
    /// If its settings can't be read, or another process is at it.
    pub(super) fn open(path: &Path, backend: &[String]) -> Result<Self, Failure> {
        let (folder, settings): (_, GroupSettings) = RunFolder::open(path)?;
        Ok(Self {
            folder: absolute(path)?,
            settings,
            backend: backend.to_vec(),
            _lock: folder.locked()?,
        })
    }

    /// Adapts the model, if that is asked for, as `plan` says where it is known; trains what is not
    /// trained yet, run after run, and brings the scores together.
    ///
    /// # Errors
    /// If a run fails, or somebody stops it. Those before it are whole.
    pub(super) fn train(&self, plan: Option<PretrainPlan<'_>>, show: Show) -> Result<(), Failure> {
        let adapt = self.settings.adapt.as_ref();
        let watch = match adapt {
            Some(adapt) => adapt.carry_out(&self.folder, plan, &self.backend, show)?,
            None => None,
        };
        let watch = match watch {
            Some(watch) => watch,
            None => Watch::new(show.console)?,
        };
        let tokenizer = Tokenizer::open(&self.folder.join("tokenizer"))?;
        let runs = &self.settings.runs;
        let mut scored = Vec::new();
        for (number, planned) in runs.iter().enumerate() {
            show.console.note(format_args!(
                "run {} of {}: {}",
                number + 1,
                runs.len(),
                planned.name
            ));
            let ended = self.train_one(planned, &tokenizer, show, &watch);
            if let Err(Failure::Interrupted(_)) = &ended {
                show.console.note(format_args!(
                    "it and the runs behind it go on with: kiln resume {}",
                    shell(&self.folder)
                ));
            }
            let ended = ended?;
            let scores = ended.scores.scores;
            scored.extend(scores.map(|scores| (planned.name.clone(), scores)));
            watch.go_on()?;
        }
        match adapt {
            Some(_) => compared::conclude(&self.folder, runs, &scored, show),
            None => grouped::conclude(&self.folder, runs, &scored, show),
        }
    }

    fn train_one(
        &self,
        planned: &Planned,
        tokenizer: &Tokenizer,
        show: Show,
        watch: &Watch,
    ) -> Result<Ended, Failure> {
        let moved = (!self.backend.is_empty()).then_some(self.backend.as_slice());
        let path = self.folder.join(&planned.name);
        let placed = |settings: FineTuneSettings| -> Result<FineTuneSettings, Failure> {
            // The folder may have been moved since it was planned.
            let mut settings = settings;
            settings.data.tokenizer = path.join("tokenizer");
            if planned.adapted {
                settings.from.folder = adapted(&self.folder)?.1;
            }
            Ok(settings)
        };
        clear_unbegun(&path)?;
        if path.exists() {
            let (run, settings): (_, FineTuneSettings) = RunFolder::open(&path)?;
            return training::train(&run, &placed(settings)?, moved, show, watch);
        }
        let settings = placed(planned.settings.clone())?;
        let new = NewRun::create(&path)?;
        tokenizer.save(&new.run().tokenizer())?;
        new.run().write_settings(&settings)?;
        training::train(new.run(), &settings, moved, show, watch)
    }
}
