//! Heads with weights from a formula, on hidden states from a formula: what they give was computed in
//! float64 by the original classes.

use burn::tensor::{Device, Tensor, TensorData};
use kiln_checkpoint::{module_tensors, write_model};
use kiln_nn::Init;
use kiln_tasks::class::{Class, Encoded, write_folder};
use kiln_tasks::family::Family;
use kiln_tasks::heads::SequenceLogits;

use crate::device::devices;
use crate::trajectory::must;

/// The hidden states of one sequence of three tokens, `[1, 3, 4]`: sin(i) by flat index.
pub fn golden_hidden_states(device: &Device) -> Tensor<3> {
    let values: Vec<f32> = (0..12).map(|i| f64::from(i).sin() as f32).collect();
    Tensor::from_data(TensorData::new(values, [1, 3, 4]), device)
}

/// `model` with a head whose k-th tensor by name, from 1, is 0.5·sin(k + i) by flat index, plus 1 where it
/// is a LayerNorm's weight. A pooler belongs to the head.
///
/// # Panics
/// If the model can't be written and read back.
pub fn with_golden_head<C: Class>(model: C, config: &C::Config) -> C {
    let folder = must(tempfile::tempdir());
    must(write_folder(&model, config, folder.path()));
    let names = C::Config::FILE_NAMES;
    let encoder = names.options.base_prefix.unwrap_or_default();
    let mut tensors = must(module_tensors(&model, names.names));
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let of_head = tensors
        .iter_mut()
        .filter(|tensor| !tensor.name.starts_with(encoder) || tensor.name.contains("pooler"));
    for (k, tensor) in of_head.enumerate() {
        let gain = f64::from(u8::from(tensor.name.ends_with("LayerNorm.weight")));
        for (i, value) in tensor.data.iter_mut().enumerate() {
            *value = (0.5 * ((k + 1 + i) as f64).sin() + gain) as f32;
        }
    }
    must(write_model(folder.path(), &tensors, None));
    must(C::Config::open_complete(model, folder.path()))
}

/// Fails the test unless classifiers of `config` with a golden head give these numbers of the golden hidden
/// states on every device. `draw` makes one, `encode` gives what its head reads of hidden states.
///
/// # Panics
/// If they do not.
pub fn check_golden_classifier<C: Class<Head = SequenceLogits>>(
    config: &C::Config,
    draw: impl Fn(&mut Init) -> C,
    encode: impl Fn(&C, Tensor<3>) -> Encoded,
    golden: &[f64],
) {
    for (name, device) in devices() {
        let model = with_golden_head(draw(&mut Init::new(3, 0.2, &device)), config);
        let encoded = encode(&model, golden_hidden_states(&device));
        let logits: Vec<f32> = must(model.head(&encoded).logits.try_into_vec_as());
        check_golden(&name, &logits, golden);
    }
}

/// Holds numbers against golden ones, which have six digits after the point.
///
/// # Panics
/// If one is off by more than 2e-6: half a digit, and some roundings of float32.
pub fn check_golden(what: &str, actual: &[f32], golden: &[f64]) {
    assert_eq!(actual.len(), golden.len(), "{what}");
    for (actual, golden) in actual.iter().zip(golden) {
        let gap = (f64::from(*actual) - golden).abs();
        assert!(gap < 2e-6, "{what}: {actual}, {golden} is right");
    }
}
