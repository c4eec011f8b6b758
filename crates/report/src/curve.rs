//! Curves: what a chart shows of one value.

use std::borrow::Cow;

use crate::history::Series;
use crate::series::{Points, decimate, half_width, smooth};

/// Thinned lines have at most twice as many points.
pub(crate) const RAW_BUCKETS: usize = 500;
const SMOOTH_SAMPLES: usize = 300;
/// Up to this many evaluations each one is a diamond.
const DIAMONDS: usize = 60;
/// Up to this many steps each one is a dot as well.
const DOTS: usize = 40;

/// Classes of the style sheet for one of several runs: the letter of its colour, and its dashes.
const RUNS: [&str; 16] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "0 dashes", "1 dashes", "2 dashes", "3 dashes",
    "4 dashes", "5 dashes", "6 dashes", "7 dashes",
];

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Every step thin, and a smoothed line.
    Noisy,
    /// Every step, as the line itself.
    Exact,
    /// A thin line with diamonds, as long as those stay apart.
    Evaluations,
    /// One of several runs by its steps: the smoothed line alone.
    RunSteps,
    /// One of several runs by its evaluations.
    RunEvaluations,
}

/// One curve.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) label: Cow<'static, str>,
    pub(crate) look: Look,
    pub(crate) values: Series,
}

/// A horizontal line to compare with.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) label: &'static str,
    pub(crate) value: f64,
}

impl Curve {
    /// Steps on either side that its smoothed line takes in, if it has one.
    pub(crate) fn half_width(&self) -> Option<usize> {
        if matches!(self.look, Look::Noisy | Look::RunSteps) {
            half_width(self.values.means.len())
        } else {
            None
        }
    }

    /// The line that shows where the curve stands, without its noise.
    pub(crate) fn settled(&self, log: bool) -> Points {
        match self.half_width() {
            Some(half) => smooth(&self.values.means, half, SMOOTH_SAMPLES, log),
            None => decimate(&self.values.points, RAW_BUCKETS),
        }
    }

    /// Whether each point has a mark of its own beside the line.
    pub(crate) fn has_marks(&self) -> bool {
        self.values.points.len()
            <= match self.look {
                Look::Evaluations => DIAMONDS,
                Look::Noisy | Look::Exact | Look::RunEvaluations => DOTS,
                Look::RunSteps => 1,
            }
    }

    /// Whether its marks tell their own values.
    pub(crate) fn is_evaluations(&self) -> bool {
        matches!(self.look, Look::Evaluations | Look::RunEvaluations)
    }

    /// The style sheet's colour class: evaluations have their own, further curves the third; each of
    /// several runs one of eight, the next eight the same with dashes.
    pub(crate) fn colour(&self, index: usize) -> &'static str {
        match (self.look, index) {
            (Look::RunSteps | Look::RunEvaluations, _) => {
                RUNS.get(index % RUNS.len()).copied().unwrap_or("t")
            }
            (Look::Evaluations, _) => "e",
            (_, 0) => "t",
            _ => "u",
        }
    }
}

/// The mean of the finite values.
pub(crate) fn finite_mean(points: &[(u64, f64)]) -> Option<f64> {
    let finite = || {
        points
            .iter()
            .map(|&(_, value)| value)
            .filter(|value| value.is_finite())
    };
    let count = finite().count();
    (count > 0).then(|| finite().sum::<f64>() / count as f64)
}
