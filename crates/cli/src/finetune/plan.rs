//! From a command line to the settings of its runs. Nothing is written yet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_backend::DeviceSpec;
use kiln_datasets::reading::{Dataset, DatasetSpec, Survey};
use kiln_datasets::{Labels, Problem};
use kiln_learner::{OptimizerSettings, Selection, TrainingSettings};
use kiln_tasks::Architecture;
use kiln_tasks::fine_tuning::{FineTuningSettings, HeadKind, LayerDecay};
use kiln_tasks::labelled::{
    Development, FineTuneSettings, HeadFacts, KnownData, LabelledData, PublishedSize, TaskPipeline,
    TaskSettings, TunedFrom, TuningRecipe, selection, steps_of, task_config, usual_len,
};
use kiln_tasks::sift::SiftSettings;
use kiln_text::Tokenizer;
use kiln_text::reading::{InputFile, hex};
use serde_json::Value;

use super::args::FinetuneArgs;
use super::head::Head;
use super::{adapters::adapters, weights};
use crate::console::Console;
use crate::failure::Failure;
use crate::folders::absolute;
use crate::labelled::asking::{check_len, encoder_folder, read_config};
use crate::model_folder::ModelFolder;
use crate::pretrain::versions;

/// What all runs of a command have in common.
pub(super) struct Plan {
    pub(super) architecture: &'static dyn Architecture,
    pub(super) tokenizer: Arc<Tokenizer>,
    config: Value,
    folder: PathBuf,
    problem: Problem,
    labels: Labels,
    keeps_head: bool,
    survey: Survey,
    spec: DatasetSpec,
    identity: Vec<InputFile>,
    dev: Option<(DatasetSpec, Vec<InputFile>)>,
    facts: HeadFacts,
    specs: Vec<DeviceSpec>,
    notes: Notes,
    /// What was read before.
    pub(super) known: KnownData,
}

/// What was told the user, each once: what is said of files holds for all runs on them.
struct Notes {
    console: Console,
    told: Vec<String>,
}

impl Notes {
    fn new(console: Console) -> Self {
        Self {
            console,
            told: Vec::new(),
        }
    }

    fn tell(&mut self, notes: &[String]) {
        for note in notes {
            if !self.told.contains(note) {
                self.console.note(note);
                self.told.push(note.clone());
            }
        }
    }
}

/// What is known of training examples once they are read.
struct Counted {
    /// Rows of an epoch.
    rows: u64,
    /// The score that decides.
    select: Selection,
    /// How often each label stands there.
    frequencies: Vec<u64>,
}

