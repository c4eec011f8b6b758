//! Whether the model's head is for the labels of the files, or a fresh one is made.

use kiln_datasets::reading::Survey;
use kiln_datasets::{LabelMap, Labels, Problem};
use kiln_tasks::labelled::{HeadFacts, label_names};
use serde_json::Value;

use crate::failure::Failure;

/// The labels of a run, and whether the model's head is for them.
pub(super) struct Head {
    pub(super) labels: Labels,
    pub(super) is_kept: bool,
    /// What to tell the user.
    pub(super) notes: Vec<String>,
}

impl Head {
    /// The model's own labels where its head is for those of the files, else the files'.
    ///
    /// # Errors
    /// If the files have no labels.
    pub(super) fn choose(
        config: &Value,
        problem: Problem,
        facts: &HeadFacts,
        survey: &Survey,
    ) -> Result<Self, Failure> {
        let found = &survey.labels;
        let own_problem = config.get("problem_type").and_then(Value::as_str);
        let same_problem = own_problem.is_none_or(|name| Some(name) == problem.problem_type());
        let has_head = facts.has_head && same_problem;
        match problem {
            Problem::Span | Problem::Choice => {
                return Ok(Self::of(Labels::default(), facts.has_head));
            }
            Problem::Regression => {
                let fits = has_head && facts.num_labels == survey.outputs;
                return Ok(Self::of(Labels::default(), fits));
            }
            Problem::SingleLabel | Problem::MultiLabel | Problem::Tags => {}
        }
        if found.is_empty() {
            return Err(Failure::usage(
                "no label in the training files; name its column with --label",
            ));
        }
        if !has_head {
            return Ok(Self::of(found.clone(), false));
        }
        let own = label_names(config, facts.num_labels);
        let known = LabelMap::fit(own.clone(), found);
        let fits = found.names().iter().all(|name| known.id(name).is_ok());
        let is_same = own.len() == found.len() || !known.notes().is_empty();
        if fits && is_same {
            let mut head = Self::of(own, true);
            head.notes.extend(known.notes());
            return Ok(head);
        }
        let mut head = Self::of(found.clone(), false);
        head.notes.push(format!(
            "the model's head is for other labels ({}); it gets a fresh one for {}",
            shown(&own),
            shown(found)
        ));
        Ok(head)
    }

    fn of(labels: Labels, is_kept: bool) -> Self {
        let note = "the model's head is for this task already, and is trained on";
        Self {
            labels,
            is_kept,
            notes: Vec::from_iter(is_kept.then(|| note.to_owned())),
        }
    }
}

fn shown(labels: &Labels) -> String {
    const SHOWN: usize = 6;
    let names: Vec<&str> = labels
        .names()
        .iter()
        .map(String::as_str)
        .take(SHOWN)
        .collect();
    let more = if labels.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}
