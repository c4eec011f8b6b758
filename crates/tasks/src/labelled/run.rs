//! A fine-tuning run.

use std::sync::Arc;

use burn::module::Module;
use kiln_datasets::batching::TrainOrder;
use kiln_learner::{Evaluator, LearnError, TrainOutcome, TrainRequest, train};
use kiln_nn::Init;

use super::adapted::Adapted;
use super::carried::with_carried;
use super::data::TaskData;
use super::data_error;
use super::evaluation::TaskEvaluator;
use super::settings::FineTuneSettings;
use crate::fine_tuning::{FineTuned, TunedModelOf, TunedObjective};
use crate::run_context::RunContext;

/// Standard deviation of new weights where config.json does not say, as in the original BERT.
const INITIALIZER_RANGE: f64 = 0.02;

/// Runs or resumes a fine-tuning run.
///
/// # Errors
/// As [`kiln_learner::train()`].
pub(super) fn fine_tune<F: FineTuned>(
    settings: &FineTuneSettings,
    data: TaskData,
    context: RunContext,
) -> Result<TrainOutcome, LearnError> {
    let model = with_carried(&settings.model, settings);
    let model = model.map_err(|error| LearnError::Settings(error.to_string()))?;
    let config = F::parse(&model)?;
    let training = &settings.training;
    let objective = TunedObjective::<F>::new(
        settings.task.head(),
        config.clone(),
        settings.fine_tuning.clone(),
    )?;
    // The run's config.json may have been edited.
    objective.check(settings.task.problem, settings.task.num_outputs())?;
    let tokenizer = data.pipeline.tokenizer().as_ref().clone();
    let range = settings.model.get("initializer_range");
    let range = range.and_then(serde_json::Value::as_f64);
    let mut init = Init::new(
        training.seed,
        range.unwrap_or(INITIALIZER_RANGE),
        &context.first_device()?,
    );
    let (run, from) = (&context.run, &settings.from);
    let first = |init: &mut Init| {
        if from.random_weights {
            return objective.random(&from.folder, init);
        }
        objective.start(&from.folder, from.keeps_head, init, &*context.observer)
    };
    let (model, files) = if let Some(lora) = &settings.fine_tuning.lora {
        let adapted = Adapted {
            objective: &objective,
            config,
            tokenizer,
            lora,
            seed: training.seed,
        };
        adapted.start(run, &mut init, first)?
    } else {
        let model = match run.list_checkpoints()?.pop() {
            // The loop reads its weights.
            Some((_, checkpoint)) => {
                objective.random(&checkpoint, &mut Init::zeros(init.device()))?
            }
            None => first(&mut init)?,
        };
        (model, objective.files(config, Some(tokenizer)))
    };
    let order = TrainOrder {
        seed: training.seed,
        batch_size: training.batch_size,
        step_size: training.batch_size * training.accumulate * context.devices.len(),
    };
    let source = data.train_source(order).map_err(data_error)?;
    let evaluator = data.dev.map(|dev| {
        let evaluator = TaskEvaluator {
            objective: objective.clone(),
            pipeline: data.pipeline.clone(),
            dev,
            batch_size: training.batch_size,
            options: settings.task.score_options(0),
        };
        Arc::new(evaluator) as Arc<dyn Evaluator<TunedModelOf<F>>>
    });
    context.observer.model(Module::num_params(&model));
    train(TrainRequest {
        devices: context.devices,
        evaluator,
        interrupter: context.interrupter,
        observer: context.observer,
        dashboard: context.dashboard,
        resumption: context.resumption,
        ..TrainRequest::new(
            objective,
            model,
            files,
            context.run,
            training.clone(),
            Arc::new(source),
        )
    })
}
