//! A model opened for what it was fine-tuned for, and asked example by example.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use kiln_datasets::questions::Stride;
use kiln_datasets::{DataError, Example, Labels, Problem, Task};
use kiln_learner::RunFolder;
use kiln_metrics::rows::Row;
use kiln_tasks::Architecture;
use kiln_tasks::fine_tuning::HeadKind;
use kiln_tasks::labelled::{
    Asked, Carried, FineTuneSettings, GroupSettings, RunKind, TaskModel, TaskModelRequest,
    TaskPipeline, TaskSettings, data_error, label_names, usual_len,
};
use kiln_tasks::replaced_tokens::Half;
use kiln_text::Tokenizer;
use serde_json::Value;

use crate::devices;
use crate::failure::Failure;
use crate::folders::run_of_checkpoint;
use crate::labelled::dev_scores::PredictionsFile;
use crate::model_folder::ModelFolder;

/// Rows of a batch where nobody says otherwise.
const BATCH_SIZE: usize = 32;

// What a model reads at once where it is not trained.
#[derive(Args, Clone, Copy)]
pub(crate) struct BatchArgs {
    /// Examples the model reads at once. Default: as the run was trained, else 32
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
}

// How long texts are read, and how answers and labels are chosen.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Reading and answering")]
pub(crate) struct AskArgs {
    /// Tokens of a sequence at most; longer texts lose their ends, longer sentences of words and
    /// contexts are read in windows. Default: as in training, else 512, for questions 384
    #[arg(long, value_name = "N")]
    pub(crate) max_len: Option<usize>,
    /// Tokens that two windows of a context have in common (Hugging Face's stride). Default: 128, or
    /// a third of a shorter --max-len
    #[arg(long, value_name = "N", conflicts_with = "doc_stride")]
    pub(crate) stride: Option<usize>,
    /// Tokens between the starts of two windows, as the original BERT counts its stride
    #[arg(long, value_name = "N")]
    pub(crate) doc_stride: Option<usize>,
    /// Tokens that two windows of a long sentence have in common. Default: half of a window
    #[arg(long, value_name = "N")]
    pub(crate) overlap: Option<usize>,
    /// Probability above which a label is said, where an example can have several. Default: 0.5
    #[arg(long, value_name = "P")]
    pub(crate) threshold: Option<f64>,
    /// Candidates of an answer that are kept. Default: 20
    #[arg(long, value_name = "N")]
    pub(crate) n_best: Option<usize>,
    /// Tokens of an answer at most. Default: 30
    #[arg(long, value_name = "N")]
    pub(crate) max_answer_tokens: Option<usize>,
    /// Whether a question may have no answer in its context (SQuAD 2.0). Default: as the training
    /// questions were
    #[arg(long, value_name = "YES|NO", value_parser = super::data_args::yes_or_no())]
    pub(crate) no_answer: Option<bool>,
    /// "No answer" is said where its score is higher by more than this than the best answer's; the
    /// scores name the best one for your data. Default: 0
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) null_threshold: Option<f64>,
    /// The score that counts most; in training also loss. Default: the task's usual one
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// The label that counts as yes where there are two. Default: the second
    #[arg(long, value_name = "LABEL")]
    pub(crate) positive: Option<String>,
}

impl AskArgs {
    /// Lays what was given over `task`.
    ///
    /// # Errors
    /// If a flag is of another task.
    pub(crate) fn apply(&self, task: &mut TaskSettings) -> Result<(), Failure> {
        self.refuse_foreign(task.problem)?;
        if let Some(max_len) = self.max_len {
            task.max_len = max_len;
        }
        match (self.stride, self.doc_stride) {
            (Some(stride), _) => task.stride = Stride::Overlap(stride),
            (_, Some(stride)) => task.stride = Stride::Starts(stride),
            _ => task.fit_stride(),
        }
        let search = &mut task.search;
        search.n_best = self.n_best.unwrap_or(search.n_best);
        search.max_answer_tokens = self.max_answer_tokens.unwrap_or(search.max_answer_tokens);
        search.allow_no_answer = self.no_answer.unwrap_or(search.allow_no_answer);
        search.null_threshold = self.null_threshold.unwrap_or(search.null_threshold);
        task.overlap = self.overlap.or(task.overlap);
        task.threshold = self.threshold.unwrap_or(task.threshold);
        task.metric = self.metric.clone().or(task.metric.take());
        task.positive = self.positive.clone().or(task.positive.take());
        Ok(())
    }

