//! Every reference case on every device: outputs, losses, gradients, and the golden numbers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, TensorData};
use kiln_bert::forward;
use kiln_learner::architecture::{ForwardRequest, Output};
use kiln_testing::{Bound, Fixture, FixtureTensor, Report, Values, cases, devices, fixtures_dir};

fn data(tensor: &FixtureTensor) -> TensorData {
    let shape = tensor.shape.clone();
    match &tensor.values {
        Values::Floats(values) => TensorData::new(values.clone(), shape),
        Values::Ints(values) => TensorData::new(values.clone(), shape),
    }
}

fn request(fixture: &Fixture, device: &Device) -> ForwardRequest {
    let inputs = fixture.inputs.iter();
    ForwardRequest {
        model: fixture.folder.clone(),
        inputs: inputs
            .map(|(name, tensor)| (name.clone(), data(tensor)))
            .collect(),
        task: None,
        gradients: true,
        device: device.clone(),
    }
}

fn by_name(outputs: Vec<Output>) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let outputs = outputs.into_iter().map(|output| {
        let shape = output.data.shape().as_slice().to_vec();
        (output.name, (shape, output.data.try_to_vec().unwrap()))
    });
    outputs.collect()
}

/// The entries at positions that are attended to; all of them where an output has no positions.
fn real(fixture: &Fixture, shape: &[usize], values: &[f32]) -> Vec<f32> {
    let mask = fixture.input("attention_mask");
    if !shape.starts_with(&mask.shape) {
        return values.to_vec();
    }
    let width = values.len() / mask.ints().len();
    let rows = values.chunks(width).zip(mask.ints());
    let rows = rows.filter(|(_, is_real)| **is_real == 1);
    rows.flat_map(|(row, _)| row.to_vec()).collect()
}

/// A case that trains has its losses elsewhere; the learner's tests hold it.
fn is_single_pass(fixture: &Fixture) -> bool {
    !fixture.gradients.is_empty()
}

#[test]
fn outputs_losses_and_gradients_are_the_references() {
    let mut report = Report::new("bert parity");
    for folder in cases("bert", env!("CARGO_MANIFEST_DIR")) {
        let fixture = Fixture::open(&folder);
        if !is_single_pass(&fixture) {
            continue;
        }
        for (device_name, device) in devices() {
            let found = by_name(forward(&request(&fixture, &device)).unwrap());
            for (name, expected) in fixture.outputs.iter().chain(&fixture.gradients) {
                let row = format!("{} {name}", fixture.name);
                let (shape, values) = found.get(name).unwrap_or_else(|| panic!("{row}: missing"));
                assert_eq!(shape, &expected.shape, "{row}: shape");
                let bound = match name {
                    name if name.starts_with("grad.") => Bound::Gradient,
                    name if name.ends_with("loss") => Bound::Loss,
                    _ => Bound::Output,
                };
                let (actual, expected) = match bound {
                    Bound::Output => (
                        real(&fixture, shape, values),
                        real(&fixture, shape, expected.floats()),
                    ),
                    _ => (values.clone(), expected.floats().to_vec()),
                };
                report.check(&row, &device_name, &actual, &expected, bound);
            }
            let gradients = found
                .keys()
                .filter(|name| name.starts_with("grad."))
                .count();
            assert_eq!(gradients, fixture.gradients.len(), "{}", fixture.name);
        }
    }
    report.finish();
}

/// Numbers computed once in double precision, independent of the files beside them.
#[test]
fn the_golden_numbers_hold() {
    let folder = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR")).join("golden");
    if !Path::new(&folder).is_dir() {
        return; // The fixtures were replaced by someone's own.
    }
    let fixture = Fixture::open(&folder);
    let mut report = Report::new("bert golden");
    for (device_name, device) in devices() {
        let found = by_name(forward(&request(&fixture, &device)).unwrap());
        let mut check = |name: &str, at: usize, expected: &[f32], bound| {
            let actual = &found[name].1[at..at + expected.len()];
            report.check(
                &format!("{name}[{at}..]"),
                &device_name,
                actual,
                expected,
                bound,
            );
        };
        let output = Bound::Output;
        check(
            "last_hidden_state",
            0,
            &[0.509_671_9, -0.420_026_8, -1.389_499_8, 1.301_954],
            output,
        );
        check(
            "last_hidden_state",
            (8 + 4) * 4,
            &[0.737_415_4, -0.060_047_604, -1.652_434, 0.594_448_86],
            output,
        );
        check(
            "pooler_output",
            0,
            &[-0.244_092_3, 0.256_251_46, 0.784_594, -0.637_853],
            output,
        );
        check(
            "prediction_logits",
            11,
            &[0.749_119_1, 0.050_147_537, -1.004_063_2, 0.168_174_32],
            output,
        );
        check(
            "seq_relationship_logits",
            0,
            &[0.334_017_85, 0.829_569_64, 0.328_810_5, 0.838_474_1],
            output,
        );
        check("loss", 0, &[3.336_708_2], Bound::Loss);
        check("mlm_loss", 0, &[2.615_833_2], Bound::Loss);
        check("next_sentence_loss", 0, &[0.720_875], Bound::Loss);
        // The row of [PAD] learns from the decoder alone.
        check(
            "grad.bert.embeddings.word_embeddings.weight",
            0,
            &[-0.096_988_95, 0.007_514_009, -0.053_019_654, 0.015_751_324],
            Bound::Gradient,
        );
        let norm = |name: &str| {
            let squares = found[name].1.iter().map(|&v| f64::from(v) * f64::from(v));
            squares.sum::<f64>().sqrt()
        };
        // An erf GELU with the tanh form's derivative would give 0.07074643 in the last one.
        for (name, expected) in [
            (
                "grad.bert.embeddings.word_embeddings.weight",
                1.010_998_142_7,
            ),
            (
                "grad.bert.encoder.layer.0.attention.self.query.weight",
                0.077_330_936_6,
            ),
            (
                "grad.bert.encoder.layer.0.intermediate.dense.weight",
                0.070_759_042_4,
            ),
        ] {
            let error = (norm(name) - expected).abs() / expected;
            assert!(error < 1e-5, "{device_name}: {name}: off by {error:e}");
        }
        let all: f64 = found
            .keys()
            .filter(|name| name.starts_with("grad."))
            .map(|name| norm(name).powi(2))
            .sum();
        assert!(
            (all.sqrt() - 1.712_923_142).abs() < 2e-5,
            "{device_name}: {all}"
        );
    }
    report.finish();
}
