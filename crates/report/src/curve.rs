//! Curves: what a chart shows of one value.

use crate::history::Series;
use crate::series::{Points, decimate, half_width, smooth};

/// Thinned lines have at most twice as many points.
pub(crate) const RAW_BUCKETS: usize = 500;
const SMOOTH_SAMPLES: usize = 300;
/// Up to this many evaluations each one is a diamond.
const DIAMONDS: usize = 60;
/// Up to this many steps each one is a dot as well.
const DOTS: usize = 40;

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Every step thin, and a smoothed line.
    Noisy,
    /// Every step, as the line itself.
    Exact,
    /// A thin line with diamonds, as long as those stay apart.
    Evaluations,
}

/// One curve.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) label: &'static str,
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
        if self.look == Look::Noisy {
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
            <= if self.look == Look::Evaluations {
                DIAMONDS
            } else {
                DOTS
            }
    }

    /// The style sheet's colour class: evaluations have their own, further curves the third.
    pub(crate) fn colour(&self, index: usize) -> &'static str {
        match (self.look, index) {
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
