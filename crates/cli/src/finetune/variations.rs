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
    for axis in &args.training.grid {
        let (flag, values) = axis.split_once('=').ok_or_else(|| {
            Failure::usage(format_args!(
                "--grid {axis}: write a flag and its values, as lr=1e-5,3e-5"
            ))
        })?;
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        let mut varied = Vec::new();
        for (names, args, fold) in &runs {
            for value in &values {
                let mut args = args.clone();
                set(&mut args, flag.trim_start_matches('-'), value)?;
                let name = format!("{}-{value}", flag.trim_start_matches('-'));
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
