//! A pretraining run as its flags ask for it: its settings, and the run made ready.

use kiln_backend::DeviceSpec;
use kiln_learner::TrainingSettings;
use kiln_tasks::settings::{DataSettings, ObjectiveSettings};
use kiln_tasks::{Architecture, RunSettings};
use kiln_text::corpus::note_run;
use serde_json::Value;

use super::args::PretrainArgs;
use super::data::DataPlan;
use super::folder::{NewRun, check_writable};
use super::model::{self, ModelSource};
use super::published::{Changes, SEQ_LEN};
use super::versions::versions;
use super::{evaluation, learner, objective};
use crate::architectures::Named;
use crate::console::Console;
use crate::corpus_place;
use crate::devices;
use crate::failure::Failure;
use crate::folders::absolute;
use crate::memory;
use crate::ready_run::ReadyRun;

/// A run that can be made as far as flags and files tell. Nothing slow has been done, nothing is written.
pub(crate) struct PretrainPlan<'a> {
    args: &'a PretrainArgs,
    architecture: &'static dyn Architecture,
    specs: Vec<DeviceSpec>,
    model: ModelSource,
    seq_len: usize,
    changes: Changes<'a>,
    objective: ObjectiveSettings,
    training: TrainingSettings,
    data: DataPlan,
}

impl<'a> PretrainPlan<'a> {
    /// Finds out what the flags mean together.
    ///
    /// # Errors
    /// If they ask for what can't be, or a file is missing.
    pub(crate) fn new(
        args: &'a PretrainArgs,
        backend: &[String],
        console: Console,
    ) -> Result<Self, Failure> {
        let Named(architecture) = args.architecture;
        evaluation::check_flags(args, console)?;
        let specs = devices::choose(backend)?;
        let objective_name = objective::name(args)?;
        let words_alone = architecture
            .objective(objective_name, args.model.preset.as_deref(), SEQ_LEN)
            .detection()
            .is_none();
        let model = ModelSource::find(&args.model, architecture, words_alone)?;
        let seq_len = seq_len(args, &model, architecture);
        let preset = model.preset();
        let published = architecture.objective(objective_name, preset, seq_len);
        let changes = Changes::find(&args.flags, architecture, &published)?;
        let init_from = model.init_from.as_deref();
        let objective = objective::settings(args, &published, &changes, seq_len, init_from)?;
        let recipe = architecture.recipe(preset);
        let training = learner::training(&args.training, &args.run, args.data.threads, recipe)?;
        let data = DataPlan::find(args, &model, architecture, console)?;
        let plan = Self {
            args,
            architecture,
            specs,
            model,
            seq_len,
            changes,
            objective,
            training,
            data,
        };
        // With a vocabulary and a corpus not known yet: what they can't change is checked now.
        plan.check()?;
        Ok(plan)
    }

