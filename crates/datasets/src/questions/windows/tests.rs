//! Windows: how many, which tokens, what they say of the answer.

use std::path::Path;
use std::sync::LazyLock;

use kiln_text::tokenizer::{
    ByteBpeSettings, WordPieceSettings, train_byte_bpe_on_texts, train_word_piece_on_texts,
};
use proptest::prelude::*;

use super::*;
use crate::Place;

const CONTEXT: &str = "The potter opened the kiln in Zürich's old town.";

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let settings = WordPieceSettings {
        vocab_size: 60,
        ..WordPieceSettings::default()
    };
    train_word_piece_on_texts([CONTEXT], &settings).unwrap()
});

fn layout() -> QuestionLayout {
    QuestionLayout::bert(2, 3)
}

fn example(question: &str, context: &str, answers: Option<&[(&str, usize)]>) -> Example {
    let answer = |&(text, start): &(&str, usize)| Answer {
        text: text.to_string(),
        start,
    };
    Example {
        id: "q-7".to_string(),
        place: Place {
            file: Arc::from(Path::new("dev.json")),
            line: 3,
        },
        input: Input::Question {
            question: question.to_string(),
            context: context.into(),
        },
        target: answers.map(|answers| Target::Answers(answers.iter().map(answer).collect())),
    }
}

fn made(
    layout: QuestionLayout,
    max_length: usize,
    stride: Stride,
    example: &Example,
) -> Result<Vec<Feature>, DataError> {
    let settings = WindowSettings { max_length, stride };
    QuestionWindows::new(&TOKENIZER, layout, settings)?.features(4, example)
}

fn starts(tokens: usize, room: usize, stride: Stride) -> Vec<usize> {
    let windows = windows(tokens, room, stride).unwrap();
    windows.into_iter().map(|window| window.start).collect()
}

#[test]
fn the_two_strides_are_two_readings() {
    // finetuning.md, section 3: an overlap in Hugging Face's code, a distance in the original.
    assert_eq!(starts(12, 5, Stride::Overlap(2)), [0, 3, 6, 9]);
    assert_eq!(starts(12, 5, Stride::Starts(2)), [0, 2, 4, 6, 8]);
    assert_eq!(
        starts(1000, 371, Stride::Starts(128)),
        [0, 128, 256, 384, 512, 640]
    );
    assert_eq!(starts(1000, 371, Stride::Overlap(128)), [0, 243, 486, 729]);
    // The last one is shorter, not moved to the left.
    let all = windows(12, 5, Stride::Overlap(2)).unwrap();
    assert_eq!(all.last(), Some(&(9..12)));
    // One window is enough, whatever the stride.
    assert_eq!(starts(5, 5, Stride::Overlap(9)), [0]);
    assert_eq!(starts(0, 5, Stride::Overlap(2)), [0]);
    // A stride longer than a window leaves nothing out.
    assert_eq!(starts(12, 5, Stride::Starts(9)), [0, 5, 10]);
    assert_eq!(windows(6, 5, Stride::Overlap(5)), None);
    assert_eq!(windows(6, 0, Stride::Starts(1)), None);
}

