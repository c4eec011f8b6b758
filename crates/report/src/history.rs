//! The values of a run by name, in memory that does not grow with its steps.

use std::path::Path;

use kiln_learner::record::for_each_record;
use kiln_learner::{LearnError, Record, RecordKind, Stall};

use crate::series::Points;

/// Values of one name that are kept; of more, neighbours become one with their lowest, their highest
/// and their mean.
const BUCKETS: usize = 16_384;

/// Every value of a run by its name in `metrics.jsonl`, names in order of first appearance, and what
/// is summed up over all steps.
#[derive(Debug, Default)]
pub struct History {
    train: Vec<(String, Buckets)>,
    eval: Vec<(String, Buckets)>,
    stalls: Vec<Stall>,
    /// The last step of any record.
    pub last_step: Option<u64>,
    /// Tokens of all steps.
    pub tokens: f64,
    /// Tokens of the steps whose rate is known.
    pub timed_tokens: f64,
    /// Seconds that the steps took whose rate is known.
    pub seconds: f64,
    /// Steps whose rate is known.
    pub timed_steps: u64,
    /// Seconds of all evaluations.
    pub evaluating: f64,
    /// Steps that changed nothing.
    skipped: u64,
    broken: u64,
    /// The last evaluation.
    pub last_evaluation: Option<Record>,
    /// The evaluation of the lowest loss.
    pub best_evaluation: Option<Record>,
}

/// The values of one name by step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    /// Every value, or of a long run the lowest and highest of each stretch; not finite where a step
    /// had none that is.
    pub(crate) points: Points,
    /// Every value, or of a long run the mean of each stretch.
    pub(crate) means: Points,
    /// Steps whose value was not finite; of a long run the first of each stretch.
    pub(crate) broken: Vec<u64>,
}

impl History {
    /// Reads a metrics file through.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn read(metrics: &Path) -> Result<Self, LearnError> {
        let mut history = Self::default();
        for_each_record(metrics, |record| history.push(&record))?;
        Ok(history)
    }

    /// The history of records in memory.
    #[cfg(test)]
    pub(crate) fn new(records: &[Record]) -> Self {
        let mut history = Self::default();
        records.iter().for_each(|record| history.push(record));
        history
    }

    fn push(&mut self, record: &Record) {
        self.last_step = self.last_step.max(Some(record.step));
        let known = match record.kind {
            RecordKind::Train => &mut self.train,
            RecordKind::Eval => &mut self.eval,
            RecordKind::Stalled => {
                self.stalls.extend(Stall::from_record(record));
                return;
            }
        };
        for (place, (name, value)) in record.values.iter().enumerate() {
            // Every line has mostly the same names in the same places.
            let found = match known.get(place) {
                Some((at_place, _)) if at_place == name => Some(place),
                _ => known.iter().position(|(known, _)| known == name),
            };
            match found.and_then(|index| known.get_mut(index)) {
                Some((_, buckets)) => buckets.push(record.step, *value),
                None => {
                    let mut buckets = Buckets::new(is_logarithmic(name));
                    buckets.push(record.step, *value);
                    known.push((name.clone(), buckets));
                }
            }
        }
        match record.kind {
            RecordKind::Train => self.sum_up_step(record),
            RecordKind::Eval => self.sum_up_evaluation(record),
            RecordKind::Stalled => {}
        }
    }

    fn sum_up_step(&mut self, record: &Record) {
        let tokens = record.get("tokens").filter(|tokens| *tokens > 0.0);
        self.tokens += tokens.unwrap_or(0.0);
        let rate = record.get("tokens_per_second").filter(|rate| *rate > 0.0);
        if let (Some(tokens), Some(rate)) = (tokens, rate) {
            self.timed_tokens += tokens;
            self.seconds += tokens / rate;
            self.timed_steps += 1;
        }
        // The learner's count comes with the step after the skipped one: a run that broke off has
        // one more than it says.
        let told = record.get("skipped_steps").unwrap_or(0.0);
        self.skipped = self.skipped.max(told as u64);
        let norm = record.get("grad_norm");
        self.broken += u64::from(norm.is_some_and(|norm| !norm.is_finite()));
    }

    fn sum_up_evaluation(&mut self, record: &Record) {
        let seconds = record.get("seconds").filter(|seconds| *seconds > 0.0);
        self.evaluating += seconds.unwrap_or(0.0);
        let is_later = |last: &Record| record.step >= last.step;
        if self.last_evaluation.as_ref().is_none_or(is_later) {
            self.last_evaluation = Some(record.clone());
        }
        let loss = |record: &Record| record.get("loss").filter(|loss| loss.is_finite());
        let best = self.best_evaluation.as_ref().and_then(loss);
        if loss(record).is_some_and(|loss| best.is_none_or(|best| loss < best)) {
            self.best_evaluation = Some(record.clone());
        }
    }

    /// Terms of the loss that had learned nothing when the loop looked.
    pub fn stalls(&self) -> &[Stall] {
        &self.stalls
    }

    /// Steps that changed nothing, as their gradients were not finite.
    pub(crate) fn skipped_steps(&self) -> u64 {
        self.skipped.max(self.broken)
    }

    /// All names, those of training first.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.train.iter().map(|(name, _)| name.as_str()).collect();
        for (name, _) in &self.eval {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The training steps' values called `name`.
    pub(crate) fn train(&self, name: &str) -> Series {
        find(&self.train, name)
    }

    /// The evaluations' values called `name`.
    pub(crate) fn eval(&self, name: &str) -> Series {
        find(&self.eval, name)
    }
}

