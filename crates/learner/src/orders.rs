//! What the ranks of a run say to each other: numbers, what they must have in common, and what rank 0
//! tells the others to do next.

use crate::collective::{Collective, CollectiveError};
use crate::error::LearnError;
use crate::observer::{Stop, TrainOutcome};
use crate::run::RunFolder;

/// The numbers of all ranks, in the order of the ranks, to the last bit.
pub(crate) fn share(
    collective: &dyn Collective,
    mine: &[f64],
) -> Result<Vec<Vec<f64>>, CollectiveError> {
    if collective.ranks() == 1 {
        return Ok(vec![mine.to_vec()]);
    }
    let mine: Vec<u8> = mine
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let all = collective.all_gather(&mine)?;
    let numbers = |bytes: &Vec<u8>| {
        let (numbers, _) = bytes.as_chunks();
        numbers.iter().copied().map(f64::from_le_bytes).collect()
    };
    Ok(all.iter().map(numbers).collect())
}

/// Refuses ranks that were started with other `facts`, each a line like `steps = 100`.
///
/// # Errors
/// With the first line that differs, and whose it is.
pub(crate) fn agree(collective: &dyn Collective, facts: &[String]) -> Result<(), LearnError> {
    let all = collective.all_gather(facts.join("\n").as_bytes())?;
    let Some((first, others)) = all.split_first() else {
        return Ok(());
    };
    let differs = others.iter().zip(1..).find(|(other, _)| *other != first);
    let Some((other, rank)) = differs else {
        return Ok(());
    };
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes);
        text.lines().map(str::to_owned).collect()
    };
    let (first, other) = (lines(first), lines(other));
    let found = other.iter().find(|line| !first.contains(line));
    let wanted = first.iter().find(|line| !other.contains(line));
    let shown = |line: Option<&String>| line.map_or("nothing of it", |line| line).to_owned();
    Err(LearnError::Settings(format!(
        "rank {rank} has {}, rank 0 has {}: start all ranks alike",
        shown(found),
        shown(wanted)
    )))
}

/// What rank 0 has the others do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Make a step; none is made where a rank was interrupted.
    Step,
    /// Hand over what is carried from step to step: a checkpoint is written.
    Carries,
    /// End the run.
    End,
}

/// What a rank learns when an order is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) order: Order,
    /// Whether somebody has asked a rank to stop.
    pub(crate) interrupted: bool,
}

impl Order {
    /// Gives the order, on rank 0, or takes the one that rank 0 gives, on the others.
    pub(crate) fn pass(
        self,
        collective: &dyn Collective,
        interrupted: bool,
    ) -> Result<Told, LearnError> {
        let code = match self {
            Self::Step => 0.0,
            Self::Carries => 1.0,
            Self::End => 2.0,
        };
        let all = share(collective, &[code, f64::from(u8::from(interrupted))])?;
        let order = match all.first().and_then(|first| first.first()) {
            Some(0.0) => Self::Step,
            Some(1.0) => Self::Carries,
            _ => Self::End,
        };
        let is_set = |numbers: &Vec<f64>| numbers.get(1) == Some(&1.0);
        Ok(Told {
            order,
            interrupted: all.iter().any(is_set),
        })
    }
}

/// Tells the other ranks how the run has ended, after [`Order::End`]; its last checkpoint is that of
/// step `saved`.
pub(crate) fn tell_outcome(
    collective: &dyn Collective,
    outcome: &TrainOutcome,
    saved: u64,
) -> Result<(), LearnError> {
    let stop = match outcome.stop {
        Stop::Done => 0.0,
        Stop::Early => 1.0,
        Stop::Interrupted => 2.0,
    };
    let [step, saved, bad_steps] = [outcome.step, saved, outcome.bad_steps].map(|n| n as f64);
    let mut numbers = vec![stop, step, saved, bad_steps];
    if let Some((step, _, loss)) = &outcome.best_checkpoint {
        numbers.extend([*step as f64, *loss]);
    }
    share(collective, &numbers)?;
    Ok(())
}

/// What [`tell_outcome`] tells on rank 0.
pub(crate) fn hear_outcome(
    collective: &dyn Collective,
    run: &RunFolder,
) -> Result<TrainOutcome, LearnError> {
    let all = share(collective, &[])?;
    let Some([stop, step, saved, bad_steps, best @ ..]) = all.first().map(Vec::as_slice) else {
        return Err(CollectiveError::new(0, "ended without an outcome").into());
    };
    let best_checkpoint = match best {
        [step, loss] => Some((*step as u64, run.checkpoint(*step as u64), *loss)),
        _ => None,
    };
    Ok(TrainOutcome {
        step: *step as u64,
        stop: match stop {
            0.0 => Stop::Done,
            1.0 => Stop::Early,
            _ => Stop::Interrupted,
        },
        checkpoint: run.checkpoint(*saved as u64),
        best_checkpoint,
        bad_steps: *bad_steps as u64,
    })
}
