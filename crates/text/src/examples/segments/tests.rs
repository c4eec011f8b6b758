use std::sync::Arc;

use super::super::numbered::{self, CLS, FIRST, SEP, bound, varied, vocabulary};
use super::*;
use crate::corpus::Corpus;

fn segments_of(lengths: &[Vec<usize>], seq_len: usize, short: f64) -> ContinuousSegments {
    let documents = numbered::documents(lengths);
    ContinuousSegments::new(documents, &vocabulary(), seq_len, short, 7).unwrap()
}

fn build(segments: &ContinuousSegments, epoch: u64, place: u64) -> Example {
    let mut example = Example::default();
    segments.build(epoch, place, &mut example).unwrap();
    example
}

fn all(segments: &ContinuousSegments, epoch: u64) -> Vec<Example> {
    (0..segments.per_epoch())
        .map(|place| build(segments, epoch, place))
        .collect()
}

/// The words of both segments; the second may be missing.
fn parts(example: &Example) -> (&[u32], Option<&[u32]>) {
    let (first, second) = example.input_ids.split_at(example.first_segment);
    let [CLS, first @ .., SEP] = first else {
        panic!("{example:?}")
    };
    match second {
        [] => (first, None),
        [second @ .., SEP] => (first, Some(second)),
        _ => panic!("{example:?}"),
    }
}

#[test]
fn one_example_in_ten_is_a_single_segment() {
    // 25 runs of 64 tokens in each document: no example is cut short by its end, and the first
    // segment's eighth sentence crosses the middle, so that only the draw leaves B out.
    let segments = segments_of(&vec![vec![4; 400]; 300], 64, 0.0);
    let (mut single, mut count) = (0, 0);
    for epoch in 0..3 {
        for example in all(&segments, epoch) {
            single += usize::from(parts(&example).1.is_none());
            count += 1;
        }
    }
    assert_eq!(count, 3 * 300 * 25);
    // Independent draws of one probability: three standard errors are 0.006.
    let share = single as f64 / count as f64;
    assert!((share - 0.1).abs() < bound(0.1, count), "{share}");
}

#[test]
fn one_example_in_twenty_aims_at_a_shorter_length() {
    let segments = segments_of(&vec![vec![4; 400]; 300], 64, SEGMENT_SHORT_SEQ_PROB);
    let (mut short, mut count) = (0, 0);
    for epoch in 0..5 {
        for part in 0..segments.documents.len() {
            for chunk in segments.walk(epoch, part) {
                short += usize::from(chunk.target < 64);
                count += 1;
            }
        }
    }
    assert!(count > 37_500, "{count}");
    // One of the 60 lengths from 5 to 64 is the full one. How many examples a document has depends
    // on their lengths, but whether another is drawn never on its own: the share of short ones has
    // the mean and the variance of as many independent draws (Wald). Three standard errors: 0.0033.
    let expected = 0.05 * 59.0 / 60.0;
    let share = short as f64 / count as f64;
    assert!((share - expected).abs() < bound(expected, count), "{share}");
}

#[test]
fn a_shorter_length_is_uniform_from_five_to_the_full_one() {
    // The first example of a document: later ones are fewer after long ones.
    let segments = segments_of(&vec![vec![1]; 4000], 64, 1.0);
    let mut counts = [0usize; 60];
    for epoch in 0..5 {
        for part in 0..4000 {
            counts[segments.walk(epoch, part).next().unwrap().target - 5] += 1;
        }
    }
    // Chi-squared with 59 degrees of freedom: mean 59, standard deviation sqrt(118) = 10.9.
    let expected = 20_000.0 / 60.0;
    let statistic: f64 = counts
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum();
    assert!(statistic < 59.0 + 3.0 * 10.9, "{statistic}: {counts:?}");
}

#[test]
fn the_first_segment_ends_at_the_middle_by_a_coin() {
    // 105 tokens an example and 85 at the end of a document. (103 - 3) / 2 = 50: nine sentences
    // stay below it, the tenth reaches it.
    let segments = segments_of(&vec![vec![5; 500]; 200], 103, 0.0);
    let (mut below, mut count) = (0, 0);
    for example in all(&segments, 0) {
        if let (first, Some(_)) = parts(&example) {
            assert!([45, 50].contains(&first.len()), "{}", first.len());
            below += usize::from(first.len() == 45);
            count += 1;
        }
    }
    // 0.9 of 4,800 examples: three standard errors of a coin are 0.023.
    assert!(count > 4_000, "{count}");
    let share = below as f64 / count as f64;
    assert!((share - 0.5).abs() < bound(0.5, count), "{share}");
}

