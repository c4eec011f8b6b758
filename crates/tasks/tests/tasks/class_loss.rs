//! Labels weighed and smoothed, against torch's own cross-entropy.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use kiln_datasets::Problem;
use kiln_tasks::heads::{
    ClassLoss, Head, HostLabels, HostTargets, RealLabels, SequenceLabels, SequenceLogits,
    TrainedHead,
};
use kiln_testing::{Bound, assert_close, devices};
use kiln_text::HostBatch;
use serde_json::Value;

fn floats(value: &Value) -> Vec<f32> {
    let values = value.as_array().unwrap().iter();
    let values = values.map(|value| {
        value
            .as_f64()
            .map_or_else(|| floats(value), |v| vec![v as f32])
    });
    values.flatten().collect()
}

#[test]
fn losses_and_gradients_are_torchs() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/class_losses.json"
    ));
    let cases: Vec<Value> = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(cases.len(), 9);
    for (name, device) in devices() {
        let device = device.autodiff();
        for case in &cases {
            let loss = Arc::new(ClassLoss {
                class_weights: floats(&case["class_weights"]),
                label_smoothing: case["label_smoothing"].as_f64().unwrap(),
                ..ClassLoss::default()
            });
            let labels = floats(&case["labels"])
                .into_iter()
                .map(|label| label as i32);
            // What fills up weighs nothing, in either sum: the last row, twice.
            let mut labels: Vec<i32> = labels.collect();
            labels.push(3);
            let mut rows = vec![1.0; labels.len()];
            rows[7] = 0.0;
            let mut logits = floats(&case["logits"]);
            logits.extend([1.0, 2.0, 3.0, 4.0]);
            let host = HostLabels::classes(labels).weighed(&rows).with_loss(&loss);
            let weights = host.weights();
            let logits = Tensor::<2>::from_data(TensorData::new(logits, [8, 4]), &device);
            let logits = logits.require_grad();
            let head = SequenceLogits {
                logits: logits.clone(),
                real_labels: RealLabels::YesOrNo,
            };
            let labels = HostLabels::upload(host, &device);
            let terms = head.losses(SequenceLabels::Class(labels));
            assert_eq!(vec![terms[0].weight], weights, "{name} {case}");
            let mean = terms[0].mean();
            let gradient = logits.grad(&mean.backward()).unwrap();
            let gradient: Vec<f32> = gradient.try_into_vec_as().unwrap();
            let (gradient, of_filling) = gradient.split_at(28);
            assert_eq!(of_filling, [0.0; 4], "{name} {case}");
            let mean: Vec<f32> = mean.inner().try_into_vec_as().unwrap();
            assert_close(
                "loss",
                &mean,
                &floats(&Value::from(vec![case["loss"].clone()])),
                Bound::Loss,
                &name,
            );
            assert_close(
                "gradient",
                gradient,
                &floats(&case["gradient"]),
                Bound::Gradient,
                &name,
            );
        }
    }
}

/// The logits' logistic functions are 1/2, and 3/4 or 1/4, so that all is a multiple of ln 2: PyTorch's
/// `BCEWithLogitsLoss(pos_weight=[3, 0.5])` worked out by hand.
#[test]
fn labels_that_examples_have_weigh_as_torchs_pos_weight() {
    let ln_2 = std::f32::consts::LN_2;
    let ln_3 = 3.0_f32.ln();
    let logits = [[0.0, 0.0], [ln_3, -ln_3], [0.0, 0.0], [9.0, 9.0]];
    // 3 ln 2 + ln 2; ln 4 + ½ ln 4; and of a label that is one in part 3/4 ln 2 + 3/4 ln 2, ½ ln 2.
    let values = vec![1.0, 0.0, 0.0, 1.0, 0.25, 1.0, 1.0, 0.0];
    let sum = (4.0 + 3.0 + 1.5 + 0.5) * ln_2;
    // v · y · (σ − 1) + (1 − y) · σ
    let slopes = [3.0 * -0.5, 0.5, 0.75, 0.5 * -0.75, 0.0, 0.5 * -0.5];
    let mut batch = HostBatch::default();
    batch.insert_ints("input_ids", vec![0; 4], &[4, 1]);
    batch.insert_floats("labels", values, &[4, 2]);
    // The last row only fills up.
    batch.insert_floats("example_weight", vec![1.0, 1.0, 1.0, 0.0], &[4]);
    let loss = Arc::new(ClassLoss {
        positive_weights: vec![3.0, 0.5],
        ..ClassLoss::default()
    });
    for (name, device) in devices() {
        let device = device.autodiff();
        let host = SequenceLogits::host_targets(&batch, Problem::MultiLabel, 2).with_loss(&loss);
        // Divided by how many labels there are, not by what they weigh.
        assert_eq!(host.weights(), [6.0], "{name}");
        let targets = host.upload(&device);
        let logits = Tensor::<2>::from_data(logits, &device).require_grad();
        let head = SequenceLogits {
            logits: logits.clone(),
            real_labels: RealLabels::YesOrNo,
        };
        // What a row weighs in other terms is not what its labels do.
        let rows: Vec<f32> = SequenceLogits::row_weights(&targets)
            .try_into_vec_as()
            .unwrap();
        assert_eq!(rows, [1.0, 1.0, 1.0, 0.0], "{name}");
        let mean = head.losses(targets)[0].mean();
        let gradient = logits.grad(&mean.backward()).unwrap();
        let gradient: Vec<f32> = gradient.try_into_vec_as().unwrap();
        let (gradient, of_filling) = gradient.split_at(6);
        assert_eq!(of_filling, [0.0; 2], "{name}");
        let mean: Vec<f32> = mean.inner().try_into_vec_as().unwrap();
        assert_close("loss", &mean, &[sum / 6.0], Bound::Loss, &name);
        let slopes = slopes.map(|slope| slope / 6.0);
        assert_close("gradient", gradient, &slopes, Bound::Gradient, &name);
    }
}
