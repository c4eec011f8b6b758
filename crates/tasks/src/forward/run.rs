//! One pass of a class, and its gradients.

use std::borrow::Cow;
use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use kiln_checkpoint::{ModelFile, Names, gradient_tensors};
use kiln_learner::LearnError;

use super::results::Results;
use crate::architecture::{ForwardRequest, Output};
use crate::arguments::{ClassSpec, InputError, Inputs, as_rows};
use crate::class::{Class, InputsOf, open_module};
use crate::family::{Family, ReadInputs};
use crate::heads::Head;

/// Checks the inputs, opens the model, runs it, and reads the outputs; where the request asks for
/// them, also the gradients of the loss, as `grad.` and the parameter's name.
///
/// # Errors
/// If the inputs do not fit, the file does not fit the class or lacks one of its parameters,
/// gradients are asked for and there is no loss, or the device fails.
pub(super) fn run<C: Class>(
    config: &C::Config,
    folder: &Path,
    request: &ForwardRequest,
) -> Result<Vec<Output>, LearnError> {
    let device = if request.gradients {
        request.device.clone().autodiff()
    } else {
        request.device.clone()
    };
    let file = ModelFile::open(folder)?;
    let sizes = C::sizes(config, &file)?;
    let class = spec_of::<C>(config);
    // Before the weights are read: wrong inputs are answered at once. Labels wait for the outputs.
    let (given, num_choices) = if C::Head::CHOOSES {
        as_rows(&request.inputs)?
    } else {
        (Cow::Borrowed(&request.inputs), 1)
    };
    let inputs = Inputs::new(&given, class.clone(), sizes, &device)?.of_choices(num_choices);
    let read = <InputsOf<C> as ReadInputs<C::Config>>::read(&inputs, config)?;
    let (model, warning) = open_module::<C>(config, &file, &device)?;
    if let Some(warning) = warning {
        (request.warn)(&warning);
    }
    let outputs = model.outputs(read);
    let results = Results::of(outputs, &inputs, config.problem_type())?;
    let mut outputs = results.read()?;
    if request.gradients {
        let loss = results.loss().ok_or_else(|| InputError::NoLoss {
            class: class.name,
            labels: class.labels_in_words(),
        })?;
        let names = C::Config::names_of(&file).names;
        outputs.extend(gradients(&model, loss, names)?);
    }
    Ok(outputs)
}

fn gradients<M: Module>(
    model: &M,
    loss: &Tensor<1>,
    names: &Names,
) -> Result<Vec<Output>, LearnError> {
    let gradients = GradientsParams::from_grads(loss.backward(), model);
    let tensors = gradient_tensors(model, &gradients, names)?;
    let outputs = tensors.into_iter().map(|tensor| Output {
        name: tensor.name,
        data: TensorData::new(tensor.data, tensor.shape),
    });
    Ok(outputs.collect())
}

/// What `C` takes and gives, by the name that a model of `config` has.
fn spec_of<C: Class>(config: &C::Config) -> ClassSpec {
    let mut outputs = vec!["last_hidden_state"];
    if C::POOLS {
        outputs.push("pooler_output");
    }
    outputs.extend(C::Head::OUTPUTS);
    ClassSpec {
        name: config.class_name(C::NAMES),
        arguments: C::Config::ARGUMENTS,
        head_arguments: C::Head::ARGUMENTS,
        labels: C::Head::LABELS,
        outputs,
    }
}
