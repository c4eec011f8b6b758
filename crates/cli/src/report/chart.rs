//! One chart as a figure: a caption with its legend in HTML, the drawing in SVG.
//!
//! Colours come from the page's style sheet through classes, so one drawing serves light and dark
//! pages. Colour never stands alone: training is a line, evaluations are diamonds, levels are
//! dashed.

use super::axis::Axis;
use super::html::escape;
use super::number;
use super::series::{Points, decimate, half_width, smooth, split};

/// Size of the drawing, and the margins around its plot, in SVG units.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 38.0;

/// Thinned lines have at most twice as many points.
const RAW_BUCKETS: usize = 500;
const SMOOTH_SAMPLES: usize = 300;
/// Evaluations drawn as marks; further ones are thinned.
const EVALUATION_BUCKETS: usize = 80;
/// Up to this many steps each one is a dot as well.
const DOTS: usize = 40;
/// Strips that show their values under the pointer.
const STRIPS: usize = 48;
/// Marks of steps without a finite value.
const BROKEN_MARKS: usize = 120;

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Every step thin, and a smoothed line.
    Noisy,
    /// Every step, as the line itself.
    Exact,
    /// Diamonds.
    Evaluations,
}

/// One curve.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) label: &'static str,
    pub(super) look: Look,
    pub(super) points: Points,
}

/// A horizontal line to compare with.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) label: &'static str,
    pub(super) value: f64,
}

/// One chart.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// The value's name in `metrics.jsonl`.
    pub(super) name: String,
    /// What the numbers of the vertical axis are.
    pub(super) unit: &'static str,
    pub(super) log: bool,
    pub(super) from_zero: bool,
    pub(super) curves: Vec<Curve>,
    pub(super) levels: Vec<Level>,
}

