//! Values by step, thinned and smoothed for drawing.

/// One value of a run by step; not finite where a step had none that is.
pub(crate) type Points = Vec<(u64, f64)>;

/// At most `2 * buckets` points that keep every bucket's lowest and highest: thinning to every
/// k-th would hide the spikes, which are what one looks for.
///
/// A bucket without a finite value becomes one point that is not finite, a gap.
pub(crate) fn decimate(points: &[(u64, f64)], buckets: usize) -> Points {
    if points.len() <= 2 * buckets {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * buckets);
    for bucket in split(points, buckets) {
        let mut finite = bucket.iter().filter(|(_, value)| value.is_finite());
        let Some(&first) = finite.next() else {
            kept.extend(bucket.first().map(|&(step, _)| (step, f64::NAN)));
            continue;
        };
        let (mut low, mut high) = (first, first);
        for &point in finite {
            if point.1 < low.1 {
                low = point;
            }
            if point.1 > high.1 {
                high = point;
            }
        }
        let (before, after) = if low.0 <= high.0 {
            (low, high)
        } else {
            (high, low)
        };
        kept.push(before);
        if after != before {
            kept.push(after);
        }
    }
    kept
}

/// `points` in `count` runs of nearly equal length.
pub(crate) fn split(points: &[(u64, f64)], count: usize) -> impl Iterator<Item = &[(u64, f64)]> {
    let bound = move |index: usize| index * points.len() / count.max(1);
    (0..count).filter_map(move |index| points.get(bound(index)..bound(index + 1)))
}

/// Steps that a smoothed value takes in on either side: three per cent of the run in all.
/// None for a run too short to need it.
pub(crate) fn half_width(len: usize) -> Option<usize> {
    (len >= 30).then(|| (len / 60).max(2))
}

/// `points` without their noise, at up to `samples` places.
///
/// A straight line is fitted to the `half_width` points on either side of each place. Unlike an
/// exponential mean it does not lag behind a falling loss, and unlike a plain mean it does not
/// flatten the end, where the window is the last one that is whole. At the start, where a loss bends most, the window
/// grows with the place instead.
///
/// With `log` the logarithms are smoothed, as the axis shows them.
pub(crate) fn smooth(
    points: &[(u64, f64)],
    half_width: usize,
    samples: usize,
    log: bool,
) -> Points {
    let usable: Vec<(usize, u64, f64)> = points
        .iter()
        .enumerate()
        .map(|(index, &(step, value))| (index, step, if log { value.ln() } else { value }))
        .filter(|(_, _, value)| value.is_finite())
        .collect();
    let count = samples.min(usable.len());
    let mut out = Vec::with_capacity(count);
    let mut before: Option<(usize, usize)> = None;
    for sample in 0..count {
        let place = sample * (usable.len() - 1) / (count - 1).max(1);
        let reach = half_width.min(place);
        let last = (place + reach).min(usable.len() - 1);
        // What the end cuts off on the right is taken on the left: the last value is the one
        // people quote, and half a window would leave it twice the noise.
        let first = last.saturating_sub(2 * reach);
        let (Some(&(index, step, _)), Some(window)) = (usable.get(place), usable.get(first..=last))
        else {
            continue;
        };
        let lost = before.map_or(0, |(b_index, b_place)| {
            (index - b_index) - (place - b_place)
        });
        if lost > half_width {
            out.push((step, f64::NAN));
        }
        before = Some((index, place));
        let value = line_at(window, place - first);
        out.push((step, if log { value.exp() } else { value }));
    }
    out
}

/// The value at `place` of the least-squares line through `window`.
fn line_at(window: &[(usize, u64, f64)], place: usize) -> f64 {
    let count = window.len() as f64;
    let mean = window
        .iter()
        .map(|(_, _, value)| value / count)
        .sum::<f64>();
    let middle = (count - 1.0) / 2.0;
    let (mut slope, mut spread) = (0.0, 0.0);
    for (index, (_, _, value)) in window.iter().enumerate() {
        let distance = index as f64 - middle;
        slope += distance * (value - mean);
        spread += distance * distance;
    }
    if spread == 0.0 {
        mean
    } else {
        mean + slope / spread * (place as f64 - middle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_every_extreme() {
        let mut points: Points = (1..=100_000)
            .map(|step| (step, (step as f64).sin()))
            .collect();
        points[54_321].1 = 900.0;
        points[77_777].1 = -900.0;
        let kept = decimate(&points, 500);
        assert!(kept.len() <= 1000, "{} points", kept.len());
        assert!(kept.contains(&(54_322, 900.0)) && kept.contains(&(77_778, -900.0)));
        assert!(
            kept.is_sorted_by(|a, b| a.0 < b.0),
            "a line must not run backwards"
        );
    }

    #[test]
    fn a_stretch_without_values_stays_a_gap() {
        let points: Points = (0..10_000)
            .map(|step| {
                (
                    step,
                    if (4000..6000).contains(&step) {
                        f64::NAN
                    } else {
                        1.0
                    },
                )
            })
            .collect();
        let gaps =
            |points: &[(u64, f64)]| points.iter().filter(|(_, value)| value.is_nan()).count();
        assert_eq!(
            gaps(&decimate(&points, 500)),
            100,
            "one for each empty bucket"
        );
        assert_eq!(gaps(&smooth(&points, 100, 300, false)), 1);
    }

    #[test]
    fn smoothing_follows_a_straight_line_to_its_ends() {
        // A lag or a flattened end would show as a difference; 1e-9 is rounding.
        let points: Points = (0..2000)
            .map(|step| (step, 10.0 - 0.004 * step as f64))
            .collect();
        let smoothed = smooth(&points, 33, 300, false);
        assert_eq!(smoothed.len(), 300);
        for &(step, value) in &smoothed {
            assert!(
                (value - (10.0 - 0.004 * step as f64)).abs() < 1e-9,
                "step {step}: {value}"
            );
        }
        assert_eq!(smoothed.last().map(|point| point.0), Some(1999));
    }

    #[test]
    fn one_step_that_is_not_finite_leaves_the_smoothed_line_whole() {
        let mut points: Points = (0..500).map(|step| (step, 2.0)).collect();
        points[250].1 = f64::INFINITY;
        let smoothed = smooth(&points, 8, 300, false);
        assert!(smoothed.iter().all(|(_, value)| (value - 2.0).abs() < 1e-9));
    }
}
