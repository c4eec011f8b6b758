//! `kiln forward`: a model on given tensors, so that anyone can hold Kiln against another
//! implementation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use clap::Args;
use kiln_checkpoint::{NamedTensor, write_safetensors};
use kiln_learner::LearnError;
use kiln_tasks::architecture::{ForwardRequest, Output};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::console::Console;
use crate::devices;
use crate::failure::Failure;
use crate::model_folder::ModelFolder;
use crate::overwriting::refuse_overwriting;

const EXAMPLES: &str = "Examples:
  kiln forward --model bert-base-uncased --inputs x.safetensors --outputs y.safetensors
  kiln forward --model runs/first --inputs x.safetensors --outputs y.safetensors --grad
  kiln forward --model runs/electra --task ElectraForMaskedLM --inputs x.safetensors \\
      --outputs y.safetensors";

// Which model, on what.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ForwardArgs {
    /// Hugging Face model folder, a checkpoint, or a run, whose newest checkpoint is taken
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Inputs by Hugging Face argument name (input_ids, attention_mask, labels, …): integers,
    /// float32 or Booleans
    #[arg(long, value_name = "X.safetensors")]
    inputs: PathBuf,
    /// File for the outputs by Hugging Face output name, float32; replaced as a whole, but never a
    /// file that is read
    #[arg(long, value_name = "Y.safetensors")]
    outputs: PathBuf,
    /// The model class, e.g. BertForMaskedLM, or its task. Default: config.json's architectures; of
    /// electra's pair the discriminator
    #[arg(long, value_name = "T")]
    task: Option<String>,
    /// Add the gradient of the loss by every parameter, as grad.NAME; needs labels. Default: the
    /// forward pass alone
    #[arg(long)]
    grad: bool,
}

/// Runs a model on the inputs and writes its outputs.
///
/// # Errors
/// If a file can't be read or written, or the inputs do not fit the model.
pub(crate) fn run(args: &ForwardArgs, backend: &[String]) -> Result<(), Failure> {
    let model = ModelFolder::open(&args.model)?;
    let (read, models) = ([args.inputs.as_path()], [args.model.as_path(), &model.path]);
    refuse_overwriting("--outputs", &args.outputs, &read, &models)?;
    let inputs = read_inputs(&args.inputs)?;
    let device = devices::open_one(backend)?;
    let outputs = model.architecture.forward(&ForwardRequest {
        model: model.path,
        inputs,
        task: args.task.clone(),
        gradients: args.grad,
        device,
        warn: Console::warn,
    });
    let outputs = outputs.map_err(|error| match error {
        LearnError::Batch(problem) => {
            Failure::run(format_args!("{}: {problem}", args.inputs.display()))
        }
        error => error.into(),
    })?;
    let tensors = outputs
        .into_iter()
        .map(to_tensor)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(write_safetensors(&args.outputs, &tensors)?)
}

fn read_inputs(path: &Path) -> Result<BTreeMap<String, TensorData>, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::run(format_args!(
            "{}: cannot be read ({error}); check the path and its permissions",
            path.display()
        ))
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        Failure::run(format_args!(
            "{}: not a safetensors file ({error}); write it again",
            path.display()
        ))
    })?;
    file.iter()
        .map(|(name, view)| {
            let data = to_data(&view).ok_or_else(|| {
                Failure::run(format_args!(
                    "{}: {name} has elements of type {:?}; write int64, int32, float32 or Boolean",
                    path.display(),
                    view.dtype()
                ))
            })?;
            Ok((name.to_owned(), data))
        })
        .collect()
}

/// The values of a tensor; none for another type of elements.
fn to_data(view: &TensorView<'_>) -> Option<TensorData> {
    let shape = view.shape().to_vec();
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::I64 => TensorData::new(elements(bytes, i64::from_le_bytes), shape),
        Dtype::I32 => TensorData::new(elements(bytes, i32::from_le_bytes), shape),
        Dtype::F32 => TensorData::new(elements(bytes, f32::from_le_bytes), shape),
        Dtype::BOOL => TensorData::new(
            bytes.iter().map(|byte| *byte != 0).collect::<Vec<bool>>(),
            shape,
        ),
        _ => return None,
    })
}

/// Little-endian elements of `N` bytes each, as safetensors has them.
fn elements<const N: usize, E>(bytes: &[u8], from: fn([u8; N]) -> E) -> Vec<E> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|element| from(*element))
        .collect()
}

fn to_tensor(output: Output) -> Result<NamedTensor, Failure> {
    let shape = output.data.shape().to_vec();
    let data = output.data.try_into_vec_as::<f32>().map_err(|error| {
        Failure::run(format_args!(
            "output {}: not numbers ({error})",
            output.name
        ))
    })?;
    Ok(NamedTensor {
        name: output.name,
        shape,
        data,
    })
}
