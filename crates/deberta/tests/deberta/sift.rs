//! SiFT on DeBERTa's classifier, for which it was made: losses, perturbations and gradients of one
//! pass are the reference's.

use burn::optim::GradientsParams;
use burn::tensor::{Int, Tensor};
use kiln_checkpoint::{ModelFile, gradient_tensors};
use kiln_deberta::names::NAMES;
use kiln_deberta::{DebertaConfig, DebertaForSequenceClassification};
use kiln_nn::loss::cross_entropy_sum;
use kiln_nn::{EncoderInputs, Init};
use kiln_tasks::Family;
use kiln_tasks::sift::{AscentLoss, CleanPass, Disturbed, SiftSettings};
use kiln_testing::{Bound, Fixture, Report, devices, fixtures_dir};

/// The reference's settings: steps far above the published ones, so that their direction shows.
fn settings(ascent_loss: AscentLoss) -> SiftSettings {
    SiftSettings {
        weight: 5.0,
        step_size: 0.1,
        init_perturbation: 0.1,
        ascent_loss,
    }
}

#[test]
fn losses_perturbations_and_gradients_are_the_references() {
    let fixtures = fixtures_dir("deberta", env!("CARGO_MANIFEST_DIR"));
    let fixture = Fixture::open(&fixtures.join("sift"));
    let folder = fixtures.join("sequence_classification");
    let config = DebertaConfig::open(&folder).unwrap().without_dropout();
    let mut report = Report::new("deberta sift");
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = DebertaForSequenceClassification::new(&config, &mut Init::zeros(&device));
        let model = DebertaConfig::open_weights(model, &ModelFile::open(&folder).unwrap()).unwrap();
        let (model, loaded) = model;
        loaded.require_complete(&folder).unwrap();

        let ids = |name| fixture.input(name).int_tensor::<2>(&device);
        let attention_mask: Tensor<2, Int> = ids("attention_mask");
        let inputs = EncoderInputs {
            input_ids: ids("input_ids"),
            attention_mask: Some(attention_mask.clone()),
            token_type_ids: ids("token_type_ids"),
        };
        let logits_of = |model: &DebertaForSequenceClassification, sum: Tensor<3>| {
            let mask = Some(attention_mask.clone());
            let embedded = model.deberta.embeddings.block.finish(sum, mask.clone());
            model.logits(model.deberta.encode(embedded, mask))
        };
        let words = model.deberta.word_embeddings();
        let read = Disturbed::normalised(model.deberta.embeddings.block.sum(words, inputs));
        let labels = fixture.input("labels").int_tensor::<1>(&device);
        let [rows] = labels.dims();
        let clean = CleanPass {
            logits: logits_of(&model, read.embedded.clone()),
            read,
            row_weights: Tensor::ones([rows], &device),
        };
        let mut check = |row: &str, actual: Vec<f32>, bound| {
            let expected = fixture.output(row).floats();
            report.check(row, &name, &actual, expected, bound);
        };
        let floats = |tensor: Tensor<1>| tensor.inner().try_into_vec_as::<f32>().unwrap();
        check(
            "logits",
            floats(clean.logits.clone().flatten(0, 1)),
            Bound::Output,
        );

        let start = fixture.input("delta_0").tensor::<3>(&device);
        let climb = |loss| clean.climb(&settings(loss), start.clone(), &model, logits_of);
        let delta = climb(AscentLoss::SymmetricKl);
        check(
            "delta_1",
            floats(delta.clone().flatten(0, 2)),
            Bound::Output,
        );
        let by_squares = climb(AscentLoss::Mse);
        check(
            "delta_1.mse",
            floats(by_squares.flatten(0, 2)),
            Bound::Output,
        );

        let weights = clean.row_weights.clone();
        let task = cross_entropy_sum(clean.logits.clone(), labels, weights) / rows as f64;
        let sift = clean.perturbed_sum(delta, &model, logits_of) / rows as f64;
        let loss = task.clone() + sift.clone() * settings(AscentLoss::SymmetricKl).weight;
        for (row, value) in [
            ("task_loss", task),
            ("sift_loss", sift),
            ("loss", loss.clone()),
        ] {
            check(row, floats(value), Bound::Loss);
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let gradients = gradient_tensors(&model, &gradients, &NAMES).unwrap();
        assert_eq!(gradients.len(), fixture.gradients.len());
        for gradient in gradients {
            let expected = fixture.gradients[&gradient.name].floats();
            let row = gradient.name;
            report.check(&row, &name, &gradient.data, expected, Bound::Gradient);
        }
    }
    report.finish();
}
