//! Comparing results: one assertion, and a table of many.

use std::fmt;

use crate::Bound;

/// How far `actual` lies from `expected`. `Display` is the text of a failing assertion.
#[derive(Clone, Debug, PartialEq)]
pub struct Closeness {
    /// What was compared.
    pub name: String,
    /// The device that made `actual`.
    pub device: String,
    /// What it was compared as.
    pub bound: Bound,
    /// Largest absolute difference; infinite where a value is not finite.
    pub max_abs: f64,
    /// L2 norm of the difference relative to the expected norm. Where that vanishes
    /// ([`Bound::VANISHING`]), scaled so that [`Bound::Gradient`] allows just as much.
    pub relative_l2: f64,
    /// Where the largest difference is, in row-major order; 0 for empty tensors.
    pub worst: usize,
    /// The values there.
    pub worst_pair: (f32, f32),
    /// Entries farther apart than [`Bound::Output`] allows, whatever the bound.
    pub off: usize,
    /// Entries compared.
    pub len: usize,
}

impl Closeness {
    /// Compares two tensors of equal length, both in row-major order.
    ///
    /// # Panics
    /// If the lengths differ or `device` is not a device's name.
    pub fn measure(
        name: &str,
        device: &str,
        actual: &[f32],
        expected: &[f32],
        bound: Bound,
    ) -> Self {
        assert_eq!(
            actual.len(),
            expected.len(),
            "{name} on {device}: number of elements, actual and expected"
        );
        let mut closeness = Self {
            name: name.to_owned(),
            device: device.to_owned(),
            bound,
            max_abs: 0.0,
            relative_l2: 0.0,
            worst: 0,
            worst_pair: (0.0, 0.0),
            off: 0,
            len: actual.len(),
        };
        let entry_limit = Bound::Output.limit(device);
        let (mut difference_squares, mut expected_squares) = (0.0, 0.0);
        for (index, (&found, &wanted)) in actual.iter().zip(expected).enumerate() {
            let difference = distance(found, wanted);
            difference_squares += difference * difference;
            expected_squares += f64::from(wanted) * f64::from(wanted);
            closeness.off += usize::from(difference > entry_limit);
            if difference > closeness.max_abs || index == 0 {
                closeness.max_abs = difference;
                closeness.worst = index;
                closeness.worst_pair = (found, wanted);
            }
        }
        if closeness.len > 0 {
            let entries = closeness.len as f64;
            let expected_size = (expected_squares / entries).sqrt();
            let size = if expected_size < Bound::VANISHING {
                Bound::VANISHING / Bound::Gradient.limit(device)
            } else {
                expected_size
            };
            closeness.relative_l2 = (difference_squares / entries).sqrt() / size;
        }
        closeness
    }

    /// The distance in the bound's own measure.
    pub fn distance(&self) -> f64 {
        match self.bound {
            Bound::Output => self.max_abs,
            Bound::Loss if self.max_abs == 0.0 => 0.0,
            Bound::Loss => self.max_abs / f64::from(self.worst_pair.1.abs()),
            Bound::Gradient => self.relative_l2,
        }
    }

    /// Whether the distance is within the bound; never for values that are not numbers.
    pub fn holds(&self) -> bool {
        self.distance() <= self.bound.limit(&self.device)
    }
}

/// Absolute difference; infinite unless both are finite or both are the same infinity.
fn distance(found: f32, wanted: f32) -> f64 {
    if found == wanted {
        return 0.0;
    }
    let difference = (f64::from(found) - f64::from(wanted)).abs();
    if difference.is_finite() {
        difference
    } else {
        f64::INFINITY
    }
}

impl fmt::Display for Closeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, wanted) = self.worst_pair;
        write!(
            f,
            "{} on {}: {:?} is {:.2e} off, {:.0e} allowed; worst at index {}: {found:e} instead of \
             {wanted:e}; {} of {} entries are off by more than {:.0e}; relative L2 {:.2e}",
            self.name,
            self.device,
            self.bound,
            self.distance(),
            self.bound.limit(&self.device),
            self.worst,
            self.off,
            self.len,
            Bound::Output.limit(&self.device),
            self.relative_l2,
        )
    }
}

/// Fails the test unless `actual`, made on the device of that name (from
/// [`devices`](crate::devices)), is within the bound of `expected`. Both in row-major order.
///
/// # Panics
/// If it is not, naming the worst entry; or if the lengths differ.
#[track_caller]
pub fn assert_close(name: &str, actual: &[f32], expected: &[f32], bound: Bound, device: &str) {
    let closeness = Closeness::measure(name, device, actual, expected, bound);
    assert!(closeness.holds(), "{closeness}");
}

/// Many comparisons, printed as a table at the end; the test fails after the last one.
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    rows: Vec<Closeness>,
}

