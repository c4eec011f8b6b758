//! The order in which tokens are predicted, and who sees whom in it.
//!
//! Every position has a rank, and a target is predicted from what has a lower one. As in the
//! original (`_local_perm`), for each of the two parts of an example by itself:
//!
//! | query, sees key: | ordinary | target, or functional (`<sep>`, `<cls>`) |
//! | --- | --- | --- |
//! | ordinary | all | none |
//! | functional | all | of lower rank, and itself |
//! | target | all | of lower rank |
//!
//! The first part sees nothing of the second, the second all of the first. So what is remembered of
//! the first part depends on no order.
//!
//! A mask for that has `seq_len` x `seq_len` entries; two numbers per position say the same:
//!
//! ```text
//! query i may not see key j  <=>  query_ranks[i] <= key_ranks[j]
//! ```
//!
//! | | query | key |
//! | --- | --- | --- |
//! | ordinary | 0 | -1 |
//! | functional | rank + 1 | rank |
//! | target | rank | rank |
//!
//! In the second part all of them are raised by the length of the first and 1, above all queries and
//! keys of the first. (Its largest query is its length, the second's smallest key is so too.)

use crate::rng::Rng;

/// What a position is for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Seen by all.
    Ordinary,
    /// `<sep>`, `<cls>`: not predicted, but part of the order.
    Functional,
    /// Predicted.
    Target,
}

/// The ranks of a part, a whole number of blocks of `perm_size`: one random order for all blocks,
/// and blocks follow each other.
pub(super) fn draw(perm_size: usize, rng: &mut Rng, ranks: &mut [i32]) {
    let mut order: Vec<i32> = (0..perm_size as i32).collect();
    rng.shuffle(&mut order);
    for (position, rank) in ranks.iter_mut().enumerate() {
        let place = position % perm_size;
        *rank = (position - place) as i32 + order[place];
    }
}

/// (query, key) of a position. `before`: tokens of the part before this one, if there is one.
pub(super) fn query_and_key(role: Role, rank: i32, before: Option<usize>) -> (i32, i32) {
    let raised = before.map_or(0, |tokens| tokens as i32 + 1);
    let (query, key) = match role {
        Role::Ordinary => (0, -1),
        Role::Functional => (rank + 1, rank),
        Role::Target => (rank, rank),
    };
    (query + raised, key + raised)
}

#[cfg(test)]
mod tests;
