//! Notices a part that learns nothing while it runs.
//!
//! A term of the loss says what the best guess that never looks at the text would lose
//! ([`ConstantGuess`]): the entropy of the labels' frequencies. A model that stays there has learned
//! how frequent the answers are and nothing else, whatever the curve looks like: a generator that
//! gets better makes fewer replacements, and the discriminator's loss falls with their entropy.
//!
//! | when | what |
//! | --- | --- |
//! | [`FIRST_TENTH`] tenths of the steps, and every tenth after it | the mean loss of the tenth before is held against the constant guess on the labels of the same steps |
//! | above [`LEARNED`] of what that loses, later above all of it: it was learned and is lost again | told once, and recorded |
//! | fewer than [`SHORTEST`] steps in a tenth, or too few labels to know their frequencies | nothing is said |
//!
//! Everything is a function of the run's records and of its batches, counted as they are trained on:
//! they are one of their number, so that a resumed run builds again those of the window it is in and
//! tells at the same step. Nothing is read back from a device, and no number of the training changes.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use kiln_text::{BatchSource, HostBatch};

use crate::error::LearnError;
use crate::objective::{ConstantGuess, TermSpec};
use crate::record::{REMEMBERED, Record, RecordKind};

/// Parts of a run at whose ends it is looked at.
const TENTHS: u64 = 10;

/// Tenths of the steps before anything is said: words are learned in a while that looks like none.
pub const FIRST_TENTH: u64 = 5;

/// The share of the constant guess's loss below which something has been learned. A model that
/// guesses so can't come below the whole of it, whatever it guesses; one that learns slowly has left
/// a few thousandths of it by then.
pub const LEARNED: f64 = 0.998;

/// Steps in a tenth at least: in fewer, much that learns has not begun to.
pub const SHORTEST: u64 = 50;

/// How much of an entropy may be its own correction for the labels that were not seen.
const TRUSTED: f64 = 0.05;

/// A term that has learned nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Stall {
    /// The step after which it was found.
    pub step: u64,
    /// The term's name.
    pub term: String,
    /// The term's mean loss over the steps before.
    pub loss: f64,
    /// What the constant guess loses on them.
    pub constant: f64,
    /// What that guess knows, e.g. `word frequencies`.
    pub knows: &'static str,
}

impl Stall {
    /// The name of the second value of a record of this kind.
    pub const CONSTANT: &'static str = "constant_guess";

    pub(crate) fn to_record(&self) -> Record {
        Record {
            kind: RecordKind::Stalled,
            step: self.step,
            values: vec![
                (self.term.clone(), self.loss),
                (Self::CONSTANT.into(), self.constant),
            ],
        }
    }

    /// The stall that a record tells of; what the guess knows is not in it.
    pub fn from_record(record: &Record) -> Option<Self> {
        if record.kind != RecordKind::Stalled {
            return None;
        }
        let (term, loss) = record
            .values
            .iter()
            .find(|(name, _)| name != Self::CONSTANT)?;
        Some(Self {
            step: record.step,
            term: term.clone(),
            loss: *loss,
            constant: record.get(Self::CONSTANT)?,
            knows: "",
        })
    }
}

/// The watch over a run's terms.
pub(crate) struct Watch {
    terms: Vec<TermSpec>,
    /// Those told already.
    told: Vec<String>,
    steps: u64,
    /// The micro-batches of a step.
    per_step: u64,
    source: Arc<dyn BatchSource>,
    /// The last steps' records.
    recent: VecDeque<Record>,
    counted: Counted,
}

/// The labels of a window's steps so far.
#[derive(Default)]
struct Counted {
    /// The window's last step; 0: none has begun.
    end: u64,
    /// The first step that is not counted.
    next: u64,
    /// Of each term; empty where a batch could not be read.
    counts: Vec<Counts>,
}

/// Steps that are looked at together.
struct Window {
    first: u64,
    end: u64,
    /// The share of the constant guess's loss below which a loss is one of something learned.
    learned: f64,
}