impl Chart {
    /// The figure. `id` makes its element names unique in the page; the horizontal axis ends at
    /// `last_step`.
    pub(super) fn render(&self, id: usize, last_step: u64) -> String {
        let mut values: Vec<f64> = Vec::new();
        for curve in &self.curves {
            values.extend(curve.points.iter().map(|&(_, value)| value));
        }
        values.extend(self.levels.iter().map(|level| level.value));
        let plot = Plot {
            x: Axis::steps(last_step),
            y: if self.log {
                Axis::logarithmic(&values)
            } else {
                Axis::linear(&values, self.from_zero)
            },
        };
        let outside = values.iter().filter(|&&v| v.is_finite() && !plot.y.holds(v)).count();

        let mut out = format!(
            "<figure class=\"chart\">\n<figcaption><h3>{}</h3>{}\n{}</figcaption>\n",
            escape(&self.title),
            self.latest(),
            self.legend(outside),
        );
        out.push_str(&format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t{id} d{id}\">\n\
             <title id=\"t{id}\">{}</title><desc id=\"d{id}\">{}</desc>\n\
             <clipPath id=\"c{id}\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>\
             </clipPath>\n",
            escape(&self.title),
            escape(&self.description()),
            WIDTH - LEFT - RIGHT,
            HEIGHT - TOP - BOTTOM,
        ));
        plot.draw_frame(&mut out, self.unit, self.log);
        out.push_str(&format!("<g clip-path=\"url(#c{id})\">\n"));
        for level in &self.levels {
            let y = plot.y(level.value);
            out.push_str(&format!(
                "<path class=\"level\" d=\"M{LEFT} {y:.1}H{:.1}\"/>\n",
                WIDTH - RIGHT
            ));
        }
        for (index, curve) in self.curves.iter().enumerate() {
            plot.draw_curve(&mut out, curve, index, self.log);
        }
        out.push_str("</g>\n");
        self.draw_strips(&plot, &mut out, last_step);
        // Above the strips, so that the pointer finds the diamonds.
        for curve in self.curves.iter().filter(|curve| curve.look == Look::Evaluations) {
            plot.draw_diamonds(&mut out, curve);
        }
        plot.draw_broken(&mut out, &self.curves);
        out.push_str("</svg>\n</figure>\n");
        out
    }

    /// The newest values, beside the title.
    fn latest(&self) -> String {
        let mut out = String::new();
        for (index, curve) in self.curves.iter().enumerate() {
            if let Some(&(step, value)) = curve.settled(self.log).last() {
                out.push_str(&format!(
                    "<span class=\"now k{}\" title=\"{}, step {}\">{}</span>",
                    curve.colour(index),
                    curve.label,
                    number::grouped(step),
                    number::significant(value),
                ));
            }
        }
        format!("<span class=\"latest\">{out}</span>")
    }

    fn legend(&self, outside: usize) -> String {
        let mut items = Vec::new();
        let mut broken = false;
        for (index, curve) in self.curves.iter().enumerate() {
            let colour = curve.colour(index);
            broken |= curve.points.iter().any(|(_, value)| !value.is_finite());
            match (curve.look, curve.half_width()) {
                (Look::Evaluations, _) => items.push(("diamond", colour, curve.label.to_owned())),
                (_, Some(half)) => {
                    items.push(("thin", colour, format!("{}, each step", curve.label)));
                    items.push(("thick", colour, format!("mean line over {} steps", 2 * half + 1)));
                }
                (_, None) => items.push(("thick", colour, curve.label.to_owned())),
            }
        }
        for level in &self.levels {
            let value = number::significant(level.value);
            items.push(("dashed", "", format!("{}: {value}", level.label)));
        }
        if broken {
            items.push(("broken", "", "steps without a finite value".to_owned()));
        }
        let mut out = String::from("<ul class=\"legend\">");
        for (mark, colour, text) in items {
            out.push_str(&format!("<li class=\"{mark} k{colour}\">{}</li>", escape(&text)));
        }
        if outside > 0 {
            let word = if outside == 1 { "value lies" } else { "values lie" };
            out.push_str(&format!(
                "<li class=\"note\">{} {word} beyond the axis</li>",
                number::grouped(outside as u64)
            ));
        }
        out.push_str(&format!("</ul><code class=\"name\">{}</code>", escape(&self.name)));
        out
    }

    /// The chart in words, for those who don't see it.
    fn description(&self) -> String {
        let mut out = format!("{} by training step.", self.title);
        for curve in &self.curves {
            let finite = || curve.points.iter().filter(|(_, value)| value.is_finite());
            let by_value = |a: &&(u64, f64), b: &&(u64, f64)| a.1.total_cmp(&b.1);
            let (Some(first), Some(last)) = (finite().next(), finite().next_back()) else {
                out.push_str(&format!(" {}: no finite value.", curve.label));
                continue;
            };
            let (low, high) = (finite().min_by(by_value), finite().max_by(by_value));
            let (low, high) = (low.unwrap_or(first), high.unwrap_or(first));
            let point = |&(step, value): &(u64, f64)| {
                format!("{} at step {}", number::significant(value), number::grouped(step))
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
            out.push_str(&format!(" {}: {}.", level.label, number::significant(level.value)));
        }
        out
    }

    /// Strips over the plot, each with a native tooltip of its steps' means: values under the
    /// pointer without a script.
    fn draw_strips(&self, plot: &Plot, out: &mut String, last_step: u64) {
        let longest = self
            .curves
            .iter()
            .filter(|curve| curve.look != Look::Evaluations)
            .max_by_key(|curve| curve.points.len());
        let Some(longest) = longest else { return };
        let count = STRIPS.min(longest.points.len());
        let reach = (WIDTH - LEFT - RIGHT) / last_step.max(1) as f64;
        for strip in split(&longest.points, count) {
            let (Some(&(first, _)), Some(&(last, _))) = (strip.first(), strip.last()) else {
                continue;
            };
            let mut text = if first == last {
                format!("step {}", number::grouped(first))
            } else {
                format!("steps {} to {}", number::grouped(first), number::grouped(last))
            };
            for curve in self.curves.iter().filter(|curve| curve.look != Look::Evaluations) {
                let begin = curve.points.partition_point(|&(step, _)| step < first);
                let end = curve.points.partition_point(|&(step, _)| step <= last);
                let inside = curve.points.get(begin..end).unwrap_or(&[]);
                if let Some(mean) = finite_mean(inside) {
                    let value = number::significant(mean);
                    text.push_str(&format!("\n{}: {value}", curve.label));
                }
            }
            // A step's strip begins half a step before it.
            let x = plot.x(first) - reach / 2.0;
            let end = (plot.x(last) + reach / 2.0).min(WIDTH - RIGHT);
            let x = x.max(LEFT);
            out.push_str(&format!(
                "<rect class=\"strip\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\">\
                 <title>{}</title></rect>\n",
                (end - x).max(0.1),
                HEIGHT - TOP - BOTTOM,
                escape(&text),
            ));
        }
    }
}

