//! The examples most wrong, of one run or of several on the same examples.

use kiln_metrics::rows::Row;

use super::files::TunedRun;
use super::wrong::{Judge, Wrong};
use crate::error::ReportError;

/// Examples that are shown.
pub(super) const SHOWN: usize = 20;

/// The worst of the rows that it was given, in memory that does not grow with their number.
#[derive(Debug, Default)]
pub(super) struct Worst {
    /// The worst first, of equal ones the first.
    pub(super) rows: Vec<(Wrong, Row)>,
    /// How many were wrong.
    pub(super) wrong: u64,
    /// How many there were.
    pub(super) all: u64,
}

impl Worst {
    pub(super) fn push(&mut self, judge: Judge, row: Row) {
        self.all += 1;
        let Some(wrong) = judge.wrong(&row) else {
            return;
        };
        self.wrong += 1;
        let place = self
            .rows
            .partition_point(|(known, _)| known.worse_first(wrong).is_le());
        if place < SHOWN {
            self.rows.insert(place, (wrong, row));
            self.rows.truncate(SHOWN);
        }
    }
}

/// An example that several runs have wrong.
#[derive(Debug)]
pub(super) struct OftenWrong {
    /// In how many runs.
    pub(super) runs: usize,
    /// What the run says that is most wrong.
    pub(super) row: Row,
}

/// What several runs have wrong.
#[derive(Debug)]
pub(super) struct WorstOfRuns {
    /// Wrong in the most runs first, of those the worst.
    pub(super) rows: Vec<OftenWrong>,
    /// How many runs have predictions.
    pub(super) runs: usize,
    /// How many examples all of them have wrong.
    pub(super) by_all: usize,
    pub(super) all: usize,
}

/// What is known of an example.
struct Tally {
    id: String,
    runs: usize,
    /// How wrong the worst run is, and which it is.
    worst: Option<(Wrong, usize)>,
}

/// The examples that the most of `runs` have wrong; none where they are not scored on the same examples.
///
/// Files are read twice: what all runs say of all examples may not fit into memory.
pub(super) fn of_runs(runs: &[&TunedRun]) -> Result<Option<WorstOfRuns>, ReportError> {
    let mut tallies: Vec<Tally> = Vec::new();
    let (mut read, mut same) = (0, true);
    for (number, run) in runs.iter().enumerate() {
        let judge = Judge::of(&run.settings.task);
        let (mut rows, is_first) = (0, tallies.is_empty());
        let found = run.for_each_row(|place, row| {
            rows += 1;
            if is_first {
                tallies.push(Tally {
                    id: row.id().to_owned(),
                    runs: 0,
                    worst: None,
                });
            }
            let Some(tally) = tallies.get_mut(place).filter(|tally| tally.id == row.id()) else {
                same = false;
                return;
            };
            if let Some(wrong) = judge.wrong(&row) {
                tally.runs += 1;
                let is_worse = |(known, _): (Wrong, usize)| wrong.worse_first(known).is_lt();
                if tally.worst.is_none_or(is_worse) {
                    tally.worst = Some((wrong, number));
                }
            }
        })?;
        read += usize::from(found);
        same &= !found || rows == tallies.len();
    }
    if read == 0 || !same {
        return Ok(None);
    }
    let mut order: Vec<(usize, Wrong, usize, usize)> = tallies
        .iter()
        .enumerate()
        .filter_map(|(place, tally)| {
            let (wrong, run) = tally.worst?;
            Some((tally.runs, wrong, place, run))
        })
        .collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.worse_first(b.1)).then(a.2.cmp(&b.2)));
    let by_all = order
        .iter()
        .filter(|(wrong_in, ..)| *wrong_in == read)
        .count();
    order.truncate(SHOWN);
    let mut found: Vec<Option<Row>> = order.iter().map(|_| None).collect();
    for (number, run) in runs.iter().enumerate() {
        run.for_each_row(|place, row| {
            let wanted = order
                .iter()
                .position(|&(.., at, run)| at == place && run == number);
            if let Some(slot) = wanted.and_then(|wanted| found.get_mut(wanted)) {
                *slot = Some(row);
            }
        })?;
    }
    let rows = order.iter().zip(found);
    Ok(Some(WorstOfRuns {
        rows: rows
            .filter_map(|(&(runs, ..), row)| Some(OftenWrong { runs, row: row? }))
            .collect(),
        runs: read,
        by_all,
        all: tallies.len(),
    }))
}