impl Watch {
    /// A watch over `terms` in a run of `steps`, which has `history` behind it.
    pub(crate) fn new(
        terms: Vec<TermSpec>,
        steps: u64,
        (source, per_step): (Arc<dyn BatchSource>, u64),
        history: &[Record],
    ) -> Self {
        let mut watch = Self {
            terms,
            told: Vec::new(),
            steps,
            per_step,
            source,
            recent: VecDeque::new(),
            counted: Counted::default(),
        };
        for record in history {
            match record.kind {
                RecordKind::Train => watch.remember(record),
                RecordKind::Stalled => {
                    watch
                        .told
                        .extend(Stall::from_record(record).map(|stall| stall.term));
                }
                RecordKind::Eval => {}
            }
        }
        watch
    }

    /// Takes in a step of whose batches the first are `batches`, and gives the terms that turn out to
    /// have learned nothing after it.
    ///
    /// # Errors
    /// If a batch of another rank, or of steps made before the run was resumed, can't be built; labels
    /// are then not looked at up to the next window.
    pub(crate) fn step(
        &mut self,
        record: &Record,
        batches: &[HostBatch],
    ) -> Result<Vec<Stall>, LearnError> {
        self.remember(record);
        let step = record.step;
        let Some(window) = self.window(step) else {
            return Ok(Vec::new());
        };
        self.count(&window, step, batches)?;
        if step < window.end {
            return Ok(Vec::new());
        }
        let mut stalls = Vec::new();
        for (index, term) in self.terms.iter().enumerate() {
            if self.told.iter().any(|told| told == term.name) {
                continue;
            }
            let Some(loss) = self.mean(term.name, window.first) else {
                continue;
            };
            let Some((constant, knows)) = self.constant(index, term.constant, &window) else {
                continue;
            };
            if loss > window.learned * constant {
                stalls.push(Stall {
                    step,
                    term: term.name.to_owned(),
                    loss,
                    constant,
                    knows,
                });
            }
        }
        self.told
            .extend(stalls.iter().map(|stall| stall.term.clone()));
        Ok(stalls)
    }

