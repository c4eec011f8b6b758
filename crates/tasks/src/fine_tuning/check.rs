//! Whether what is asked of a model and its config.json belong together.

use kiln_datasets::Problem;
use kiln_learner::LearnError;

use super::FineTuning;
use crate::class::Class;
use crate::family::Family;
use crate::heads::Head;

impl<C: Class> FineTuning<C> {
    /// Refuses a task of which config.json says something else: the two stand side by side in a run's
    /// settings, where one of them may have been edited. `outputs` are the labels, or the numbers, that
    /// the task has.
    ///
    /// # Errors
    /// If the problem is another, or the model has more or fewer labels.
    pub fn check(&self, problem: Problem, outputs: usize) -> Result<(), LearnError> {
        /// What to do.
        const REMEDY: &str = "correct one of the two in the run's config.json";
        let name = |problem: Problem| problem.problem_type().unwrap_or(C::Head::TASK);
        if problem != self.problem {
            return Err(LearnError::Settings(format!(
                "model.problem_type: the model is for {}, the task is {}; {REMEDY}",
                name(self.problem),
                name(problem)
            )));
        }
        let num_labels = self.config.num_labels();
        let has_labels = !matches!(problem, Problem::Span | Problem::Choice);
        if has_labels && outputs != num_labels {
            return Err(LearnError::Settings(format!(
                "model.id2label: the model has {num_labels} labels, the task {outputs}; {REMEDY}"
            )));
        }
        Ok(())
    }
}
