//! What a checkpoint takes along of the run that it is of, so that it is asked alike wherever its folder
//! goes.
//!
//! config.json of a fine-tuned model has, beside the labels:
//!
//! ```text
//! "task_specific_params": {"kiln": {"task": "qa", "batch_size": 32, "settings": {"max_len": 384, …}}}
//! ```
//!
//! The field is Hugging Face's, for settings of tasks by their names. It has none called `kiln`, so
//! transformers keeps the entry and does nothing with it.

use kiln_datasets::{Labels, Problem, Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::settings::{FineTuneSettings, TaskSettings};

/// Hugging Face's field.
const FIELD: &str = "task_specific_params";

/// The entry in it.
const ENTRY: &str = "kiln";

/// How the model of a run is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Carried {
    /// What is asked, and how what it says is read.
    pub settings: TaskSettings,
    /// Rows of a batch: with as many, numbers repeat to the last digit.
    pub batch_size: usize,
}

/// The entry as it is written: labels stand in `id2label`, once.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    task: Task,
    batch_size: usize,
    settings: Map<String, Value>,
}

impl Carried {
    /// What a run's model is asked.
    pub fn of_run(settings: &FineTuneSettings) -> Self {
        Self {
            settings: settings.task.clone(),
            batch_size: settings.training.batch_size,
        }
    }

    /// What a config.json says of a model for `problem` with these labels, or so many numbers; none: it
    /// says nothing, or what it says is of another task.
    ///
    /// # Errors
    /// A sentence, if the entry can't be read.
    pub fn of_config(
        config: &Value,
        task: Task,
        (problem, labels, outputs): (Problem, &Labels, Option<usize>),
    ) -> Result<Option<Self>, String> {
        let wrong = |error: serde_json::Error| {
            format!(
                "{FIELD}.{ENTRY}: says how another version of Kiln asks the model ({error}); take it \
                 out, and say --max-len and the like yourself"
            )
        };
        let Some(entry) = config.get(FIELD).and_then(|field| field.get(ENTRY)) else {
            return Ok(None);
        };
        let Entry {
            task: of_entry,
            batch_size,
            mut settings,
        } = Entry::deserialize(entry).map_err(wrong)?;
        settings.insert(
            "labels".into(),
            serde_json::to_value(labels).map_err(wrong)?,
        );
        let settings: TaskSettings = serde_json::from_value(settings.into()).map_err(wrong)?;
        // The model may have been trained for something else since, by another program.
        let is_same =
            of_entry == task && settings.problem == problem && settings.outputs == outputs;
        Ok(is_same.then_some(Self {
            settings,
            batch_size: batch_size.max(1),
        }))
    }
}

/// config.json of a run's model with how it is asked.
///
/// # Errors
/// If settings are no JSON, which they always are.
pub(super) fn with_carried(
    model: &Value,
    settings: &FineTuneSettings,
) -> Result<Value, serde_json::Error> {
    let mut config = without_carried(model);
    let Carried {
        settings: task,
        batch_size,
    } = Carried::of_run(settings);
    let mut task = match serde_json::to_value(task)? {
        Value::Object(task) => task,
        _ => Map::new(),
    };
    task.remove("labels");
    let entry = serde_json::to_value(Entry {
        task: settings.fine_tune,
        batch_size,
        settings: task,
    })?;
    if let Some(config) = config.as_object_mut() {
        match config.get_mut(FIELD) {
            Some(Value::Object(field)) => {
                field.insert(ENTRY.into(), entry);
            }
            _ => {
                let field = Map::from_iter([(ENTRY.to_owned(), entry)]);
                config.insert(FIELD.into(), field.into());
            }
        }
    }
    Ok(config)
}

/// config.json without what another run's model was asked.
pub(super) fn without_carried(model: &Value) -> Value {
    let mut config = model.clone();
    let fields = config.as_object_mut();
    if let Some(fields) = fields
        && let Some(Value::Object(field)) = fields.get_mut(FIELD)
        && field.remove(ENTRY).is_some()
        && field.is_empty()
    {
        fields.remove(FIELD);
    }
    config
}

#[cfg(test)]
mod tests {
    use kiln_datasets::questions::Stride;
    use serde_json::json;

    use super::*;

    fn entry(task: &TaskSettings) -> Value {
        let mut settings = serde_json::to_value(task).unwrap();
        settings.as_object_mut().unwrap().remove("labels");
        json!({"task": "qa", "batch_size": 8, "settings": settings})
    }

    fn read(config: &Value, task: Task, problem: Problem) -> Result<Option<Carried>, String> {
        Carried::of_config(config, task, (problem, &Labels::default(), None))
    }

    #[test]
    fn what_a_folder_says_is_read_where_it_is_of_the_task() {
        let mut task = TaskSettings::new(Problem::Span, Labels::default(), 96);
        task.stride = Stride::Starts(40);
        task.search.null_threshold = -1.5;
        let config = json!({FIELD: {"kiln": entry(&task), "summarization": {"max_length": 9}}});
        let found = read(&config, Task::Qa, Problem::Span).unwrap().unwrap();
        assert_eq!((found.settings, found.batch_size), (task, 8));
        assert_eq!(read(&config, Task::Tag, Problem::Tags), Ok(None));
        for nothing in [json!({}), json!({FIELD: null}), json!({FIELD: {"qa": 1}})] {
            assert_eq!(read(&nothing, Task::Qa, Problem::Span), Ok(None));
        }
        let rest = json!({FIELD: {"summarization": {"max_length": 9}}});
        assert_eq!(without_carried(&config), rest);
        assert_eq!(without_carried(&json!({FIELD: {"kiln": {}}})), json!({}));
    }

    #[test]
    fn labels_are_those_of_the_model_and_a_change_of_the_problem_is_seen() {
        let names = |names: &[&str]| Labels::new(names.iter().map(|&it| it.to_owned()).collect());
        let task = TaskSettings::new(Problem::SingleLabel, names(&["a", "b"]), 96);
        let mut entry = entry(&task);
        entry["task"] = "classify".into();
        let config = json!({FIELD: {"kiln": entry}});
        let renamed = names(&["no", "yes"]);
        let read = |problem| {
            Carried::of_config(&config, Task::Classify, (problem, &renamed, None)).unwrap()
        };
        assert_eq!(read(Problem::SingleLabel).unwrap().settings.labels, renamed);
        assert_eq!(read(Problem::MultiLabel), None);
    }

    #[test]
    fn what_can_not_be_read_is_named_with_a_remedy() {
        let task = TaskSettings::new(Problem::Span, Labels::default(), 96);
        let mut entry = entry(&task);
        entry["settings"]["colour"] = "red".into();
        let config = json!({FIELD: {"kiln": entry}});
        let error = read(&config, Task::Qa, Problem::Span).unwrap_err();
        assert!(
            error.starts_with("task_specific_params.kiln: ") && error.contains("colour"),
            "{error}"
        );
    }
}
