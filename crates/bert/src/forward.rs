//! A checkpoint run on given tensors, so that anyone can hold Kiln against another implementation.
//!
//! The classes of BERT on [`kiln_tasks::forward`]. Beside a head's outputs stand the encoder's own,
//! `last_hidden_state` and, where there is a pooler, `pooler_output`.

use burn::tensor::Tensor;
use kiln_checkpoint::ModelFile;
use kiln_learner::LearnError;
use kiln_nn::Init;
use kiln_tasks::architecture::{ForwardRequest, Output};
use kiln_tasks::forward::{Call, Inputs, Results, class_of_config, mean_cross_entropy, refused};
use kiln_tasks::tying::apart_in;

use crate::names::{LOAD_OPTIONS, NAMES};
use crate::{
    BertClass, BertConfig, BertForNextSentencePrediction, BertForPreTraining,
    BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel,
    check_sizes, open_config,
};

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
        class: class.spec(),
        sizes: config.sizes(),
        file: &file,
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    match class {
        BertClass::Model => {
            let has_pooler = ["pooler.dense.weight", "bert.pooler.dense.weight"]
                .iter()
                .any(|name| file.info(name).is_some());
            let new = |init: &mut Init| match has_pooler {
                true => BertModel::new(&config, init),
                false => BertModel::without_pooler(&config, init),
            };
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                encoder(&mut results, model, hidden(model, inputs)?);
                Ok(results)
            })
        }
        BertClass::PreTraining => {
            let apart = apart_in(&file, &LOAD_OPTIONS, &config.other)?;
            let new =
                |init: &mut Init| BertForPreTraining::new(&config, init).with_apart(apart, init);
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                encoder(&mut results, &model.bert, hidden_states.clone());
                pretraining(&mut results, model, hidden_states, inputs, &config)?;
                Ok(results)
            })
        }
        BertClass::MaskedLm => {
            let apart = apart_in(&file, &LOAD_OPTIONS, &config.other)?;
            let new = |init: &mut Init| {
                BertForPreTraining::masked_lm(&config, init).with_apart(apart, init)
            };
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                encoder(&mut results, &model.bert, hidden_states.clone());
                let logits = model.prediction_logits(hidden_states);
                let loss = results.predictions("logits", logits, inputs, config.vocab_size)?;
                if let Some(loss) = loss {
                    results.set_loss(loss);
                }
                Ok(results)
            })
        }
        BertClass::NextSentencePrediction => {
            let new = |init: &mut Init| BertForNextSentencePrediction::new(&config, init);
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                if let Some(pooled) = encoder(&mut results, &model.bert, hidden_states) {
                    results.classes(model.logits(pooled), inputs)?;
                }
                Ok(results)
            })
        }
        BertClass::SequenceClassification => {
            let new = |init: &mut Init| BertForSequenceClassification::new(&config, init);
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                if let Some(pooled) = encoder(&mut results, &model.bert, hidden_states) {
                    let logits = model.logits(pooled);
                    let problem_type = config.problem_type.as_deref();
                    results.sequence(logits, inputs, config.num_labels(), problem_type)?;
                }
                Ok(results)
            })
        }
        BertClass::TokenClassification => {
            let new = |init: &mut Init| BertForTokenClassification::new(&config, init);
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                encoder(&mut results, &model.bert, hidden_states.clone());
                results.tokens(model.logits(hidden_states), inputs)?;
                Ok(results)
            })
        }
        BertClass::QuestionAnswering => {
            let new = |init: &mut Init| BertForQuestionAnswering::new(&config, init);
            call.run(new, |model, inputs| {
                let mut results = Results::default();
                let hidden_states = hidden(&model.bert, inputs)?;
                encoder(&mut results, &model.bert, hidden_states.clone());
                let (start, end) = model.logits(hidden_states);
                results.span(start, end, inputs)?;
                Ok(results)
            })
        }
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
    class_of_config(
        &request.model,
        config.architectures.as_deref(),
        BertClass::Model,
        BertClass::from_name,
        BertClass::known,
    )
}

fn hidden(model: &BertModel, inputs: &Inputs<'_>) -> Result<Tensor<3>, LearnError> {
    let inputs = inputs.model_inputs().map_err(refused)?;
    Ok(model.forward(inputs))
}

/// Adds the encoder's own outputs; returns the pooled vector.
fn encoder(
    results: &mut Results,
    model: &BertModel,
    hidden_states: Tensor<3>,
) -> Option<Tensor<2>> {
    results.add("last_hidden_state", hidden_states.clone());
    let pooled = model.pool(hidden_states)?;
    results.add("pooler_output", pooled.clone());
    Some(pooled)
}

/// Both heads of pretraining; the loss is the sum of two means, if both labels are given.
fn pretraining(
    results: &mut Results,
    model: &BertForPreTraining,
    hidden_states: Tensor<3>,
    inputs: &Inputs<'_>,
    config: &BertConfig,
) -> Result<(), LearnError> {
    let logits = model.prediction_logits(hidden_states.clone());
    let mlm_loss = results.predictions("prediction_logits", logits, inputs, config.vocab_size)?;
    let Some(logits) = model.next_sentence_logits(hidden_states) else {
        return Ok(());
    };
    results.add("seq_relationship_logits", logits.clone());
    let labels = inputs.labels("next_sentence_label", &[inputs.batch], 2);
    let labels = labels.map_err(refused)?;
    let nsp_loss = labels.map(|labels| mean_cross_entropy(logits, labels));
    for (name, loss) in [("mlm_loss", &mlm_loss), ("next_sentence_loss", &nsp_loss)] {
        if let Some(loss) = loss {
            results.add_scalar(name, loss.clone());
        }
    }
    if let (Some(mlm_loss), Some(nsp_loss)) = (mlm_loss, nsp_loss) {
        results.set_loss(mlm_loss + nsp_loss);
    }
    Ok(())
}
