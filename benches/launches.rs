//! How many kernels a training step launches on a graphics processor, and which: a number that says as much on
//! a software driver as on a card.
//!
//! ```text
//! cargo bench --bench launches --features wgpu
//! ```

#[path = "../crates/cli/src/allocator.rs"]
mod allocator;
mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use kiln::backend::{DeviceSpec, compiled_in, open};
use kiln::nn::launches::watch;

use work::{Failure, Training};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Steps before those that are counted: the first ones make moments and what else stays.
const BEFORE: usize = 2;
/// Steps that are counted.
const COUNTED: u64 = 2;
/// Kernels that are named.
const NAMED: usize = 15;

type Start = fn(Device, Option<&std::path::Path>) -> Result<Training, Failure>;

#[expect(clippy::print_stdout, reason = "a bench reports to its terminal")]
fn main() -> Result<(), Failure> {
    allocator::keep_freed_memory();
    let counts = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    let counting = Arc::clone(&counts);
    let watched = watch(move |kernel| {
        if let Ok(mut counts) = counting.lock() {
            *counts.entry(kernel.to_owned()).or_default() += 1;
        }
    });
    let Some(_watch) = watched else {
        println!("no graphics backend in this build; add --features wgpu");
        return Ok(());
    };
    let taken = || std::mem::take(&mut *counts.lock().unwrap_or_else(|error| error.into_inner()));
    for spec in compiled_in().into_iter().filter_map(DeviceSpec::first) {
        for (name, start) in [
            ("BERT", Training::start as Start),
            ("ELECTRA", Training::start_electra),
            ("DeBERTa", Training::start_deberta),
            ("XLNet", Training::start_xlnet),
        ] {
            let Ok(device) = open(&spec) else { continue };
            let training = start(device, None)?;
            for _ in 0..BEFORE {
                training.step()?;
            }
            // A step begins as soon as the one before is taken, and ends before it is handed over.
            taken();
            let mut seconds = 0.0;
            let mut loss = 0.0;
            for _ in 0..COUNTED {
                let step = training.step()?;
                (seconds, loss) = (seconds + step.seconds, step.loss);
            }
            let counted = taken();
            training.finish()?;
            let seconds = seconds / COUNTED as f64;
            report(
                &format!("{spec}, {name}, loss {loss:.3}, {seconds:.2} s a step"),
                counted,
            );
        }
    }
    Ok(())
}

/// Processors launch nothing, and get no line.
#[expect(clippy::print_stdout, reason = "a bench reports to its terminal")]
fn report(title: &str, counted: BTreeMap<String, u64>) {
    let total: u64 = counted.values().sum();
    if total == 0 {
        return;
    }
    println!("{title}: {} launches a step", total / COUNTED);
    let mut kernels: Vec<(String, u64)> = counted.into_iter().collect();
    kernels.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
    for (name, count) in kernels.into_iter().take(NAMED) {
        println!("{:>8} {name}", count / COUNTED);
    }
}
