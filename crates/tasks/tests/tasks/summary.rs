//! Sequences summed up by their tokens: padding counts for nothing, wherever it stands and whatever it is.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_nn::Init;
use kiln_tasks::summary::{SequenceSummary, Summary, SummaryType};
use kiln_testing::{Bound, assert_close, devices};

const WIDTH: usize = 3;
const KINDS: [SummaryType; 4] = [
    SummaryType::Last,
    SummaryType::First,
    SummaryType::Mean,
    SummaryType::ClsIndex,
];

/// Sums up without a projection: what is gathered is what comes out.
fn summary(kind: SummaryType, device: &Device) -> SequenceSummary {
    let summary = Summary {
        kind,
        activation: None,
        use_proj: false,
        first_dropout: 0.0,
        last_dropout: 0.0,
    };
    SequenceSummary::new(summary, WIDTH, &mut Init::zeros(device))
}

/// The hidden states of a sequence: other ones for each position and entry.
fn states(seq_len: usize) -> Vec<f32> {
    (0..seq_len * WIDTH).map(|i| (i as f32).sin()).collect()
}

fn tensor(values: Vec<f32>, seq_len: usize, device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values, [1, seq_len, WIDTH]), device)
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

#[test]
fn padding_counts_for_nothing_on_either_side() {
    for (name, device) in devices() {
        for kind in KINDS {
            let summary = summary(kind, &device);
            let alone = tensor(states(5), 5, &device);
            let expected = floats(summary.forward(alone, None));
            for (left, right) in [(0, 0), (3, 0), (0, 4), (2, 1)] {
                let seq_len = left + 5 + right;
                let mut values = vec![f32::NAN; left * WIDTH];
                values.extend(states(5));
                values.resize(seq_len * WIDTH, f32::NAN);
                let mut mask = vec![0; left];
                mask.extend([1; 5]);
                mask.resize(seq_len, 0);
                let mask = TensorData::new(mask, [1, seq_len]);
                let mask = Tensor::<2, Int>::from_data(mask, &device);
                let found = floats(summary.forward(tensor(values, seq_len, &device), Some(mask)));
                let what = format!("{kind:?}, {left} and {right} of padding");
                assert_close(&what, &found, &expected, Bound::Output, &name);
            }
        }
    }
}

#[test]
fn the_mean_is_of_the_tokens_and_so_are_its_gradients() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let hidden = tensor(states(4), 4, &device).require_grad();
        let mask = Tensor::<2, Int>::from_data([[0, 1, 1, 0]], &device);
        let found = summary(SummaryType::Mean, &device).forward(hidden.clone(), Some(mask));
        let gradients = found.clone().sum().backward();
        let values = states(4);
        let expected: Vec<f32> = (0..WIDTH)
            .map(|entry| (values[WIDTH + entry] + values[2 * WIDTH + entry]) / 2.0)
            .collect();
        assert_close("mean", &floats(found), &expected, Bound::Output, &name);
        let gradient = floats(hidden.grad(&gradients).unwrap());
        assert_eq!(
            gradient,
            [[0.0; WIDTH], [0.5; WIDTH], [0.5; WIDTH], [0.0; WIDTH]].concat(),
            "{name}"
        );
    }
}
