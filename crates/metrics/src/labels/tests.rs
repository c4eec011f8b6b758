use super::*;

fn counts(examples: &[(&[usize], &[usize])], labels: usize) -> LabelCounts {
    let mut counts = LabelCounts::new(labels);
    for (targets, predictions) in examples {
        counts.add(targets, predictions, 1);
    }
    counts
}

#[test]
fn labels_are_counted_one_by_one_and_examples_as_a_whole() {
    let counts = counts(&[(&[0, 2], &[0]), (&[1], &[1]), (&[], &[2])], 3);
    // TP 2; true 3; predicted 3.
    assert_eq!(counts.micro_f1(), 2.0 / 3.0);
    // 1, 1, 0.
    assert_eq!(counts.macro_f1(), Some(2.0 / 3.0));
    assert_eq!(counts.exact_match(), Some(1.0 / 3.0));
    assert_eq!(counts.labels()[2].precision(), Some(0.0));
    assert_eq!(counts.labels()[0].recall(), Some(1.0));
}

#[test]
fn an_example_without_labels_is_exact_when_none_is_predicted() {
    let counts = counts(&[(&[], &[])], 2);
    assert_eq!(counts.exact_match(), Some(1.0));
    assert_eq!(counts.micro_f1(), 0.0);
    assert_eq!(counts.macro_f1(), Some(0.0));
}

#[test]
fn a_constant_set_is_as_good_as_trying_all_sets() {
    let targets: [&[usize]; 5] = [&[0], &[0, 1], &[1], &[0, 2], &[]];
    let mut best = (0.0_f64, 0.0_f64);
    for set in 0..8usize {
        let chosen: Vec<usize> = (0..3).filter(|label| set >> label & 1 == 1).collect();
        let mut tried = LabelCounts::new(3);
        for target in targets {
            tried.add(target, &chosen, 1);
        }
        best = (
            best.0.max(tried.micro_f1()),
            best.1.max(tried.macro_f1().unwrap()),
        );
    }
    let mut counts = LabelCounts::new(3);
    for target in targets {
        counts.add(target, &[], 1);
    }
    assert_eq!(counts.best_constant_micro_f1(), best.0);
    assert_eq!(counts.best_constant_macro_f1(), Some(best.1));
}
