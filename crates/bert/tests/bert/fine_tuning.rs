//! Fine-tuning against transformers: thirty steps of every task; options that do not suit one.

use kiln_bert::{
    BertConfig, BertForMultipleChoice, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification,
};
use kiln_tasks::Class;
use kiln_tasks::fine_tuning::{FineTuning, FineTuningSettings, HeadKind, TunedObjective};
use kiln_tasks::labelled::Problem;
use kiln_tasks::sift::{AscentLoss, SiftSettings};
use kiln_testing::{check_fine_tuning, fixtures_dir};

fn settings() -> FineTuningSettings {
    FineTuningSettings::default()
}

#[test]
fn a_classifier_learns_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("sequence_classification", "trajectory_classify");
    check_fine_tuning::<BertForSequenceClassification>(&root, cases, &settings(), 1);
}

#[test]
fn a_tagger_learns_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("token_classification", "trajectory_tag");
    check_fine_tuning::<BertForTokenClassification>(&root, cases, &settings(), 1);
}

/// The rows have different numbers of labels, so a mean of means would show.
#[test]
fn a_tagger_learns_alike_from_three_micro_batches_of_one_row() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("token_classification", "trajectory_tag");
    check_fine_tuning::<BertForTokenClassification>(&root, cases, &settings(), 3);
}

#[test]
fn spans_are_learned_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("question_answering", "trajectory_qa");
    check_fine_tuning::<BertForQuestionAnswering>(&root, cases, &settings(), 1);
}

#[test]
fn continuations_are_chosen_among_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("multiple_choice", "trajectory_choose");
    check_fine_tuning::<BertForMultipleChoice>(&root, cases, &settings(), 1);
}

#[test]
fn continuations_are_chosen_among_alike_from_three_micro_batches_of_one_example() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("multiple_choice", "trajectory_choose");
    check_fine_tuning::<BertForMultipleChoice>(&root, cases, &settings(), 3);
}

/// The rows have labels of different weights, so a mean of means would show here too.
#[test]
fn labels_are_weighed_and_smoothed_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("token_classification", "trajectory_tag_weighed");
    let settings = FineTuningSettings {
        class_weights: vec![1.0, 0.25, 2.0, 0.5, 3.0],
        label_smoothing: 0.1,
        ..FineTuningSettings::default()
    };
    for accumulate in [1, 3] {
        check_fine_tuning::<BertForTokenClassification>(&root, cases, &settings, accumulate);
    }
}

/// Frozen parameters are no part of the norm that gradients are clipped to.
#[test]
fn what_is_not_frozen_learns_as_in_pytorch() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("token_classification", "trajectory_tag_frozen");
    let settings = FineTuningSettings {
        freeze_embeddings: true,
        freeze_layers: 1,
        ..FineTuningSettings::default()
    };
    for accumulate in [1, 3] {
        check_fine_tuning::<BertForTokenClassification>(&root, cases, &settings, accumulate);
    }
}

/// The perturbed pass has the continuations' rows, and its term compares the choices of examples.
#[test]
fn continuations_are_chosen_among_alike_under_disturbed_embeddings() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = ("multiple_choice", "sift_choose");
    let settings = FineTuningSettings {
        sift: Some(SiftSettings {
            weight: 5.0,
            step_size: 0.1,
            init_perturbation: 0.1,
            ascent_loss: AscentLoss::SymmetricKl,
        }),
        ..FineTuningSettings::default()
    };
    check_fine_tuning::<BertForMultipleChoice>(&root, cases, &settings, 1);
}

