//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! The classes of DeBERTa on [`kiln_tasks::forward`]. Beside a head's outputs stands the encoder's
//! own, `last_hidden_state`; that of a model with a mask decoder too, whose logits do not come of
//! it.

use std::path::Path;

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::Init;
use kiln_tasks::architecture::{ForwardRequest, Output};
use kiln_tasks::forward::{Call, Inputs, Results, class_of_config, refused};
use kiln_tasks::replaced_tokens::Half;
use kiln_tasks::tying::apart_in;

use crate::names::{FileNames, names_of};
use crate::open::{check_masked_lm_sizes, check_sizes, masked_lm_form, open_config};
use crate::{
    DebertaClass, DebertaConfig, DebertaForMaskedLm, DebertaForPreTraining,
    DebertaForQuestionAnswering, DebertaForSequenceClassification, DebertaForTokenClassification,
    DebertaModel, MaskedLmForm,
};

/// Runs a Hugging Face folder's model on `request.inputs`. Of a pair it is the generator if the task
/// is its own, else the discriminator.
///
/// # Errors
/// If the folder cannot be opened, lacks parameters of the class, or the inputs do not fit it.
pub fn forward(request: &ForwardRequest) -> Result<Vec<Output>, LearnError> {
    let asked = request.task.as_deref().and_then(DebertaClass::from_name);
    let half = match asked {
        Some(DebertaClass::MaskedLm) => Half::Generator,
        _ => Half::Discriminator,
    };
    let folder = half.meant_by(&request.model);
    let config = open_config(&folder)?.without_dropout();
    let class = match (asked, &request.task) {
        (Some(class), _) => class,
        (None, None) => class_of(&folder, &config)?,
        (None, Some(task)) => {
            let known = DebertaClass::known(config.version());
            let message = format!("task {task}: deberta has {known}");
            return Err(LearnError::Settings(message));
        }
    };
    let file = ModelFile::open(&folder)?;
    check_sizes(&config, &file)?;
    let FileNames { names, options } = names_of(&file);
    let call = Call {
        request,
        class: class.spec(config.version()),
        sizes: config.sizes(),
        file: &file,
        names,
        options,
    };
    match class {
        DebertaClass::Model => {
            let new = |init: &mut Init| DebertaModel::new(&config, init);
            call.run(new, |model, inputs| Ok(encode(model, inputs)?.0))
        }
        DebertaClass::PreTraining => {
            let new = |init: &mut Init| DebertaForPreTraining::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.deberta, inputs)?;
                let logits = model.mask_predictions.forward(hidden_states);
                results.binary(logits, inputs)?;
                Ok(results)
            })
        }
        DebertaClass::MaskedLm => masked_lm(call, &config),
        DebertaClass::SequenceClassification => {
            let new = |init: &mut Init| DebertaForSequenceClassification::new(&config, init);
            call.run(new, |model, inputs| {
                let (results, hidden_states) = encode(&model.deberta, inputs)?;
                classify(results, model.logits(hidden_states), inputs, &config)
            })
        }
        DebertaClass::TokenClassification => {
            let new = |init: &mut Init| DebertaForTokenClassification::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.deberta, inputs)?;
                results.tokens(model.logits(hidden_states), inputs)?;
                Ok(results)
            })
        }
        DebertaClass::QuestionAnswering => {
            let new = |init: &mut Init| DebertaForQuestionAnswering::new(&config, init);
            call.run(new, |model, inputs| {
                let (mut results, hidden_states) = encode(&model.deberta, inputs)?;
                let (start, end) = model.logits(hidden_states);
                results.span(start, end, inputs)?;
                Ok(results)
            })
        }
    }
}

/// A masked language model of the kind that the file holds.
fn masked_lm(call: Call<'_>, config: &DebertaConfig) -> Result<Vec<Output>, LearnError> {
    let form = masked_lm_form(config, call.file)?;
    check_masked_lm_sizes(config, form, call.file)?;
    let call = match form {
        MaskedLmForm::Enhanced => Call {
            sizes: config.sizes_with_positions(),
            ..call
        },
        MaskedLmForm::Legacy | MaskedLmForm::Plain => call,
    };
    let apart = apart_in(call.file, call.options, &config.other)?;
    let new = |init: &mut Init| DebertaForMaskedLm::new(config, form, init).with_apart(apart, init);
    call.run(new, |model, inputs| {
        let (mut results, hidden_states) = encode(&model.deberta, inputs)?;
        let logits = match form {
            MaskedLmForm::Enhanced => model.forward(inputs.model_inputs().map_err(refused)?),
            MaskedLmForm::Legacy | MaskedLmForm::Plain => model.score(hidden_states),
        };
        let loss = results.predictions("logits", logits, inputs, config.vocab_size)?;
        if let Some(loss) = loss {
            results.set_loss(loss);
        }
        Ok(results)
    })
}

/// The hidden states, and results that hold them `[batch, seq_len, hidden_size]`.
fn encode(model: &DebertaModel, inputs: &Inputs<'_>) -> Result<(Results, Tensor<3>), LearnError> {
    let hidden_states = model.forward(inputs.model_inputs().map_err(refused)?);
    let mut results = Results::default();
    results.add("last_hidden_state", hidden_states.clone());
    Ok((results, hidden_states))
}

/// The results with logits and loss of a sequence classifier.
fn classify(
    mut results: Results,
    logits: Tensor<2>,
    inputs: &Inputs<'_>,
    config: &DebertaConfig,
) -> Result<Results, LearnError> {
    let num_labels = config.num_labels();
    let problem_type = config.problem_type.as_deref();
    if problem_type.is_none() && num_labels > 1 && inputs.is_float("labels") {
        // Without a problem type real numbers are probabilities of the classes here.
        results.add("logits", logits.clone());
        let batch = inputs.batch;
        let labels = inputs.floats("labels", &[batch, num_labels]);
        if let Some(labels) = labels.map_err(refused)? {
            let terms = log_softmax(logits, 1) * labels.reshape([batch, num_labels]);
            results.set_loss(terms.sum().div_scalar(-(batch as f64)));
        }
    } else {
        results.sequence(logits, inputs, num_labels, problem_type)?;
    }
    Ok(results)
}

/// config.json's class.
fn class_of(folder: &Path, config: &DebertaConfig) -> Result<DebertaClass, LearnError> {
    class_of_config(
        folder,
        config.architectures.as_deref(),
        DebertaClass::Model,
        DebertaClass::from_name,
        || DebertaClass::known(config.version()),
    )
}