/// Whether a value is shown, smoothed and averaged by its logarithm.
pub(crate) fn is_logarithmic(name: &str) -> bool {
    name.ends_with("perplexity") || name == "grad_norm"
}

fn find(known: &[(String, Buckets)], name: &str) -> Series {
    let found = known.iter().find(|(known, _)| known == name);
    found.map_or_else(Series::default, |(_, buckets)| buckets.to_series())
}

/// Values in the order of their steps, `per_bucket` of them in each bucket.
#[derive(Debug)]
struct Buckets {
    full: Vec<Bucket>,
    per_bucket: u64,
    log: bool,
}

impl Buckets {
    fn new(log: bool) -> Self {
        Self {
            full: Vec::new(),
            per_bucket: 1,
            log,
        }
    }

    fn push(&mut self, step: u64, value: f64) {
        let one = Bucket::of(step, value, self.log);
        match self.full.last_mut() {
            Some(last) if last.count < self.per_bucket => last.add(&one),
            _ => {
                if self.full.len() == BUCKETS {
                    self.halve();
                }
                self.full.push(one);
            }
        }
    }

    fn halve(&mut self) {
        let mut halves = Vec::with_capacity(BUCKETS);
        for pair in self.full.chunks(2) {
            if let [first, rest @ ..] = pair {
                let mut both = first.clone();
                rest.iter().for_each(|second| both.add(second));
                halves.push(both);
            }
        }
        self.full = halves;
        self.per_bucket *= 2;
    }

    fn to_series(&self) -> Series {
        let mut buckets: Vec<&Bucket> = self.full.iter().collect();
        // Steps in order, whoever wrote the file; a stable sort of a sorted list costs one pass.
        buckets.sort_by_key(|bucket| bucket.first);
        let mut series = Series::default();
        for bucket in buckets {
            let (low, high) = (bucket.low, bucket.high);
            let (before, after) = if low.0 <= high.0 {
                (low, high)
            } else {
                (high, low)
            };
            series.points.push(before);
            if after.0 != before.0 {
                series.points.push(after);
            }
            series.means.push((bucket.middle(), bucket.mean(self.log)));
            series.broken.extend(bucket.broken);
        }
        series
    }
}

/// Some values in a row.
#[derive(Debug, Clone)]
struct Bucket {
    first: u64,
    last: u64,
    /// Of the finite values; not finite if there is none.
    low: (u64, f64),
    high: (u64, f64),
    /// Of the finite values, or of their logarithms.
    sum: f64,
    finite: u64,
    count: u64,
    /// The first step whose value is not finite.
    broken: Option<u64>,
}

impl Bucket {
    fn of(step: u64, value: f64, log: bool) -> Self {
        Self {
            first: step,
            last: step,
            low: (step, value),
            high: (step, value),
            sum: match value {
                value if !value.is_finite() => 0.0,
                value if log => value.ln(),
                value => value,
            },
            finite: u64::from(value.is_finite()),
            count: 1,
            broken: (!value.is_finite()).then_some(step),
        }
    }

