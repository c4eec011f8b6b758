//! The processes that make a run's steps together, and how they speak with each other.
//!
//! Each process is a *rank*: it computes its share of a step's micro-batches, and sums go over all of
//! them, so that all hold the same model after every step. Rank 0 alone evaluates, writes, shows and
//! decides when to save and to stop. A transport (MPI, sockets, threads in a test) implements
//! [`Collective`] and is handed over in [`crate::TrainRequest::collective`]; a run by itself has
//! [`Alone`].
//!
//! # The order of sums
//!
//! The micro-batches of a step are numbered, 0 to `ranks * devices * accumulate - 1`, and a rank has a
//! run of consecutive numbers. Texts, seeds and carried states belong to a number. Weights, losses and
//! measures are added up in the order of the numbers. Gradients are added up in that order on every
//! rank, and then rank by rank. On devices that give the same bits for the same operations it follows
//! that
//!
//! - one process gives the same bits for any split of the same number of micro-batches into devices and
//!   accumulation;
//! - so do ranks with one micro-batch each: n ranks equal n devices, and n micro-batches on one;
//! - ranks with several micro-batches each equal the same number of ranks with any other split of them,
//!   and nothing else to the last bit: their gradients are sums of sums.

use std::fmt::Debug;

/// Carries bytes and sums among the ranks of a run.
///
/// All ranks make the same calls in the same order, from one thread each. A call returns once every
/// rank has made it.
pub trait Collective: Debug + Send + Sync {
    /// This process's number, from 0.
    fn rank(&self) -> usize;

    /// How many processes there are, at least one.
    fn ranks(&self) -> usize;

    /// Gives every rank what each of them hands in, in the order of the ranks. Lengths may differ.
    ///
    /// # Errors
    /// If a rank has left, or can't be reached.
    fn all_gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError>;

    /// Gives rank 0 what each rank hands in, in the order of the ranks, and the others nothing.
    ///
    /// # Errors
    /// If a rank has left, or can't be reached.
    fn gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let mut all = self.all_gather(mine)?;
        if self.rank() > 0 {
            all.clear();
        }
        Ok(all)
    }

    /// Puts the sums over all ranks in the place of `values`, as many on each: rank 0's, plus rank
    /// 1's, plus rank 2's and so on, in float32, so that every rank has the same bits.
    ///
    /// A transport that can send each rank the part that it adds up should; the order of a sum must
    /// stay.
    ///
    /// # Errors
    /// If a rank has left, can't be reached, or hands in another number of values.
    fn sum(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let mine: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        for (rank, theirs) in self.all_gather(&mine)?.iter().enumerate() {
            let (theirs, rest) = theirs.as_chunks();
            if theirs.len() != values.len() || !rest.is_empty() {
                return Err(CollectiveError::new(
                    rank,
                    "has other gradients than this one",
                ));
            }
            for (value, &bytes) in values.iter_mut().zip(theirs) {
                let theirs = f32::from_le_bytes(bytes);
                *value = if rank == 0 { theirs } else { *value + theirs };
            }
        }
        Ok(())
    }

    /// Tells the others that this rank makes no further call, and why: theirs fail from now on.
    fn leave(&self, reason: &str);
}

/// A rank that is gone, or that the others can't go on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rank {rank}: {reason}")]
pub struct CollectiveError {
    /// Its number.
    pub rank: usize,
    /// What it said, or what is wrong with it.
    pub reason: String,
}

impl CollectiveError {
    /// An error about the rank of this number.
    pub fn new(rank: usize, reason: impl Into<String>) -> Self {
        Self {
            rank,
            reason: reason.into(),
        }
    }
}

/// A run in one process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Collective for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn all_gather(&self, mine: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        Ok(vec![mine.to_vec()])
    }

    fn sum(&self, _: &mut [f32]) -> Result<(), CollectiveError> {
        Ok(())
    }

    fn leave(&self, _: &str) {}
}
