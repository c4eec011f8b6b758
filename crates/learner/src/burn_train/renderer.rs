//! What burn-train draws of a run: its dashboard, or nothing, since the observer is told all.

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::MetricDefinition;
#[cfg(feature = "dashboard")]
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use burn::train::{Interrupter, LearnerSummary};

use crate::error::LearnError;

/// Whether burn-train's dashboard is compiled in (cargo feature `dashboard`).
pub const HAS_DASHBOARD: bool = cfg!(feature = "dashboard");

/// Burn-train's dashboard, from which `interrupter` can be told to stop, or nothing.
///
/// # Errors
/// If there is no dashboard in this build.
pub(crate) fn renderer(
    dashboard: bool,
    interrupter: &Interrupter,
) -> Result<Box<dyn MetricsRenderer>, LearnError> {
    match dashboard {
        #[cfg(feature = "dashboard")]
        true => Ok(Box::new(TuiMetricsRendererWrapper::new(
            interrupter.clone(),
            None,
        ))),
        #[cfg(not(feature = "dashboard"))]
        true => {
            let _ = interrupter;
            Err(LearnError::Settings(
                "dashboard: not compiled in; build with --features dashboard, or do without".into(),
            ))
        }
        false => Ok(Box::new(Silent)),
    }
}

/// Draws nothing: burn-train's plain renderer prints a structure to stdout for every item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silent;

impl MetricsRendererTraining for Silent {
    fn update_train(&mut self, _: MetricState) {}
    fn update_valid(&mut self, _: MetricState) {}
    fn on_train_end(
        &mut self,
        _: Option<LearnerSummary>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        Ok(())
    }
}

impl MetricsRendererEvaluation for Silent {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl TrainingProgressLogger for Silent {
    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}
    fn update_epoch(&mut self, _: usize) {}
    fn start_split(&mut self, _: &str, _: usize) {}
    fn update_split(&mut self, _: usize) {}
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, _: String) {}
}

impl EvaluationProgressLogger for Silent {
    fn start_global_progress(&mut self, _: usize) {}
    fn start_test(&mut self, _: &str, _: usize) {}
    fn update_test_progress(&mut self, _: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _: String) {}
}

impl MetricsRenderer for Silent {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, _: MetricDefinition) {}
}
