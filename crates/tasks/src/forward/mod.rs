//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! ```text
//! ForwardRequest -> Inputs, checked -> the architecture's module -> Results -> outputs, gradients
//! ```
//!
//! Here stands what no architecture owns: the arguments, the losses of Hugging Face's heads, the
//! way from a weights file to gradients. An architecture adds its modules and says by [`ClassSpec`]
//! what its classes take and give. Names, shapes and losses are Hugging Face's; dropout is off.
//! Without labels, inputs `cotangent.OUTPUT` make a loss of any outputs: Σ output · cotangent.

mod error;
mod inputs;
mod results;

use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use kiln_checkpoint::{
    CONFIG_FILE, LoadOptions, ModelFile, Names, OpenError, gradient_tensors, load_module,
};
use kiln_learner::LearnError;
use kiln_nn::Init;

pub use error::{InputError, refused};
pub use inputs::{Inputs, Labels};
pub use results::{Results, mean_cross_entropy};

use crate::architecture::{ForwardRequest, Output};
use crate::tying::fresh_biases;

/// What is to be known of a Hugging Face class to check its arguments.
#[derive(Debug, Clone, Copy)]
pub struct ClassSpec {
    /// The name in config.json's `architectures`.
    pub name: &'static str,
    /// The arguments it takes beside `input_ids`, `attention_mask` and `token_type_ids`; one that
    /// ends in a point is how the names of several begin, such as `mems.`.
    pub arguments: &'static [&'static str],
    /// The arguments that give it a loss.
    pub labels: &'static [&'static str],
    /// The same as a phrase.
    pub labels_in_words: &'static str,
    /// The names of what it computes, losses left out.
    pub outputs: &'static [&'static str],
}

/// The rows of an encoder's tables, against which ids and lengths are checked.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Rows of the word table.
    pub vocab_size: usize,
    /// Rows of the segment table.
    pub type_vocab_size: usize,
    /// Rows of the position table: the longest sequence.
    pub max_position_embeddings: usize,
}

/// The class that config.json's `architectures` names first, or `bare`, without a head, if it names
/// none; `from_name` knows the classes, `known` lists them for a message.
///
/// # Errors
/// If there is no such class.
pub fn class_of_config<C>(
    folder: &Path,
    architectures: Option<&[String]>,
    bare: C,
    from_name: impl Fn(&str) -> Option<C>,
    known: impl Fn() -> String,
) -> Result<C, LearnError> {
    let Some(name) = architectures.and_then(<[String]>::first) else {
        return Ok(bare);
    };
    from_name(name).ok_or_else(|| {
        OpenError::Class {
            path: folder.join(CONFIG_FILE),
            class: name.clone(),
            known: known(),
        }
        .into()
    })
}

/// What all classes share: the weights in, the results out.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What was asked for.
    pub request: &'a ForwardRequest,
    /// The class to run.
    pub class: ClassSpec,
    /// The encoder's tables.
    pub sizes: Sizes,
    /// The weights.
    pub file: &'a ModelFile,
    /// The architecture's parameter names.
    pub names: &'static Names,
    /// What else a file of the architecture may hold.
    pub options: &'static LoadOptions,
}

impl Call<'_> {
    /// Checks the inputs, makes the module by `new`, gives it the file's weights, runs `compute`,
    /// and reads the outputs; where the request asks for them, also the gradients of the loss, as
    /// `grad.` and the parameter's name.
    ///
    /// # Errors
    /// If the inputs do not fit, the file does not fit the module or lacks one of its parameters,
    /// gradients are asked for and there is no loss, or the device fails.
    pub fn run<M: Module>(
        &self,
        new: impl FnOnce(&mut Init) -> M,
        compute: impl FnOnce(&M, &Inputs<'_>) -> Result<Results, LearnError>,
    ) -> Result<Vec<Output>, LearnError> {
        let device = if self.request.gradients {
            self.request.device.clone().autodiff()
        } else {
            self.request.device.clone()
        };
        // Before the weights are read: wrong inputs are answered at once.
        let inputs = Inputs::new(&self.request.inputs, self.class, self.sizes, &device);
        let inputs = inputs.map_err(refused)?;
        let module = new(&mut Init::zeros(&device));
        let (module, report) = load_module(module, self.names, self.file, self.options)?;
        report.require_all(self.file.path())?;
        if let Some(warning) = fresh_biases(self.file, &report) {
            (self.request.warn)(&warning);
        }
        let mut results = compute(&module, &inputs)?;
        if results.loss().is_none() {
            results.against_cotangents(&inputs)?;
        }
        let mut outputs = results.read()?;
        if self.request.gradients {
            let loss = results.loss().ok_or_else(|| {
                refused(InputError::NoLoss {
                    class: self.class.name,
                    labels: self.class.labels_in_words,
                })
            })?;
            outputs.extend(self.gradients(&module, loss)?);
        }
        Ok(outputs)
    }

    fn gradients<M: Module>(
        &self,
        module: &M,
        loss: &Tensor<1>,
    ) -> Result<Vec<Output>, LearnError> {
        let gradients = GradientsParams::from_grads(loss.backward(), module);
        let tensors = gradient_tensors(module, &gradients, self.names)?;
        let outputs = tensors.into_iter().map(|tensor| Output {
            name: tensor.name,
            data: TensorData::new(tensor.data, tensor.shape),
        });
        Ok(outputs.collect())
    }
}
