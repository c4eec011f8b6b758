//! `--adapt`: before it is fine-tuned, a model goes on with its own objective on unlabelled text.
//!
//! That is a pretraining run as any other, in the folder `adapted` of the group's: what `kiln pretrain
//! --init-from` makes, and `kiln resume` goes on with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kiln_checkpoint::ConfigFile;
use kiln_learner::{RunFolder, Stop};
use kiln_tasks::RunSettings;
use kiln_tasks::labelled::{ADAPTED, Adaptation, RunKind};
use kiln_tasks::settings::WordHead;

use super::args::FinetuneArgs;
use super::training::Show;
use crate::failure::Failure;
use crate::finish;
use crate::folders::{absolute, run_of_checkpoint};
use crate::interrupt::Watch;
use crate::labelled::asking::encoder_folder;
use crate::model_folder::ModelFolder;
use crate::pretrain::{self, PretrainArgs, PretrainPlan};
use crate::ready_run::ReadyRun;
use crate::resume::{go_on, unchanged};
use crate::wording::{count, number, shell};

/// The flags of `kiln pretrain`, and what they are called here.
const FLAGS: [(&str, &str); 8] = [
    ("--corpus", "--adapt"),
    ("--init-from", "--model"),
    ("--steps", "--adapt-steps"),
    ("--lr", "--adapt-lr"),
    ("--batch-size", "--adapt-batch-size"),
    ("--accumulate", "--adapt-accumulate"),
    ("--seq-len", "--adapt-seq-len"),
    ("--no-memory-check", "--adapt-no-memory-check"),
];

/// What the flags ask for, if they do.
///
/// # Errors
/// If the model can't be opened or is not one that can be adapted, or nothing would be compared.
pub(super) fn find(
    args: &FinetuneArgs,
    devices: Vec<String>,
) -> Result<Option<Adaptation>, Failure> {
    let given = &args.adapting;
    if given.adapt.is_empty() {
        return Ok(None);
    }
    let examples = &args.examples;
    if examples.dev.is_empty() && examples.held_out.is_none() && examples.folds.is_none() {
        return Err(Failure::usage(
            "--adapt: there is nothing that both models could be compared on; pass --dev F, --held-out \
             0.1 or --folds 5",
        ));
    }
    if given.adapt.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::usage(
            "--adapt -: standard input can't be read again if the run is stopped; save the text to a file",
        ));
    }
    let model = ModelFolder::open(&args.run.model)?;
    let folder = encoder_folder(&model.path);
    refuse_generator(&folder)?;
    let own = model.architecture.own_objective(&folder)?;
    let mut pretrain = vec![model.architecture.name().to_owned()];
    pretrain.push(format!("--init-from={}", text(&model.path)?));
    pretrain.extend(own.name.map(|name| format!("--objective={name}")));
    pretrain.extend(
        own.word_head
            .map(|head| format!("--mlm-head={}", name(head))),
    );
    if own.without_next_sentence {
        pretrain.push("--no-next-sentence".to_owned());
    }
    pretrain.extend(of_pair(&model.path)?);
    for path in &given.adapt {
        pretrain.push(format!("--corpus={}", text(path)?));
    }
    // The last checkpoint is the one that is fine-tuned.
    pretrain.extend(["--keep-last=1", "--keep-best=0"].map(str::to_owned));
    let seeds = args.training.seeds.as_ref();
    let seed = seeds.and_then(|seeds| seeds.0.first().copied());
    let seed = seed.unwrap_or(args.training.seed);
    pretrain.extend([
        format!("--steps={}", given.adapt_steps),
        format!("--batch-size={}", given.adapt_batch_size),
        format!("--accumulate={}", given.adapt_accumulate),
        format!("--log-every={}", args.run.progress.log_every),
        format!("--seed={seed}"),
    ]);
    pretrain.extend(given.adapt_lr.map(|rate| format!("--lr={rate:e}")));
    pretrain.extend(given.adapt_seq_len.map(|len| format!("--seq-len={len}")));
    let threads = args.training.threads;
    pretrain.extend(threads.map(|threads| format!("--threads={threads}")));
    if given.adapt_no_memory_check {
        pretrain.push("--no-memory-check".to_owned());
    }
    Ok(Some(Adaptation { pretrain, devices }))
}

