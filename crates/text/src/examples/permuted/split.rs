//! A and B: how the new text of an example is cut in two (the original's `_split_a_and_b`).

use std::ops::Range;

use super::super::shared_room;
use super::lanes::Lane;
use crate::rng::Rng;

/// How often B is what follows A in the text.
const FOLLOWS: f64 = 0.5;

/// Positions of A, from `begin` on, and of B in a lane; exactly `room` tokens together.
///
/// A ends with a sentence. B goes on there, or with probability 1/2, and wherever the first
/// sentence is longer than `room`, stands at a random place of the same lane, which may be anywhere,
/// in A too. Which of the two it was is not kept: nothing learns from it.
///
/// The original gives up where less than `room` tokens and one more follow in the lane, and with it
/// stop all other lanes. Here callers begin no example whose `begin + room` plus its three special
/// tokens reaches beyond the lane, so that there is always enough (held by
/// `every_lane_is_read_in_its_order_and_once_per_epoch`).
pub(super) fn split(lane: &Lane, begin: u64, room: u64, rng: &mut Rng) -> (Range<u64>, Range<u64>) {
    // Where sentences begin among the next tokens, and then the first that begins after them.
    let mut cuts = Vec::new();
    let mut end = lane.sentence(begin).end;
    while end < begin + room {
        cuts.push(end);
        end = lane.sentence(end).end;
    }
    let cut = match cuts.len() as u64 {
        0 => None,
        count => Some(cuts[rng.below(count) as usize]),
    };
    let (a, b) = match cut {
        Some(cut) if rng.chance(FOLLOWS) => (begin..cut, cut..end),
        _ => {
            let a = begin..cut.unwrap_or(end);
            let want = room.saturating_sub(a.end - a.start).max(1);
            let first = rng.below(lane.len() - want);
            let last = first + want - 1;
            (a, lane.sentence(first).start..lane.sentence(last).end)
        }
    };
    // Each loses tokens at its end.
    let (left_a, left_b) = shared_room(a.end - a.start, b.end - b.start, room);
    (a.start..a.start + left_a, b.start..b.start + left_b)
}

#[cfg(test)]
mod tests;
