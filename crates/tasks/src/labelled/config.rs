//! The model's config.json with the labels of a task.

use kiln_datasets::{Labels, Problem};
use serde_json::{Map, Value};

use super::carried::without_carried;
use super::settings::TaskSettings;

/// config.json of a model with a head for `task`, from that of the model it starts from: Hugging Face's
/// `id2label`, `label2id` and `problem_type`. `architectures` is written with the weights.
pub fn task_config(model: &Value, task: &TaskSettings) -> Value {
    let model = without_carried(model);
    let mut config = model.as_object().cloned().unwrap_or_default();
    for field in [
        "id2label",
        "label2id",
        "num_labels",
        "problem_type",
        "architectures",
        "finetuning_task",
    ] {
        config.remove(field);
    }
    let names: Vec<String> = match task.problem {
        // Theirs is no matter of labels: two numbers a token, one a continuation.
        Problem::Span | Problem::Choice => Vec::new(),
        Problem::Regression => (0..task.num_outputs()).map(unnamed).collect(),
        Problem::SingleLabel | Problem::MultiLabel | Problem::Tags => task.labels.names().to_vec(),
    };
    if !names.is_empty() {
        set_labels(&mut config, &names);
    }
    if let Some(problem_type) = task.problem.problem_type() {
        config.insert("problem_type".into(), problem_type.into());
    }
    config.into()
}

/// Writes the names of labels into a config.json, in the order of their ids.
pub(super) fn set_labels(config: &mut Map<String, Value>, names: &[String]) {
    let ids = names.iter().enumerate();
    let id2label: Map<String, Value> = ids
        .clone()
        .map(|(id, name)| (id.to_string(), name.clone().into()))
        .collect();
    let label2id: Map<String, Value> = ids.map(|(id, name)| (name.clone(), id.into())).collect();
    config.insert("id2label".into(), id2label.into());
    config.insert("label2id".into(), label2id.into());
}

/// The names of a model's labels in the order of their ids: those of `id2label`, else `LABEL_0`, … as
/// Hugging Face calls them.
pub fn label_names(model: &Value, num_labels: usize) -> Labels {
    let id2label = model.get("id2label").and_then(Value::as_object);
    let name = |id: usize| {
        let name = id2label?.get(&id.to_string())?;
        name.as_str().map(str::to_owned)
    };
    let names = (0..num_labels).map(|id| name(id).unwrap_or_else(|| unnamed(id)));
    Labels::new(names.collect())
}

fn unnamed(id: usize) -> String {
    format!("LABEL_{id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(problem: Problem, names: &[&str]) -> TaskSettings {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        TaskSettings::new(problem, Labels::new(names), 128)
    }

    #[test]
    fn labels_are_written_as_hugging_face_has_them() {
        let base = json!({"model_type": "bert", "num_labels": 7, "architectures": ["BertModel"]});
        let config = task_config(&base, &task(Problem::SingleLabel, &["no", "yes"]));
        assert_eq!(
            config,
            json!({
                "model_type": "bert",
                "id2label": {"0": "no", "1": "yes"},
                "label2id": {"no": 0, "yes": 1},
                "problem_type": "single_label_classification",
            })
        );
        assert_eq!(label_names(&config, 2).names(), ["no", "yes"]);
    }

    #[test]
    fn answers_and_continuations_leave_no_labels_of_another_task() {
        let base =
            json!({"id2label": {"0": "a", "1": "b", "2": "c"}, "problem_type": "regression"});
        for problem in [Problem::Span, Problem::Choice] {
            assert_eq!(task_config(&base, &task(problem, &[])), json!({}));
        }
    }

    #[test]
    fn numbers_are_labels_without_a_name() {
        let mut regression = task(Problem::Regression, &[]);
        regression.outputs = Some(2);
        let config = task_config(&json!({}), &regression);
        assert_eq!(config["id2label"], json!({"0": "LABEL_0", "1": "LABEL_1"}));
        assert_eq!(config["problem_type"], "regression");
        assert_eq!(label_names(&json!({}), 2).names(), ["LABEL_0", "LABEL_1"]);
    }
}