impl Plan {
    /// Reads model and files, and decides which labels there are.
    ///
    /// # Errors
    /// If one can't be read, or they do not go together.
    pub(super) fn new(
        args: &FinetuneArgs,
        specs: Vec<DeviceSpec>,
        console: Console,
    ) -> Result<Self, Failure> {
        let model = ModelFolder::open(&args.run.model)?;
        let folder = encoder_folder(&model.path);
        let config = read_config(&folder)?;
        let tokenizer = Tokenizer::open(&folder)?;
        model.architecture.check_tokenizer(&tokenizer)?;
        let files = |paths: &[PathBuf]| -> Result<Vec<PathBuf>, Failure> {
            paths.iter().map(|path| absolute(path)).collect()
        };
        let task = args.task;
        let multi_label = args.examples.multi_label;
        let spec = args
            .files
            .spec(task, multi_label, &files(&args.examples.train)?)?;
        let dataset = Dataset::open(spec.clone(), true)?;
        let mut notes = Notes::new(console);
        notes.tell(&dataset.decided().notes);
        let survey = dataset.survey()?;
        notes.tell(&survey.counts.notes());
        let problem = Problem::of(task, multi_label);
        let head_kind = HeadKind::of(problem, args.examples.beam);
        let facts = model.architecture.tuned().head(&config, head_kind)?;
        if facts.class.is_empty() {
            return Err(Failure::usage(format_args!(
                "--beam: {} has no such head, XLNet alone has; leave it out",
                model.architecture.name()
            )));
        }
        if args.examples.summary_type.is_some() && !facts.sums_up {
            return Err(Failure::usage(format_args!(
                "--summary-type: {} has nothing that it could say; leave it out",
                facts.class
            )));
        }
        let head = Head::choose(&config, problem, &facts, &survey)?;
        // Without the model's weights there is no head that could be kept.
        if !args.run.random_weights {
            notes.tell(&head.notes);
        }
        let dev = match args.examples.dev.as_slice() {
            [] => None,
            paths => {
                let spec = args.files.spec(task, multi_label, &files(paths)?)?;
                let dev = Dataset::open(spec.clone(), true)?;
                notes.tell(&dev.decided().notes);
                let identity = dev.identity()?;
                Some((spec, identity))
            }
        };
        Ok(Self {
            architecture: model.architecture,
            tokenizer: Arc::new(tokenizer),
            config,
            folder: absolute(&folder)?,
            problem,
            labels: head.labels,
            keeps_head: head.is_kept && !args.run.random_weights,
            identity: dataset.identity()?,
            survey,
            spec,
            dev,
            facts,
            specs,
            notes,
            known: KnownData::default(),
        })
    }

    /// What a run trains on, in a sentence.
    pub(super) fn describe(&self) -> String {
        let examples = crate::wording::count(self.survey.examples);
        match self.labels.len() {
            0 => format!("{examples} examples"),
            labels => format!("{examples} examples, {labels} labels"),
        }
    }

    /// Everything of one run, in the folder `run`; `fold` is the part that it is evaluated on.
    ///
    /// # Errors
    /// If a setting can't be used, or the data can't be read with it.
    pub(super) fn settings(
        &mut self,
        args: &FinetuneArgs,
        fold: Option<u32>,
        run: &Path,
    ) -> Result<FineTuneSettings, Failure> {
        let hidden_size = self
            .config
            .get("hidden_size")
            .or(self.config.get("d_model"));
        let hidden_size = hidden_size.and_then(Value::as_u64).unwrap_or(768);
        let size = PublishedSize::of(hidden_size as usize);
        let recipe = self.architecture.tuning_recipe(args.task, size);
        let lora = adapters(args, self.facts.lora_targets, &self.folder)?;
        let recipe = match lora {
            Some(_) => recipe.with_lora(size),
            None => recipe,
        };
        let task = self.task(args)?;
        let data = LabelledData {
            train: self.spec.clone(),
            train_identity: self.identity.clone(),
            development: self.development(args, fold),
            tokenizer: run.join("tokenizer"),
            tokenizer_identity: hex(&self.tokenizer.identity()),
        };
        let Counted {
            rows,
            select,
            frequencies,
        } = self.count(&data, &task)?;
        let (training, epochs) = self.training(args, &recipe, rows, select)?;
        let mut model = task_config(&self.config, &task);
        if let Some(rate) = args
            .training
            .dropout
            .filter(|rate| !(0.0..1.0).contains(rate))
        {
            return Err(Failure::usage(format_args!(
                "--dropout {rate}: choose a number from 0 to below 1"
            )));
        }
        if let Some(rate) = args.training.dropout {
            model = self.architecture.tuned().with_dropout(&model, rate)?;
        }
        if let Some(config) = model.as_object_mut() {
            let examples = &args.examples;
            let fields = [
                ("start_n_top", examples.start_n_top.map(Value::from)),
                ("end_n_top", examples.end_n_top.map(Value::from)),
                (
                    "summary_type",
                    examples.summary_type.as_deref().map(Value::from),
                ),
            ];
            for (field, value) in fields {
                config.extend(value.map(|value| (field.to_owned(), value)));
            }
        }
        let layer_decay = match args.training.layer_decay {
            None => recipe.layer_decay,
            Some(1.0) => None,
            Some(factor) => Some(LayerDecay {
                factor,
                ..recipe.layer_decay.unwrap_or_else(LayerDecay::electra)
            }),
        };
        let fine_tuning = FineTuningSettings {
            layer_decay,
            sift: args.training.sift.map(|weight| SiftSettings {
                weight,
                ..SiftSettings::default()
            }),
            class_weights: match &args.training.class_weights {
                Some(text) => weights::of_classes(text, &self.labels, &frequencies)?,
                None => Vec::new(),
            },
            positive_weights: match &args.training.positive_weights {
                Some(text) => weights::of_positives(text, &self.labels, (&frequencies, rows))?,
                None => Vec::new(),
            },
            label_smoothing: args.training.label_smoothing.unwrap_or(0.0),
            freeze_embeddings: args.training.freeze_embeddings,
            freeze_layers: args.training.freeze_layers,
            lora,
        };
        fine_tuning.validate().map_err(Failure::Usage)?;
        // A config that the architecture refuses is refused before anything is written.
        self.architecture.tuned().head(&model, task.head())?;
        Ok(FineTuneSettings {
            versions: versions(),
            architecture: self.architecture.name().to_owned(),
            fine_tune: args.task,
            task,
            model,
            from: TunedFrom {
                folder: self.folder.clone(),
                keeps_head: self.keeps_head,
                random_weights: args.run.random_weights,
            },
            fine_tuning,
            data,
            epochs,
            training,
            devices: self.specs.iter().map(DeviceSpec::to_string).collect(),
        })
    }

