use super::*;
use crate::rows::ClassRow;

fn rows(pairs: &[(&str, &str)]) -> Vec<Row> {
    let row = |(index, (label, prediction)): (usize, &(&str, &str))| {
        Row::Class(ClassRow {
            id: (index + 1).to_string(),
            label: Some((*label).to_owned()),
            prediction: (*prediction).to_owned(),
            probabilities: vec![("no".to_owned(), 0.5), ("yes".to_owned(), 0.5)],
        })
    };
    pairs.iter().enumerate().map(row).collect()
}

#[test]
fn a_division_is_as_likely_as_the_binomial_distribution_says() {
    // Two-sided: 2 · (1 + 10 + 45) / 1024.
    assert!((even_division(2, 8) - 112.0 / 1024.0).abs() < 1e-14);
    assert_eq!(even_division(0, 0), 1.0);
    assert_eq!(even_division(5, 5), 1.0);
    assert!(even_division(0, 5000) == 0.0);
    // scipy.stats.binomtest(4800, 10000).pvalue; thousands of logarithms are added up.
    let expected = 6.593_515_598_672_343e-5;
    assert!((even_division(4800, 5200) / expected - 1.0).abs() < 1e-9);
}

#[test]
fn a_run_that_is_right_more_often_is_told_from_chance() {
    let wrong: Vec<_> = (0..40)
        .map(|i| ("yes", if i < 20 { "no" } else { "yes" }))
        .collect();
    let right: Vec<_> = (0..40).map(|_| ("yes", "yes")).collect();
    let options = ScoreOptions::default();
    let paired = compare(&rows(&wrong), &rows(&right), &options).unwrap();
    assert_eq!(paired.difference, Some(0.5));
    let mcnemar = paired.mcnemar.unwrap();
    assert_eq!((mcnemar.only_first, mcnemar.only_second), (0, 20));
    assert!(mcnemar.p_value < 1e-5);
    assert!(paired.p_value.unwrap() < 0.01);
    assert!(paired.interval.unwrap().0 > 0.0);
    // Of a run with itself nothing differs.
    let same = compare(&rows(&wrong), &rows(&wrong), &options).unwrap();
    assert_eq!((same.difference, same.p_value), (Some(0.0), Some(1.0)));
    assert_eq!(same.interval, Some((0.0, 0.0)));
}

#[test]
fn other_examples_or_targets_are_refused() {
    let options = ScoreOptions::default();
    let message = |a: &[Row], b: &[Row]| compare(a, b, &options).unwrap_err().to_string();
    let one = rows(&[("yes", "yes"), ("no", "yes")]);
    assert!(message(&one, &one[..1]).starts_with("one run has 2 examples, the other 1;"));
    let other = rows(&[("yes", "yes"), ("yes", "yes")]);
    assert!(message(&one, &other).starts_with("row 2: example 2 has another target"));
    let mut renamed = rows(&[("yes", "yes"), ("no", "yes")]);
    renamed.swap(0, 1);
    assert!(message(&one, &renamed).starts_with("row 1: example 1 in one run, 2 in the other"));
}