impl Report {
    /// An empty table with a title.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            rows: Vec::new(),
        }
    }

    /// Compares and keeps the row; returns whether it is within the bound.
    ///
    /// # Panics
    /// If the lengths differ or `device` is not a device's name.
    pub fn check(
        &mut self,
        name: &str,
        device: &str,
        actual: &[f32],
        expected: &[f32],
        bound: Bound,
    ) -> bool {
        let closeness = Closeness::measure(name, device, actual, expected, bound);
        let holds = closeness.holds();
        self.rows.push(closeness);
        holds
    }

    /// The rows so far.
    pub fn rows(&self) -> &[Closeness] {
        &self.rows
    }

    /// Prints the table (shown by `cargo test -- --nocapture`, and where the test fails).
    ///
    /// # Panics
    /// If a row is not within its bound, or there are no rows: a test that compared nothing.
    #[track_caller]
    pub fn finish(self) {
        println!("{self}");
        assert!(
            !self.rows.is_empty(),
            "{}: nothing was compared",
            self.title
        );
        let failures: Vec<String> = self
            .rows
            .iter()
            .filter(|row| !row.holds())
            .map(ToString::to_string)
            .collect();
        assert!(
            failures.is_empty(),
            "{}: {} of {} comparisons fail\n{}",
            self.title,
            failures.len(),
            self.rows.len(),
            failures.join("\n")
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.chars().count());
        let width = width
            .max()
            .unwrap_or_default()
            .max(self.title.chars().count());
        writeln!(
            f,
            "{:width$}  {:10}  {:8}  {:>9}  {:>9}  {:>9}",
            self.title, "device", "as", "max abs", "rel L2", "allowed"
        )?;
        for row in &self.rows {
            let mark = if row.holds() { "" } else { "  FAILS" };
            writeln!(
                f,
                "{:width$}  {:10}  {:8}  {:9.1e}  {:9.1e}  {:9.0e}{mark}",
                row.name,
                row.device,
                format!("{:?}", row.bound),
                row.max_abs,
                row.relative_l2,
                row.bound.limit(&row.device),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(actual: &[f32], expected: &[f32], bound: Bound) -> Closeness {
        Closeness::measure("logits", "flex", actual, expected, bound)
    }

    #[test]
    fn the_worst_entry_is_named_with_both_values() {
        let far = measure(&[1.0, 2.5, 3.0], &[1.0, 2.0, 3.00002], Bound::Output);
        assert!(!far.holds());
        assert_eq!((far.worst, far.worst_pair, far.off), (1, (2.5, 2.0), 2));
        let text = far.to_string();
        assert!(text.contains("logits on flex"), "{text}");
        assert!(text.contains("index 1: 2.5e0 instead of 2e0"), "{text}");
        assert!(text.contains("2 of 3 entries"), "{text}");
    }

    #[test]
    fn outputs_get_ten_times_the_room_on_graphics_drivers() {
        let (actual, expected) = ([1.00005], [1.0]);
        assert!(!measure(&actual, &expected, Bound::Output).holds());
        assert_close("logits", &actual, &expected, Bound::Output, "wgpu:0");
    }

    #[test]
    fn a_loss_is_bound_relative_to_its_size() {
        assert!(measure(&[100.00005], &[100.0], Bound::Loss).holds());
        assert!(!measure(&[0.10001], &[0.1], Bound::Loss).holds());
        assert!(measure(&[0.0], &[0.0], Bound::Loss).holds());
    }

    #[test]
    fn a_gradient_that_should_be_zero_may_be_noise_but_nothing_more() {
        assert!(measure(&[1e-6; 8], &[0.0; 8], Bound::Gradient).holds());
        assert!(measure(&[-1e-7; 8], &[1e-7; 8], Bound::Gradient).holds());
        assert!(!measure(&[3e-6; 8], &[0.0; 8], Bound::Gradient).holds());
        assert!(measure(&[1.00005; 8], &[1.0; 8], Bound::Gradient).holds());
        assert!(!measure(&[1.0002; 8], &[1.0; 8], Bound::Gradient).holds());
        // Small, but real: the strict bound.
        assert!(!measure(&[1.0002e-5; 8], &[1e-5; 8], Bound::Gradient).holds());
    }

    #[test]
    fn what_is_not_a_number_is_never_close() {
        for bound in [Bound::Output, Bound::Loss, Bound::Gradient] {
            assert!(!measure(&[f32::NAN], &[f32::NAN], bound).holds());
            assert!(!measure(&[f32::INFINITY], &[1.0], bound).holds());
            assert!(!measure(&[0.0, f32::NAN], &[0.0, 1.0], bound).holds());
        }
    }

    #[test]
    #[should_panic(expected = "number of elements")]
    fn tensors_of_other_length_fail() {
        assert_close("logits", &[1.0], &[1.0, 2.0], Bound::Output, "flex");
    }

    #[test]
    #[should_panic(expected = "nothing was compared")]
    fn an_empty_report_fails() {
        Report::new("empty").finish();
    }

    #[test]
    #[should_panic(expected = "1 of 2 comparisons fail")]
    fn a_report_fails_after_its_last_row() {
        let mut report = Report::new("two");
        assert!(!report.check("a", "flex", &[1.0], &[2.0], Bound::Output));
        assert!(report.check("b", "flex", &[2.0], &[2.0], Bound::Output));
        report.finish();
    }
}
