use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::numbered::{self, CLS, SEP, bound, varied, vocabulary};
use super::*;
use crate::corpus::Corpus;

fn pairs(lengths: &[Vec<usize>], seq_len: usize, seed: u64) -> SentencePairs {
    let documents = numbered::documents(lengths);
    SentencePairs::new(documents, &vocabulary(), seq_len, SHORT_SEQ_PROB, seed).unwrap()
}

#[test]
fn types_turn_to_one_after_the_first_separator() {
    // "a" and "b c": types 0 0 0 1 1 1.
    let pairs = pairs(&[vec![1, 2]], 16, 0);
    let mut example = Example::default();
    let actual = (0..100).find_map(|epoch| {
        pairs.build(epoch, 0, &mut example).unwrap();
        (example.next_sentence_label == 0).then(|| example.clone())
    });
    let actual = actual.unwrap();
    assert_eq!(actual.input_ids, [CLS, 10, SEP, 11, 12, SEP]);
    assert_eq!(actual.first_segment, 3);
}

#[test]
fn every_sentence_is_in_an_a_or_an_actual_b_of_every_pass() {
    let pairs = pairs(&varied(300, 1), 64, 2);
    for epoch in 0..3 {
        for part in 0..pairs.documents.len() {
            let mut seen = BTreeSet::new();
            for chunk in pairs.walk(epoch, part) {
                let upto = if chunk.is_random {
                    chunk.a.end
                } else {
                    chunk.end
                };
                seen.extend(chunk.a.start..upto);
            }
            assert!(seen.into_iter().eq(pairs.documents.part(part)));
        }
    }
}

#[test]
fn a_chunk_ends_at_its_target_or_with_its_document() {
    let pairs = pairs(&varied(200, 3), 64, 4);
    for part in 0..pairs.documents.len() {
        let last = pairs.documents.part(part).end;
        for chunk in pairs.walk(0, part) {
            let tokens = |range| {
                let range = pairs.documents.tokens(range);
                (range.end - range.start) as usize
            };
            let all = chunk.a.start..chunk.end;
            assert!(tokens(all.clone()) >= chunk.target || chunk.end == last);
            // Without its last sentence it would be short of the target.
            assert!(all.len() == 1 || tokens(all.start..all.end - 1) < chunk.target);
            if all.len() == 1 {
                assert!(chunk.is_random && chunk.a == all);
            } else {
                assert!(!chunk.a.is_empty() && chunk.a.end < chunk.end);
            }
        }
    }
}

#[test]
fn a_tenth_of_documents_is_cut_short_and_half_of_the_pairs_are_random() {
    let pairs = pairs(&varied(2000, 5), 128, 6);
    let (mut short, mut passes, mut random, mut long_chunks) = (0, 0, 0, 0);
    for epoch in 0..10 {
        for part in 0..pairs.documents.len() {
            let chunks: Vec<_> = pairs.walk(epoch, part).collect();
            passes += 1;
            short += usize::from(chunks[0].target < 125);
            for chunk in chunks.iter().filter(|chunk| chunk.end - chunk.a.start > 1) {
                long_chunks += 1;
                random += usize::from(chunk.is_random);
            }
        }
    }
    // 1 of the 124 targets from 2 to 125 is the full one. 20,000 draws: 0.0063.
    let share = short as f64 / passes as f64;
    let expected = SHORT_SEQ_PROB * 123.0 / 124.0;
    assert!(
        (share - expected).abs() < bound(expected, passes),
        "{share}"
    );
    // About 55,000 draws: 0.0064.
    let share = random as f64 / long_chunks as f64;
    assert!(long_chunks > 40_000);
    assert!((share - 0.5).abs() < bound(0.5, long_chunks), "{share}");
}

#[test]
fn the_end_of_a_is_uniform() {
    // One document of five sentences that all fit: A ends after 1 to 4 of them.
    let pairs = pairs(&[vec![2; 5], vec![2]], 128, 0);
    let mut counts = [0; 4];
    for epoch in 0..40_000 {
        let first = pairs.walk(epoch, 0).next().unwrap();
        if first.end == 5 {
            counts[first.a.end - 1] += 1;
        }
    }
    let n: usize = counts.iter().sum();
    // Short targets, one in ten documents, rarely reach the end: 36,000 draws or more.
    assert!(n >= 36_000, "{n}");
    for count in counts {
        let share = count as f64 / n as f64;
        assert!((share - 0.25).abs() < bound(0.25, n), "{counts:?}");
    }
}

