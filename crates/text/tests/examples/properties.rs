//! Properties of examples over random corpora: nothing lost, nothing invented, never a panic.

use std::sync::Arc;

use kiln_text::corpus::Corpus;
use kiln_text::examples::{
    ContinuousSegments, Documents, Example, Examples, PackedSequences, SentencePairs,
};
use proptest::prelude::*;

use crate::common::{CLS, FIRST, SEP, vocabulary};

/// Lengths of sentences, by document.
pub(crate) fn lengths() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(proptest::collection::vec(1usize..14, 1..8), 1..9)
}

/// Documents of these lengths whose ids count up: an id names its place in the corpus.
pub(crate) fn numbered(lengths: &[Vec<usize>]) -> Documents {
    let mut id = FIRST - 1;
    let documents = lengths
        .iter()
        .map(|document| {
            let sentence = |&len: &usize| {
                (0..len)
                    .map(|_| {
                        id += 1;
                        id
                    })
                    .collect()
            };
            document.iter().map(sentence).collect()
        })
        .collect();
    Documents::all(Arc::new(Corpus::in_memory(documents, 10_000)))
}

/// The document that holds an id.
pub(crate) fn document(lengths: &[Vec<usize>], id: u32) -> usize {
    let mut end = FIRST as usize;
    lengths
        .iter()
        .position(|document| {
            end += document.iter().sum::<usize>();
            (id as usize) < end
        })
        .unwrap()
}

