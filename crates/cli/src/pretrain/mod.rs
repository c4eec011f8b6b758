//! `kiln pretrain`: plain text in, a Hugging Face checkpoint out.
//!
//! Everything that can be wrong with a command is found before the first slow thing. The run's folder
//! is then locked, so that a second command with the same one is refused, and stays empty until all
//! is ready: until then the same command can be given again.
//!
//! | file | what |
//! | --- | --- |
//! | `args.rs` | the flags, as typed |
//! | `options.rs` | those of models and objectives: a table |
//! | `flags.rs` | what a row of the table is: parser and help |
//! | `given.rs` | which of them a command line has |
//! | `published.rs` | their values laid over what the architecture publishes |
//! | `kept.rs` | why a run keeps them |
//! | `learner.rs` | flags to the learner's settings |
//! | `objective.rs` | flags to the objective's settings |
//! | `generator.rs` | the generator of replaced token detection |
//! | `model.rs` | preset, config file or another model: config.json |
//! | `data.rs` | tokenizer and corpora |
//! | `evaluation.rs` | whether there is anything to evaluate on |
//! | `folder.rs` | the run's folder, taken away again if nothing comes of it |

mod args;
mod data;
pub(crate) mod evaluation;
mod flags;
pub(crate) mod folder;
mod generator;
mod given;
pub(crate) mod kept;
mod learner;
mod model;
mod objective;
mod options;
mod published;

use kiln_backend::DeviceSpec;
use kiln_tasks::settings::{DataSettings, ObjectiveSettings};
use kiln_tasks::{Architecture, RunSettings};
use kiln_text::corpus::note_run;
use serde_json::{Map, Value};

use crate::architectures::Named;
use crate::console::Console;
use crate::corpus_place;
use crate::devices;
use crate::failure::Failure;
use crate::finish;
use crate::folders::{absolute, refuse_used_folder};
use crate::memory;
use crate::ready_run::ReadyRun;

pub(crate) use args::{PretrainArgs, schedules};
use data::DataPlan;
use folder::{NewRun, check_writable};
pub(crate) use given::all as flags;
use model::ModelSource;
use published::{Changes, SEQ_LEN};

/// What a run is made with, besides Kiln itself; tests hold them against Cargo.lock.
const BURN_VERSION: &str = "0.22.1";
const TOKENIZERS_VERSION: &str = "0.23.2";

/// Pretrains a model.
///
/// # Errors
/// If the command can't be carried out, or training fails.
pub(crate) fn run(
    args: &PretrainArgs,
    backend: &[String],
    console: Console,
) -> Result<(), Failure> {
    let Named(architecture) = args.architecture;
    check_dashboard(args.run.dashboard)?;
    refuse_used_folder(&args.run.output, "continue the run in it with: kiln resume")?;
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
    let mut plan = DataPlan::find(args, &model, architecture, console)?;
    let settings = |vocab_size: usize, data: DataSettings| -> Result<RunSettings, Failure> {
        let config = model.config(architecture, vocab_size, seq_len, &changes)?;
        let mut objective = objective.clone();
        if let Some(generator) = generator(&mut objective) {
            // It reads the ids that the discriminator reads.
            let entries = config.get("vocab_size").and_then(Value::as_u64);
            let vocab_size = entries.map_or(vocab_size, |entries| entries as usize);
            *generator = model::complete(generator.take(), vocab_size, &changes);
        }
        let settings = RunSettings {
            versions: versions(),
            architecture: architecture.name().to_owned(),
            model: config,
            init_from: model.init_from.as_deref().map(absolute).transpose()?,
            objective,
            data,
            training: training.clone(),
            devices: specs.iter().map(DeviceSpec::to_string).collect(),
            changes: Vec::new(),
        };
        check_vocabulary(&settings, vocab_size)?;
        architecture
            .check(&settings)
            .map_err(|error| model.failure(error))?;
        Ok(settings)
    };
    let check = |plan: &DataPlan| -> Result<(), Failure> {
        let expected = settings(plan.expected_vocab_size(), plan.placeholder(args, seq_len)?)?;
        if args.run.no_memory_check {
            return Ok(());
        }
        memory::Plan::new(architecture, &expected, &specs)?.require_room()
    };
    // With a vocabulary and a corpus not known yet: what they can't change is checked now.
    check(&plan)?;
    check_writable(&args.run.output)?;
    let devices = devices::open(&specs)?;
    learner::check_precision(training.precision, &specs, &devices)?;
    // From here on the folder is taken, however long the text takes.
    let new = NewRun::create(&args.run.output)?;
    plan.keep_pipes(console)?;
    check(&plan)?;

    let is_trained = plan.trains();
    let data = plan.prepare(args, seq_len, console)?;
    let mut tokenizer = data.tokenizer;
    let mut settings = settings(tokenizer.vocab_size() as usize, data.settings)?;
    // What a tokenizer that was given says of its model's length is left as it came.
    let longest = settings.model.as_object();
    let longest = longest.and_then(|config| architecture.longest(config));
    if let (Some(longest), true) = (longest, is_trained) {
        tokenizer.set_model_max_length(longest.try_into().unwrap_or(u32::MAX));
    }
    memory::Plan::new(architecture, &settings, &specs)?.tell(console);
    tokenizer.save(&new.run().tokenizer())?;
    note_in_cache(args, &settings);
    if args.data.keep_corpus {
        corpus_place::keep(new.run(), &mut settings.data)?;
    }
    new.run().write_settings(&settings)?;
    finish::train(ReadyRun {
        architecture,
        run: new.run(),
        settings: &settings,
        devices,
        dashboard: args.run.dashboard,
        json: args.run.json,
        console,
        resumption: None,
    })
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

/// Refuses the dashboard where it can't be drawn.
///
/// # Errors
/// If it is not compiled in, or stdout is no terminal.
pub(crate) fn check_dashboard(wanted: bool) -> Result<(), Failure> {
    use std::io::IsTerminal as _;
    if wanted && !std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "--dashboard: stdout is not a terminal; leave the flag out",
        ));
    }
    if wanted && !kiln_learner::HAS_DASHBOARD {
        return Err(Failure::usage(
            "--dashboard: not compiled in; build with `cargo build --release --features \
             dashboard`, or leave the flag out",
        ));
    }
    Ok(())
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

pub(crate) fn versions() -> Map<String, Value> {
    [
        ("kiln", env!("CARGO_PKG_VERSION")),
        ("burn", BURN_VERSION),
        ("tokenizers", TOKENIZERS_VERSION),
    ]
    .map(|(name, version)| (name.to_owned(), version.into()))
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_written_into_a_run_are_those_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        for (name, version) in [("burn", BURN_VERSION), ("tokenizers", TOKENIZERS_VERSION)] {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(
                lock.contains(&entry),
                "{name} {version} is not in Cargo.lock"
            );
        }
    }
}