    fn remember(&mut self, record: &Record) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(record.clone());
    }

    /// The window that `step` lies in, if it lies in one.
    fn window(&self, step: u64) -> Option<Window> {
        let end_of = |tenth: u64| {
            let steps = u128::from(self.steps) * u128::from(tenth);
            (steps / u128::from(TENTHS)) as u64
        };
        let tenth = (FIRST_TENTH..=TENTHS).find(|&tenth| step <= end_of(tenth))?;
        let end = end_of(tenth);
        let length = (end - end_of(tenth - 1)).min(REMEMBERED as u64);
        let window = Window {
            first: end - length + 1,
            end,
            // What was not told at first is near the bound at worst, and noise must not carry it
            // over.
            learned: if tenth == FIRST_TENTH { LEARNED } else { 1.0 },
        };
        (length >= SHORTEST && step >= window.first).then_some(window)
    }

    /// Counts the labels of `step`, and those of the window's steps before it that were made before
    /// the run was resumed.
    fn count(
        &mut self,
        window: &Window,
        step: u64,
        batches: &[HostBatch],
    ) -> Result<(), LearnError> {
        if self.counted.end != window.end {
            self.counted = Counted {
                end: window.end,
                next: window.first,
                counts: self.terms.iter().map(|_| Counts::default()).collect(),
            };
        }
        let per_step = self.per_step;
        let first_of = |step: u64| (step - 1).saturating_mul(per_step);
        let (before, now) = (first_of(self.counted.next), first_of(step));
        let behind = now.saturating_add(batches.len() as u64);
        self.counted.next = step + 1;
        self.build(before..now)?;
        for (index, batch) in (now..).zip(batches) {
            self.add(index, batch);
        }
        self.build(behind..first_of(step + 1))
    }

    /// Counts the labels of batches that are not at hand.
    fn build(&mut self, indices: Range<u64>) -> Result<(), LearnError> {
        for index in indices {
            if !self.wants_labels() {
                break;
            }
            match self.source.batch(index) {
                Ok(batch) => self.add(index, &batch),
                Err(error) => {
                    self.counted.counts.clear();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Whether there is a term of whose labels more would say more.
    fn wants_labels(&self) -> bool {
        let mut terms = self.terms.iter().zip(&self.counted.counts);
        terms.any(|(term, counts)| {
            matches!(term.constant, ConstantGuess::Frequencies { .. }) && !counts.are_plenty()
        })
    }

    fn add(&mut self, index: u64, batch: &HostBatch) {
        for (term, counts) in self.terms.iter().zip(&mut self.counted.counts) {
            if let ConstantGuess::Frequencies {
                labels, weights, ..
            } = term.constant
                && !counts.are_plenty()
            {
                counts.add(index, batch, (labels, weights));
            }
        }
    }

    /// The mean of a value over the steps from `first` on that have one; none where most have none.
    fn mean(&self, name: &str, first: u64) -> Option<f64> {
        let records = self.recent.iter().filter(|record| record.step >= first);
        let all = records.clone().count();
        let values: Vec<f64> = records
            .filter_map(|record| record.get(name))
            .filter(|value| value.is_finite())
            .collect();
        let sum: f64 = values.iter().sum();
        (2 * values.len() > all).then(|| sum / values.len() as f64)
    }

    /// What the guess of the term at `index` loses on the steps of a window, and what it knows.
    fn constant(
        &self,
        index: usize,
        guess: ConstantGuess,
        window: &Window,
    ) -> Option<(f64, &'static str)> {
        match guess {
            ConstantGuess::Untold => None,
            ConstantGuess::Share { measure, knows } => {
                let share = self.mean(measure, window.first)?;
                Some((binary_entropy(share), knows))
            }
            ConstantGuess::Frequencies { knows, .. } => {
                let entropy = self.counted.counts.get(index)?.entropy()?;
                Some((entropy, knows))
            }
        }
    }
}

/// How often each label was seen, in every other batch and in those between.
#[derive(Default)]
struct Counts {
    counts: BTreeMap<i32, [u64; 2]>,
    totals: [u64; 2],
}

impl Counts {
    /// Counts the labels of batch `index` that are scored.
    fn add(&mut self, index: u64, batch: &HostBatch, (labels, weights): (&str, &str)) {
        let (Some(labels), Some(weights)) = (batch.ints.get(labels), batch.floats.get(weights))
        else {
            return;
        };
        let half = usize::from(!index.is_multiple_of(2));
        for (&label, &weight) in labels.data.iter().zip(&weights.data) {
            if weight > 0.0 {
                self.counts.entry(label).or_default()[half] += 1;
                self.totals[half] += 1;
            }
        }
    }

    fn total(&self) -> u64 {
        self.totals.iter().sum()
    }

    /// Whether more labels would not change the entropy by what matters here.
    fn are_plenty(&self) -> bool {
        self.total() > 100_000 && self.total() > 50 * self.counts.len() as u64
    }

    /// The entropy in nats of the labels' distribution; none where they are too few to know it.
    ///
    /// That of the frequencies seen is too low, by what is in inverse proportion to their number:
    /// how much lower it is in half of the labels says how much it is in all of them.
    fn entropy(&self) -> Option<f64> {
        let all = entropy(self.counts.values().map(|halves| halves.iter().sum()));
        let halves = [0, 1].map(|half| entropy(self.counts.values().map(|halves| halves[half])));
        let correction = (all - (halves[0] + halves[1]) / 2.0).max(0.0);
        (self.total() > 0 && correction <= TRUSTED * all).then_some(all + correction)
    }
}

/// The entropy in nats of the distribution that these counts show.
fn entropy(counts: impl Iterator<Item = u64> + Clone) -> f64 {
    let total = counts.clone().sum::<u64>() as f64;
    let of_label = |count: u64| {
        let share = count as f64 / total;
        -share * share.ln()
    };
    counts.filter(|&count| count > 0).map(of_label).sum()
}

/// The entropy in nats of a yes that has this probability.
fn binary_entropy(share: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(share) + term(1.0 - share)
}

#[cfg(test)]
mod tests;
