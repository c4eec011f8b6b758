//! One chart as a figure: a caption with its legend in HTML, the drawing in SVG.
//!
//! Colours come from the page's style sheet through classes, so one drawing serves light and dark
//! pages. Colour never stands alone: training is a line, evaluations are diamonds or a thinner line,
//! levels are dashed.

use crate::axis::Axis;
use crate::curve::{Curve, Level, Look};
use crate::html::escape;
use crate::number;
use crate::plot::{HEIGHT, Plot, WIDTH};

/// Curves whose newest values stand beside the title, if there are no more of them.
const LATEST: usize = 3;

/// One chart.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The value's name in `metrics.jsonl`.
    pub(crate) name: String,
    /// What the numbers of the vertical axis are.
    pub(crate) unit: &'static str,
    pub(crate) log: bool,
    pub(crate) from_zero: bool,
    pub(crate) curves: Vec<Curve>,
    pub(crate) levels: Vec<Level>,
}

impl Chart {
    /// The figure. `id` makes its element names unique in the page; the horizontal axis ends at
    /// `last_step`.
    pub(crate) fn render(&self, id: usize, last_step: u64) -> String {
        let mut values: Vec<f64> = Vec::new();
        for curve in &self.curves {
            values.extend(curve.values.points.iter().map(|&(_, value)| value));
        }
        values.extend(self.levels.iter().map(|level| level.value));
        let plot = Plot {
            x: Axis::steps(last_step),
            y: if self.log {
                Axis::logarithmic(&values)
            } else {
                Axis::linear(&values, self.from_zero)
            },
            unit: self.unit,
            log: self.log,
            curves: &self.curves,
            levels: &self.levels,
        };
        let outside = values
            .iter()
            .filter(|&&v| v.is_finite() && !plot.y.holds(v))
            .count();

        let mut out = format!(
            "<figure class=\"chart\">\n<figcaption><h3 title=\"{} in metrics.jsonl\">{}</h3>{}\n{}\
             </figcaption>\n",
            escape(&self.name),
            escape(&self.title),
            self.latest(),
            self.legend(outside),
        );
        out.push_str(&format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t{id} d{id}\">\n\
             <title id=\"t{id}\">{}</title><desc id=\"d{id}\">{}</desc>\n\
             {}</svg>\n</figure>\n",
            escape(&self.title),
            escape(&self.description()),
            plot.draw(&format!("c{id}"), &|value| self.value(value)),
        ));
        out
    }

    /// The newest values, beside the title.
    fn latest(&self) -> String {
        let mut out = String::new();
        // The newest values of many runs would be a row of numbers without names.
        let shown = self.curves.iter().enumerate();
        for (index, curve) in shown.filter(|_| self.curves.len() <= LATEST) {
            if let Some(&(step, value)) = curve.settled(self.log).last() {
                out.push_str(&format!(
                    "<span class=\"now k{}\" title=\"{}, step {}\">{}</span>",
                    curve.colour(index),
                    escape(&curve.label),
                    number::grouped(step),
                    self.value(value),
                ));
            }
        }
        format!("<span class=\"latest\">{out}</span>")
    }

    /// A value with its unit, where the unit is short.
    fn value(&self, value: f64) -> String {
        let number = number::significant(value);
        match self.unit {
            unit @ ("%" | "GiB" | "MiB") => format!("{number}\u{a0}{unit}"),
            _ => number,
        }
    }

    fn legend(&self, outside: usize) -> String {
        let mut items = Vec::new();
        let mut broken = false;
        let mut smoothed = None;
        for (index, curve) in self.curves.iter().enumerate() {
            let colour = curve.colour(index);
            broken |= !curve.values.broken.is_empty();
            match (curve.look, curve.half_width()) {
                (Look::Evaluations, _) => {
                    let mark = if curve.has_marks() {
                        "diamond"
                    } else {
                        "thick"
                    };
                    items.push((mark, colour, curve.label.clone().into_owned()));
                }
                (Look::RunSteps, Some(half)) => {
                    smoothed = smoothed.max(Some(half));
                    items.push(("thick", colour, curve.label.clone().into_owned()));
                }
                (_, Some(half)) => {
                    items.push(("thin", colour, format!("{}, each step", curve.label)));
                    items.push((
                        "thick",
                        colour,
                        format!(
                            "smoothed over {} steps",
                            number::grouped(2 * half as u64 + 1)
                        ),
                    ));
                }
                (_, None) => items.push(("thick", colour, curve.label.clone().into_owned())),
            }
        }
        for level in &self.levels {
            let value = self.value(level.value);
            items.push(("dashed", "", format!("{}: {value}", level.label)));
        }
        if broken {
            items.push(("broken", "", "steps without a finite value".to_owned()));
        }
        let mut out = String::from("<ul class=\"legend\">");
        for (mark, colour, text) in items {
            out.push_str(&format!(
                "<li class=\"{mark} k{colour}\">{}</li>",
                escape(&text)
            ));
        }
        if let Some(half) = smoothed {
            let steps = number::grouped(2 * half as u64 + 1);
            out.push_str(&format!(
                "<li class=\"note\">smoothed over up to {steps} steps</li>"
            ));
        }
        if outside > 0 {
            let word = if outside == 1 {
                "value lies"
            } else {
                "values lie"
            };
            out.push_str(&format!(
                "<li class=\"note\">{} {word} beyond the axis</li>",
                number::grouped(outside as u64)
            ));
        }
        out.push_str("</ul>");
        out
    }

    /// The chart in words, for those who don't see it.
    fn description(&self) -> String {
        let mut out = format!("{} by training step.", self.title);
        for curve in &self.curves {
            let finite = || {
                curve
                    .values
                    .points
                    .iter()
                    .filter(|(_, value)| value.is_finite())
            };
            let by_value = |a: &&(u64, f64), b: &&(u64, f64)| a.1.total_cmp(&b.1);
            let (Some(first), Some(last)) = (finite().next(), finite().next_back()) else {
                out.push_str(&format!(" {}: no finite value.", curve.label));
                continue;
            };
            let (low, high) = (finite().min_by(by_value), finite().max_by(by_value));
            let (low, high) = (low.unwrap_or(first), high.unwrap_or(first));
            let point = |&(step, value): &(u64, f64)| {
                format!("{} at step {}", self.value(value), number::grouped(step))
            };
            out.push_str(&format!(
                " {}: from {} to {}; lowest {}, highest {}.",
                curve.label,
                point(first),
                point(last),
                point(low),
                point(high),
            ));
        }
        for level in &self.levels {
            out.push_str(&format!(" {}: {}.", level.label, self.value(level.value)));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{History, Series};
    use crate::plot::{BOTTOM, TOP};
    use crate::series::Points;
    use kiln_learner::{Record, RecordKind};

    fn values(points: &Points) -> Series {
        let record = |&(step, value)| Record {
            kind: RecordKind::Train,
            step,
            values: vec![("loss".to_owned(), value)],
        };
        let records: Vec<Record> = points.iter().map(record).collect();
        History::new(&records).train("loss")
    }

    fn chart(points: Points, log: bool) -> Chart {
        Chart {
            title: "Loss".into(),
            name: "loss".into(),
            unit: "nats",
            log,
            from_zero: false,
            curves: vec![Curve {
                label: "training".into(),
                look: Look::Noisy,
                values: values(&points),
            }],
            levels: Vec::new(),
        }
    }

    #[test]
    fn a_step_without_a_finite_value_breaks_the_line_and_is_marked() {
        let drawing = chart(vec![(1, 3.0), (2, 2.0), (3, f64::NAN), (4, 1.0)], false).render(0, 4);
        let line = drawing
            .lines()
            .find(|line| line.contains("class=\"main"))
            .unwrap();
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert!(
            drawing.contains("class=\"broken\"") && !drawing.contains("NaN"),
            "{drawing}"
        );
    }

    #[test]
    fn no_drawing_has_a_coordinate_that_is_not_a_number() {
        let cases = [
            vec![],
            vec![(1, 0.0)],
            vec![(1, f64::NAN)],
            vec![(1, -1.0), (2, f64::INFINITY)],
            vec![(1, 1e305), (2, 1e-305)],
            vec![(7, 2.0), (7, 2.0)],
        ];
        for points in cases {
            for log in [false, true] {
                let drawing = chart(points.clone(), log).render(0, 9);
                let svg = drawing.split("</desc>").nth(1).unwrap();
                assert!(
                    !svg.contains("NaN") && !svg.contains("inf"),
                    "{points:?}: {svg}"
                );
            }
        }
    }

    #[test]
    fn a_level_is_on_the_axis_and_in_the_legend() {
        let mut chart = chart(vec![(1, 3.0), (2, 2.0)], false);
        chart.levels.push(Level {
            label: "word frequencies alone",
            value: 6.5,
        });
        let drawing = chart.render(0, 2);
        assert!(
            drawing.contains("word frequencies alone: 6.500"),
            "{drawing}"
        );
        let level = drawing
            .lines()
            .find(|line| line.contains("class=\"level\""))
            .unwrap();
        let y: f64 = level
            .split(['M', 'H', ' '])
            .filter_map(|word| word.parse().ok())
            .nth(1)
            .unwrap();
        assert!((TOP..HEIGHT - BOTTOM).contains(&y), "{level}");
    }
}
