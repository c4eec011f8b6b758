//! Labels weighed and smoothed, against torch's own cross-entropy.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use kiln_tasks::heads::{
    ClassLoss, Head, HostLabels, HostTargets, RealLabels, SequenceLabels, SequenceLogits,
};
use kiln_testing::{Bound, assert_close, devices};
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