impl Curve {
    pub(super) fn half_width(&self) -> Option<usize> {
        if self.look == Look::Noisy { half_width(self.points.len()) } else { None }
    }

    /// The line that shows where the curve stands, without its noise.
    pub(super) fn settled(&self, log: bool) -> Points {
        match self.half_width() {
            Some(half) => smooth(&self.points, half, SMOOTH_SAMPLES, log),
            None => decimate(&self.points, RAW_BUCKETS),
        }
    }

    /// The style sheet's colour class: evaluations have their own, further curves the third.
    fn colour(&self, index: usize) -> &'static str {
        match (self.look, index) {
            (Look::Evaluations, _) => "e",
            (_, 0) => "t",
            _ => "u",
        }
    }
}

/// The mean of the finite values.
pub(super) fn finite_mean(points: &[(u64, f64)]) -> Option<f64> {
    let finite = || points.iter().map(|&(_, value)| value).filter(|value| value.is_finite());
    let count = finite().count();
    (count > 0).then(|| finite().sum::<f64>() / count as f64)
}

/// The two axes of a drawing.
struct Plot {
    x: Axis,
    y: Axis,
}

impl Plot {
    fn x(&self, step: u64) -> f64 {
        LEFT + self.x.place(step as f64) * (WIDTH - LEFT - RIGHT)
    }

    /// Kept near the drawing: renderers dislike coordinates like 1e30. What is beyond is clipped.
    fn y(&self, value: f64) -> f64 {
        let place = self.y.place(value).clamp(-2.0, 3.0);
        HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_frame(&self, out: &mut String, unit: &str, log: bool) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        out.push_str("<g class=\"axis\">\n");
        for (value, word) in &self.y.ticks {
            let y = self.y(*value);
            out.push_str(&format!(
                "<path d=\"M{LEFT} {y:.1}H{right}\"/><text x=\"{}\" y=\"{:.1}\" class=\"y\">{}\
                 </text>\n",
                LEFT - 7.0,
                y + 4.0,
                escape(word),
            ));
        }
        out.push_str(&format!("<path class=\"base\" d=\"M{LEFT} {bottom}H{right}\"/>\n"));
        for (value, word) in &self.x.ticks {
            let x = LEFT + self.x.place(*value) * (WIDTH - LEFT - RIGHT);
            // The last mark stays inside the drawing.
            let class = if x > right - 12.0 { "x end" } else { "x" };
            let text_x = if x > right - 12.0 { x.min(right) + 8.0 } else { x };
            out.push_str(&format!(
                "<path class=\"base\" d=\"M{x:.1} {bottom}v4\"/><text x=\"{text_x:.1}\" y=\"{}\" \
                 class=\"{class}\">{}</text>\n",
                bottom + 18.0,
                escape(word),
            ));
        }
        let scale = if log { ", log scale" } else { "" };
        out.push_str(&format!(
            "<text class=\"unit\" x=\"4\" y=\"12\">{}{scale}</text>\
             <text class=\"x unit\" x=\"{}\" y=\"{}\">step</text>\n</g>\n",
            escape(unit),
            (LEFT + right) / 2.0,
            HEIGHT - 4.0,
        ));
    }

    fn draw_curve(&self, out: &mut String, curve: &Curve, index: usize, log: bool) {
        let colour = curve.colour(index);
        let settled = curve.settled(log);
        match curve.look {
            Look::Evaluations => {
                let thinned = decimate(&curve.points, EVALUATION_BUCKETS);
                out.push_str(&self.path(&thinned, &format!("link k{colour}")));
            }
            Look::Noisy if curve.half_width().is_some() => {
                let raw = decimate(&curve.points, RAW_BUCKETS);
                out.push_str(&self.path(&raw, &format!("raw k{colour}")));
                out.push_str(&self.path(&settled, &format!("main k{colour}")));
            }
            Look::Noisy | Look::Exact => {
                out.push_str(&self.path(&settled, &format!("main k{colour}")));
                if curve.points.len() <= DOTS {
                    for &(step, value) in self.drawable(&curve.points) {
                        out.push_str(&format!(
                            "<circle class=\"dot k{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>\n",
                            self.x(step),
                            self.y(value),
                        ));
                    }
                }
            }
        }
    }