    /// Refuses flags that say nothing for a problem.
    ///
    /// # Errors
    /// If one is given.
    pub(crate) fn refuse_foreign(&self, problem: Problem) -> Result<(), Failure> {
        const QUESTIONS: &str = "is for questions (qa)";
        let is_span = problem == Problem::Span;
        let has_classes = matches!(problem, Problem::SingleLabel);
        let is_multi_label = problem == Problem::MultiLabel;
        let flags = [
            ("stride", self.stride.is_some(), is_span, QUESTIONS),
            ("doc-stride", self.doc_stride.is_some(), is_span, QUESTIONS),
            ("n-best", self.n_best.is_some(), is_span, QUESTIONS),
            (
                "max-answer-tokens",
                self.max_answer_tokens.is_some(),
                is_span,
                QUESTIONS,
            ),
            ("no-answer", self.no_answer.is_some(), is_span, QUESTIONS),
            (
                "null-threshold",
                self.null_threshold.is_some(),
                is_span,
                QUESTIONS,
            ),
            (
                "overlap",
                self.overlap.is_some(),
                problem == Problem::Tags,
                "is for sentences of words (tag)",
            ),
            (
                "threshold",
                self.threshold.is_some(),
                is_multi_label,
                "is for examples that can have several labels (classify --multi-label)",
            ),
            (
                "positive",
                self.positive.is_some(),
                has_classes,
                "is for examples with one label each (classify)",
            ),
        ];
        super::data_args::refuse_flags(&flags)
    }

    /// Refuses flags of scores where nothing is scored.
    ///
    /// # Errors
    /// If one is given.
    pub(crate) fn refuse_scores(&self) -> Result<(), Failure> {
        let given = [
            ("metric", self.metric.is_some()),
            ("positive", self.positive.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => Err(Failure::usage(format_args!(
                "--{flag}: nothing is scored here; leave it out, or score with: kiln evaluate"
            ))),
        }
    }
}

/// The folder of a model's config.json, tokenizer and weights: of a pair the discriminator's.
pub(crate) fn encoder_folder(path: &Path) -> PathBuf {
    Half::Discriminator.meant_by(path)
}

/// A folder's config.json as it is.
///
/// # Errors
/// If it can't be read.
pub(crate) fn read_config(folder: &Path) -> Result<Value, Failure> {
    let path = folder.join("config.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        Failure::run(format_args!(
            "{}: cannot be read ({error}); pass a Hugging Face model folder or a run",
            path.display()
        ))
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::run(format_args!(
            "{}: is no JSON ({error}); copy the model again",
            path.display()
        ))
    })
}

/// A model with a head, and how it is asked.
pub(crate) struct Asking {
    pub(crate) pipeline: TaskPipeline,
    /// The checkpoint.
    pub(crate) folder: PathBuf,
    model: Box<dyn TaskModel>,
    batch_size: usize,
}

impl Asking {
    /// Opens the model of a folder or a run for `task`.
    ///
    /// # Errors
    /// If it has no head for it, or can't be opened.
    pub(crate) fn open(
        path: &Path,
        task: Task,
        args: &AskArgs,
        batch_size: Option<usize>,
        backend: &[String],
    ) -> Result<Self, Failure> {
        let model = ModelFolder::open(path)?;
        let folder = encoder_folder(&model.path);
        let config = read_config(&folder)?;
        let tokenizer = Tokenizer::open(&folder)?;
        let run = run_settings(&model.path)?.filter(|settings| settings.fine_tune == task);
        let Carried {
            mut settings,
            batch_size: usual,
        } = match run {
            Some(settings) => Carried::of_run(&settings),
            None => of_config(&config, task, &model, &tokenizer)?,
        };
        // What a run was evaluated with gives its numbers again to the last digit.
        let batch_size = batch_size.unwrap_or(usual);
        args.apply(&mut settings)?;
        let device = devices::open_one(backend)?;
        Self::with(model, settings, Arc::new(tokenizer), batch_size, device)
    }

