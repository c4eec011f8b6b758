//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! The classes of ELECTRA on [`kiln_tasks::forward`]. Beside a head's outputs stands the encoder's
//! own, `last_hidden_state`.

use std::path::Path;

use burn::tensor::Tensor;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::Init;
use kiln_tasks::architecture::{ForwardRequest, Output};
use kiln_tasks::forward::{Call, Inputs, Results, class_of_config, refused};
use kiln_tasks::replaced_tokens::Half;
use kiln_tasks::tying::apart_in;

use crate::names::{LOAD_OPTIONS, NAMES};
use crate::open::{check_sizes, open_config};
use crate::{
    ElectraClass, ElectraConfig, ElectraForMaskedLm, ElectraForPreTraining,
    ElectraForQuestionAnswering, ElectraForSequenceClassification, ElectraForTokenClassification,
    ElectraModel,
};

/// Runs a Hugging Face folder's model on `request.inputs`. Of a pair it is the generator if the task
/// is its own, else the discriminator.
///
/// # Errors
/// If the folder cannot be opened, lacks parameters of the class, or the inputs do not fit it.
pub fn forward(request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
    let asked = asked(request)?;
    let half = match asked {
        Some(ElectraClass::MaskedLm) => Half::Generator,
        _ => Half::Discriminator,
    };
    let folder = half.meant_by(&request.model);
    let config = open_config(&folder)?.without_dropout();
    let class = match asked {
        Some(class) => class,
        None => class_of(&folder, &config)?,
    };
    let file = ModelFile::open(&folder)?;
    check_sizes(&config, &file)?;
    let call = Call {
        request,
        class: class.spec(),
        sizes: config.encoder().sizes(),
        file: &file,
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    match class {
        ElectraClass::Model => {
            let new = |init: &mut Init| ElectraModel::new(&config, init);
            call.run(new, |model, inputs| Ok(encode(model, inputs)?.0))
        }
        ElectraClass::PreTraining => {
            let new = |init: &mut Init| ElectraForPreTraining::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.electra, inputs)?;
                let logits = model.discriminator_predictions.forward(hidden_states);
                results.binary(logits, inputs)?;
                Ok(results)
            })
        }
        ElectraClass::MaskedLm => {
            let apart = apart_in(&file, &LOAD_OPTIONS, &config.other)?;
            let new =
                |init: &mut Init| ElectraForMaskedLm::new(&config, init).with_apart(apart, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.electra, inputs)?;
                let logits = model.prediction_logits(hidden_states);
                let loss = results.predictions("logits", logits, inputs, config.vocab_size)?;
                if let Some(loss) = loss {
                    results.set_loss(loss);
                }
                Ok(results)
            })
        }
        ElectraClass::SequenceClassification => {
            let new = |init: &mut Init| ElectraForSequenceClassification::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.electra, inputs)?;
                let logits = model.logits(hidden_states);
                let problem_type = config.problem_type.as_deref();
                results.sequence(logits, inputs, config.num_labels(), problem_type)?;
                Ok(results)
            })
        }
        ElectraClass::TokenClassification => {
            let new = |init: &mut Init| ElectraForTokenClassification::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.electra, inputs)?;
                results.tokens(model.logits(hidden_states), inputs)?;
                Ok(results)
            })
        }
        ElectraClass::QuestionAnswering => {
            let new = |init: &mut Init| ElectraForQuestionAnswering::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.electra, inputs)?;
                let (start, end) = model.logits(hidden_states);
                results.span(start, end, inputs)?;
                Ok(results)
            })
        }
    }
}

/// The hidden states, and results that hold them `[batch, seq_len, hidden_size]`.
fn encode(model: &ElectraModel, inputs: &Inputs<'_>) -> Result<(Results, Tensor<3>), LearnError> {
    let hidden_states = model.forward(inputs.model_inputs().map_err(refused)?);
    let mut results = Results::default();
    results.add("last_hidden_state", hidden_states.clone());
    Ok((results, hidden_states))
}

/// The class that the request names, if it does.
fn asked(request: &ForwardRequest) -> Result<Option<ElectraClass>, LearnError> {
    let Some(task) = &request.task else {
        return Ok(None);
    };
    let class = ElectraClass::from_name(task).ok_or_else(|| {
        let known = ElectraClass::known();
        LearnError::Settings(format!("task {task}: electra has {known}"))
    })?;
    Ok(Some(class))
}

/// config.json's class.
fn class_of(folder: &Path, config: &ElectraConfig) -> Result<ElectraClass, LearnError> {
    class_of_config(
        folder,
        config.architectures.as_deref(),
        ElectraClass::Model,
        ElectraClass::from_name,
        ElectraClass::known,
    )
}