    fn task(&self, args: &FinetuneArgs) -> Result<TaskSettings, Failure> {
        let longest = self.facts.longest;
        let usual = usual_len(args.task, longest, &self.tokenizer);
        let max_len = args.ask.max_len.unwrap_or(usual);
        let labels = self.labels.clone();
        let mut task = TaskSettings::of_files(self.problem, labels, &self.survey, max_len);
        task.label_all_tokens = args.examples.label_all_tokens;
        task.glue = args.files.glue();
        task.beam = args.examples.beam;
        args.ask.apply(&mut task)?;
        check_len(task.max_len, longest)?;
        if let Some(positive) = &task.positive
            && self.labels.id(positive).is_none()
        {
            return Err(Failure::usage(format_args!(
                "--positive {positive}: is none of the labels: {}",
                self.labels.names().join(", ")
            )));
        }
        Ok(task)
    }

    fn development(&self, args: &FinetuneArgs, fold: Option<u32>) -> Development {
        // One split for all seeds: they differ in the model, not in the examples.
        const SPLIT_SEED: u64 = 1;
        match (&self.dev, args.examples.held_out, fold) {
            (Some((spec, identity)), ..) => Development::Files {
                spec: spec.clone(),
                identity: identity.clone(),
            },
            (_, Some(share), _) => Development::HeldOut {
                share,
                seed: SPLIT_SEED,
            },
            (_, _, Some(fold)) => Development::Fold {
                fold,
                folds: args.examples.folds.unwrap_or(1),
                seed: SPLIT_SEED,
            },
            _ => Development::None,
        }
    }

    /// Rows of an epoch, and the score that decides.
    fn count(&mut self, data: &LabelledData, task: &TaskSettings) -> Result<Counted, Failure> {
        let types = self.facts.type_vocab_size;
        let pipeline = Arc::new(TaskPipeline::new(self.tokenizer.clone(), task, types)?);
        let data = self.known.open(data, &pipeline)?;
        self.notes.tell(&data.notes);
        let select = match &data.dev {
            Some(dev) => selection(task, dev.examples())?,
            None => Selection::default(),
        };
        Ok(Counted {
            rows: data.num_rows(),
            select,
            frequencies: data.frequencies,
        })
    }

