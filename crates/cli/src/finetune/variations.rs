//! `--seeds`, `--grid`, `--folds`: several runs by one command.

use super::args::FinetuneArgs;
use super::seeds::{MOST_RUNS, Seeds};
use crate::failure::Failure;

/// The runs that a command asks for, each with its name: one without a name where it asks for one.
///
/// # Errors
/// If the grid has a flag that it can't vary, or a value that is none; if there are too many.
pub(super) fn runs(
    args: &FinetuneArgs,
) -> Result<Vec<(String, FinetuneArgs, Option<u32>)>, Failure> {
    check_number(args)?;
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
    for (_, args, _) in &runs {
        args.refuse_foreign()?;
    }
    let named = runs
        .into_iter()
        .map(|(names, args, fold)| (names.join("_"), args, fold));
    Ok(named.collect())
}

/// Refuses more runs than anybody means: before there are any, as so many do not fit into memory.
fn check_number(args: &FinetuneArgs) -> Result<(), Failure> {
    let axes = args.training.grid.iter();
    let values = axes.map(|axis| axis.matches(',').count() + 1);
    let seeds = args.training.seeds.as_ref();
    let seeds = seeds.map_or(1, |Seeds(seeds)| seeds.len());
    let folds = args.examples.folds.unwrap_or(1) as usize;
    let sides = if args.adapting.adapt.is_empty() { 1 } else { 2 };
    let runs = values
        .chain([seeds, folds, sides])
        .fold(1, usize::saturating_mul);
    if runs > MOST_RUNS {
        return Err(Failure::usage(format_args!(
            "{} runs: {MOST_RUNS} at most are made by one command; vary less at once",
            if runs == usize::MAX {
                "countless".to_owned()
            } else {
                runs.to_string()
            }
        )));
    }
    Ok(())
}

/// Refuses a value that stands there twice, and a flag that is given by itself too.
fn check_axis(args: &FinetuneArgs, axis: &str, flag: &str, values: &[&str]) -> Result<(), Failure> {
    // 1e-3 and 0.001 are one number.
    let is_same = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    };
    let mut seen: Vec<&str> = Vec::new();
    for value in values {
        if seen.iter().any(|seen| is_same(seen, value)) {
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
        "lora" => is_given(training.lora.is_some(), "lora"),
        "lora-alpha" => is_given(training.lora_alpha.is_some(), "lora-alpha"),
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn found(flags: &str) -> Result<Vec<String>, String> {
        #[derive(clap::Parser)]
        struct Words {
            #[command(flatten)]
            args: FinetuneArgs,
        }
        let command = format!("kiln classify --model m --train t --output o {flags}");
        let words = Words::try_parse_from(command.split_whitespace());
        let Words { args } = words.map_err(|error| error.to_string())?;
        let runs = runs(&args).map_err(|failure| failure.message().unwrap())?;
        Ok(runs.into_iter().map(|(name, ..)| name).collect())
    }

    #[test]
    fn runs_are_counted_before_there_are_any() {
        let thousand = "--seeds 1..1000";
        assert_eq!(found(thousand).unwrap().len(), 1000);
        let error = found(&format!("{thousand} --grid lr=1e-4,1e-5")).unwrap_err();
        assert!(error.starts_with("2000 runs: 1000 at most"), "{error}");
        let error = found("--folds 4000000000").unwrap_err();
        assert!(error.starts_with("4000000000 runs"), "{error}");
        // From the model as it was and from the adapted one.
        let error = found(&format!("{thousand} --adapt text --dev d")).unwrap_err();
        assert!(error.starts_with("2000 runs"), "{error}");
        let many: Vec<String> = (0..2000).map(|seed| seed.to_string()).collect();
        let error = found(&format!("--seeds {}", many.join(","))).unwrap_err();
        assert!(error.starts_with("2000 runs"), "{error}");
        let grids = "--grid lr=1,2 ".repeat(70);
        let error = found(&grids).unwrap_err();
        assert!(error.starts_with("countless runs"), "{error}");
    }

    #[test]
    fn adapters_are_varied_where_there_are_some() {
        let names = found("--grid lora=2,4 --grid lora-alpha=8,16").unwrap();
        assert_eq!(
            names,
            [
                "lora-2_lora-alpha-8",
                "lora-2_lora-alpha-16",
                "lora-4_lora-alpha-8",
                "lora-4_lora-alpha-16"
            ]
        );
        assert_eq!(found("--grid lora=2,4 --lora-alpha 16").unwrap().len(), 2);
        for (flags, expected) in [
            (
                "--grid lora-alpha=8,16",
                "--lora-alpha: there is no adapter",
            ),
            (
                "--lora-targets query",
                "--lora-targets: there is no adapter",
            ),
            (
                "--grid lora=2,4 --lora 8",
                "--lora says the same for all runs",
            ),
            (
                "--lora 2 --grid lora-alpha=8,16 --lora-alpha 4",
                "--lora-alpha says the same for all runs",
            ),
        ] {
            let error = found(flags).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
