//! `kiln merge`: an adapter and the model that it belongs to, as one Hugging Face folder.

use std::path::{Path, PathBuf};

use clap::Args;
use kiln_tasks::fine_tuning::{ADAPTER, PeftConfig};
use kiln_tasks::labelled::{BASE, MergeRequest};

use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::folders::{absolute, refuse_used_folder, run_of_checkpoint};
use crate::model_folder::{ModelFolder, newest_checkpoint};
use crate::wording::count;

const EXAMPLES: &str = "Examples:
  kiln merge --model runs/topics --output topics
  kiln merge --model bert-base-uncased --adapter adapters/topics --output topics";

// Which adapter, and which model.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MergeArgs {
    /// Run or checkpoint of kiln finetune --lora, or an adapter's folder in PEFT's layout whose
    /// adapter_config.json names the model's; with --adapter the model's own folder
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder of the adapter, with adapter_config.json and adapter_model.safetensors. Default: what
    /// --model has
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Folder for the merged model; must be new or empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

/// Merges.
///
/// # Errors
/// If model or adapter can't be opened, they do not go together, or the folder can't be written.
pub(crate) fn run(args: &MergeArgs, backend: &[String], console: Console) -> Result<(), Failure> {
    refuse_used_folder(&args.output, "")?;
    let (base, adapter) = match &args.adapter {
        Some(adapter) => (args.model.clone(), adapter.clone()),
        None => {
            let adapter = find_adapter(&args.model)?;
            (find_base(&adapter)?, adapter)
        }
    };
    let model = ModelFolder::open(&base)?;
    let request = MergeRequest {
        base: model.path,
        adapter,
        output: args.output.clone(),
        device: devices::open_one(backend)?,
    };
    let merged = model.architecture.tuned().merge(&request)?;
    if let Some(reason) = merged.without_tokenizer {
        console.note(format_args!("no tokenizer is written: {reason}"));
    }
    console.out(format_args!(
        "merged {} adapted layers into {}: {}",
        count(merged.layers as u64),
        merged.class,
        args.output.display()
    ))
}

/// The adapter of a run or a checkpoint, or the folder itself.
fn find_adapter(path: &Path) -> Result<PathBuf, Failure> {
    let checkpoint = newest_checkpoint(path)?;
    let folder = checkpoint.as_deref().unwrap_or(path);
    let mut places = [folder.to_path_buf(), folder.join(ADAPTER)].into_iter();
    let found = places.find(|place| place.join(PeftConfig::FILE).is_file());
    found.ok_or_else(|| {
        Failure::run(format_args!(
            "{}: holds no adapter ({}); pass a run of kiln finetune --lora, or name the adapter's folder \
             with --adapter",
            folder.display(),
            PeftConfig::FILE
        ))
    })
}

/// The model that an adapter belongs to: that of the run that it lies in, else the one that it names.
fn find_base(adapter: &Path) -> Result<PathBuf, Failure> {
    // RUN/checkpoints/step-…/adapter
    let full = absolute(adapter)?;
    let checkpoint = full.parent().filter(|_| full.ends_with(ADAPTER));
    let run = checkpoint.map(run_of_checkpoint).transpose()?.flatten();
    if let Some(base) = run.map(|run| run.join(BASE)).filter(|base| base.is_dir()) {
        return Ok(base);
    }
    let named = PeftConfig::open(adapter)?.base;
    let beside = named.iter().map(|base| adapter.join(base));
    let mut places = named.iter().cloned().chain(beside);
    places.find(|base| base.is_dir()).ok_or_else(|| {
        let named = named.as_deref().map_or("nothing".into(), Path::to_string_lossy);
        Failure::run(format_args!(
            "{}: the model that it belongs to is {named}, which is no folder here; pass the model's with \
             --model and this one with --adapter",
            adapter.display()
        ))
    })
}