/// The arguments of `kiln pretrain` for the group in `folder`.
///
/// # Errors
/// If the settings were changed by hand.
pub(super) fn args(adapt: &Adaptation, folder: &Path, show: Show) -> Result<PretrainArgs, Failure> {
    let words = adapt.pretrain.iter().map(OsString::from);
    let mut output = OsString::from("--output=");
    output.push(folder.join(ADAPTED));
    let dashboard = show.dashboard.then(|| OsString::from("--dashboard"));
    pretrain::parse(words.chain([output]).chain(dashboard).collect())
}

/// Finds out what can't be adapted before anything is written.
///
/// # Errors
/// If the model can't go on with its objective, or there is no such text.
pub(super) fn plan<'a>(
    adapt: &Adaptation,
    args: &'a PretrainArgs,
    show: Show,
) -> Result<PretrainPlan<'a>, Failure> {
    PretrainPlan::new(args, &adapt.devices, show.console).map_err(in_own_words)
}

/// Adapts the model of the group in `folder`, from wherever that was left; `plan` is what is to be done
/// where nothing was. Gives who listens to signals, if it came so far.
///
/// # Errors
/// If training fails, or somebody stops it.
pub(super) fn carry_out(
    adapt: &Adaptation,
    folder: &Path,
    plan: Option<PretrainPlan<'_>>,
    show: Show,
) -> Result<Option<Watch>, Failure> {
    let path = folder.join(ADAPTED);
    if is_done(&path)? {
        return Ok(None);
    }
    show.console.note("adapting the model to unlabelled text");
    let mut watch = None;
    let train = |ready: ReadyRun<'_>| {
        // Not before: text is read until the first signal.
        let listening = Watch::new(show.console)?;
        train(ready, folder, watch.insert(listening))
    };
    if path.join("config.json").exists() {
        let args = unchanged(&path, show.dashboard)?;
        go_on(&args, &adapt.devices, show.console, train)?;
        return Ok(watch);
    }
    clear_unbegun(&path)?;
    let args = args(adapt, folder, show)?;
    let plan = match plan {
        Some(plan) => plan,
        None => self::plan(adapt, &args, show)?,
    };
    plan.carry_out(show.console, train).map_err(|failure| {
        // What training says, it says of a run that goes on with flags of its own.
        match watch {
            None => in_own_words(failure),
            Some(_) => failure,
        }
    })?;
    Ok(watch)
}

/// The folder of the adapted model, of a pair the discriminator's, and its step.
///
/// # Errors
/// If there is none.
pub(super) fn adapted(folder: &Path) -> Result<(u64, PathBuf), Failure> {
    let run = RunFolder::at(&folder.join(ADAPTED));
    let newest = run.newest_checkpoint()?;
    let newest = newest.map(|newest| (newest.step, encoder_folder(&newest.path)));
    newest.ok_or_else(|| {
        Failure::run(format_args!(
            "{}: the model is not adapted yet; go on with: kiln resume {}",
            run.path().display(),
            shell(folder)
        ))
    })
}

/// Takes away the folder of a run that was killed before it had settings; a run without them can't be
/// gone on with.
///
/// # Errors
/// If it can't be removed.
pub(super) fn clear_unbegun(path: &Path) -> Result<(), Failure> {
    if !path.exists() || path.join("config.json").exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(path).map_err(|error| {
        Failure::run(format_args!(
            "{}: left by a run that never began, and cannot be removed ({error}); remove it by hand",
            path.display()
        ))
    })
}

/// Whether the run in `path` has made all its steps.
fn is_done(path: &Path) -> Result<bool, Failure> {
    if !path.join("config.json").exists() {
        return Ok(false);
    }
    let (run, settings): (_, RunSettings) = RunFolder::open(path)?;
    let newest = run.newest_checkpoint()?;
    Ok(newest.is_some_and(|newest| newest.step >= settings.training.steps))
}

