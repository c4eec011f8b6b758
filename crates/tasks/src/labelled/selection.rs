//! Which score decides between a run's checkpoints.

use kiln_datasets::{DataError, Example, Input, Target};
use kiln_learner::{LearnError, Selection};
use kiln_metrics::rows::{AnswerRow, ChoiceRow, ClassRow, LabelsRow, NumbersRow, Row, TagsRow};
use kiln_metrics::score;

use super::settings::TaskSettings;
use super::{data_error, metrics_error};

/// Examples that are looked at to know the scores' names.
const LOOKED_AT: usize = 1000;

/// The score of a task that decides which checkpoint is the best; `metric` is its name, `loss` for the
/// loss, none for the task's usual one.
///
/// # Errors
/// If the task has no score of this name, or an example can't be read.
pub fn selection(
    task: &TaskSettings,
    examples: impl Iterator<Item = Result<Example, DataError>>,
) -> Result<Selection, LearnError> {
    if task.is_decided_by_loss() {
        return Ok(Selection::default());
    }
    let mut rows = Vec::new();
    for example in examples.take(LOOKED_AT) {
        let example = example.map_err(data_error)?;
        rows.extend(perfect(&example, task));
    }
    let scores = score(&rows, &task.score_options(0)).map_err(metrics_error)?;
    let higher_is_better = scores.main().is_none_or(|score| score.higher_is_better);
    Ok(Selection {
        value: scores.main,
        higher_is_better,
    })
}

/// What a model would say that knew everything.
fn perfect(example: &Example, task: &TaskSettings) -> Option<Row> {
    let id = example.id.clone();
    let name = |id: usize| task.labels.name(id).unwrap_or_default().to_owned();
    let names = |ids: &[usize]| ids.iter().map(|&id| name(id)).collect::<Vec<_>>();
    let probabilities = |said: &[usize]| {
        let all = task.labels.names().iter().enumerate();
        all.map(|(id, name)| (name.clone(), f64::from(u8::from(said.contains(&id)))))
            .collect::<Vec<_>>()
    };
    Some(match example.target.as_ref()? {
        Target::Class(class) => Row::Class(ClassRow {
            id,
            label: Some(name(*class)),
            prediction: name(*class),
            probabilities: probabilities(&[*class]),
        }),
        Target::Classes(classes) => Row::Labels(LabelsRow {
            id,
            labels: Some(names(classes)),
            predictions: names(classes),
            probabilities: probabilities(classes),
        }),
        Target::Numbers(numbers) => {
            let numbers: Vec<f64> = numbers.iter().map(|&number| number.into()).collect();
            Row::Numbers(NumbersRow {
                id,
                targets: Some(numbers.clone()),
                predictions: numbers,
            })
        }
        Target::Tags(tags) => {
            let Input::Words(words) = &example.input else {
                return None;
            };
            Row::Tags(TagsRow {
                id,
                words: words.clone(),
                tags: Some(names(tags)),
                predictions: names(tags),
                unread: 0,
            })
        }
        Target::Answers(answers) => {
            let texts: Vec<String> = answers.iter().map(|answer| answer.text.clone()).collect();
            let prediction = texts.first().cloned().unwrap_or_default();
            Row::Answer(AnswerRow {
                id,
                null_odds: if texts.is_empty() { 1.0 } else { -1.0 },
                answers: Some(texts),
                best_non_empty: prediction.clone(),
                prediction,
                n_best: Vec::new(),
            })
        }
        Target::Choice(choice) => {
            let Input::Choices { endings, .. } = &example.input else {
                return None;
            };
            let all = 0..endings.len();
            Row::Choice(ChoiceRow {
                id,
                label: Some(*choice),
                prediction: *choice,
                probabilities: all
                    .map(|place| f64::from(u8::from(place == *choice)))
                    .collect(),
            })
        }
    })
}
