//! `--seeds`, `--grid`, `--folds`: several runs by one command.

use super::args::FinetuneArgs;
use super::seeds::{MOST_RUNS, Seeds};
use crate::failure::Failure;

/// The runs that a command asks for, each with its name: one without a name where it asks for one.
///
/// # Errors
/// If the grid has a flag that it can't vary, or a value that is none.
pub(super) fn runs(
    args: &FinetuneArgs,
) -> Result<Vec<(String, FinetuneArgs, Option<u32>)>, Failure> {
    let mut runs = vec![(Vec::<String>::new(), args.clone(), None)];
    let mut varied_flags: Vec<&str> = Vec::new();
    for axis in &args.training.grid {
        let (flag, values) = axis.split_once('=').ok_or_else(|| {
            Failure::usage(format_args!(
                "--grid {axis}: write a flag and its values, as lr=1e-5,3e-5"
            ))
        })?;
        let flag = flag.trim().trim_start_matches('-');
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        check_axis(args, axis, flag, &values)?;
        if varied_flags.contains(&flag) {
            return Err(Failure::usage(format_args!(
                "--grid {axis}: {flag} is varied already; write all its values into one --grid"
            )));
        }
        varied_flags.push(flag);
        let mut varied = Vec::new();
        for (names, args, fold) in &runs {
            for value in &values {
                let mut args = args.clone();
                set(&mut args, flag, value)?;
                let name = format!("{flag}-{value}");
                varied.push(([names.clone(), vec![name]].concat(), args, *fold));
            }
        }
        runs = varied;
    }
    if let Some(Seeds(seeds)) = &args.training.seeds {
        let of_seeds = |(names, args, fold): (Vec<String>, FinetuneArgs, Option<u32>)| {
            seeds.iter().map(move |&seed| {
                let mut args = args.clone();
                args.training.seed = seed;
                let names = [names.clone(), vec![format!("seed-{seed}")]].concat();
                (names, args, fold)
            })
        };
        runs = runs.into_iter().flat_map(of_seeds).collect();
    }
    if let Some(folds) = args.examples.folds {
        if folds < 2 {
            return Err(Failure::usage(format_args!(
                "--folds {folds}: choose 2 at least: each part is predicted by a model of the others"
            )));
        }
        let of_folds = |(names, args, _): (Vec<String>, FinetuneArgs, Option<u32>)| {
            (0..folds).map(move |fold| {
                let names = [names.clone(), vec![format!("fold-{}", fold + 1)]].concat();
                (names, args.clone(), Some(fold))
            })
        };
        runs = runs.into_iter().flat_map(of_folds).collect();
    }
    if runs.len() > MOST_RUNS {
        return Err(Failure::usage(format_args!(
            "{} runs: {MOST_RUNS} at most are made by one command; vary less at once",
            runs.len()
        )));
    }
    let named = runs
        .into_iter()
        .map(|(names, args, fold)| (names.join("_"), args, fold));
    Ok(named.collect())
}

/// Refuses a value that stands there twice, and a flag that is given by itself too.
fn check_axis(args: &FinetuneArgs, axis: &str, flag: &str, values: &[&str]) -> Result<(), Failure> {
    let mut seen: Vec<&str> = Vec::new();
    for value in values {
        if seen.contains(value) {
            return Err(Failure::usage(format_args!(
                "--grid {axis}: {value} stands there twice; name each value once"
            )));
        }
        seen.push(value);
    }
    match given(args, flag) {
        None => Ok(()),
        Some(given) => Err(Failure::usage(format_args!(
            "--grid {axis}: --{given} says the same for all runs; leave one of them out"
        ))),
    }
}

/// The flag that decides already what `flag` would vary.
fn given(args: &FinetuneArgs, flag: &str) -> Option<&'static str> {
    let training = &args.training;
    let is_given = |given: bool, name: &'static str| given.then_some(name);
    match flag {
        "lr" => is_given(training.lr.is_some(), "lr"),
        "epochs" => is_given(training.epochs.is_some(), "epochs")
            .or(is_given(training.steps.is_some(), "steps")),
        "warmup" => is_given(training.warmup.is_some(), "warmup"),
        "weight-decay" => is_given(training.weight_decay.is_some(), "weight-decay"),
        "layer-decay" => is_given(training.layer_decay.is_some(), "layer-decay"),
        "dropout" => is_given(training.dropout.is_some(), "dropout"),
        "sift" => is_given(training.sift.is_some(), "sift"),
        "label-smoothing" => is_given(training.label_smoothing.is_some(), "label-smoothing"),
        "batch-size" => is_given(training.batch_size.is_some(), "batch-size"),
        _ => None,
    }
}

fn set(args: &mut FinetuneArgs, flag: &str, value: &str) -> Result<(), Failure> {
    let wrong = || {
        Failure::usage(format_args!(
            "--grid {flag}={value}: is no value of --{flag}"
        ))
    };
    let number = || value.parse::<f64>().map_err(|_| wrong());
    let training = &mut args.training;
    match flag {
        "lr" => training.lr = Some(number()?),
        "epochs" => training.epochs = Some(number()?),
        "warmup" => training.warmup = Some(number()?),
        "weight-decay" => training.weight_decay = Some(number()?),
        "layer-decay" => training.layer_decay = Some(number()?),
        "dropout" => training.dropout = Some(number()?),
        "sift" => training.sift = Some(number()?),
        "label-smoothing" => training.label_smoothing = Some(number()?),
        "lora" => training.lora = Some(value.parse().map_err(|_| wrong())?),
        "lora-alpha" => training.lora_alpha = Some(number()?),
        "batch-size" => training.batch_size = Some(value.parse().map_err(|_| wrong())?),
        _ => {
            return Err(Failure::usage(format_args!(
                "--grid {flag}: not among the flags that it varies: lr, batch-size, epochs, warmup, \
                 weight-decay, layer-decay, dropout, sift, label-smoothing, lora, lora-alpha"
            )));
        }
    }
    Ok(())
}
