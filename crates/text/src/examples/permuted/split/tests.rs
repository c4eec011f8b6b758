use proptest::prelude::*;

use super::super::super::document_stream::DocumentStream;
use super::super::super::numbered::{self, bound};
use super::super::lanes::Lanes;
use super::*;
use crate::rng::{Purpose, Rng};

fn lanes(lengths: &[Vec<usize>], end_of_document: Option<u32>, count: u64) -> Lanes {
    let documents = numbered::documents(lengths);
    Lanes::new(DocumentStream::new(documents, end_of_document), count, 3)
}

#[test]
fn b_follows_a_in_every_second_example_and_stands_anywhere_in_the_others() {
    // Sentences of one token: nothing is cut off, and any place is the start of one.
    let lanes = lanes(&[vec![1; 500]], None, 1);
    let (draws, room) = (40_000, 20);
    let (mut follows, mut by_quarter, mut a_lengths) = (0, [0usize; 4], [0usize; 19]);
    lanes.with_epoch(0, |epoch| {
        let lane = epoch.lane(0, false);
        for seed in 0..draws {
            let mut rng = Rng::at(seed, Purpose::Examples, 0, 0);
            let (a, b) = split(&lane, 100, room, &mut rng);
            assert_eq!(a.start, 100);
            a_lengths[(a.end - a.start) as usize - 1] += 1;
            if b.start == a.end {
                follows += 1;
            } else {
                by_quarter[(4 * b.start / lane.len()) as usize] += 1;
            }
        }
    });
    let n = draws as usize;
    // Chance puts a random B right there, too: once in some 480 places.
    let share = 0.5 + 0.5 / 490.0;
    let off = follows as f64 / n as f64 - share;
    assert!(off.abs() < bound(share, n), "{off}");
    for count in a_lengths {
        let off = count as f64 / n as f64 - 1.0 / 19.0;
        assert!(
            off.abs() < 4.0 / 3.0 * bound(1.0 / 19.0, n),
            "{a_lengths:?}"
        );
    }
    let random: usize = by_quarter.iter().sum();
    for count in by_quarter {
        // The last of its tokens lies in the lane, so the last quarter has a tenth less.
        let off = count as f64 / random as f64 - 0.25;
        assert!(off.abs() < 0.02, "{by_quarter:?}");
    }
}

#[test]
fn a_sentence_longer_than_the_room_is_a_and_b_comes_from_elsewhere() {
    let lanes = lanes(&[vec![10, 200, 90]], None, 1);
    lanes.with_epoch(0, |epoch| {
        let lane = epoch.lane(0, false);
        for seed in 0..200 {
            let mut rng = Rng::at(seed, Purpose::Examples, 0, 0);
            let (a, b) = split(&lane, 20, 50, &mut rng);
            assert_eq!(a.start, 20);
            assert!([0, 10, 210].contains(&b.start), "{b:?}");
            // Both were longer than half of the room but for the first sentence: B loses first.
            let expected = if b.start == 0 { 40 } else { 25 };
            assert_eq!(
                (a.end - a.start, b.end - b.start),
                (expected, 50 - expected)
            );
        }
    });
}

proptest! {
    #[test]
    fn both_are_stretches_of_their_lane_and_fill_the_room(
        documents in 1u64..6,
        with_end: bool,
        count in 1u64..3,
        room in 2u64..30,
        is_backward: bool,
        place in any::<prop::sample::Index>(),
        seed: u64,
    ) {
        let mut lengths = numbered::varied(documents, seed);
        lengths.push(vec![40; 2]);
        let lanes = lanes(&lengths, with_end.then_some(9), count);
        prop_assume!(lanes.len() > room);
        let begin = place.index((lanes.len() - room) as usize) as u64;
        let epoch = seed % 3;
        lanes.with_epoch(epoch, |epoch| {
            for lane in 0..count {
                let lane = epoch.lane(lane, is_backward);
                let mut rng = Rng::at(seed, Purpose::Examples, 0, 0);
                let (a, b) = split(&lane, begin, room, &mut rng);
                prop_assert_eq!(a.start, begin);
                prop_assert!(a.end > a.start && b.end > b.start);
                prop_assert!(a.end <= lane.len() && b.end <= lane.len());
                prop_assert_eq!(a.end - a.start + b.end - b.start, room);
                // B begins with a sentence.
                prop_assert_eq!(lane.sentence(b.start).start, b.start);
            }
            Ok(())
        })?;
    }
}
