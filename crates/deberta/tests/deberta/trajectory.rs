//! Thirty optimizer steps through the learner against PyTorch: every loss, gradient norm and
//! learning rate on the way, and the parameters at the end. Masked language modelling with the
//! enhanced mask decoder; replaced token detection in turns and together.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;
use std::sync::Arc;

use kiln_checkpoint::ModelFile;
use kiln_deberta::{DebertaConfig, DebertaPretraining, MaskedLmForm};
use kiln_learner::{ModelFiles, Objective, RunFolder};
use kiln_nn::Init;
use kiln_tasks::Family;
use kiln_tasks::settings::Sharing;
use kiln_testing::{
    Bound, Fixture, Report, SampledBatches, check_curves, devices, lock_generator, open_pair,
    training_settings,
};

use crate::objectives::{fixture, fixture_objective, train_on};

/// Trains on the case's batches, each cut into `accumulate` micro-batches; holds the curves, and gives
/// the folder of the last checkpoint.
fn follow<O: Objective>(
    report: &mut Report,
    (device_name, device): &(String, burn::tensor::Device),
    fixture: &Fixture,
    accumulate: usize,
    (files, objective, model): (ModelFiles<O::Model>, O, O::Model),
    folder: &Path,
) -> std::path::PathBuf {
    let run = RunFolder::create(&folder.join("run")).unwrap();
    let rows = fixture.input("input_ids").shape[1];
    let batch_size = rows / accumulate;
    let mut curves = vec![
        ("loss", "losses", Bound::Loss),
        ("learning_rate", "learning_rates", Bound::Loss),
        ("grad_norm", "grad_norms", Bound::Gradient),
    ];
    for term in objective.terms() {
        match term.name {
            "generator_loss" => curves.push((term.name, "generator_losses", Bound::Loss)),
            "discriminator_loss" => curves.push((term.name, "discriminator_losses", Bound::Loss)),
            _ => {}
        }
    }
    let outcome = train_on(
        (files, objective),
        model,
        device,
        &run,
        training_settings(fixture, batch_size, accumulate),
        Arc::new(SampledBatches::stacked(fixture, batch_size)),
    );
    check_curves(report, device_name, fixture, &run, &curves);
    outcome.checkpoint
}

/// `start` has the first weights; the folders of a checkpoint have the last ones.
fn pair_follows(case: &str, start: &str, sharing: Sharing, alternating: bool, accumulate: usize) {
    let _guard = lock_generator();
    let fixture = fixture(case);
    let start = self::fixture(start).folder;
    let mut report = Report::new(case);
    for on in devices() {
        let objective = fixture_objective(&start, sharing, alternating);
        let model = open_pair(&objective, &start, &on.1.clone().autodiff());
        let folder = tempfile::tempdir().unwrap();
        let trained = (objective.files(None), objective, model);
        let checkpoint = follow(
            &mut report,
            &on,
            &fixture,
            accumulate,
            trained,
            folder.path(),
        );
        let open = |file: &str| ModelFile::open(checkpoint.join(file)).unwrap();
        let (generator, discriminator) = (open("generator"), open("discriminator"));
        for (parameter, expected) in &fixture.parameters {
            let actual = match parameter.split_once('.').unwrap() {
                // The reference has the difference here, the discriminator's file the sum.
                (_, "deberta.embeddings.word_embeddings.weight")
                    if sharing == Sharing::GradientDisentangled
                        && parameter.starts_with("discriminator.") =>
                {
                    open("embedding_difference.safetensors").read("weight")
                }
                ("generator", name) => generator.read(name),
                (_, name) => discriminator.read(name),
            }
            .unwrap();
            let row = format!("{case} {parameter}");
            report.check(&row, &on.0, &actual, expected.floats(), Bound::Output);
        }
    }
    report.finish();
}

#[test]
fn thirty_steps_of_masked_language_modelling_are_pytorchs() {
    let _guard = lock_generator();
    let fixture = fixture("trajectory_mlm");
    let start = self::fixture("joint_disentangled").folder.join("generator");
    let mut report = Report::new("trajectory_mlm");
    for on in devices() {
        let config = DebertaConfig::open(&start).unwrap().without_dropout();
        let objective = DebertaPretraining::new(config, MaskedLmForm::Enhanced);
        let model = objective.new_model(&mut Init::zeros(&on.1.clone().autodiff()));
        let model = objective.files(None).read(model, &start).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let trained = (objective.files(None), objective, model);
        let checkpoint = follow(&mut report, &on, &fixture, 1, trained, folder.path());
        let file = ModelFile::open(&checkpoint).unwrap();
        for (parameter, expected) in &fixture.parameters {
            let actual = file.read(parameter).unwrap();
            report.check(parameter, &on.0, &actual, expected.floats(), Bound::Output);
        }
    }
    report.finish();
}

#[test]
fn thirty_steps_in_turns_with_a_difference_of_tables_are_pytorchs() {
    let sharing = Sharing::GradientDisentangled;
    pair_follows(
        "trajectory_alternating",
        "joint_disentangled",
        sharing,
        true,
        1,
    );
}

/// The samples of each micro-batch wait for the discriminator's turn; rows have different numbers of
/// predictions and of tokens, so a mean of means would show.
#[test]
fn three_micro_batches_of_one_row_in_turns_follow_the_same_curve_as_one_of_three() {
    let sharing = Sharing::GradientDisentangled;
    pair_follows(
        "trajectory_alternating",
        "joint_disentangled",
        sharing,
        true,
        3,
    );
}

/// Both optimizers move the table, each with moments of its own.
#[test]
fn thirty_steps_in_turns_with_one_table_are_pytorchs() {
    pair_follows(
        "trajectory_shared",
        "joint_shared",
        Sharing::Embeddings,
        true,
        1,
    );
}

#[test]
fn thirty_steps_together_with_a_difference_of_tables_are_pytorchs() {
    let sharing = Sharing::GradientDisentangled;
    pair_follows("trajectory_joint", "joint_disentangled", sharing, false, 1);
}