    fn training(
        &self,
        args: &FinetuneArgs,
        recipe: &TuningRecipe,
        rows: u64,
        select: Selection,
    ) -> Result<(TrainingSettings, f64), Failure> {
        let given = &args.training;
        let batch_size = given.batch_size.unwrap_or(recipe.batch_size);
        let default = TrainingSettings::default();
        let of_step = TrainingSettings {
            batch_size,
            accumulate: given.accumulate,
            ..default.clone()
        };
        let step_size = of_step.sequences(self.specs.len()).max(1);
        let epochs = epochs(args, recipe, rows, step_size);
        if !(epochs > 0.0 && epochs.is_finite()) {
            return Err(Failure::usage(format_args!(
                "--epochs {epochs}: choose a number above 0"
            )));
        }
        let steps = given.steps.unwrap_or(steps_of(rows, epochs, step_size));
        let warmup = match given.warmup.unwrap_or(recipe.warmup) {
            share if (0.0..1.0).contains(&share) => (steps as f64 * share) as u64,
            count if count >= 1.0 && count.fract() == 0.0 => count as u64,
            other => {
                return Err(Failure::usage(format_args!(
                    "--warmup {other}: choose a number of steps, or a share below 1"
                )));
            }
        };
        let has_dev =
            self.dev.is_some() || args.examples.held_out.is_some() || args.examples.folds.is_some();
        if !has_dev && args.run.early_stop.is_some() {
            return Err(Failure::usage(
                "--early-stop: there is nothing to be evaluated on; pass --dev F or --held-out 0.1",
            ));
        }
        if let (false, Some(metric)) = (has_dev, &args.ask.metric) {
            return Err(Failure::usage(format_args!(
                "--metric {metric}: there is nothing to be evaluated on; pass --dev F or --held-out 0.1"
            )));
        }
        if args.run.early_stop == Some(0) {
            return Err(Failure::usage(
                "--early-stop 0: choose at least one evaluation",
            ));
        }
        let epoch = rows.div_ceil(step_size).max(1);
        let eval_every = args.run.eval_every.unwrap_or(epoch);
        let published = &recipe.optimizer;
        let settings = TrainingSettings {
            steps,
            seed: given.seed,
            precision: given.precision,
            optimizer: OptimizerSettings {
                learning_rate: given.lr.unwrap_or(published.learning_rate),
                weight_decay: given.weight_decay.unwrap_or(published.weight_decay),
                clip_norm: given.clip_norm.unwrap_or(published.clip_norm),
                ..published.clone()
            },
            schedule: given.schedule.unwrap_or(recipe.schedule),
            warmup,
            eval_every,
            save_every: args.run.save_every.unwrap_or(eval_every),
            keep_last: args.run.keep_last,
            keep_best: usize::from(has_dev),
            select,
            log_every: args.run.progress.log_every,
            early_stop: args.run.early_stop,
            data_threads: given.threads.unwrap_or(default.data_threads).max(1),
            ..of_step
        };
        settings.validate().map_err(Failure::Usage)?;
        let seen = settings.steps as f64 * step_size as f64 / rows as f64;
        Ok((settings, if given.steps.is_some() { seen } else { epochs }))
    }
}

/// How often each example is seen. Where nobody says and there are few, more often than published: few
/// examples are learned from too briefly by usual recipes (Zhang et al. 2021; Mosbach et al. 2021, whose
/// 20 epochs are the most).
fn epochs(args: &FinetuneArgs, recipe: &TuningRecipe, rows: u64, step_size: u64) -> f64 {
    const FEW_STEPS: f64 = 1000.0;
    const MOST: f64 = 20.0;
    args.training.epochs.unwrap_or_else(|| {
        let per_epoch = (rows as f64 / step_size as f64).max(1.0);
        let enough = (FEW_STEPS / per_epoch).ceil().min(MOST);
        recipe.epochs.max(enough)
    })
}
