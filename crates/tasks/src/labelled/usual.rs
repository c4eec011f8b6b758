//! What is meant where nobody says otherwise.

use kiln_datasets::questions::Stride;
use kiln_datasets::reading::Survey;
use kiln_datasets::{Labels, Problem, Task};
use kiln_text::tokenizer::Tokenizer;

use super::settings::TaskSettings;

/// Tokens of a sequence where neither model nor tokenizer says less.
const MAX_LEN: usize = 512;

/// Tokens of a question with its window: transformers' `run_qa.py`.
const QUESTION_LEN: usize = 384;

/// Tokens of a sequence at most: as many as `task` mostly needs and the model has room for, which reads
/// `longest`.
pub fn usual_len(task: Task, longest: usize, tokenizer: &Tokenizer) -> usize {
    let wanted = if task == Task::Qa {
        QUESTION_LEN
    } else {
        MAX_LEN
    };
    let told = tokenizer.model_max_length().map(|length| length as usize);
    wanted.min(longest).min(told.unwrap_or(wanted))
}

/// Steps of `step_size` rows each in which `rows` are seen `epochs` times; one at least.
pub fn steps_of(rows: u64, epochs: f64, step_size: u64) -> u64 {
    ((rows as f64 * epochs / step_size.max(1) as f64).ceil() as u64).max(1)
}

impl TaskSettings {
    /// What is learned of files in which `survey` was found, by a model with these labels.
    pub fn of_files(problem: Problem, labels: Labels, survey: &Survey, max_len: usize) -> Self {
        let mut task = Self::new(problem, labels, max_len);
        task.outputs = (problem == Problem::Regression).then_some(survey.outputs);
        let texts = [
            Problem::SingleLabel,
            Problem::MultiLabel,
            Problem::Regression,
        ];
        task.pairs = match survey.pairs {
            _ if !texts.contains(&problem) => None,
            0 => Some(false),
            pairs => (pairs == survey.examples).then_some(true),
        };
        task.search.allow_no_answer = survey.unanswered > 0;
        task.fit_stride();
        task
    }

    /// Lets the windows of a long context have a third of their tokens in common at most, where they are
    /// short.
    pub fn fit_stride(&mut self) {
        if let Stride::Overlap(stride) = &mut self.stride {
            *stride = (*stride).min(self.max_len / 3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_seen_as_often_as_asked_for() {
        assert_eq!(steps_of(400, 20.0, 32), 250);
        assert_eq!(steps_of(33, 1.0, 32), 2);
        assert_eq!(steps_of(10, 0.01, 32), 1);
        assert_eq!(steps_of(10, 1e300, 1), u64::MAX);
    }

    #[test]
    fn windows_of_short_sequences_go_on() {
        let mut task = TaskSettings::new(Problem::Span, Labels::default(), 60);
        task.fit_stride();
        assert_eq!(task.stride, Stride::Overlap(20));
    }
}