#[test]
fn a_task_that_config_json_contradicts_is_refused_by_name() {
    fn checked(
        head: HeadKind,
        problem_type: Option<&str>,
        (task, outputs): (Problem, usize),
    ) -> String {
        let mut config = BertConfig {
            problem_type: problem_type.map(str::to_owned),
            ..BertConfig::default()
        };
        config.other.insert("num_labels".into(), 3.into());
        let objective = TunedObjective::<BertConfig>::new(head, config, settings());
        let checked = objective.and_then(|objective| objective.check(task, outputs));
        let error = checked.err();
        error.map_or_else(|| "taken".to_owned(), |error| error.to_string())
    }
    let single = Some("single_label_classification");
    let several = Some("multi_label_classification");
    for (head, problem_type, task, expected) in [
        (
            HeadKind::Sequence,
            single,
            (Problem::SingleLabel, 3),
            "taken",
        ),
        (HeadKind::Sequence, None, (Problem::SingleLabel, 3), "taken"),
        (HeadKind::Tokens, single, (Problem::Tags, 3), "taken"),
        (HeadKind::Spans, single, (Problem::Span, 0), "taken"),
        (HeadKind::Choices, single, (Problem::Choice, 0), "taken"),
        (
            HeadKind::Sequence,
            several,
            (Problem::SingleLabel, 3),
            "model.problem_type: the model is for multi_label_classification, the task is \
             single_label_classification; correct one of the two in the run's config.json",
        ),
        (
            HeadKind::Sequence,
            Some("regression"),
            (Problem::Regression, 1),
            "model.id2label: the model has 3 labels, the task 1; correct one of the two",
        ),
        (
            HeadKind::Tokens,
            None,
            (Problem::Tags, 5),
            "model.id2label: the model has 3 labels, the task 5",
        ),
    ] {
        let found = checked(head, problem_type, task);
        assert!(found.contains(expected), "{found}: not {expected}");
    }
}

#[test]
fn options_that_a_class_has_no_use_for_are_refused_by_name() {
    fn refused<C: Class<Config = BertConfig>>(
        problem: Option<&str>,
        change: fn(&mut FineTuningSettings),
    ) -> String {
        let config = BertConfig {
            problem_type: problem.map(str::to_owned),
            ..BertConfig::default()
        };
        let mut settings = settings();
        change(&mut settings);
        let error = FineTuning::<C>::new(config, settings).err();
        error.map_or_else(|| "taken".to_owned(), |error| error.to_string())
    }
    let weighed = |settings: &mut FineTuningSettings| settings.class_weights = vec![1.0, 2.0];
    let smoothed = |settings: &mut FineTuningSettings| settings.label_smoothing = 0.1;
    let positive = |settings: &mut FineTuningSettings| settings.positive_weights = vec![1.0, 2.0];
    for (found, expected) in [
        (
            refused::<BertForSequenceClassification>(None, weighed),
            "taken",
        ),
        (
            refused::<BertForTokenClassification>(Some("regression"), smoothed),
            "taken",
        ),
        (
            refused::<BertForMultipleChoice>(Some("regression"), smoothed),
            "taken",
        ),
        (
            refused::<BertForSequenceClassification>(Some("regression"), weighed),
            "class_weights: classify with numbers has no classes to weigh",
        ),
        (
            refused::<BertForSequenceClassification>(Some("multi_label_classification"), smoothed),
            "label_smoothing = 0.1: classify with several labels a sequence has no classes",
        ),
        (
            refused::<BertForMultipleChoice>(None, weighed),
            "class_weights: choose has no classes to weigh",
        ),
        (
            refused::<BertForQuestionAnswering>(None, weighed),
            "class_weights: qa has no classes to weigh",
        ),
        (
            refused::<BertForQuestionAnswering>(None, smoothed),
            "label_smoothing = 0.1: qa has no classes",
        ),
        (
            refused::<BertForSequenceClassification>(Some("multi_label_classification"), positive),
            "taken",
        ),
        (
            refused::<BertForSequenceClassification>(None, positive),
            "positive_weights: classify has no labels of which a sequence can have several",
        ),
        (
            refused::<BertForSequenceClassification>(Some("multi_label_classification"), |s| {
                s.positive_weights = vec![1.0; 3];
            }),
            "positive_weights: 3 numbers, the model has 2 labels",
        ),
        (
            refused::<BertForTokenClassification>(None, |s| s.class_weights = vec![1.0; 3]),
            "class_weights: 3 numbers, the model has 2 labels",
        ),
        (
            refused::<BertForTokenClassification>(None, |s| s.freeze_layers = 13),
            "freeze_layers = 13: the model has 12 layers",
        ),
    ] {
        assert!(found.contains(expected), "{expected}: {found}");
    }
}
