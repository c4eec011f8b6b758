//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! ```text
//! ForwardRequest -> Inputs, checked -> a class -> Results -> outputs, gradients
//! ```
//!
//! Names, shapes and losses are Hugging Face's; dropout is off. Beside a head's outputs stand the
//! encoder's own. Without labels, inputs `cotangent.OUTPUT` make a loss of any outputs:
//! Σ output · cotangent.

mod error;
mod inputs;
mod results;

use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use kiln_checkpoint::{ModelFile, Names, gradient_tensors};
use kiln_learner::LearnError;

pub use error::InputError;
pub use inputs::Inputs;
pub(crate) use results::read_values;
pub use results::{Named, Results};

use crate::architecture::{ForwardRequest, Output};
use crate::class::{Class, ClassEntry, InputsOf, open_module};
use crate::family::{Family, ReadInputs, Sizes};
use crate::heads::Head;
use crate::replaced_tokens::Half;

/// What is to be known of a Hugging Face class to check its arguments.
#[derive(Debug, Clone)]
pub struct ClassSpec {
    /// The name in config.json's `architectures`.
    pub name: &'static str,
    /// The arguments it takes beside `input_ids`, `attention_mask` and `token_type_ids`; one that
    /// ends in a point is how the names of several begin, such as `mems.`.
    pub arguments: &'static [&'static str],
    /// The arguments that give it a loss.
    pub labels: &'static [&'static str],
    /// The names of what it computes, losses left out.
    pub outputs: Vec<&'static str>,
}

impl ClassSpec {
    /// What `C` takes and gives, by the name that a model of `config` has.
    pub fn of<C: Class>(config: &C::Config) -> Self {
        let mut outputs = vec!["last_hidden_state"];
        if C::POOLS {
            outputs.push("pooler_output");
        }
        outputs.extend(C::Head::OUTPUTS);
        Self {
            name: config.class_name(C::NAMES),
            arguments: C::Config::ARGUMENTS,
            labels: C::Head::LABELS,
            outputs,
        }
    }

    /// What is needed for a loss, as a phrase.
    fn labels_in_words(&self) -> String {
        match self.labels {
            [] => "labels and a head".to_owned(),
            labels => labels.join(" and "),
        }
    }
}

/// Runs a Hugging Face folder's model on `request.inputs`, as the class that was asked for or that
/// config.json names. Of a pair it is the generator if the class is its own, else the discriminator.
///
/// # Errors
/// If the folder cannot be opened, lacks parameters of the class, or the inputs do not fit it.
pub fn forward<F: Family>(request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
    let task = request.task.as_deref();
    let asked = task.and_then(ClassEntry::<F>::from_name);
    let half = asked.map_or(Half::Discriminator, ClassEntry::half);
    let folder = half.meant_by(&request.model);
    let config = F::open(&folder)?;
    let class = match (asked, task) {
        (Some(class), _) => class,
        (None, None) => ClassEntry::of_config(&config, &folder)?,
        (None, Some(task)) => return Err(ClassEntry::unknown(task, &config)),
    };
    class.forward(&config.for_inference(), &folder, request)
}

/// Checks the inputs, opens the model, runs it, and reads the outputs; where the request asks for
/// them, also the gradients of the loss, as `grad.` and the parameter's name.
///
/// # Errors
/// If the inputs do not fit, the file does not fit the class or lacks one of its parameters,
/// gradients are asked for and there is no loss, or the device fails.
pub(crate) fn run<C: Class>(
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
    let class = ClassSpec::of::<C>(config);
    // Before the weights are read: wrong inputs are answered at once. Labels wait for the outputs.
    let inputs = Inputs::new(&request.inputs, class.clone(), sizes, &device)?;
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