/// Trains, and says how it ended; `group` is the folder to go on with.
fn train(mut ready: ReadyRun<'_>, group: &Path, watch: &Watch) -> Result<(), Failure> {
    let console = ready.console;
    let (outcome, parameters) = finish::train_watched(&mut ready, watch).map_err(|failure| {
        let Failure::Run(message) = failure else {
            return failure;
        };
        if message.contains("kiln resume") {
            let group = shell(group);
            return Failure::Run(format!("{message}; and then with: kiln resume {group}"));
        }
        Failure::Run(message)
    })?;
    let steps = ready.settings.training.steps;
    let (stop, step) = (outcome.stop, outcome.step);
    let ending = finish::conclude(&ready, outcome, parameters);
    if stop == Stop::Interrupted {
        console.note(format_args!(
            "stopped adapting after step {} of {}; go on with: kiln resume {}",
            count(step),
            count(steps),
            shell(group)
        ));
        return Err(watch.stopped());
    }
    let last = ending.history.last_evaluation.as_ref();
    let loss = last.and_then(|evaluation| evaluation.get("loss"));
    let loss = loss.map(|loss| format!(", loss {} on text held out of it", number(loss, 3)));
    console.note(format_args!(
        "adapted in {} steps{}; its curves: {}",
        count(step),
        loss.unwrap_or_default(),
        ready.run.report().display()
    ));
    watch.go_on()
}

/// What two models in a checkpoint of Kiln's have in common: their files do not say.
///
/// # Errors
/// If it is in a run whose settings can't be read.
fn of_pair(checkpoint: &Path) -> Result<Option<String>, Failure> {
    let Some(run) = run_of_checkpoint(checkpoint)? else {
        return Ok(None);
    };
    if RunKind::of(&run)? != RunKind::Pretraining {
        return Ok(None);
    }
    let (_, settings): (_, RunSettings) = RunFolder::open(&run)?;
    Ok(settings.objective.detection().and_then(|detection| {
        if detection.uniform_generator {
            return Some("--uniform-generator".to_owned());
        }
        let sharing = serde_json::to_value(detection.sharing).ok()?;
        Some(format!("--share={}", sharing.as_str()?))
    }))
}

/// A pair's generator by itself has learned to predict words, and its partner is what would go on.
fn refuse_generator(folder: &Path) -> Result<(), Failure> {
    let file = ConfigFile::open(folder)?;
    if file.architectures().first() == Some(&"ElectraForMaskedLM") {
        return Err(Failure::usage(format_args!(
            "--adapt: {}: a generator alone, without the model that finds its replacements; pass the \
             folder of both with --model, or leave --adapt out",
            folder.display()
        )));
    }
    Ok(())
}

/// A failure of planning a pretraining run, as the command line at hand calls its flags.
fn in_own_words(failure: Failure) -> Failure {
    let renamed = |message: String| {
        // The model is that of --model.
        let message = message.replace("--preset or --config", "--model");
        let words: Vec<String> = message.split(' ').map(renamed).collect();
        format!("--adapt: {}", words.join(" "))
    };
    match failure {
        Failure::Usage(message) => Failure::Usage(renamed(message)),
        Failure::Run(message) => Failure::Run(renamed(message)),
        failure => failure,
    }
}

/// A word with a flag of `kiln pretrain`, or any other.
fn renamed(word: &str) -> String {
    for (theirs, ours) in FLAGS {
        if let Some(rest) = word.strip_prefix(theirs)
            && !rest.starts_with(|letter: char| letter == '-' || letter.is_alphanumeric())
        {
            return format!("{ours}{rest}");
        }
    }
    word.to_owned()
}

/// The path from the root on, as text.
fn text(path: &Path) -> Result<String, Failure> {
    let path = absolute(path)?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        Failure::usage(format_args!(
            "--adapt: {}: not UTF-8, and could not be written into the run's settings; rename it",
            path.display()
        ))
    })
}

/// The value of `--mlm-head`.
fn name(head: WordHead) -> &'static str {
    match head {
        WordHead::Enhanced => "enhanced",
        WordHead::Plain => "plain",
        WordHead::Legacy => "legacy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_flags_that_were_given() {
        let failure = Failure::usage("--lr -1, --seq-len: choose --batch-size 4, not --lr-decay");
        assert_eq!(
            in_own_words(failure).message().unwrap(),
            "--adapt: --adapt-lr -1, --adapt-seq-len: choose --adapt-batch-size 4, not --lr-decay"
        );
        let failure = Failure::run("a smaller --preset or --config; --no-memory-check starts");
        assert_eq!(
            in_own_words(failure).message().unwrap(),
            "--adapt: a smaller --model; --adapt-no-memory-check starts"
        );
    }
}