    /// Opens a run's checkpoint.
    ///
    /// # Errors
    /// If it can't be opened.
    pub(crate) fn of_run(
        checkpoint: &Path,
        settings: &FineTuneSettings,
        architecture: &'static dyn Architecture,
        device: burn::tensor::Device,
    ) -> Result<Self, Failure> {
        let model = ModelFolder {
            path: checkpoint.to_path_buf(),
            architecture,
        };
        let tokenizer = Arc::new(Tokenizer::open(checkpoint)?);
        let asked = Carried::of_run(settings);
        Self::with(model, asked.settings, tokenizer, asked.batch_size, device)
    }

    fn with(
        model: ModelFolder,
        settings: TaskSettings,
        tokenizer: Arc<Tokenizer>,
        batch_size: usize,
        device: burn::tensor::Device,
    ) -> Result<Self, Failure> {
        let folder = encoder_folder(&model.path);
        let config = read_config(&folder)?;
        let tuned = model.architecture.tuned();
        let facts = tuned.head(&config, settings.head())?;
        check_len(settings.max_len, facts.longest)?;
        let pipeline = TaskPipeline::new(tokenizer, &settings, facts.type_vocab_size)?;
        let opened = tuned.open(&TaskModelRequest {
            folder: model.path.clone(),
            head: settings.head(),
            device,
        })?;
        Ok(Self {
            pipeline,
            folder: model.path,
            model: opened,
            batch_size,
        })
    }

    /// The labels of the model.
    pub(crate) fn labels(&self) -> &Labels {
        &self.pipeline.settings().labels
    }

