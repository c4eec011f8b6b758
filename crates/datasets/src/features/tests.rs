//! Texts, pairs and continuations: what stays of them, what they are to be, what is refused.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use kiln_text::tokenizer::{WordPieceSettings, train_word_piece_on_texts};
use proptest::prelude::*;

use super::*;
use crate::Place;

/// Letters alone are in the vocabulary besides: a word has as many tokens as letters, or fewer.
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let settings = WordPieceSettings {
        vocab_size: 40,
        ..WordPieceSettings::default()
    };
    train_word_piece_on_texts(["a b c d e potter opened the kiln"], &settings).unwrap()
});

fn labels() -> Labels {
    Labels::new(["no", "yes", "both"].map(String::from).to_vec())
}

fn featurizer(problem: Problem, max_len: usize) -> Featurizer<'static> {
    let settings = FeatureSettings {
        max_len,
        ..FeatureSettings::default()
    };
    let layout = Layout::new(&TOKENIZER, 2).unwrap();
    Featurizer::new(&TOKENIZER, layout, problem, &labels(), &settings).unwrap()
}

fn example(input: Input, target: Option<Target>) -> Example {
    Example {
        id: "1".into(),
        place: Place {
            file: Arc::from(Path::new("train.tsv")),
            line: 7,
        },
        input,
        target,
    }
}

fn text(first: &str, target: Option<Target>) -> Example {
    let first = first.to_string();
    example(
        Input::Text {
            first,
            second: None,
        },
        target,
    )
}

fn choices(endings: &[&str], target: Option<usize>) -> Example {
    let input = Input::Choices {
        first: "a b".into(),
        endings: endings.iter().map(ToString::to_string).collect(),
    };
    example(input, target.map(Target::Choice))
}

/// The targets of one text each.
fn target(problem: Problem, target: Target) -> Result<RowTarget, String> {
    let rows = featurizer(problem, 16).features(0, &text("a b", Some(target)));
    let row = rows.map_err(|error| error.to_string())?.remove(0);
    Ok(row.target)
}

#[test]
fn of_two_texts_the_longer_one_is_cut_as_transformers_cuts_it() {
    // finetuning.md, section 1: the two rules differ where an odd room is left and both are cut.
    assert_eq!(longest_first(100, 100, 125), [62, 63]);
    assert_eq!(longest_first(101, 100, 125), [63, 62]);
    assert_eq!(longest_first(100, 101, 125), [62, 63]);
    assert_eq!(longest_first(100, 100, 124), [62, 62]);
    // The longer one alone.
    assert_eq!(longest_first(100, 20, 125), [100, 20]);
    assert_eq!(longest_first(200, 20, 125), [105, 20]);
    assert_eq!(longest_first(20, 200, 125), [20, 105]);
    assert_eq!(longest_first(62, 200, 125), [62, 63]);
    assert_eq!(longest_first(63, 200, 125), [62, 63]);
    assert_eq!(longest_first(0, 200, 125), [0, 125]);
    assert_eq!(longest_first(3, 4, 0), [0, 0]);
}

