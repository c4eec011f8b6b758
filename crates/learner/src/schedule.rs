//! The learning rate as a function of the step.

use std::f64::consts::PI;

use crate::settings::{ScheduleKind, TrainingSettings};

/// The learning rate of step `step` (from 1 to `steps`).
///
/// Step s is the update number s - 1 of Hugging Face and of the original code, which count from 0:
/// with warmup the first update has rate 0 there and here.
pub fn learning_rate(settings: &TrainingSettings, step: u64) -> f64 {
    let peak = settings.optimizer.learning_rate;
    let (done, warmup, total) = (
        step.saturating_sub(1) as f64,
        settings.warmup as f64,
        settings.steps as f64,
    );
    let line = (1.0 - done / total).max(0.0);
    if done < warmup {
        let rising = peak * done / warmup;
        return match settings.schedule {
            ScheduleKind::Electra => rising * line,
            _ => rising,
        };
    }
    let left = (total - warmup).max(1.0);
    match settings.schedule {
        ScheduleKind::Constant => peak,
        ScheduleKind::Linear => peak * ((total - done) / left).max(0.0),
        ScheduleKind::Cosine => peak * 0.5 * (1.0 + (PI * ((done - warmup) / left)).cos()),
        ScheduleKind::Original | ScheduleKind::Electra => peak * line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::OptimizerSettings;

    fn settings(schedule: ScheduleKind) -> TrainingSettings {
        TrainingSettings {
            steps: 10,
            warmup: 2,
            schedule,
            optimizer: OptimizerSettings {
                learning_rate: 0.01,
                ..Default::default()
            },
            ..Default::default()
        }
    }

    fn rates(schedule: ScheduleKind) -> Vec<f64> {
        (1..=10)
            .map(|step| learning_rate(&settings(schedule), step))
            .collect()
    }

    #[track_caller]
    fn assert_rates(actual: &[f64], expected: &[f64]) {
        for (step, (a, e)) in actual.iter().zip(expected).enumerate() {
            // Double precision; the formulas differ in the order of operations alone.
            assert!(
                (a - e).abs() < 1e-15,
                "step {}: {a} instead of {e}",
                step + 1
            );
        }
    }

    #[test]
    fn linear_rises_to_the_peak_and_falls_to_zero_after_the_last_step() {
        assert_rates(
            &rates(ScheduleKind::Linear),
            &[
                0.0, 0.005, 0.01, 0.00875, 0.0075, 0.00625, 0.005, 0.00375, 0.0025, 0.00125,
            ],
        );
    }

    #[test]
    fn the_original_line_starts_at_step_zero() {
        assert_rates(
            &rates(ScheduleKind::Original)[..4],
            &[0.0, 0.005, 0.008, 0.007],
        );
    }

    #[test]
    fn electras_line_is_multiplied_by_the_warmup() {
        assert_rates(
            &rates(ScheduleKind::Electra)[..4],
            &[0.0, 0.005 * 0.9, 0.008, 0.007],
        );
    }

    #[test]
    fn cosine_is_half_way_in_the_middle() {
        let rates = rates(ScheduleKind::Cosine);
        assert_rates(&[rates[2], rates[6]], &[0.01, 0.005]);
    }

    #[test]
    fn constant_stays_at_the_peak() {
        assert_rates(&rates(ScheduleKind::Constant)[2..], &[0.01; 8]);
    }
}
