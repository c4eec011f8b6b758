//! Settings of a run with everything as usual, for a program of one's own.

use std::path::Path;
use std::sync::Arc;

use burn::train::Interrupter;
use kiln_checkpoint::ConfigFile;
use kiln_datasets::reading::{Dataset, DatasetSpec};
use kiln_datasets::{Labels, Problem};
use kiln_learner::{LearnError, Observer, RunFolder, TrainOutcome, TrainingSettings};
use kiln_text::reading::hex;
use kiln_text::tokenizer::Tokenizer;
use serde_json::{Map, Value};

use super::config::task_config;
use super::data::TaskData;
use super::data_error;
use super::known_data::KnownData;
use super::pipeline::TaskPipeline;
use super::selection::selection;
use super::settings::{Development, FineTuneSettings, LabelledData, TaskSettings, TunedFrom};
use super::tuned_family::TunedFamily;
use super::usual::{steps_of, usual_len};
use crate::fine_tuning::{FineTuningSettings, HeadKind};
use crate::replaced_tokens::Half;
use crate::run_context::RunContext;

impl FineTuneSettings {
    /// A run in the folder `run` that fine-tunes the model in `folder` with a fresh head for the labels of
    /// `train`, evaluated on `dev` after every epoch; the model's tokenizer is copied into the run.
    ///
    /// With the data, which are read to count steps. `family` is the architecture's, as `Bert.tuned()`.
    /// Rates and the like are those of `training`, whose `steps` and `warmup` are set to `epochs` of them, a
    /// tenth rising.
    ///
    /// # Errors
    /// If the folder or a file can't be read, or they do not go together.
    pub fn new(
        family: &dyn TunedFamily,
        folder: &Path,
        run: &RunFolder,
        [train, dev]: [DatasetSpec; 2],
        training: TrainingSettings,
        epochs: u64,
    ) -> Result<(Self, TaskData), LearnError> {
        let folder = Half::Discriminator.meant_by(folder);
        let config = Value::Object(ConfigFile::open(&folder)?.fields().clone());
        let tokenizer = Tokenizer::open(&folder)?;
        tokenizer.save(&run.tokenizer())?;
        let (fine_tune, problem) = (train.task, Problem::of(train.task, train.multi_label));
        let [train_set, dev_set] = [&train, &dev].map(|spec| Dataset::open(spec.clone(), true));
        let (train_set, dev_set) = (train_set.map_err(data_error)?, dev_set.map_err(data_error)?);
        let survey = train_set.survey().map_err(data_error)?;
        let labels = match problem {
            Problem::SingleLabel | Problem::MultiLabel | Problem::Tags => survey.labels.clone(),
            Problem::Regression | Problem::Span | Problem::Choice => Labels::default(),
        };
        let facts = family.head(&config, HeadKind::of(problem, false))?;
        let max_len = usual_len(fine_tune, facts.longest, &tokenizer);
        let task = TaskSettings::of_files(problem, labels, &survey, max_len);
        let mut settings = Self {
            versions: Map::new(),
            architecture: family.name().to_owned(),
            fine_tune,
            model: task_config(&config, &task),
            task,
            from: TunedFrom {
                folder,
                keeps_head: false,
                random_weights: false,
            },
            fine_tuning: FineTuningSettings::default(),
            data: LabelledData {
                train_identity: train_set.identity().map_err(data_error)?,
                train,
                development: Development::Files {
                    identity: dev_set.identity().map_err(data_error)?,
                    spec: dev,
                },
                tokenizer: run.tokenizer(),
                tokenizer_identity: hex(&tokenizer.identity()),
            },
            epochs: epochs as f64,
            training,
            devices: Vec::new(),
        };
        let data = settings.data(family, &mut KnownData::default())?;
        let training = &mut settings.training;
        let step = (training.batch_size * training.accumulate).max(1) as u64;
        let epoch = steps_of(data.num_rows(), 1.0, step);
        training.steps = steps_of(data.num_rows(), epochs as f64, step);
        training.warmup = training.steps / 10;
        (training.eval_every, training.save_every) = (epoch, epoch);
        if let Some(dev) = &data.dev {
            training.select = selection(&settings.task, dev.examples())?;
        }
        Ok((settings, data))
    }

    /// The data that the run trains and is evaluated on, read unless they are among `known`.
    ///
    /// # Errors
    /// If it can't be read, or is not what it was.
    pub fn data(
        &self,
        family: &dyn TunedFamily,
        known: &mut KnownData,
    ) -> Result<TaskData, LearnError> {
        let tokenizer = Tokenizer::open(&self.data.tokenizer)?;
        if hex(&tokenizer.identity()) != self.data.tokenizer_identity {
            return Err(LearnError::Run {
                path: self.data.tokenizer.clone(),
                problem: "not the tokenizer that the run was started with; bring that back, or \
                          start another run"
                    .to_owned(),
            });
        }
        let tokenizer = Arc::new(tokenizer);
        let facts = family.head(&self.model, self.task.head())?;
        let pipeline = TaskPipeline::new(tokenizer, &self.task, facts.type_vocab_size);
        let pipeline = Arc::new(pipeline.map_err(data_error)?);
        known.open(&self.data, &pipeline).map_err(data_error)
    }

    /// Writes the settings into `run` and trains it with its `data` on `device`, telling `observer`.
    ///
    /// # Errors
    /// As [`TunedFamily::fine_tune`].
    pub fn train(
        &self,
        family: &dyn TunedFamily,
        run: RunFolder,
        data: TaskData,
        device: burn::tensor::Device,
        observer: Arc<dyn Observer>,
    ) -> Result<TrainOutcome, LearnError> {
        run.write_settings(self)?;
        let context = RunContext {
            run,
            devices: vec![device],
            interrupter: Interrupter::new(),
            observer,
            dashboard: false,
            resumption: None,
        };
        family.fine_tune(self, data, context)
    }
}