#[test]
fn a_shorter_example_has_its_own_middle() {
    let segments = segments_of(&[vec![1; 40]], 64, 0.0);
    let mut ends: Vec<_> = (0..200)
        .map(|detail| {
            let mut rng = Rng::at(detail, Purpose::Examples, 0, 0);
            let chunk = Chunk {
                sentences: 0..23,
                target: 23,
                detail,
            };
            segments.second_segment(&chunk, &mut rng)
        })
        .collect();
    ends.sort_unstable();
    ends.dedup();
    // (23 - 3) / 2 = 10, by a coin reached or not; 23 is a single segment.
    assert_eq!(ends, [9, 10, 23]);
}

#[test]
fn the_second_segment_takes_everything_after_its_first_sentence() {
    // The long second sentence begins B in half of the examples; the short ones behind it would
    // still have fitted below A's aim.
    let segments = segments_of(&vec![vec![4, 30, 1, 1, 1]; 100], 64, 0.0);
    let mut begun = 0;
    for example in all(&segments, 0) {
        let (first, second) = parts(&example);
        if first.len() == 4 {
            assert_eq!(second.unwrap().len(), 33);
            begun += 1;
        }
    }
    assert!(begun > 20, "{begun}");
}

#[test]
fn later_passes_cut_elsewhere_and_an_epoch_keeps_the_length_of_the_first() {
    let segments = segments_of(&varied(60, 1), 50, 0.5);
    let counts: Vec<_> = (0..4)
        .map(|epoch| {
            segments
                .epochs
                .count(epoch, |part| segments.walk(epoch, part))
        })
        .collect();
    assert_eq!(counts[0], segments.per_epoch());
    assert!(counts.iter().any(|&count| count != counts[0]), "{counts:?}");
    for epoch in 1..4 {
        assert_ne!(all(&segments, epoch), all(&segments, 0));
    }
}

#[test]
fn a_sentence_longer_than_the_sequence_is_cut_at_its_end() {
    let segments = segments_of(&[vec![100_000], vec![3]], 20, 0.0);
    let mut examples = all(&segments, 0);
    examples.sort_by_key(|example| example.input_ids.len());
    assert_eq!(examples.len(), 2);
    let last = FIRST + 100_000;
    assert_eq!(parts(&examples[0]), (&[last, last + 1, last + 2][..], None));
    let (first, second) = parts(&examples[1]);
    assert_eq!((first.len(), first[0], second), (18, FIRST, None));
}

#[test]
fn where_no_token_of_the_second_segment_fits_there_is_none() {
    // Seven tokens and three special ones fill the sequence.
    let segments = segments_of(&vec![vec![7, 5]; 100], 10, 0.0);
    let mut lengths: Vec<_> = all(&segments, 0)
        .iter()
        .map(|example| {
            let (first, second) = parts(example);
            assert_eq!(second, None);
            first.len()
        })
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    // 8 where all is one segment.
    assert_eq!(lengths, [7, 8]);
}

#[test]
fn documents_of_one_sentence_are_single_segments() {
    let lengths: Vec<_> = (1..=60).map(|len| vec![len]).collect();
    for seq_len in [5, 32] {
        let segments = segments_of(&lengths, seq_len, 0.5);
        for epoch in [0, 4] {
            let mut kept: Vec<_> = all(&segments, epoch)
                .iter()
                .map(|example| {
                    let (first, second) = parts(example);
                    assert_eq!(second, None);
                    first.len()
                })
                .collect();
            kept.sort_unstable();
            assert!((1..=60).map(|len: usize| len.min(seq_len - 2)).eq(kept));
        }
    }
}

#[test]
fn the_shortest_sequences_hold_three_tokens_or_one_and_one() {
    let segments = segments_of(&[vec![1; 1500]], 5, SEGMENT_SHORT_SEQ_PROB);
    // Three parts of 500 sentences, five to an example.
    assert_eq!(segments.per_epoch(), 300);
    let mut singles = 0;
    for example in all(&segments, 0) {
        match parts(&example) {
            (&[a], Some(&[b])) => assert_eq!(a + 1, b),
            (first, None) => {
                assert_eq!(first.len(), 3);
                singles += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(singles > 0 && singles < 100, "{singles}");
}

#[test]
fn settings_that_make_no_examples_are_refused_by_name() {
    let documents = || Documents::all(Arc::new(Corpus::in_memory(vec![vec![vec![9; 9]]], 10)));
    let refused = |documents, seq_len, short| {
        ContinuousSegments::new(documents, &vocabulary(), seq_len, short, 1)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(refused(documents(), 4, 0.1).starts_with("seq_len = 4"));
    assert!(refused(documents(), 20, 1.5).starts_with("short_seq_prob = 1.5"));
    assert!(refused(documents(), 20, f64::NAN).starts_with("short_seq_prob = NaN"));
    let none = Documents::all(Arc::new(Corpus::in_memory(vec![], 10)));
    assert!(refused(none, 20, 0.1).starts_with("documents = none"));
}