#[test]
fn a_token_is_owned_by_the_window_with_most_of_its_context() {
    let windows = windows(12, 5, Stride::Starts(2)).unwrap();
    let owned = owned(12, &windows);
    let owners: Vec<usize> = (0..12)
        .map(|token| owned.iter().position(|own| own.contains(&token)).unwrap())
        .collect();
    assert_eq!(owners, [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
}

#[test]
fn rows_have_the_order_of_their_architecture() {
    let example = example("  \u{a0}the kiln", "old town", None);
    let row = |layout| {
        made(layout, 64, Stride::Overlap(16), &example)
            .unwrap()
            .remove(0)
    };
    let question = TOKENIZER.encode("the kiln").unwrap();
    let tokens = TOKENIZER.encode_with_offsets("old town").unwrap();
    let context: Vec<u32> = tokens.iter().map(|(id, _)| *id).collect();
    let (q, c) = (question.len(), context.len());
    let characters: Vec<_> = tokens
        .iter()
        .map(|(_, range)| Some((range.start as u32, range.end as u32)))
        .collect();

    let bert = row(layout());
    let ids = [&[2], &question[..], &[3], &context[..], &[3]].concat();
    assert_eq!((bert.example, &bert.ids), (4, &vec![ids]));
    assert_eq!(bert.type_ids, [[vec![0; q + 2], vec![1; c + 1]].concat()]);
    assert_eq!(bert.target, RowTarget::None);
    let map = |before, behind, no_answer: usize| TokenMap::Context {
        characters: [vec![None; before], characters.clone(), vec![None; behind]].concat(),
        starts: before as u32..(before + c) as u32,
        no_answer: no_answer as u32,
    };
    assert_eq!(bert.map, map(q + 2, 1, 0));

    let roberta = row(QuestionLayout::roberta(2, 3));
    let ids = [&[2], &question[..], &[3, 3], &context[..], &[3]].concat();
    assert_eq!(roberta.ids, [ids]);
    assert_eq!(roberta.type_ids, [vec![0; q + c + 4]]);
    assert_eq!(roberta.map, map(q + 3, 1, 0));

    let xlnet = row(QuestionLayout::xlnet(2, 3));
    let ids = [&context[..], &[3], &question[..], &[3, 2]].concat();
    assert_eq!(xlnet.ids, [ids]);
    let types = [vec![0; c + 1], vec![1; q + 1], vec![2]].concat();
    assert_eq!(xlnet.type_ids, [types]);
    assert_eq!(xlnet.map, map(0, q + 3, q + c + 2));
}

#[test]
fn blanks_before_a_question_go() {
    // To byte-level BPE a space is a token's part.
    let bytes = ByteBpeSettings {
        vocab_size: 270,
        ..ByteBpeSettings::default()
    };
    let tokenizer = train_byte_bpe_on_texts([CONTEXT], &bytes).unwrap();
    let rows = |question: &str| {
        let settings = WindowSettings::default();
        let mut windows = QuestionWindows::new(&tokenizer, layout(), settings).unwrap();
        windows
            .features(0, &example(question, CONTEXT, None))
            .unwrap()
    };
    assert_eq!(rows(" \t\u{a0}the kiln"), rows("the kiln"));
    assert_ne!(rows("the kiln "), rows("the kiln"));
}

#[test]
fn every_window_is_kept_and_says_where_the_answer_is() {
    let answers: &[(&str, usize)] = &[("Zürich's", 30), ("kiln", 22)];
    let with = example("the", CONTEXT, Some(answers));
    let without = example("the", CONTEXT, Some(&[]));
    let unknown = example("the", CONTEXT, None);
    let rows = |example| made(layout(), 18, Stride::Overlap(9), example).unwrap();
    // As many in training as in evaluation.
    assert_eq!(rows(&with).len(), rows(&unknown).len());
    assert!(rows(&with).len() > 3);
    let tokens = TOKENIZER.encode_with_offsets(CONTEXT).unwrap();
    let (first, last) = answer_tokens(&tokens, 30..38).unwrap();
    let mut holding = 0;
    for row in rows(&with) {
        let TokenMap::Context {
            characters, starts, ..
        } = &row.map
        else {
            panic!("not a context");
        };
        let RowTarget::Span { start, end } = row.target else {
            panic!("no span");
        };
        if start == 0 {
            assert_eq!(end, 0);
            continue;
        }
        holding += 1;
        assert!(starts.contains(&start) && starts.contains(&end));
        assert_eq!(characters[start as usize].unwrap().0, 30);
        assert_eq!(characters[end as usize].unwrap().1, 38);
        assert_eq!(end - start, (last - first) as u32);
    }
    assert!(holding > 0 && holding < rows(&with).len());
    let is_none = |row: &Feature| row.target == RowTarget::Span { start: 0, end: 0 };
    assert!(rows(&without).iter().all(is_none));
}

#[test]
fn a_question_that_leaves_no_room_is_named() {
    let question = example("the kiln in Zürich's old town", CONTEXT, None);
    let taken = TOKENIZER
        .encode("the kiln in Zürich's old town")
        .unwrap()
        .len()
        + 3;
    for (max_length, stride) in [(taken, 1), (taken - 3, 1), (5, 1), (taken + 4, 4)] {
        let error = made(layout(), max_length, Stride::Overlap(stride), &question);
        let line = error.unwrap_err().to_string();
        assert!(
            line.starts_with("dev.json: line 3: question \"q-7\": it has "),
            "{line}"
        );
        // What a user can change is named as a flag.
        assert!(line.contains(&format!("--max-len {max_length}")), "{line}");
        let is_stride = line.contains("--stride");
        assert_eq!(is_stride, max_length > taken, "{line}");
    }
    assert!(made(layout(), taken + 1, Stride::Starts(1), &question).is_ok());
    for (stride, flag) in [
        (Stride::Starts(0), "--doc-stride 0: "),
        (Stride::Overlap(64), "--stride 64: "),
    ] {
        let error = made(layout(), 64, stride, &question).unwrap_err();
        assert!(error.to_string().starts_with(flag), "{error}");
    }
}

#[test]
fn an_answer_that_is_not_where_it_should_be_is_refused() {
    for (answer, found) in [
        (("kiln", 21), "\" kil\""),
        (("town", 47), "\".\""),
        (("x", 99), "\"\""),
    ] {
        let example = example("the", CONTEXT, Some(&[answer]));
        let error = made(layout(), 64, Stride::Overlap(16), &example).unwrap_err();
        let line = error.to_string();
        assert!(
            line.contains("question \"q-7\"") && line.contains(found),
            "{line}"
        );
    }
    // Characters, not bytes: ü is one.
    let example = example("the", CONTEXT, Some(&[("old", 39)]));
    assert!(made(layout(), 64, Stride::Overlap(16), &example).is_ok());
}

#[test]
fn an_answer_that_no_token_stands_for_is_counted() {
    let example = example("the", "the \u{ad} kiln", Some(&[("\u{ad}", 4)]));
    let settings = WindowSettings::default();
    let mut windows = QuestionWindows::new(&TOKENIZER, layout(), settings).unwrap();
    let row = windows.features(0, &example).unwrap().remove(0);
    assert_eq!(row.target, RowTarget::Span { start: 0, end: 0 });
    assert_eq!(windows.counts().unread_answers, 1);
    assert_eq!(windows.counts().widened_answers, 0);
}

#[test]
fn an_answer_that_begins_or_ends_within_a_token_is_counted() {
    let settings = WindowSettings::default();
    let mut windows = QuestionWindows::new(&TOKENIZER, layout(), settings).unwrap();
    let tokens = TOKENIZER.encode_with_offsets(CONTEXT).unwrap();
    let mut ranges = tokens.into_iter().map(|(_, range)| range);
    let long = ranges.find(|range| range.len() > 1).unwrap();
    let characters: Vec<char> = CONTEXT.chars().collect();
    let whole = long.clone();
    for (answer, widened) in [
        (whole, 0),
        (long.start + 1..long.end, 1),
        (long.start..long.end - 1, 2),
    ] {
        let text: String = characters[answer.clone()].iter().collect();
        let example = example("the", CONTEXT, Some(&[(&text, answer.start)]));
        windows.features(0, &example).unwrap();
        assert_eq!(windows.counts().widened_answers, widened, "{text:?}");
    }
    // A blank at an end is of no token.
    let (at, _) = CONTEXT.match_indices(' ').next().unwrap();
    let example = example("the", CONTEXT, Some(&[(&CONTEXT[..=at], 0)]));
    windows.features(0, &example).unwrap();
    assert_eq!(windows.counts().widened_answers, 2);
    assert_eq!(windows.counts().unread_answers, 0);
}

/// As [`owned`], with a look at every window for every token.
fn owned_among_all(tokens: usize, windows: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut owned: Vec<Range<usize>> = windows.iter().map(|it| it.end..it.end).collect();
    for token in 0..tokens {
        let score = |window: &Range<usize>| {
            let (left, right) = (token - window.start, window.end - 1 - token);
            100 * left.min(right) + window.len()
        };
        let holding = windows.iter().enumerate();
        let holding = holding.filter(|(_, window)| window.contains(&token));
        let best = holding.rev().max_by_key(|(_, window)| score(window));
        let own = &mut owned[best.unwrap().0];
        *own = own.start.min(token)..token + 1;
    }
    owned
}

proptest! {
    #[test]
    fn windows_leave_no_token_out_and_each_is_owned_once(
        tokens in 0usize..400, room in 1usize..60, stride in 0usize..70,
    ) {
        for stride in [Stride::Overlap(stride), Stride::Starts(stride.max(1))] {
            let found = windows(tokens, room, stride);
            let goes_on = match stride {
                Stride::Overlap(overlap) => tokens <= room || overlap < room,
                Stride::Starts(_) => true,
            };
            prop_assert_eq!(found.is_some(), goes_on);
            let Some(all) = found else {
                continue;
            };
            prop_assert_eq!(all[0].start, 0);
            prop_assert_eq!(all.last().unwrap().end, tokens);
            for pair in all.windows(2) {
                prop_assert!(pair[0].start < pair[1].start && pair[1].start <= pair[0].end);
                prop_assert_eq!(pair[0].len(), room);
                match stride {
                    Stride::Overlap(overlap) => {
                        prop_assert_eq!(pair[0].end - pair[1].start, overlap);
                    }
                    Stride::Starts(step) => {
                        prop_assert_eq!(pair[1].start - pair[0].start, step.min(room));
                    }
                }
            }
            let owned = owned(tokens, &all);
            for token in 0..tokens {
                let owners = owned.iter().filter(|own| own.contains(&token));
                prop_assert_eq!(owners.count(), 1);
            }
            for (own, window) in owned.iter().zip(&all) {
                prop_assert!(window.start <= own.start && own.end <= window.end);
            }
            prop_assert_eq!(owned, owned_among_all(tokens, &all));
        }
    }
}
