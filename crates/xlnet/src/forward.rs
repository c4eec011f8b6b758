//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! The classes of XLNet on [`kiln_tasks::forward`]: beside the arguments that all architectures
//! know also `perm_mask`, `target_mapping`, `input_mask` and `mems.0`, `mems.1`, …; the new memory
//! comes back under the same names.

use std::path::Path;

use burn::tensor::Tensor;
use kiln_checkpoint::{CONFIG_FILE, ModelFile};
use kiln_learner::LearnError;
use kiln_nn::Init;
use kiln_tasks::architecture::{ForwardRequest, Output};
use kiln_tasks::forward::{Call, Inputs, Results, class_of_config};
use kiln_tasks::tying::apart_in;

use crate::arguments;
use crate::names::{LOAD_OPTIONS, NAMES};
use crate::open::{check_sizes, open_config};
use crate::{
    XlnetClass, XlnetConfig, XlnetForQuestionAnsweringSimple, XlnetForSequenceClassification,
    XlnetForTokenClassification, XlnetLmHeadModel, XlnetModel,
};

/// Runs a Hugging Face folder's model on `request.inputs`.
///
/// # Errors
/// If the folder cannot be opened, lacks parameters of the class, or the inputs do not fit it.
pub fn forward(request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
    let folder = &request.model;
    let config = open_config(folder)?.without_dropout().with_own_biases();
    let class = class_of(folder, &config, request.task.as_deref())?;
    let file = ModelFile::open(folder)?;
    check_sizes(&config, &file)?;
    let call = Call {
        request,
        class: class.spec(),
        sizes: config.sizes(),
        file: &file,
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    match class {
        XlnetClass::Model => {
            let new = |init: &mut Init| XlnetModel::new(&config, init);
            call.run(new, |model, inputs| Ok(encode(model, inputs, &config)?.0))
        }
        XlnetClass::LmHead => {
            let apart = apart_in(&file, &LOAD_OPTIONS, &config.other)?;
            let new =
                |init: &mut Init| XlnetLmHeadModel::new(&config, init).with_apart(apart, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.transformer, inputs, &config)?;
                let logits = model.score(hidden_states);
                let loss = results.predictions("logits", logits, inputs, config.vocab_size)?;
                if let Some(loss) = loss {
                    results.set_loss(loss);
                }
                Ok(results)
            })
        }
        XlnetClass::SequenceClassification => {
            let summary = config.summary();
            let summary = summary.map_err(|error| error.in_file(&folder.join(CONFIG_FILE)))?;
            let new = |init: &mut Init| XlnetForSequenceClassification::new(&config, summary, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.transformer, inputs, &config)?;
                let problem_type = config.problem_type.as_deref();
                let logits = model.logits(hidden_states);
                results.sequence(logits, inputs, config.num_labels(), problem_type)?;
                Ok(results)
            })
        }
        XlnetClass::TokenClassification => {
            let new = |init: &mut Init| XlnetForTokenClassification::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.transformer, inputs, &config)?;
                results.tokens(model.logits(hidden_states), inputs)?;
                Ok(results)
            })
        }
        XlnetClass::QuestionAnsweringSimple => {
            let new = |init: &mut Init| XlnetForQuestionAnsweringSimple::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.transformer, inputs, &config)?;
                let (start, end) = model.logits(hidden_states);
                results.span(start, end, inputs)?;
                Ok(results)
            })
        }
    }
}

/// The hidden states, and results that hold them and the new memory, `[mem_len, batch, d_model]`.
fn encode(
    model: &XlnetModel,
    inputs: &Inputs<'_>,
    config: &XlnetConfig,
) -> Result<(Results, Tensor<3>), LearnError> {
    let outputs = model.forward(arguments::read(inputs, config)?);
    let mut results = Results::default();
    results.add("last_hidden_state", outputs.hidden_states.clone());
    if config.use_mems_eval {
        for (layer, state) in outputs.memory.states.into_iter().enumerate() {
            results.add(format!("mems.{layer}"), state.swap_dims(0, 1));
        }
    }
    Ok((results, outputs.hidden_states))
}

/// The class that was asked for, or config.json's.
fn class_of(
    folder: &Path,
    config: &XlnetConfig,
    task: Option<&str>,
) -> Result<XlnetClass, LearnError> {
    if let Some(task) = task {
        return XlnetClass::from_name(task).ok_or_else(|| {
            LearnError::Settings(format!("task {task}: xlnet has {}", XlnetClass::known()))
        });
    }
    class_of_config(
        folder,
        config.architectures.as_deref(),
        XlnetClass::Model,
        XlnetClass::from_name,
        XlnetClass::known,
    )
}