    fn add(&mut self, other: &Self) {
        self.last = other.last;
        if other.finite > 0 {
            if self.finite == 0 || other.low.1 < self.low.1 {
                self.low = other.low;
            }
            if self.finite == 0 || other.high.1 > self.high.1 {
                self.high = other.high;
            }
        }
        self.sum += other.sum;
        self.finite += other.finite;
        self.count += other.count;
        self.broken = self.broken.or(other.broken);
    }

    fn middle(&self) -> u64 {
        self.first + self.last.saturating_sub(self.first) / 2
    }

    fn mean(&self, log: bool) -> f64 {
        match self.finite {
            0 => f64::NAN,
            // To the last bit.
            1 => self.low.1,
            finite if log => (self.sum / finite as f64).exp(),
            finite => self.sum / finite as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: RecordKind, step: u64, values: &[(&str, f64)]) -> Record {
        let values = values.iter().map(|&(name, value)| (name.to_owned(), value));
        Record {
            kind,
            step,
            values: values.collect(),
        }
    }

    #[test]
    fn names_keep_their_order_and_values_their_steps() {
        let record =
            |kind, step, name: &str| record(kind, step, &[("loss", 1.0), (name, step as f64)]);
        let history = History::new(&[
            record(RecordKind::Train, 1, "b_loss"),
            record(RecordKind::Eval, 1, "seconds"),
            record(RecordKind::Train, 2, "b_loss"),
        ]);
        assert_eq!(history.names(), ["loss", "b_loss", "seconds"]);
        assert_eq!(history.train("b_loss").points, [(1, 1.0), (2, 2.0)]);
        assert_eq!(history.train("b_loss").means, [(1, 1.0), (2, 2.0)]);
        assert_eq!(history.eval("seconds").points, [(1, 1.0)]);
        assert!(history.eval("b_loss").points.is_empty());
        assert_eq!(history.last_step, Some(2));
    }

    #[test]
    fn a_long_run_keeps_its_extremes_its_means_and_its_sums_in_bounded_memory() {
        let mut history = History::default();
        let steps = 1_000_000;
        for step in 1..=steps {
            let loss = match step {
                543_210 => 900.0,
                777_777 => f64::NAN,
                _ => 2.0 + (step % 2) as f64,
            };
            let norm = [1.0, 4.0][(step % 2) as usize];
            history.push(&record(
                RecordKind::Train,
                step,
                &[
                    ("loss", loss),
                    ("grad_norm", norm),
                    ("tokens", 10.0),
                    ("tokens_per_second", 5.0),
                ],
            ));
        }
        let loss = history.train("loss");
        assert!(loss.means.len() <= BUCKETS && loss.points.len() <= 2 * BUCKETS);
        assert!(loss.points.contains(&(543_210, 900.0)));
        assert_eq!(loss.broken, [777_777]);
        assert!(loss.points.is_sorted_by(|a, b| a.0 < b.0));
        let (_, mean) = loss.means[10];
        assert!((mean - 2.5).abs() < 1e-9, "{mean}");
        // The mean of logarithms of 1 and 4 is that of 2.
        let (_, norm) = history.train("grad_norm").means[10];
        assert!((norm - 2.0).abs() < 1e-9, "{norm}");
        assert_eq!(history.tokens, 10.0 * steps as f64);
        assert_eq!(history.seconds, 2.0 * steps as f64);
        assert_eq!(history.last_step, Some(steps));
    }

    #[test]
    fn the_best_evaluation_is_the_lowest_finite_one_and_the_last_the_latest() {
        let eval = |step, loss| record(RecordKind::Eval, step, &[("loss", loss)]);
        let history = History::new(&[eval(1, 3.0), eval(2, 2.0), eval(3, f64::NAN)]);
        assert_eq!(history.best_evaluation, Some(eval(2, 2.0)));
        assert_eq!(history.last_evaluation.map(|last| last.step), Some(3));
        let history = History::new(&[eval(4, f64::NAN)]);
        assert_eq!(history.best_evaluation, None);
    }
}
