use proptest::prelude::*;

use super::*;

fn counted(pairs: impl IntoIterator<Item = (usize, usize)>, classes: usize) -> ClassCounts {
    let mut counts = ClassCounts::new(classes);
    for (target, prediction) in pairs {
        counts.add(target, prediction, 1);
    }
    counts
}

fn counts(targets: &[usize], predictions: &[usize], classes: usize) -> ClassCounts {
    counted(
        targets.iter().copied().zip(predictions.iter().copied()),
        classes,
    )
}

#[test]
fn several_classes_correlate_as_in_the_worked_example() {
    let mcc = counts(&[0, 1, 2, 2, 1], &[0, 2, 2, 2, 1], 3).mcc().unwrap();
    // Six digits are given.
    assert!((mcc - 0.734_968).abs() < 5e-7, "{mcc}");
}

#[test]
fn two_classes_correlate_as_the_four_counts_say() {
    // TP 3, FP 1, FN 2, TN 4.
    let targets = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0];
    let predictions = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
    let counts = counts(&targets, &predictions, 2);
    let expected = (3.0 * 4.0 - 1.0 * 2.0) / f64::sqrt(4.0 * 5.0 * 5.0 * 6.0);
    // A handful of roundings.
    assert!((counts.mcc().unwrap() - expected).abs() < 1e-15);
    assert_eq!(counts.class(1).f1(), 6.0 / 9.0);
    assert_eq!(counts.accuracy(), Some(0.7));
    assert_eq!(counts.class(1).precision(), Some(0.75));
    assert_eq!(counts.class(1).recall(), Some(0.6));
}

#[test]
fn a_constant_prediction_correlates_by_nothing() {
    assert_eq!(counts(&[0, 1, 1], &[1, 1, 1], 2).mcc(), Some(0.0));
    assert_eq!(counts(&[1, 1], &[0, 1], 2).mcc(), Some(0.0));
}

#[test]
fn a_class_that_is_nowhere_has_no_precision_and_no_part_in_the_mean() {
    let counts = counts(&[0, 1], &[0, 0], 3);
    assert_eq!(counts.class(1).precision(), None);
    assert_eq!(counts.class(2).recall(), None);
    assert_eq!(counts.class(2).f1(), 0.0);
    // F1 2/3 and 0; the third class is left out.
    assert_eq!(counts.macro_f1(), Some(1.0 / 3.0));
}

#[test]
fn no_examples_have_no_scores() {
    let counts = ClassCounts::new(3);
    assert_eq!(counts.accuracy(), None);
    assert_eq!(counts.macro_f1(), None);
    assert_eq!(counts.mcc(), None);
    assert_eq!(counts.majority(), None);
}

#[test]
fn the_majority_is_the_most_frequent_target() {
    assert_eq!(counts(&[2, 1, 2, 0], &[0; 4], 3).majority(), Some(2));
    assert_eq!(counts(&[2, 1], &[0; 2], 3).majority(), Some(1));
}

proptest! {
    #[test]
    fn the_numbers_stay_in_range_and_do_not_see_the_names(
        pairs in prop::collection::vec((0usize..4, 0usize..4), 1..60),
    ) {
        let first = counted(pairs.iter().copied(), 4);
        let renamed = counted(pairs.iter().map(|&(a, b)| (3 - a, 3 - b)), 4);
        prop_assert_eq!(first.accuracy(), renamed.accuracy());
        prop_assert_eq!(first.mcc(), renamed.mcc());
        prop_assert!((0.0..=1.0).contains(&first.macro_f1().unwrap()));
        prop_assert!((-1.0..=1.0).contains(&first.mcc().unwrap()));
    }

    #[test]
    fn a_constant_counts_as_if_it_had_been_predicted(
        targets in prop::collection::vec(0usize..4, 1..40),
        class in 0usize..4,
    ) {
        let any = counted(targets.iter().map(|&target| (target, 0)), 4);
        let constant = counted(targets.iter().map(|&target| (target, class)), 4);
        prop_assert_eq!(any.constant(class), constant);
    }
}