    /// A line through `points`, broken where one is not finite.
    fn path(&self, points: &[(u64, f64)], class: &str) -> String {
        let mut data = String::new();
        let mut pen_down = false;
        for &(step, value) in points {
            // On a logarithmic axis zero has no place.
            if !(value.is_finite() && self.y.place(value).is_finite()) {
                pen_down = false;
                continue;
            }
            let command = if pen_down { 'L' } else { 'M' };
            data.push_str(&format!("{command}{:.1} {:.1}", self.x(step), self.y(value)));
            if !pen_down {
                // A lone point between gaps still shows, as a dot of the line's width.
                data.push_str("h0");
            }
            pen_down = true;
        }
        if data.is_empty() {
            return data;
        }
        format!("<path class=\"{class}\" d=\"{data}\"/>\n")
    }

    fn drawable<'a>(&self, points: &'a [(u64, f64)]) -> impl Iterator<Item = &'a (u64, f64)> {
        points.iter().filter(|&&(_, value)| self.y.holds(value))
    }

    fn draw_diamonds(&self, out: &mut String, curve: &Curve) {
        let thinned = decimate(&curve.points, EVALUATION_BUCKETS);
        for &(step, value) in self.drawable(&thinned) {
            out.push_str(&format!(
                "<path class=\"diamond\" d=\"M{:.1} {:.1}l4.5 4.5l-4.5 4.5l-4.5-4.5z\"><title>{}, \
                 step {}: {}</title></path>\n",
                self.x(step),
                self.y(value) - 4.5,
                curve.label,
                number::grouped(step),
                number::significant(value),
            ));
        }
    }

    /// Crosses on the base line where a step or evaluation has no finite value.
    fn draw_broken(&self, out: &mut String, curves: &[Curve]) {
        let mut steps: Vec<u64> = curves
            .iter()
            .flat_map(|curve| curve.points.iter())
            .filter(|(_, value)| !value.is_finite())
            .map(|&(step, _)| step)
            .collect();
        steps.sort_unstable();
        steps.dedup();
        let every = steps.len().div_ceil(BROKEN_MARKS).max(1);
        let mut data = String::new();
        for &step in steps.iter().step_by(every) {
            let (x, y) = (self.x(step), HEIGHT - BOTTOM);
            data.push_str(&format!("M{:.1} {:.1}l6 6m0-6l-6 6", x - 3.0, y - 3.0));
        }
        if !data.is_empty() {
            out.push_str(&format!("<path class=\"broken\" d=\"{data}\"/>\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Points, log: bool) -> Chart {
        Chart {
            title: "Loss".into(),
            name: "loss".into(),
            unit: "nats",
            log,
            from_zero: false,
            curves: vec![Curve { label: "training", look: Look::Noisy, points }],
            levels: Vec::new(),
        }
    }

    #[test]
    fn a_step_without_a_finite_value_breaks_the_line_and_is_marked() {
        let drawing = chart(vec![(1, 3.0), (2, 2.0), (3, f64::NAN), (4, 1.0)], false).render(0, 4);
        let line = drawing.lines().find(|line| line.contains("class=\"main")).unwrap();
        assert_eq!(line.matches('M').count(), 2, "{line}");
        assert!(drawing.contains("class=\"broken\"") && !drawing.contains("NaN"), "{drawing}");
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
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{points:?}: {svg}");
            }
        }
    }

    #[test]
    fn a_level_is_on_the_axis_and_in_the_legend() {
        let mut chart = chart(vec![(1, 3.0), (2, 2.0)], false);
        chart.levels.push(Level { label: "word frequencies alone", value: 6.5 });
        let drawing = chart.render(0, 2);
        assert!(drawing.contains("word frequencies alone: 6.500"), "{drawing}");
        let level = drawing.lines().find(|line| line.contains("class=\"level\"")).unwrap();
        let y: f64 = level.split(['M', 'H', ' ']).filter_map(|word| word.parse().ok()).nth(1).unwrap();
        assert!((TOP..HEIGHT - BOTTOM).contains(&y), "{level}");
    }
}
