//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! Names, shapes and losses are Hugging Face's; dropout is off. Beside a head's outputs stand the
//! encoder's own, `last_hidden_state` and, where there is a pooler, `pooler_output`. Without labels,
//! inputs `cotangent.OUTPUT` make a loss of any outputs: Σ output · cotangent.

mod inputs;
mod losses;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use kiln_checkpoint::{ModelFile, OpenError, gradient_tensors};
use kiln_learner::LearnError;
use kiln_learner::architecture::{ForwardRequest, Output};
use kiln_nn::Init;

pub use inputs::InputError;

use crate::{
    BertClass, BertConfig, BertForNextSentencePrediction, BertForPreTraining,
    BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel,
    check_sizes, open_config, open_weights,
};
use inputs::Inputs;
use losses::Results;

/// Runs a Hugging Face folder's model on `request.inputs`.
///
/// # Errors
/// If the folder cannot be opened, lacks parameters of the class, or the inputs do not fit it.
pub fn forward(request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
    let config = open_config(&request.model)?.without_dropout();
    let class = class_of(request, &config)?;
    let file = ModelFile::open(&request.model)?;
    check_sizes(&config, &file)?;
    let call = Call {
        request,
        config: &config,
        class,
        file: &file,
    };
    let hidden = |model: &BertModel, inputs: &Inputs<'_>| -> Result<_, LearnError> {
        let inputs = inputs.model_inputs(&config).map_err(refused)?;
        Ok(model.forward(inputs))
    };
    match class {
        BertClass::Model => {
            let has_pooler = ["pooler.dense.weight", "bert.pooler.dense.weight"]
                .iter()
                .any(|name| file.info(name).is_some());
            let new = if has_pooler {
                BertModel::new
            } else {
                BertModel::without_pooler
            };
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                results.encoder(model, hidden(model, inputs)?);
                Ok(results)
            })
        }
        BertClass::PreTraining => call.run(BertForPreTraining::new, |model, inputs| {
            let mut results = Results::default();
            let hidden_states = hidden(&model.bert, inputs)?;
            results.encoder(&model.bert, hidden_states.clone());
            results.pretraining(model, hidden_states, inputs, &config)?;
            Ok(results)
        }),
        BertClass::MaskedLm => call.run(BertForPreTraining::masked_lm, |model, inputs| {
            let mut results = Results::default();
            let hidden_states = hidden(&model.bert, inputs)?;
            results.encoder(&model.bert, hidden_states.clone());
            results.masked_lm(model, hidden_states, inputs, &config)?;
            Ok(results)
        }),
        BertClass::NextSentencePrediction => {
            call.run(BertForNextSentencePrediction::new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                if let Some(pooled) = results.encoder(&model.bert, hidden_states) {
                    results.classes(model.logits(pooled), inputs)?;
                }
                Ok(results)
            })
        }
        BertClass::SequenceClassification => {
            call.run(BertForSequenceClassification::new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                if let Some(pooled) = results.encoder(&model.bert, hidden_states) {
                    results.sequence(model.logits(pooled), inputs, &config)?;
                }
                Ok(results)
            })
        }
        BertClass::TokenClassification => {
            call.run(BertForTokenClassification::new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                results.encoder(&model.bert, hidden_states.clone());
                results.tokens(model.logits(hidden_states), inputs)?;
                Ok(results)
            })
        }
        BertClass::QuestionAnswering => call.run(BertForQuestionAnswering::new, |model, inputs| {
            let mut results = Results::default();
            let hidden_states = hidden(&model.bert, inputs)?;
            results.encoder(&model.bert, hidden_states.clone());
            let (start, end) = model.logits(hidden_states);
            results.span(start, end, inputs)?;
            Ok(results)
        }),
    }
}

/// The class asked for, or config.json's.
fn class_of(request: &ForwardRequest, config: &BertConfig) -> Result<BertClass, LearnError> {
    if let Some(task) = &request.task {
        return BertClass::from_name(task).ok_or_else(|| {
            let known = BertClass::known();
            LearnError::Settings(format!("task {task}: bert has {known}"))
        });
    }
    let architectures = config.architectures.as_deref().unwrap_or_default();
    let Some(name) = architectures.first() else {
        return Ok(BertClass::Model);
    };
    BertClass::from_name(name).ok_or_else(|| {
        OpenError::Field {
            path: request.model.join("config.json"),
            field: "architectures".to_owned(),
            reason: format!("{name} is not supported, but {}", BertClass::known()),
        }
        .into()
    })
}

/// What all classes share: the weights in, the results out.
struct Call<'a> {
    request: &'a ForwardRequest,
    config: &'a BertConfig,
    class: BertClass,
    file: &'a ModelFile,
}

impl Call<'_> {
    fn run<M: Module>(
        &self,
        new: impl FnOnce(&BertConfig, &mut Init) -> M,
        compute: impl FnOnce(&M, &Inputs<'_>) -> Result<Results, LearnError>,
    ) -> Result<Vec<Output>, LearnError> {
        let device = if self.request.gradients {
            self.request.device.clone().autodiff()
        } else {
            self.request.device.clone()
        };
        // Before the weights are read: wrong inputs are answered at once.
        let inputs = Inputs::new(&self.request.inputs, self.class, self.config, &device);
        let inputs = inputs.map_err(refused)?;
        let module = new(self.config, &mut Init::zeros(&device));
        let (module, report) = open_weights(module, self.file)?;
        if !report.missing.is_empty() {
            // A fresh head would give random results in silence.
            return Err(OpenError::Incomplete {
                path: self.file.path().to_path_buf(),
                missing: report.missing,
                unused: Vec::new(),
            }
            .into());
        }
        let mut results = compute(&module, &inputs)?;
        if results.loss.is_none() {
            results.against_cotangents(&inputs)?;
        }
        let mut outputs = results.read()?;
        if self.request.gradients {
            let loss = results.loss.ok_or_else(|| {
                refused(InputError::NoLoss {
                    class: self.class.name(),
                    labels: self.class.labels_in_words(),
                })
            })?;
            outputs.extend(gradients(&module, loss)?);
        }
        Ok(outputs)
    }
}

fn gradients<M: Module>(module: &M, loss: Tensor<1>) -> Result<Vec<Output>, LearnError> {
    let gradients = GradientsParams::from_grads(loss.backward(), module);
    let tensors = gradient_tensors(module, &gradients, &crate::names::NAMES)?;
    let outputs = tensors.into_iter().map(|tensor| Output {
        name: tensor.name,
        data: TensorData::new(tensor.data, tensor.shape),
    });
    Ok(outputs.collect())
}

/// An input that does not fit, as the learner's error.
fn refused(error: InputError) -> LearnError {
    LearnError::Batch(error.to_string())
}
