//! The drawing of a chart, in SVG.

use crate::axis::Axis;
use crate::curve::{Curve, Level, Look, RAW_BUCKETS, finite_mean};
use crate::html::escape;
use crate::number;
use crate::series::{decimate, split};

/// Size of the drawing, and the margins around its plot, in SVG units.
pub(crate) const WIDTH: f64 = 480.0;
pub(crate) const HEIGHT: f64 = 270.0;
pub(crate) const LEFT: f64 = 50.0;
pub(crate) const RIGHT: f64 = 14.0;
pub(crate) const TOP: f64 = 24.0;
pub(crate) const BOTTOM: f64 = 38.0;

/// Strips that show their values under the pointer.
const STRIPS: usize = 48;
/// Marks of steps without a finite value.
const BROKEN_MARKS: usize = 120;

/// What is drawn, and between which axes.
pub(crate) struct Plot<'a> {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// What the numbers of the vertical axis are.
    pub(crate) unit: &'a str,
    /// Whether the vertical axis is logarithmic.
    pub(crate) log: bool,
    pub(crate) curves: &'a [Curve],
    pub(crate) levels: &'a [Level],
}

impl Plot<'_> {
    /// The whole drawing without its `<svg>`. `clip` names an element, once in the page; `show`
    /// writes a value with its unit.
    pub(crate) fn draw(&self, clip: &str, show: &dyn Fn(f64) -> String) -> String {
        let mut out = format!(
            "<clipPath id=\"{clip}\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>\
             </clipPath>\n",
            WIDTH - LEFT - RIGHT,
            HEIGHT - TOP - BOTTOM,
        );
        self.draw_frame(&mut out);
        out.push_str(&format!("<g clip-path=\"url(#{clip})\">\n"));
        for level in self.levels {
            let (y, right) = (self.y(level.value), WIDTH - RIGHT);
            out.push_str(&format!(
                "<path class=\"level\" d=\"M{LEFT} {y:.1}H{right}\"/>\n"
            ));
        }
        for (index, curve) in self.curves.iter().enumerate() {
            self.draw_curve(&mut out, curve, index);
        }
        out.push_str("</g>\n");
        self.draw_strips(&mut out, show);
        // Marks may reach over the plot's edge, and lie above the strips for the pointer.
        for (index, curve) in self
            .curves
            .iter()
            .enumerate()
            .filter(|(_, c)| c.has_marks())
        {
            match curve.look {
                Look::Evaluations => self.draw_diamonds(&mut out, curve, show),
                Look::RunEvaluations => self.draw_told_dots(&mut out, curve, index, show),
                Look::Noisy | Look::Exact | Look::RunSteps => {
                    self.draw_dots(&mut out, curve, index);
                }
            }
        }
        self.draw_broken(&mut out);
        out
    }

    fn x(&self, step: u64) -> f64 {
        LEFT + self.x.place(step as f64) * (WIDTH - LEFT - RIGHT)
    }

    /// Kept near the drawing: renderers dislike coordinates like 1e30. What is beyond is clipped.
    fn y(&self, value: f64) -> f64 {
        let place = self.y.place(value).clamp(-2.0, 3.0);
        HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_frame(&self, out: &mut String) {
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
        out.push_str(&format!(
            "<path class=\"base\" d=\"M{LEFT} {bottom}H{right}\"/>\n"
        ));
        for (value, word) in &self.x.ticks {
            let x = LEFT + self.x.place(*value) * (WIDTH - LEFT - RIGHT);
            // The last mark stays inside the drawing.
            let class = if x > right - 12.0 { "x end" } else { "x" };
            let text_x = if x > right - 12.0 {
                x.min(right) + 8.0
            } else {
                x
            };
            out.push_str(&format!(
                "<path class=\"base\" d=\"M{x:.1} {bottom}v4\"/><text x=\"{text_x:.1}\" y=\"{}\" \
                 class=\"{class}\">{}</text>\n",
                bottom + 18.0,
                escape(word),
            ));
        }
        let scale = if self.log { ", log scale" } else { "" };
        out.push_str(&format!(
            "<text class=\"unit\" x=\"4\" y=\"12\">{}{scale}</text>\
             <text class=\"x unit\" x=\"{}\" y=\"{}\">step</text>\n</g>\n",
            escape(self.unit),
            (LEFT + right) / 2.0,
            HEIGHT - 4.0,
        ));
    }

    fn draw_curve(&self, out: &mut String, curve: &Curve, index: usize) {
        let colour = curve.colour(index);
        let settled = curve.settled(self.log);
        match curve.look {
            Look::Evaluations | Look::RunEvaluations => {
                out.push_str(&self.path(&settled, &format!("link k{colour}")));
            }
            Look::Noisy if curve.half_width().is_some() => {
                let raw = decimate(&curve.values.points, RAW_BUCKETS);
                out.push_str(&self.path(&raw, &format!("raw k{colour}")));
                out.push_str(&self.path(&settled, &format!("main k{colour}")));
            }
            Look::Noisy | Look::Exact | Look::RunSteps => {
                out.push_str(&self.path(&settled, &format!("main k{colour}")));
            }
        }
    }

    fn draw_dots(&self, out: &mut String, curve: &Curve, index: usize) {
        for &(step, value) in self.drawable(&curve.values.points) {
            out.push_str(&format!(
                "<circle class=\"dot k{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>\n",
                curve.colour(index),
                self.x(step),
                self.y(value),
            ));
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
            data.push_str(&format!(
                "{command}{:.1} {:.1}",
                self.x(step),
                self.y(value)
            ));
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

    fn draw_diamonds(&self, out: &mut String, curve: &Curve, show: &dyn Fn(f64) -> String) {
        for &(step, value) in self.drawable(&curve.values.points) {
            out.push_str(&format!(
                "<path class=\"diamond\" d=\"M{:.1} {:.1}l4.5 4.5l-4.5 4.5l-4.5-4.5z\"><title>{}, \
                 step {}: {}</title></path>\n",
                self.x(step),
                self.y(value) - 4.5,
                escape(&curve.label),
                number::grouped(step),
                show(value),
            ));
        }
    }

    /// Dots with their values, one for each evaluation of one of several runs.
    fn draw_told_dots(
        &self,
        out: &mut String,
        curve: &Curve,
        index: usize,
        show: &dyn Fn(f64) -> String,
    ) {
        for &(step, value) in self.drawable(&curve.values.points) {
            out.push_str(&format!(
                "<circle class=\"dot k{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.2\"><title>{}, step {}: \
                 {}</title></circle>\n",
                curve.colour(index),
                self.x(step),
                self.y(value),
                escape(&curve.label),
                number::grouped(step),
                show(value),
            ));
        }
    }

    /// Strips over the plot, each with a native tooltip of its steps' means: values under the
    /// pointer without a script.
    fn draw_strips(&self, out: &mut String, show: &dyn Fn(f64) -> String) {
        // Diamonds have their own.
        let told = || {
            self.curves
                .iter()
                .filter(|curve| !(curve.is_evaluations() && curve.has_marks()))
        };
        let Some(longest) = told().max_by_key(|curve| curve.values.means.len()) else {
            return;
        };
        let count = STRIPS.min(longest.values.means.len());
        let reach = self.x(1) - self.x(0);
        for strip in split(&longest.values.means, count) {
            let (Some(&(first, _)), Some(&(last, _))) = (strip.first(), strip.last()) else {
                continue;
            };
            let mut text = if first == last {
                format!("step {}", number::grouped(first))
            } else {
                format!(
                    "steps {} to {}",
                    number::grouped(first),
                    number::grouped(last)
                )
            };
            for curve in told() {
                let means = &curve.values.means;
                let begin = means.partition_point(|&(step, _)| step < first);
                let end = means.partition_point(|&(step, _)| step <= last);
                let inside = means.get(begin..end).unwrap_or(&[]);
                if let Some(mean) = finite_mean(inside) {
                    let value = show(mean);
                    text.push_str(&format!("\n{}: {value}", curve.label));
                }
            }
            // A step's strip begins half a step before it.
            let x = self.x(first) - reach / 2.0;
            let end = (self.x(last) + reach / 2.0).min(WIDTH - RIGHT);
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

    /// Crosses on the base line where a step or evaluation has no finite value.
    fn draw_broken(&self, out: &mut String) {
        let mut steps: Vec<u64> = self
            .curves
            .iter()
            .flat_map(|curve| curve.values.broken.iter().copied())
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
