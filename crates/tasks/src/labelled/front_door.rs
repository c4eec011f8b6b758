//! Settings of a run with everything as usual, for a program of one's own.

use std::path::Path;
use std::sync::Arc;

use burn::train::Interrupter;
use kiln_checkpoint::ConfigFile;
use kiln_datasets::reading::{Dataset, DatasetSpec};
use kiln_datasets::{Labels, Problem, Task};
use kiln_learner::{LearnError, Observer, RunFolder, TrainOutcome, TrainingSettings};
use kiln_text::reading::hex;
use kiln_text::tokenizer::Tokenizer;
use serde_json::{Map, Value};

use super::config::task_config;
use super::data::TaskData;
use super::data_error;
use super::pipeline::TaskPipeline;
use super::selection::selection;
use super::settings::{Development, FineTuneSettings, LabelledData, TaskSettings, TunedFrom};
use super::tuned_family::TunedFamily;
use crate::fine_tuning::{FineTuningSettings, HeadKind};
use crate::replaced_tokens::Half;
use crate::run_context::RunContext;

/// Tokens of a sequence, where the model has room for them.
const MAX_LEN: usize = 128;

impl FineTuneSettings {
    /// A run in the folder `run` that fine-tunes the model in `folder` with a fresh head for the labels of
    /// `train`, evaluated on `dev` after every epoch; the model's tokenizer is copied into the run.
    ///
    /// `family` is the architecture's, as `Bert.tuned()`. Rates and the like are those of `training`, whose
    /// `steps` and `warmup` are set to `epochs` of them, a tenth rising.
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
    ) -> Result<Self, LearnError> {
        let folder = Half::Discriminator.meant_by(folder);
        let config = Value::Object(ConfigFile::open(&folder)?.fields().clone());
        let tokenizer = Tokenizer::open(&folder)?;
        tokenizer.save(&run.tokenizer())?;
        let (fine_tune, problem) = (train.task, problem_of(&train));
        let [train_set, dev_set] = [&train, &dev].map(|spec| Dataset::open(spec.clone(), true));
        let (train_set, dev_set) = (train_set.map_err(data_error)?, dev_set.map_err(data_error)?);
        let survey = train_set.survey().map_err(data_error)?;
        let labels = match problem {
            Problem::SingleLabel | Problem::MultiLabel | Problem::Tags => survey.labels,
            Problem::Regression | Problem::Span | Problem::Choice => Labels::default(),
        };
        let facts = family.head(&config, HeadKind::of(problem, false))?;
        let mut task = TaskSettings::new(problem, labels, MAX_LEN.min(facts.longest));
        task.outputs = (problem == Problem::Regression).then_some(survey.outputs);
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
        let data = settings.data(family)?;
        let training = &mut settings.training;
        let step = (training.batch_size * training.accumulate).max(1) as u64;
        let epoch = data.num_rows().div_ceil(step).max(1);
        training.steps = epoch * epochs;
        training.warmup = training.steps / 10;
        (training.eval_every, training.save_every) = (epoch, epoch);
        if let Some(dev) = &data.dev {
            training.select = selection(&settings.task, dev.examples())?;
        }
        Ok(settings)
    }

    /// The data that the run trains and is evaluated on.
    ///
    /// # Errors
    /// If it can't be read, or is not what it was.
    pub fn data(&self, family: &dyn TunedFamily) -> Result<TaskData, LearnError> {
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
        TaskData::open(&self.data, &self.task, pipeline).map_err(data_error)
    }

    /// Writes the settings into `run` and trains it on `device`, telling `observer`.
    ///
    /// # Errors
    /// As [`TunedFamily::fine_tune`].
    pub fn train(
        &self,
        family: &dyn TunedFamily,
        run: RunFolder,
        device: burn::tensor::Device,
        observer: Arc<dyn Observer>,
    ) -> Result<TrainOutcome, LearnError> {
        run.write_settings(self)?;
        let data = self.data(family)?;
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

/// What the logits of a model mean that learns from such files.
pub fn problem_of(spec: &DatasetSpec) -> Problem {
    match spec.task {
        Task::Classify if spec.multi_label => Problem::MultiLabel,
        Task::Classify => Problem::SingleLabel,
        Task::Regress => Problem::Regression,
        Task::Tag => Problem::Tags,
        Task::Qa => Problem::Span,
        Task::Choose => Problem::Choice,
    }
}