    /// What is said of each of `examples`, in their order; written to `output` too, a line each, as a whole
    /// or not at all. `go_on` is asked after each whether to.
    ///
    /// # Errors
    /// If an example can't be read or used, the device fails, the file can't be written, or as `go_on`.
    pub(crate) fn rows(
        &self,
        examples: impl Iterator<Item = Result<Example, DataError>>,
        output: Option<&Path>,
        go_on: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<(Vec<Row>, Asked), Failure> {
        let mut file = output.map(PredictionsFile::create).transpose()?;
        let mut rows = Vec::new();
        let asked = self.ask(examples, |_, row| {
            if let Some(file) = &mut file {
                file.write(&row)?;
            }
            rows.push(row);
            go_on()
        })?;
        if let Some(file) = file {
            file.finish()?;
        }
        Ok((rows, asked))
    }

    /// Asks for each of `examples` and gives what it says to `give`, in their order.
    ///
    /// # Errors
    /// If an example can't be read or used, or the device fails, or as `give`.
    pub(crate) fn ask(
        &self,
        examples: impl Iterator<Item = Result<Example, DataError>>,
        mut give: impl FnMut(&Example, Row) -> Result<(), Failure>,
    ) -> Result<Asked, Failure> {
        // A failure of the reader's is no error of the model's.
        let mut failure = None;
        let asked = self.pipeline.predict(
            examples,
            self.batch_size,
            &mut |batch| self.model.answers(batch),
            &mut |example, row| {
                give(example, row).map_err(|error| {
                    failure = Some(error);
                    data_error(DataError::Settings("stopped".into()))
                })
            },
        );
        match (failure, asked) {
            (Some(failure), _) => Err(failure),
            (None, asked) => Ok(asked?),
        }
    }
}

/// The settings of the fine-tuning run that a checkpoint is of, if it is of one.
///
/// # Errors
/// If it is of a run whose settings can't be read: without them the model would be asked otherwise.
fn run_settings(checkpoint: &Path) -> Result<Option<FineTuneSettings>, Failure> {
    let Some(run) = run_of_checkpoint(checkpoint)? else {
        return Ok(None);
    };
    match RunKind::of(&run)? {
        RunKind::FineTuning => Ok(Some(RunFolder::open(&run)?.1)),
        RunKind::Pretraining | RunKind::Group => Ok(None),
    }
}

/// What the model of a run was asked, or those of several runs in a folder: of their tasks the first, as
/// they differ in how they were trained. None where there is no such run.
///
/// # Errors
/// If its settings can't be read.
pub(crate) fn task_of_run(folder: &Path) -> Result<Option<TaskSettings>, Failure> {
    if !RunFolder::at(folder).config().is_file() {
        return Ok(None);
    }
    match RunKind::of(folder)? {
        RunKind::Pretraining => Ok(None),
        RunKind::FineTuning => {
            let (_, settings): (_, FineTuneSettings) = RunFolder::open(folder)?;
            Ok(Some(settings.task))
        }
        RunKind::Group => {
            let (_, settings): (_, GroupSettings) = RunFolder::open(folder)?;
            let first = settings.runs.into_iter().next();
            Ok(first.map(|run| run.settings.task))
        }
    }
}

/// Refuses sequences longer than a model takes.
///
/// # Errors
/// If they are.
pub(crate) fn check_len(max_len: usize, longest: usize) -> Result<(), Failure> {
    if max_len <= longest {
        return Ok(());
    }
    Err(Failure::usage(format_args!(
        "--max-len {max_len}: the model takes {longest} tokens; choose so many at most"
    )))
}

/// What a model of this config.json is asked: as the run whose checkpoint it was, if it is one of Kiln's.
fn of_config(
    config: &Value,
    task: Task,
    model: &ModelFolder,
    tokenizer: &Tokenizer,
) -> Result<Carried, Failure> {
    let problem_type = config.get("problem_type").and_then(Value::as_str);
    let problem = Problem::of(task, problem_type == Problem::MultiLabel.problem_type());
    let tuned = model.architecture.tuned();
    let beam = task == Task::Qa && tuned.head(config, HeadKind::Beam)?.has_head;
    let facts = tuned.head(config, HeadKind::of(problem, beam))?;
    let shown = crate::wording::shell(&model.path);
    if !facts.has_head {
        let class = config.get("architectures").and_then(|names| names.get(0));
        let class = class.and_then(Value::as_str).unwrap_or("no class");
        return Err(Failure::run(format_args!(
            "{}: is {class}, which has no head for {}; train one with: kiln finetune {} --model {shown} \
             --train F --dev F --output RUN",
            model.path.display(),
            task.name(),
            task.name(),
        )));
    }
    let is_regression =
        problem_type == Some("regression") || (problem_type.is_none() && facts.num_labels == 1);
    match (problem, is_regression) {
        (Problem::SingleLabel, true) => {
            return Err(Failure::usage(format_args!(
                "{}: gives numbers, not labels; ask for them with: kiln predict regress --model {shown}",
                model.path.display()
            )));
        }
        (Problem::Regression, false) => {
            return Err(Failure::usage(format_args!(
                "{}: gives labels, not numbers; ask for them with: kiln predict classify --model {shown}",
                model.path.display()
            )));
        }
        _ => {}
    }
    let labels = match problem {
        Problem::Regression | Problem::Span | Problem::Choice => Labels::default(),
        _ => label_names(config, facts.num_labels),
    };
    let outputs = (problem == Problem::Regression).then_some(facts.num_labels);
    let carried = Carried::of_config(config, task, (problem, &labels, outputs));
    let carried = carried.map_err(|problem| {
        let path = encoder_folder(&model.path).join("config.json");
        Failure::run(format_args!("{}: {problem}", path.display()))
    })?;
    if let Some(carried) = carried.filter(|carried| carried.settings.beam == beam) {
        return Ok(carried);
    }
    let mut settings =
        TaskSettings::new(problem, labels, usual_len(task, facts.longest, tokenizer));
    settings.beam = beam;
    settings.outputs = outputs;
    Ok(Carried {
        settings,
        batch_size: BATCH_SIZE,
    })
}
