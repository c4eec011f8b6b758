//! The span search against its worked check.

use super::*;
use crate::RowTarget;

/// A row whose tokens stand for these characters.
pub(in crate::questions) fn row(
    example: u64,
    characters: &[Option<(u32, u32)>],
    no_answer: u32,
) -> Feature {
    let first = characters.iter().position(Option::is_some).unwrap_or(0);
    let last = characters.iter().rposition(Option::is_some);
    Feature {
        example,
        ids: vec![vec![0; characters.len()]],
        type_ids: vec![vec![0; characters.len()]],
        target: RowTarget::None,
        map: TokenMap::Context {
            characters: characters.to_vec(),
            starts: first as u32..last.map_or(first, |last| last + 1) as u32,
            no_answer,
        },
    }
}

/// The two windows of finetuning.md's check on the context "abcdefghij", each with its logits.
pub(in crate::questions) fn check() -> [(Feature, [f32; 6], [f32; 6]); 2] {
    let first = [None, None, None, Some((0, 1)), Some((1, 2)), Some((2, 3))];
    let second = [None, None, None, Some((2, 3)), Some((3, 4)), Some((4, 5))];
    [
        (
            row(0, &first, 0),
            [3.0, 9.0, 0.0, 2.0, 5.0, 1.0],
            [2.0, 0.0, 9.0, 1.0, 0.0, 4.0],
        ),
        (
            row(0, &second, 0),
            [1.0, 0.0, 0.0, 4.0, 0.0, 3.0],
            [0.5, 0.0, 0.0, 6.0, 2.0, 1.0],
        ),
    ]
}

fn found(settings: &SearchSettings) -> Found {
    let [first, second] = check().map(|(row, start, end)| {
        let logits = SpanLogits {
            start: &start,
            end: &end,
        };
        search(&row, logits, settings).unwrap()
    });
    let mut found = first;
    found.add(second, settings.n_best);
    found
}

fn spans(found: &Found) -> Vec<(&'static str, f64)> {
    let text =
        |candidate: &Candidate| &"abcdefghij"[candidate.start as usize..candidate.end as usize];
    let best = found.best.iter();
    best.map(|candidate| (text(candidate), candidate.score))
        .collect()
}

#[test]
fn the_best_spans_come_from_different_windows_and_none_from_the_question() {
    let all = found(&SearchSettings::default());
    assert_eq!(spans(&all)[..3], [("c", 10.0), ("bc", 9.0), ("abc", 6.0)]);
    // Null 5 and 1.5: the least counts.
    assert_eq!(all.null, 1.5);
    // The same span of both windows is there twice.
    let c = spans(&all).into_iter().filter(|(text, _)| *text == "c");
    assert_eq!(c.collect::<Vec<_>>(), [("c", 10.0), ("c", 5.0)]);
}

#[test]
fn n_best_bounds_positions_and_spans() {
    let settings = SearchSettings {
        n_best: 2,
        ..SearchSettings::default()
    };
    // "abc" begins at none of its window's two best starts; "cd", 6, is the third of two.
    assert_eq!(spans(&found(&settings)), [("c", 10.0), ("bc", 9.0)]);
    let [_, (row, start, end)] = check();
    let logits = SpanLogits {
        start: &start,
        end: &end,
    };
    let second = search(&row, logits, &settings).unwrap();
    assert_eq!(spans(&second), [("c", 10.0), ("cd", 6.0)]);
}

#[test]
fn spans_are_no_longer_than_they_may_be_and_begin_where_the_row_decides() {
    let settings = SearchSettings {
        max_answer_tokens: 1,
        ..SearchSettings::default()
    };
    let all = found(&settings);
    assert!(spans(&all).iter().all(|(text, _)| text.len() == 1));
    assert_eq!(spans(&all)[0], ("c", 10.0));

    let [_, (mut row, start, end)] = check();
    if let TokenMap::Context { starts, .. } = &mut row.map {
        *starts = 4..6;
    }
    let logits = SpanLogits {
        start: &start,
        end: &end,
    };
    let owned = search(&row, logits, &SearchSettings::default()).unwrap();
    assert_eq!(spans(&owned), [("e", 4.0), ("d", 2.0), ("de", 1.0)]);
}

#[test]
fn of_equals_the_first_position_is_taken() {
    assert_eq!(best(&[1.0, 3.0, 3.0, 0.0, 3.0], 2), [1, 2]);
    assert_eq!(best(&[], 2), [0usize; 0]);
    assert_eq!(best(&[1.0], 20), [0]);
}