    /// Makes the run's folder, its tokenizer and its tokenised text, and has it trained by `train`.
    ///
    /// # Errors
    /// If the text can't be read or the folder not be written, or as `train`.
    pub(crate) fn carry_out(
        mut self,
        console: Console,
        train: impl FnOnce(ReadyRun<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self {
            args, architecture, ..
        } = self;
        check_writable(&args.run.output)?;
        let devices = devices::open(&self.specs)?;
        learner::check_precision(self.training.precision, &self.specs, &devices)?;
        // From here on the folder is taken, however long the text takes.
        let new = NewRun::create(&args.run.output)?;
        self.data.keep_pipes(console)?;
        self.check()?;

        let is_trained = self.data.trains();
        let data = self.data.prepare(args, self.seq_len, console)?;
        let mut tokenizer = data.tokenizer;
        let mut settings = self.settings(tokenizer.vocab_size() as usize, data.settings)?;
        // What a tokenizer that was given says of its model's length is left as it came.
        let longest = settings.model.as_object();
        let longest = longest.and_then(|config| architecture.longest(config));
        if let (Some(longest), true) = (longest, is_trained) {
            tokenizer.set_model_max_length(longest.try_into().unwrap_or(u32::MAX));
        }
        memory::Plan::new(architecture, &settings, &self.specs)?.tell(console);
        tokenizer.save(&new.run().tokenizer())?;
        note_in_cache(args, &settings);
        if args.data.keep_corpus {
            corpus_place::keep(new.run(), &mut settings.data)?;
        }
        new.run().write_settings(&settings)?;
        train(ReadyRun {
            architecture,
            run: new.run(),
            settings: &settings,
            devices,
            dashboard: args.run.progress.show.dashboard,
            json: args.run.progress.show.json,
            console,
            resumption: None,
        })
    }

    /// Refuses what can't be trained, or has no room.
    fn check(&self) -> Result<(), Failure> {
        let data = self.data.placeholder(self.args, self.seq_len)?;
        let expected = self.settings(self.data.expected_vocab_size(), data)?;
        if self.args.run.no_memory_check {
            return Ok(());
        }
        memory::Plan::new(self.architecture, &expected, &self.specs)?.require_room()
    }

    fn settings(&self, vocab_size: usize, data: DataSettings) -> Result<RunSettings, Failure> {
        let (architecture, model) = (self.architecture, &self.model);
        let config = model.config(architecture, vocab_size, self.seq_len, &self.changes)?;
        let mut objective = self.objective.clone();
        if let Some(generator) = generator(&mut objective) {
            // It reads the ids that the discriminator reads.
            let entries = config.get("vocab_size").and_then(Value::as_u64);
            let vocab_size = entries.map_or(vocab_size, |entries| entries as usize);
            *generator = model::complete(generator.take(), vocab_size, &self.changes);
        }
        let settings = RunSettings {
            versions: versions(),
            architecture: architecture.name().to_owned(),
            model: config,
            init_from: model.init_from.as_deref().map(absolute).transpose()?,
            objective,
            data,
            training: self.training.clone(),
            devices: self.specs.iter().map(DeviceSpec::to_string).collect(),
            changes: Vec::new(),
        };
        check_vocabulary(&settings, vocab_size)?;
        architecture
            .check(&settings)
            .map_err(|error| model.failure(error))?;
        Ok(settings)
    }
}

/// Remembers in the cache which corpora this run was started on.
fn note_in_cache(args: &PretrainArgs, settings: &RunSettings) {
    let Ok(run) = absolute(&args.run.output) else {
        return;
    };
    let corpus = args.data.data.is_none().then_some(&settings.data.shards);
    let eval = settings.data.eval_shards.as_ref();
    let eval = eval.filter(|_| args.data.eval_data.is_none());
    for shards in corpus.into_iter().chain(eval) {
        // It serves whoever lists the cache, and a cache may be read-only.
        let _ = note_run(shards, &run);
    }
}

/// The generator's config, where it is not derived from the discriminator's.
fn generator(objective: &mut ObjectiveSettings) -> Option<&mut Value> {
    match objective {
        ObjectiveSettings::ReplacedTokens(objective) => objective.detection.generator.as_mut(),
        ObjectiveSettings::MaskedLm(_) | ObjectiveSettings::PermutedLm(_) => None,
    }
}

fn seq_len(args: &PretrainArgs, model: &ModelSource, architecture: &dyn Architecture) -> usize {
    let longest = || model.longest(architecture);
    let fitting = || longest().map_or(SEQ_LEN, |longest| longest.min(SEQ_LEN));
    args.data.seq_len.unwrap_or_else(fitting)
}

/// Refuses a model that has fewer entries than its tokenizer.
fn check_vocabulary(settings: &RunSettings, vocab_size: usize) -> Result<(), Failure> {
    let model = settings.model.get("vocab_size").and_then(Value::as_u64);
    match model {
        Some(model) if model < vocab_size as u64 => Err(Failure::usage(format_args!(
            "vocab_size = {model} in the model's config: the tokenizer has {vocab_size} entries; \
             choose at least as many, or a smaller tokenizer"
        ))),
        _ => Ok(()),
    }
}
