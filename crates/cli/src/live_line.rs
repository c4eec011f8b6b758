//! The one line of a training step, made to fit any terminal.

use std::time::Duration;

use crate::wording::{brief_duration, count, duration, number};

/// Columns of a terminal that does not say how many it has.
const USUAL_WIDTH: usize = 80;

/// What a step has to tell.
pub(crate) struct StepLine {
    pub(crate) step: u64,
    pub(crate) steps: u64,
    /// Name and value, the whole loss first.
    pub(crate) losses: Vec<(String, f64)>,
    pub(crate) tokens_per_second: f64,
    pub(crate) left: Duration,
}

impl StepLine {
    /// Everything, however long.
    pub(crate) fn whole(&self) -> String {
        let losses = self.losses(self.losses.len(), false);
        join(&[self.place(), losses, self.speed(), self.left()])
    }

    /// The fullest line of at most `width` columns. The losses give way first: their names get
    /// shorter, then the last ones go. Step and time left stay to the end.
    pub(crate) fn fitting(&self, width: usize) -> String {
        let all = self.losses.len();
        let mut lines = vec![self.whole()];
        lines.extend((1..=all).rev().map(|kept| {
            let losses = self.losses(kept, true);
            join(&[self.place(), losses, self.speed(), self.left()])
        }));
        lines.push(join(&[self.place(), self.losses(1, true), self.left()]));
        lines.push(join(&[self.place(), self.left()]));
        let (step, left) = (self.step, brief_duration(self.left));
        let done = format!("{step}/{}", self.steps);
        lines.extend([
            format!("step {} {left}", self.place_alone()),
            format!("step {done} {left}"),
            format!("{done} {left}"),
            done,
        ]);
        let fits = |line: &String| line.chars().count() <= width;
        let shortest = lines.last().cloned().unwrap_or_default();
        // A terminal narrower than the numbers gets their beginning.
        let cut = || shortest.chars().take(width).collect();
        lines.into_iter().find(fits).unwrap_or_else(cut)
    }

    fn place(&self) -> String {
        format!("step {}", self.place_alone())
    }

    fn place_alone(&self) -> String {
        format!("{}/{}", count(self.step), count(self.steps))
    }

    /// The first `kept` losses; `loss 5.310  mlm_loss 4.900`, or with names without their ending.
    fn losses(&self, kept: usize, brief: bool) -> String {
        let losses = self.losses.iter().take(kept);
        let texts: Vec<String> = losses
            .map(|(name, value)| {
                let short = name.strip_suffix("_loss").filter(|_| brief);
                format!("{} {}", short.unwrap_or(name), number(*value, 3))
            })
            .collect();
        texts.join("  ")
    }

    fn speed(&self) -> String {
        format!("{} tokens/s", count(self.tokens_per_second as u64))
    }

    fn left(&self) -> String {
        format!("{} left", duration(self.left))
    }
}

/// Columns of the terminal behind stderr.
pub(crate) fn terminal_width() -> usize {
    let (_, columns) = console::Term::stderr().size_checked().unwrap_or_default();
    match columns {
        0 => USUAL_WIDTH,
        columns => usize::from(columns),
    }
}

fn join(parts: &[String]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> StepLine {
        StepLine {
            step: 1_200,
            steps: 40_000,
            losses: [
                ("loss", 43.1442),
                ("generator_loss", 8.3),
                ("discriminator_loss", 0.6971),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
            tokens_per_second: 3_434.4,
            left: Duration::from_secs(4_375),
        }
    }

    #[test]
    fn losses_get_shorter_then_fewer_then_the_words_go() {
        let of_width = [
            (
                200,
                "step 1,200/40,000  loss 43.144  generator_loss 8.300  discriminator_loss 0.697  \
                 3,434 tokens/s  1 h 12 min left",
            ),
            (
                105,
                "step 1,200/40,000  loss 43.144  generator 8.300  discriminator 0.697  \
                 3,434 tokens/s  1 h 12 min left",
            ),
            (
                80,
                "step 1,200/40,000  loss 43.144  generator 8.300  3,434 tokens/s  1 h 12 min left",
            ),
            (
                79,
                "step 1,200/40,000  loss 43.144  3,434 tokens/s  1 h 12 min left",
            ),
            (62, "step 1,200/40,000  loss 43.144  1 h 12 min left"),
            (40, "step 1,200/40,000  1 h 12 min left"),
            (33, "step 1,200/40,000 1h12m"),
            (22, "step 1200/40000 1h12m"),
            (20, "1200/40000 1h12m"),
            (12, "1200/40000"),
            (4, "1200"),
            (0, ""),
        ];
        for (width, expected) in of_width {
            assert_eq!(line().fitting(width), expected, "{width}");
        }
    }

    #[test]
    fn a_line_never_is_wider_than_its_terminal_whatever_the_numbers() {
        let odd = [
            f64::NAN,
            f64::INFINITY,
            f64::MIN,
            1e30,
            -0.0,
            1e-30,
            123_456_789.0,
        ];
        for value in odd {
            let line = StepLine {
                step: u64::MAX - 1,
                steps: u64::MAX,
                losses: vec![("loss".into(), value), ("mlm_loss".into(), value)],
                tokens_per_second: value,
                left: Duration::MAX,
            };
            for width in 0..200 {
                assert!(line.fitting(width).chars().count() <= width, "{width}");
            }
            // With room for one loss everything is there.
            let fitted = line.fitting(140);
            assert!(
                fitted.starts_with("step 18,446,744,073,709,551,614/"),
                "{fitted}"
            );
            assert!(
                fitted.contains("  loss ") && fitted.ends_with(" left"),
                "{fitted}"
            );
        }
    }

    #[test]
    fn a_wide_terminal_gets_what_a_plain_line_has() {
        assert_eq!(line().fitting(1_000), line().whole());
    }
}
