use super::*;

#[test]
fn answers_are_normalised_as_in_the_worked_examples() {
    assert_eq!(normalise("The U.S.A."), "usa");
    assert_eq!(normalise("state-of-the-art"), "stateoftheart");
    assert_eq!(normalise("“the” cat"), "“ ” cat");
    assert_eq!(normalise(" An  apple\u{a0}a\u{1f}day \n"), "apple day");
    assert_eq!(normalise("theatre banana"), "theatre banana");
    assert_eq!(normalise("ΌΔΟΣ the ÉA"), "όδος éa");
    assert_eq!(normalise("the_a"), "thea");
    assert_eq!(normalise("the"), "");
}

#[test]
fn words_count_as_often_as_they_stand() {
    let earned = question("the cat cat sat", &["cat sat down"], Version::V1);
    // Words cat cat sat against cat sat down: two shared; P 2/3, R 2/3.
    assert_eq!(earned.exact, 0.0);
    assert!((earned.f1 - 2.0 / 3.0).abs() < 1e-15);
    let best = question(
        "Denver Broncos!",
        &["broncos", "the denver broncos"],
        Version::V1,
    );
    assert_eq!((best.exact, best.f1), (1.0, 1.0));
}

#[test]
fn nothing_against_nothing_is_where_the_scorers_differ() {
    let old = question("the", &["a"], Version::V1);
    assert_eq!((old.exact, old.f1), (1.0, 0.0));
    let new = question("the", &["a"], Version::V2);
    assert_eq!((new.exact, new.f1), (1.0, 1.0));
}

#[test]
fn a_question_without_answer_wants_nothing() {
    let none: [&str; 0] = [];
    let right = question("", &none, Version::V2);
    assert_eq!((right.exact, right.f1), (1.0, 1.0));
    let wrong = question("cat", &none, Version::V2);
    assert_eq!((wrong.exact, wrong.f1), (0.0, 0.0));
    // An answer of no words is dropped where there is another.
    let dropped = question("", &["the", "cat"], Version::V2);
    assert_eq!((dropped.exact, dropped.f1), (0.0, 0.0));
}

#[test]
fn the_threshold_lies_where_answering_stops_to_pay() {
    // Sorted: -3 (answer, right), -1 (none: costs one), 0.5 (answer, right), 2 (none).
    let odds = [0.5, -3.0, 2.0, -1.0];
    let gains = [1.0, 1.0, -1.0, -1.0];
    let has_answer = [true, true, false, false];
    let best = best_threshold(&order(&odds), &odds, &gains, &has_answer, None).unwrap();
    // 2, then 3, 2, 3, 2: the first maximum.
    assert_eq!((best.score, best.threshold), (75.0, -3.0));
}

#[test]
fn a_threshold_that_gains_nothing_is_zero() {
    let odds = [-5.0];
    let best = best_threshold(&order(&odds), &odds, &[-1.0], &[false], None).unwrap();
    assert_eq!((best.score, best.threshold), (100.0, 0.0));
    assert_eq!(best_threshold(&[], &[], &[], &[], None), None);
}
