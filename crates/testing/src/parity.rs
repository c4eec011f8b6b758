//! One body for every architecture: each single-pass case on every device, through the forward pass
//! that `kiln forward` makes.

use std::collections::BTreeMap;

use burn::tensor::{Device, TensorData};
use kiln_learner::LearnError;
use kiln_tasks::architecture::{ForwardRequest, Output};

use crate::{Bound, Fixture, FixtureTensor, Report, Values, cases, devices};

/// Shape and values of outputs and gradients, by name.
pub type Named = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Holds outputs, losses and gradients of all cases of `architecture` that name a model class
/// against the reference's.
///
/// # Panics
/// If one differs, is missing, or there are more gradients than the reference has.
pub fn check_parity(
    architecture: &str,
    manifest_dir: &str,
    forward: impl Fn(&ForwardRequest) -> Result<Vec<Output>, LearnError>,
) {
    let mut report = Report::new(&format!("{architecture} parity"));
    let mut seen = 0;
    for folder in cases(architecture, manifest_dir) {
        let fixture = Fixture::open(&folder);
        // A case that trains, or holds two models, has a test of its own.
        if fixture.gradients.is_empty() || fixture.class().is_none() {
            continue;
        }
        seen += 1;
        for (device_name, device) in devices() {
            check_case(&mut report, &fixture, &device_name, &device, &forward);
        }
    }
    assert!(seen > 0, "{architecture}: no cases");
    report.finish();
}

fn check_case(
    report: &mut Report,
    fixture: &Fixture,
    device_name: &str,
    device: &Device,
    forward: impl Fn(&ForwardRequest) -> Result<Vec<Output>, LearnError>,
) {
    let found = match forward(&request(fixture, device)) {
        Ok(outputs) => named(outputs),
        Err(error) => panic!("{}: {error}", fixture.name),
    };
    for (name, expected) in fixture.outputs.iter().chain(&fixture.gradients) {
        let row = format!("{} {name}", fixture.name);
        let Some((shape, values)) = found.get(name) else {
            panic!("{row}: missing")
        };
        assert_eq!(shape, &expected.shape, "{row}: shape");
        let bound = match name {
            name if name.starts_with("grad.") => Bound::Gradient,
            name if name.ends_with("loss") => Bound::Loss,
            _ => Bound::Output,
        };
        let (actual, expected) = match bound {
            Bound::Output => (
                real(fixture, shape, values),
                real(fixture, shape, &numbers(expected)),
            ),
            _ => (values.clone(), numbers(expected)),
        };
        report.check(&row, device_name, &actual, &expected, bound);
    }
    let gradients = found.keys().filter(|name| name.starts_with("grad."));
    assert_eq!(
        gradients.count(),
        fixture.gradients.len(),
        "{}",
        fixture.name
    );
}

/// The request that a case's inputs make, gradients included.
pub fn request(fixture: &Fixture, device: &Device) -> ForwardRequest {
    let inputs = fixture.inputs.iter();
    ForwardRequest {
        model: fixture.folder.clone(),
        inputs: inputs
            .map(|(name, tensor)| (name.clone(), data(tensor)))
            .collect(),
        task: None,
        gradients: true,
        device: device.clone(),
        warn: |_| {},
    }
}

/// Outputs by name.
///
/// # Panics
/// If one does not hold float32 numbers.
pub fn named(outputs: Vec<Output>) -> Named {
    let outputs = outputs.into_iter().map(|output| {
        let shape = output.data.shape().as_slice().to_vec();
        match output.data.try_to_vec() {
            Ok(values) => (output.name, (shape, values)),
            Err(error) => panic!("{}: {error:?}", output.name),
        }
    });
    outputs.collect()
}

/// Whole numbers too, such as positions.
fn numbers(tensor: &FixtureTensor) -> Vec<f32> {
    match &tensor.values {
        Values::Floats(values) => values.clone(),
        Values::Ints(values) => values.iter().map(|&value| value as f32).collect(),
    }
}

fn data(tensor: &FixtureTensor) -> TensorData {
    let shape = tensor.shape.clone();
    match &tensor.values {
        Values::Floats(values) => TensorData::new(values.clone(), shape),
        Values::Ints(values) => TensorData::new(values.clone(), shape),
    }
}

/// The entries at positions that are attended to; all of them where an output has no positions.
fn real(fixture: &Fixture, shape: &[usize], values: &[f32]) -> Vec<f32> {
    let Some(mask) = fixture.inputs.get("attention_mask") else {
        return values.to_vec();
    };
    // Continuations are rows of their own.
    let (seq_len, rows) = match mask.shape.split_last() {
        Some((&seq_len, outer)) => (seq_len, outer.iter().product()),
        None => return values.to_vec(),
    };
    if !shape.starts_with(&[rows, seq_len]) {
        return values.to_vec();
    }
    let width = values.len() / mask.ints().len();
    let rows = values.chunks(width).zip(mask.ints());
    let rows = rows.filter(|(_, is_real)| **is_real == 1);
    rows.flat_map(|(row, _)| row.to_vec()).collect()
}