proptest! {
    #[test]
    fn packing_shows_every_token_once_per_epoch(
        lengths in lengths(),
        seq_len in 3usize..40,
        seed: u64,
        epoch in 0u64..1_000,
    ) {
        let documents = numbered(&lengths);
        let packed = PackedSequences::new(documents, &vocabulary(10_000), seq_len, seed).unwrap();
        let mut example = Example::default();
        let (mut seen, mut separators, mut short) = (Vec::new(), 0, 0);
        for place in 0..packed.per_epoch() {
            packed.build(epoch, place, &mut example).unwrap();
            let ids = &example.input_ids;
            prop_assert!(ids.len() > 2 && ids.len() <= seq_len);
            prop_assert_eq!(example.first_segment, ids.len());
            prop_assert_eq!((ids[0], ids[ids.len() - 1]), (CLS, SEP));
            short += usize::from(ids.len() < seq_len);
            let body = &ids[1..ids.len() - 1];
            separators += body.iter().filter(|&&id| id == SEP).count();
            for pair in body.windows(2).filter(|pair| !pair.contains(&SEP)) {
                prop_assert_eq!(pair[0] + 1, pair[1]);
                prop_assert_eq!(document(&lengths, pair[0]), document(&lengths, pair[1]));
            }
            seen.extend(body.iter().copied().filter(|&id| id != SEP));
        }
        seen.sort_unstable();
        let tokens = lengths.iter().flatten().sum::<usize>() as u32;
        prop_assert!(seen.into_iter().eq(FIRST..FIRST + tokens));
        prop_assert_eq!(separators, lengths.len() - 1);
        prop_assert!(short <= 1);
    }

    #[test]
    fn every_pair_is_two_stretches_of_text_that_match_their_label(
        lengths in lengths(),
        seq_len in 5usize..40,
        short in 0.0..=1.0,
        seed: u64,
        epoch in 0u64..1_000,
    ) {
        let documents = numbered(&lengths);
        let vocabulary = vocabulary(10_000);
        let pairs = SentencePairs::new(documents, &vocabulary, seq_len, short, seed).unwrap();
        let mut example = Example::default();
        for place in 0..pairs.per_epoch() {
            pairs.build(epoch, place, &mut example).unwrap();
            let ids = &example.input_ids;
            prop_assert!(ids.len() <= seq_len);
            prop_assert_eq!(ids[0], CLS);
            let (a, b) = ids.split_at(example.first_segment);
            for segment in [&a[1..], b] {
                let (last, text) = segment.split_last().unwrap();
                prop_assert_eq!(*last, SEP);
                prop_assert!(!text.is_empty());
                prop_assert!(text.windows(2).all(|pair| pair[0] + 1 == pair[1]));
                prop_assert_eq!(
                    document(&lengths, text[0]),
                    document(&lengths, text[text.len() - 1])
                );
            }
            if example.next_sentence_label == 0 {
                prop_assert_eq!(document(&lengths, a[1]), document(&lengths, b[0]));
                prop_assert!(a[a.len() - 2] < b[0]);
            } else if lengths.len() > 1 {
                prop_assert_ne!(document(&lengths, a[1]), document(&lengths, b[0]));
            }
        }
    }

    #[test]
    fn segments_show_every_token_once_but_for_what_no_longer_fits(
        lengths in lengths(),
        seq_len in 5usize..40,
        // Other passes have another number of examples, unless all aim at the same length.
        (short, epoch) in prop_oneof![(0.0..=1.0, Just(0)), (Just(0.0), 0u64..1_000)],
        seed: u64,
    ) {
        let vocabulary = vocabulary(10_000);
        let documents = numbered(&lengths);
        let segments =
            ContinuousSegments::new(documents, &vocabulary, seq_len, short, seed).unwrap();
        // By the text: the order of the corpus. (First and last id, length of the sequence.)
        let mut shown = Vec::new();
        let mut example = Example::default();
        for place in 0..segments.per_epoch() {
            segments.build(epoch, place, &mut example).unwrap();
            let ids = &example.input_ids;
            prop_assert!(ids.len() <= seq_len);
            prop_assert_eq!((ids[0], ids[ids.len() - 1]), (CLS, SEP));
            let (a, b) = ids.split_at(example.first_segment);
            prop_assert_eq!(a[a.len() - 1], SEP);
            prop_assert!(a.len() > 2 && b.len() != 1);
            // B, where there is one, goes on where A ends.
            let text: Vec<_> = ids[1..].iter().copied().filter(|&id| id != SEP).collect();
            prop_assert_eq!(text.len() + 2 + usize::from(!b.is_empty()), ids.len());
            prop_assert!(text.windows(2).all(|pair| pair[0] + 1 == pair[1]));
            let (first, last) = (text[0], text[text.len() - 1]);
            prop_assert_eq!(document(&lengths, first), document(&lengths, last));
            shown.push((first, last, ids.len()));
        }

        shown.sort_unstable();
        let end = FIRST + lengths.iter().flatten().sum::<usize>() as u32;
        shown.push((end, end, 0));
        let (mut next, mut most_lost) = (FIRST, 0);
        for (first, last, len) in shown {
            prop_assert!(first >= next && first - next <= most_lost, "{} to {}", next, first);
            next = last + 1;
            // Text is lost where no more fits: B's first token and its separator need two places.
            // The last of an example's sentences begins before the full length and has 13 tokens
            // at most, so up to 12 lie beyond it, and 3 more where the special tokens stand.
            most_lost = if len + 1 >= seq_len { 12 + 3 } else { 0 };
        }
    }

    #[test]
    fn segments_depend_on_their_address_alone(
        lengths in lengths(),
        seq_len in 5usize..40,
        short in 0.0..=1.0,
        seed: u64,
        epoch in 0u64..1_000,
    ) {
        let vocabulary = vocabulary(10_000);
        let fresh = || {
            ContinuousSegments::new(numbered(&lengths), &vocabulary, seq_len, short, seed).unwrap()
        };
        let build = |segments: &ContinuousSegments, epoch, place| {
            let mut example = Example::default();
            segments.build(epoch, place, &mut example).unwrap();
            example
        };
        let (forwards, backwards) = (fresh(), fresh());
        let places = 0..forwards.per_epoch();
        let expected: Vec<_> = places.clone().map(|n| build(&forwards, epoch, n)).collect();
        for place in places.rev() {
            for other in [epoch + 1, epoch + 2] {
                build(&backwards, other, place);
            }
            prop_assert_eq!(&build(&backwards, epoch, place), &expected[place as usize]);
        }
    }
}

#[test]
fn packed_epochs_have_different_orders_and_equal_lengths() {
    let lengths = vec![vec![9, 4]; 50];
    let packed = PackedSequences::new(numbered(&lengths), &vocabulary(10_000), 16, 1).unwrap();
    let epoch = |epoch| -> Vec<Vec<u32>> {
        (0..packed.per_epoch())
            .map(|place| {
                let mut example = Example::default();
                packed.build(epoch, place, &mut example).unwrap();
                example.input_ids
            })
            .collect()
    };
    assert_ne!(epoch(0), epoch(1));
    assert_eq!(epoch(1), epoch(1));
    // 650 tokens and 49 separators in sequences of 14.
    assert_eq!(packed.per_epoch(), 50);
}

#[test]
fn packed_settings_that_cannot_work_are_refused_by_name() {
    let message = |documents, seq_len| {
        PackedSequences::new(documents, &vocabulary(100), seq_len, 0)
            .err()
            .unwrap()
            .to_string()
    };
    assert!(message(numbered(&[vec![1]]), 2).starts_with("seq_len = 2: packed sequences need"));
    assert!(message(numbered(&[]), 16).starts_with("documents = none"));
}
