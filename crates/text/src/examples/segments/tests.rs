use std::sync::Arc;

use super::*;
use crate::corpus::Corpus;

const CLS: u32 = 2;
const SEP: u32 = 3;
const FIRST_ID: u32 = 10;

fn vocabulary() -> Vocabulary {
    Vocabulary {
        size: 1 << 20,
        pad: 0,
        unk: 1,
        cls: CLS,
        sep: SEP,
        mask: 4,
        is_special: Vec::new(),
        is_continuation: Vec::new(),
    }
}

/// Documents of the given sentence lengths; token ids count up, so an id names its place.
fn segments_of(lengths: &[Vec<usize>], seq_len: usize, short: f64) -> ContinuousSegments {
    let mut id = FIRST_ID - 1;
    let mut sentence = |&len: &usize| {
        (0..len)
            .map(|_| {
                id += 1;
                id
            })
            .collect()
    };
    let documents = lengths
        .iter()
        .map(|document| document.iter().map(&mut sentence).collect())
        .collect();
    let documents = Documents::all(Arc::new(Corpus::in_memory(documents, 1 << 20)));
    ContinuousSegments::new(documents, &vocabulary(), seq_len, short, 7).unwrap()
}

/// `count` documents of 1 to 20 sentences of 1 to 30 tokens.
fn varied(count: u64) -> Vec<Vec<usize>> {
    (0..count)
        .map(|document| {
            let mut rng = Rng::at(1, Purpose::Order, document, 0);
            let sentences = 1 + rng.below(20);
            (0..sentences).map(|_| 1 + rng.below(30) as usize).collect()
        })
        .collect()
}

fn all(segments: &ContinuousSegments, epoch: u64) -> Vec<Example> {
    (0..segments.per_epoch())
        .map(|place| {
            let mut example = Example::default();
            segments.build(epoch, place, &mut example).unwrap();
            example
        })
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
fn segments_are_consecutive_text_of_one_document_and_fit() {
    let lengths = varied(60);
    let mut ends = Vec::new();
    let mut id = FIRST_ID;
    for document in &lengths {
        id += document.iter().sum::<usize>() as u32;
        ends.push(id);
    }
    for (seq_len, epoch) in [(64, 0), (64, 3), (5, 0), (9, 1), (300, 0)] {
        let segments = segments_of(&lengths, seq_len, 0.3);
        for example in all(&segments, epoch) {
            assert!(example.input_ids.len() <= seq_len);
            let (first, second) = parts(&example);
            assert!(!first.is_empty());
            for run in [Some(first), second].into_iter().flatten() {
                assert!(!run.is_empty());
                assert!(run.windows(2).all(|pair| pair[1] == pair[0] + 1));
            }
            let document = |id: u32| ends.partition_point(|&end| end <= id);
            let last = second.unwrap_or(first).last().unwrap();
            assert_eq!(document(first[0]), document(*last));
            if let Some(second) = second {
                assert_eq!(
                    second[0],
                    first.last().unwrap() + 1,
                    "B continues A, which was not cut"
                );
            }
        }
    }
}

#[test]
fn a_pass_shows_every_token_once_but_for_what_is_cut_off() {
    let lengths = varied(40);
    let segments = segments_of(&lengths, 200, 0.05);
    let mut seen = Vec::new();
    for example in all(&segments, 0) {
        let (first, second) = parts(&example);
        seen.extend_from_slice(first);
        seen.extend_from_slice(second.unwrap_or_default());
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "a token was shown twice");
    let tokens: usize = lengths.iter().flatten().sum();
    // A chunk ends with the sentence that crosses its aim; what of it is too much is cut off.
    assert!(count <= tokens && count as f64 > 0.9 * tokens as f64);
}

#[test]
fn an_example_depends_on_its_address_alone() {
    let segments = segments_of(&varied(30), 50, 0.05);
    let first = all(&segments, 2);
    let other = all(&segments, 1);
    let place = |place| {
        let mut example = Example::default();
        segments.build(2, place, &mut example).unwrap();
        example
    };
    for index in (0..segments.per_epoch()).rev() {
        assert_eq!(place(index), first[index as usize]);
    }
    assert_ne!(first, other);
}

#[test]
fn one_in_ten_is_a_single_segment_and_one_in_twenty_short() {
    // Sentences of four tokens: any example of full length could have two segments.
    let lengths = vec![vec![4; 400]; 200];
    let segments = segments_of(&lengths, 64, SEGMENT_SHORT_SEQ_PROB);
    let examples = all(&segments, 0);
    let count = examples.len() as f64;
    let (mut single, mut short) = (0.0, 0.0);
    for example in &examples {
        single += f64::from(u8::from(parts(example).1.is_none()));
        short += f64::from(u8::from(example.input_ids.len() < 50));
    }
    // Four standard deviations of a binomial count; a short example may also end in one segment,
    // and the last of a document may be short by itself.
    let bound = |p: f64| 4.0 * (p * (1.0 - p) / count).sqrt();
    assert!((single / count - SINGLE_SEGMENT).abs() < bound(0.1) + 0.01);
    // A target uniform in 5..=64 gives fewer than 50 tokens three times in four.
    let expected = SEGMENT_SHORT_SEQ_PROB * 0.75;
    assert!((short / count - expected).abs() < bound(expected) + 0.02);
}

#[test]
fn the_first_segment_aims_at_the_middle() {
    let lengths = vec![vec![5; 500]; 50];
    let segments = segments_of(&lengths, 103, 0.0);
    let mut firsts = Vec::new();
    for example in all(&segments, 0) {
        let (first, second) = parts(&example);
        if second.is_some_and(|second| second.len() > 20) {
            firsts.push(first.len());
        }
    }
    // (103 - 3) / 2 = 50: nine sentences stay below it, the tenth reaches it by a coin.
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts, [45, 50]);
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
fn a_sentence_longer_than_the_sequence_is_cut_at_its_end() {
    let segments = segments_of(&[vec![1000], vec![3]], 20, 0.0);
    let mut examples = all(&segments, 0);
    examples.sort_by_key(|example| example.input_ids.len());
    assert_eq!(examples.len(), 2);
    assert_eq!(parts(&examples[0]), (&[1010, 1011, 1012][..], None));
    let (first, second) = parts(&examples[1]);
    assert_eq!((first.len(), first[0], second), (18, FIRST_ID, None));
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
    let none = Documents::all(Arc::new(Corpus::in_memory(vec![], 10)));
    assert!(refused(none, 20, 0.1).starts_with("documents = none"));
}