#[test]
fn an_actual_b_continues_a_and_a_random_b_is_from_another_document() {
    let lengths = varied(50, 7);
    let pairs = pairs(&lengths, 48, 8);
    let document = |id| numbered::document(&lengths, id);
    let mut example = Example::default();
    let mut labels = [0, 0];
    for place in 0..pairs.per_epoch() {
        pairs.build(0, place, &mut example).unwrap();
        let ids = &example.input_ids;
        assert!(ids.len() <= 48);
        let (a, b) = ids.split_at(example.first_segment);
        let (a, b) = (&a[1..a.len() - 1], &b[..b.len() - 1]);
        for segment in [a, b] {
            assert!(!segment.is_empty());
            assert!(segment.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        }
        labels[example.next_sentence_label as usize] += 1;
        if example.next_sentence_label == 0 {
            assert_eq!(document(a[0]), document(b[0]));
            // Truncation may take from A's end and B's start.
            assert!(a[a.len() - 1] < b[0]);
        } else {
            assert_ne!(document(a[0]), document(b[0]));
        }
    }
    assert!(labels.iter().all(|&count| count > 20), "{labels:?}");
}

/// Documents of these numbers of sentences of two tokens.
fn of_sentences(sentences: &[usize]) -> Vec<Vec<usize>> {
    sentences.iter().map(|&count| vec![2; count]).collect()
}

#[test]
fn a_random_b_is_from_another_document_wherever_there_is_one() {
    // A long document of many parts beside few short ones: nearly every draw is the long one's.
    let corpora: [&[usize]; 5] = [
        &[9_000, 1],
        &[1, 9_000],
        &[3, 9_000, 2],
        &[600, 600],
        &[1, 1],
    ];
    for sentences in corpora {
        let lengths = of_sentences(sentences);
        let pairs = pairs(&lengths, 32, 3);
        let document = |id| numbered::document(&lengths, id);
        let mut example = Example::default();
        let mut seen = 0;
        for epoch in 0..3 {
            for place in 0..pairs.per_epoch() {
                pairs.build(epoch, place, &mut example).unwrap();
                if example.next_sentence_label == 1 {
                    seen += 1;
                    let (a, b) = (1, example.first_segment);
                    let [a, b] = [a, b].map(|at| document(example.input_ids[at]));
                    assert_ne!(a, b, "{sentences:?}");
                }
            }
        }
        assert!(seen > 3, "{sentences:?}");
    }
}

#[test]
fn other_documents_are_as_likely_as_their_parts_however_many_parts_a_has() {
    // A's document has 18 of 20 parts: in a third of the draws (0.9^10) ten tries do not leave it.
    let lengths = of_sentences(&[1, 9_000, 1]);
    let pairs = pairs(&lengths, 32, 0);
    assert_eq!(pairs.documents.len(), 20);
    let mut counts = [0; 20];
    let draws = 20_000;
    for draw in 0..draws {
        let mut rng = Rng::at(1, Purpose::Examples, draw, 0);
        counts[pairs.other_part(5, &mut rng)] += 1;
    }
    assert_eq!(counts[0] + counts[19], draws);
    let share = f64::from(counts[0] as u32) / draws as f64;
    assert!((share - 0.5).abs() < bound(0.5, draws as usize), "{share}");
}

#[test]
fn where_all_parts_are_of_one_document_b_is_from_another_part_and_from_the_only_one_if_there_is_one()
 {
    let many = pairs(&of_sentences(&[9_000]), 32, 0);
    let one = pairs(&of_sentences(&[9]), 32, 0);
    for draw in 0..1000 {
        let mut rng = Rng::at(2, Purpose::Examples, draw, 0);
        let part = (draw % 18) as usize;
        assert_ne!(many.other_part(part, &mut rng), part);
        assert_eq!(one.other_part(0, &mut rng), 0);
    }
}

#[test]
fn draws_that_left_the_document_at_once_are_the_same_as_before() {
    let lengths = varied(50, 7);
    let (now, before) = (pairs(&lengths, 48, 8), pairs(&lengths, 48, 8).from_parts());
    let (mut example, mut earlier) = (Example::default(), Example::default());
    for place in 0..now.per_epoch() {
        now.build(4, place, &mut example).unwrap();
        before.build(4, place, &mut earlier).unwrap();
        assert_eq!(example, earlier);
    }
    // Two parts of one document beside a single sentence: now never from the other part.
    let lengths = of_sentences(&[1000, 1]);
    let (now, before) = (pairs(&lengths, 48, 8), pairs(&lengths, 48, 8).from_parts());
    let differs = (0..now.per_epoch()).any(|place| {
        now.build(0, place, &mut example).unwrap();
        before.build(0, place, &mut earlier).unwrap();
        example != earlier
    });
    assert!(differs);
}

#[test]
fn truncation_takes_from_the_longer_segment_and_from_b_when_equal() {
    let mut rng = Rng::at(0, Purpose::Examples, 0, 0);
    for a in 1..30 {
        for b in 1..30 {
            for room in 2..20 {
                let (mut left_a, mut left_b) = (a, b);
                while left_a + left_b > room {
                    if left_a > left_b {
                        left_a -= 1;
                    } else {
                        left_b -= 1;
                    }
                }
                let (kept_a, kept_b) = truncate(100..100 + a, 500..500 + b, room, &mut rng);
                assert_eq!(kept_a.end - kept_a.start, left_a);
                assert_eq!(kept_b.end - kept_b.start, left_b);
                assert!(left_a >= 1 && left_b >= 1);
                assert!(kept_a.start >= 100 && kept_a.end <= 100 + a);
                assert!(kept_b.start >= 500 && kept_b.end <= 500 + b);
            }
        }
    }
}

#[test]
fn each_lost_token_is_the_first_or_the_last_by_its_own_coin() {
    let mut rng = Rng::at(1, Purpose::Examples, 0, 0);
    let (mut front, mut squares, runs, lost) = (0.0, 0.0, 20_000, 100);
    for _ in 0..runs {
        let taken = shorten(0..150, 50, &mut rng).start as f64;
        front += taken;
        squares += (taken - 50.0) * (taken - 50.0);
    }
    // Binomial(100, 1/2): mean 50, variance 25 (one coin for all of them would give 2,500).
    let mean = front / f64::from(runs * lost);
    assert!(
        (mean - 0.5).abs() < bound(0.5, (runs * lost) as usize),
        "{mean}"
    );
    // The variance's own standard error is about 25 x sqrt(2 / runs) = 0.25.
    let variance = squares / f64::from(runs);
    assert!((variance - 25.0).abs() < 0.75, "{variance}");
}

#[test]
fn an_epoch_visits_every_chunk_of_the_first_pass_once() {
    let pairs = pairs(&varied(40, 9), 48, 10);
    let find = |place| pairs.epochs.find(0, place, |part| pairs.walk(0, part));
    let mut found: Vec<_> = (0..pairs.per_epoch()).map(find).collect();
    found.sort_unstable_by_key(|(_, chunk)| chunk.a.start);
    let chunks = |part| pairs.walk(0, part).map(move |chunk| (part, chunk));
    assert!((0..pairs.documents.len()).flat_map(chunks).eq(found));
}

#[test]
fn an_example_does_not_depend_on_what_was_asked_before() {
    let lengths = varied(60, 11);
    let (first, second) = (pairs(&lengths, 48, 12), pairs(&lengths, 48, 12));
    let build = |pairs: &SentencePairs, epoch, place| {
        let mut example = Example::default();
        pairs.build(epoch, place, &mut example).unwrap();
        example
    };
    let far = build(&first, 1_000_000, 3);
    for epoch in 0..4 {
        for place in (0..second.per_epoch()).rev() {
            build(&second, epoch, place);
        }
    }
    assert_eq!(build(&second, 1_000_000, 3), far);
    assert_ne!(build(&second, 1_000_001, 3), far);
}

#[test]
fn odd_corpora_work() {
    let odd: [&[Vec<usize>]; 5] = [
        // A single document: B has nowhere else to come from.
        &[vec![3, 3, 3]],
        // One word.
        &[vec![1]],
        &[vec![1], vec![1], vec![1]],
        // Sentences far beyond the room.
        &[vec![5000], vec![7000, 1]],
        // Longer than one part.
        &[vec![1; 1500]],
    ];
    for lengths in odd {
        for seq_len in [5, 6, 128] {
            let pairs = pairs(lengths, seq_len, 1);
            let mut example = Example::default();
            for place in 0..pairs.per_epoch() {
                for epoch in [0, 1] {
                    pairs.build(epoch, place, &mut example).unwrap();
                    assert!(example.input_ids.len() <= seq_len);
                    assert!(example.first_segment >= 3);
                    assert!(example.input_ids.len() - example.first_segment >= 2);
                }
            }
        }
    }
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let corpus = |documents| Documents::all(Arc::new(Corpus::in_memory(documents, 100)));
    let message = |documents, seq_len, short| {
        SentencePairs::new(documents, &vocabulary(), seq_len, short, 0)
            .err()
            .unwrap()
            .to_string()
    };
    let one = || corpus(vec![vec![vec![10, 11]]]);
    assert!(message(one(), 4, 0.1).starts_with("seq_len = 4: sentence pairs need at least 5"));
    assert!(message(one(), 16, 1.5).starts_with("short_seq_prob = 1.5"));
    assert!(message(corpus(Vec::new()), 16, 0.1).starts_with("documents = none"));
}
