use super::*;
use crate::scores::Score;

fn run(name: &str, value: Option<f64>, collapsed: bool) -> (String, Scores) {
    let score = Score {
        name: "accuracy".to_owned(),
        value,
        baseline: None,
        interval: None,
        higher_is_better: true,
    };
    let scores = Scores {
        examples: 4,
        main: "accuracy".to_owned(),
        scores: vec![score],
        per_class: Vec::new(),
        confusion: None,
        facts: Vec::new(),
        collapsed,
        notes: Vec::new(),
    };
    (name.to_owned(), scores)
}

#[test]
fn runs_have_a_mean_and_a_spread_and_the_collapsed_are_named() {
    let runs = [
        run("1", Some(0.25), true),
        run("2", Some(0.75), false),
        run("3", Some(0.5), false),
        run("4", None, false),
    ];
    let summary = over_runs(&runs).unwrap();
    let spread = summary.get("accuracy").unwrap();
    assert_eq!(spread.mean, Some(0.5));
    assert_eq!(spread.median, Some(0.5));
    assert_eq!((spread.min, spread.max), (Some(0.25), Some(0.75)));
    // Squares 1/16, 1/16, 0 over 2: 1/16.
    assert!((spread.deviation.unwrap() - 0.25).abs() < 1e-15);
    assert_eq!(spread.undefined, 1);
    assert_eq!(summary.collapsed, ["1"]);
}

#[test]
fn one_run_has_no_deviation_and_no_runs_are_refused() {
    let summary = over_runs(&[run("1", Some(0.25), false)]).unwrap();
    assert_eq!(summary.scores[0].deviation, None);
    assert!(over_runs(&[]).is_err());
    let mut other = run("2", Some(0.25), false);
    other.1.main = "mcc".to_owned();
    let message = over_runs(&[run("1", Some(0.25), false), other]).unwrap_err();
    assert!(message.to_string().contains("run 2 is judged by mcc"));
}