proptest! {
    #[test]
    fn two_texts_fill_the_room_and_lose_nothing_needlessly(
        first in 0_usize..80,
        second in 0_usize..80,
        room in 0_usize..80,
    ) {
        let [keep_first, keep_second] = longest_first(first, second, room);
        prop_assert!(keep_first <= first && keep_second <= second);
        prop_assert_eq!(keep_first + keep_second, room.min(first + second));
        // The other order gives the same lengths.
        if first != second {
            prop_assert_eq!(longest_first(second, first, room), [keep_second, keep_first]);
        }
        // Nothing is taken of the shorter one as long as the longer has more than its half.
        let (shorter, longer) = if first <= second {
            (keep_first, keep_second)
        } else {
            (keep_second, keep_first)
        };
        prop_assert!(shorter == first.min(second) || longer - shorter <= 1);
    }

    #[test]
    fn no_row_is_longer_than_it_may_be_and_none_begins_elsewhere(
        first in "[a-e ]{0,30}",
        second in proptest::option::of("[a-e ]{0,30}"),
        max_len in 5_usize..24,
    ) {
        let mut featurizer = featurizer(Problem::SingleLabel, max_len);
        let input = Input::Text { first: first.clone(), second: second.clone() };
        let row = featurizer.features(3, &example(input.clone(), None)).unwrap().remove(0);
        let whole = self::featurizer(Problem::SingleLabel, 128)
            .features(3, &example(input, None))
            .unwrap()
            .remove(0);
        prop_assert_eq!(row.ids[0].len(), whole.ids[0].len().min(max_len));
        prop_assert_eq!(row.ids[0].len(), row.type_ids[0].len());
        prop_assert_eq!(featurizer.counts().cut, u64::from(whole.ids[0].len() > max_len));
        prop_assert_eq!(row.ids[0][0], TOKENIZER.id("[CLS]").unwrap());
        let seps = row.ids[0].iter().filter(|&&id| Some(id) == TOKENIZER.id("[SEP]")).count();
        prop_assert_eq!(seps, 1 + usize::from(second.is_some()));
        prop_assert_eq!(row.ids[0].last().copied(), TOKENIZER.id("[SEP]"));
        prop_assert_eq!(row.map, TokenMap::Whole);
        prop_assert_eq!(row.example, 3);
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_before_it(texts in proptest::collection::vec("[a-e ]{0,20}", 1..8)) {
        let mut one = featurizer(Problem::SingleLabel, 12);
        for (number, first) in (0..).zip(&texts) {
            let example = text(first, Some(Target::Class(number as usize % 3)));
            let alone = featurizer(Problem::SingleLabel, 12).features(number, &example).unwrap();
            prop_assert_eq!(one.features(number, &example).unwrap(), alone);
        }
        prop_assert_eq!(one.counts().examples, texts.len() as u64);
        prop_assert_eq!(one.counts().features, texts.len() as u64);
    }
}

#[test]
fn targets_become_what_the_loss_of_their_problem_needs() {
    let single = target(Problem::SingleLabel, Target::Class(2)).unwrap();
    assert_eq!(single, RowTarget::Class(2));
    let several = target(Problem::MultiLabel, Target::Classes(vec![0, 2])).unwrap();
    assert_eq!(several, RowTarget::Numbers(vec![1.0, 0.0, 1.0]));
    let none = target(Problem::MultiLabel, Target::Classes(vec![])).unwrap();
    assert_eq!(none, RowTarget::Numbers(vec![0.0; 3]));
    let numbers = target(Problem::Regression, Target::Numbers(vec![3.0, -0.5])).unwrap();
    assert_eq!(numbers, RowTarget::Numbers(vec![3.0, -0.5]));
}

#[test]
fn a_target_of_another_task_or_beyond_the_labels_is_told_with_its_line() {
    let other = target(Problem::Regression, Target::Class(1)).unwrap_err();
    assert_eq!(
        other,
        "train.tsv: line 7: what it is labelled with is another task's"
    );
    for (problem, wrong) in [
        (Problem::SingleLabel, Target::Class(3)),
        (Problem::MultiLabel, Target::Classes(vec![1, 3])),
    ] {
        assert_eq!(
            target(problem, wrong).unwrap_err(),
            "train.tsv: line 7: label 3: the model has 3 labels, numbered from 0"
        );
    }
    let words = example(Input::Words(vec!["a".into()]), None);
    let error = featurizer(Problem::SingleLabel, 16).features(0, &words);
    assert_eq!(
        error.unwrap_err().to_string(),
        "train.tsv: line 7: not an example of this task"
    );
}

#[test]
fn continuations_are_as_many_for_each_example_and_one_of_them_is_right() {
    let mut featurizer = featurizer(Problem::Choice, 16);
    let row = featurizer
        .features(0, &choices(&["c", "d e"], Some(1)))
        .unwrap();
    assert_eq!(row.len(), 1);
    assert_eq!(row[0].target, RowTarget::Class(1));
    let lengths: Vec<usize> = row[0].ids.iter().map(Vec::len).collect();
    // [CLS] a b [SEP] c [SEP], and one token more.
    assert_eq!(lengths, [6, 7]);
    assert_eq!(row[0].type_ids[1], [0, 0, 0, 0, 1, 1, 1]);
    let mut error = |example: &Example| featurizer.features(1, example).unwrap_err().to_string();
    assert_eq!(
        error(&choices(&["c", "d", "e"], None)),
        "train.tsv: line 7: 3 continuations, the examples before have 2; give all as many"
    );
    assert_eq!(
        error(&choices(&["c", "d"], Some(2))),
        "train.tsv: line 7: continuation 2 is to be right, but there are 2; count them from 0"
    );
    assert_eq!(
        error(&choices(&[], None)),
        "train.tsv: line 7: no continuation; give at least one"
    );
}

#[test]
fn lengths_without_room_are_refused_before_any_text_is_read() {
    let error = |problem, max_len, overlap| {
        let settings = FeatureSettings {
            max_len,
            overlap,
            ..FeatureSettings::default()
        };
        let layout = Layout::new(&TOKENIZER, 2).unwrap();
        let made = Featurizer::new(&TOKENIZER, layout, problem, &labels(), &settings);
        made.map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(
        error(Problem::SingleLabel, 4, None).unwrap_err(),
        "--max-len 4: special tokens leave no room for text; choose 5 at least"
    );
    assert_eq!(error(Problem::SingleLabel, 5, None), Ok(()));
    assert_eq!(error(Problem::Tags, 3, None), Ok(()));
    assert_eq!(
        error(Problem::Tags, 10, Some(8)).unwrap_err(),
        "--overlap 8: a window has room for 8 tokens and would never go on; choose less, half of it is \
         usual"
    );
    // Texts have no windows.
    assert_eq!(error(Problem::SingleLabel, 10, Some(8)), Ok(()));
    assert!(error(Problem::Span, 10, None).is_err());
}
