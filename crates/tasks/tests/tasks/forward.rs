//! The losses of heads on given logits, and what they refuse, without any model.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use kiln_tasks::class::{Encoded, Outputs};
use kiln_tasks::family::Sizes;
use kiln_tasks::forward::{ClassSpec, Inputs, Results};
use kiln_tasks::heads::ReplacedLogits;

const SIZES: Sizes = Sizes {
    vocab_size: 9,
    type_vocab_size: 2,
    max_position_embeddings: 3,
    first_position: 0,
};
const LOGITS: [f32; 6] = [0.5, -1.0, 2.0, 0.0, 3.0, -0.25];
const LABELS: [i64; 6] = [0, 0, 1, 1, 0, 1];
const SHAPE: [usize; 2] = [2, 3];

fn ints(values: &[i64]) -> TensorData {
    TensorData::new(values.to_vec(), SHAPE)
}

fn floats(values: &[f32]) -> TensorData {
    TensorData::new(values.to_vec(), SHAPE)
}

/// Loss and gradient of a discriminator, or the refusal.
fn binary(given: &[(&str, TensorData)]) -> Result<(f32, Vec<f32>), String> {
    let device = kiln_backend::open(&"flex".parse().unwrap()).unwrap();
    let device = device.autodiff();
    let mut all = BTreeMap::from([("input_ids".to_owned(), ints(&[1; 6]))]);
    all.extend(
        given
            .iter()
            .map(|(name, data)| ((*name).to_owned(), data.clone())),
    );
    let class = ClassSpec {
        name: "ElectraForPreTraining",
        arguments: &[],
        head_arguments: &[],
        labels: &["labels"],
        outputs: vec!["last_hidden_state", "logits"],
    };
    let inputs = Inputs::new(&all, class, SIZES, &device).map_err(|error| error.to_string())?;
    let logits = Tensor::<2>::from_data(floats(&LOGITS), &device).require_grad();
    let outputs = Outputs {
        encoded: Encoded::new(Tensor::zeros([2, 3, 1], &device)),
        head: ReplacedLogits {
            logits: logits.clone(),
        },
    };
    let results = Results::of(outputs, &inputs, None).map_err(|error| error.to_string())?;
    let outputs = results.read().unwrap();
    let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["last_hidden_state", "logits", "loss"]);
    assert_eq!(outputs[1].data.shape().as_slice(), SHAPE);
    assert!(outputs[2].data.shape().as_slice().is_empty());
    let gradients = results.loss().unwrap().backward();
    let gradient = logits.grad(&gradients).unwrap();
    Ok((
        outputs[2].data.try_to_vec::<f32>().unwrap()[0],
        gradient.try_into_vec_as::<f32>().unwrap(),
    ))
}

/// PyTorch's `BCEWithLogitsLoss` over the chosen positions, in double precision.
fn expected(labels: &[f64], mask: &[i64]) -> (f64, Vec<f64>) {
    let count = mask.iter().sum::<i64>() as f64;
    let rows = LOGITS.iter().zip(labels).zip(mask);
    let rows = rows.map(|((&logit, &label), &mask)| {
        let logit = f64::from(logit);
        let sigmoid = 1.0 / (1.0 + (-logit).exp());
        let loss = -(label * sigmoid.ln() + (1.0 - label) * (1.0 - sigmoid).ln());
        let weight = mask as f64 / count;
        (weight * loss, weight * (sigmoid - label))
    });
    let rows: Vec<(f64, f64)> = rows.collect();
    let loss = rows.iter().map(|row| row.0).sum();
    (loss, rows.iter().map(|row| row.1).collect())
}

fn assert_same(found: (f32, Vec<f32>), expected: (f64, Vec<f64>)) {
    let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 1e-6;
    assert!(close(found.0, expected.0), "{} {}", found.0, expected.0);
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert!(close(*found, *expected), "{found} {expected}");
    }
}

#[test]
fn a_yes_or_no_a_token_is_averaged_over_what_is_attended_to() {
    let labels = LABELS.map(|label| label as f64);
    let found = binary(&[("labels", ints(&LABELS))]).unwrap();
    assert_same(found, expected(&labels, &[1; 6]));

    let mask = [1, 1, 1, 1, 1, 0];
    let given = [("labels", ints(&LABELS)), ("attention_mask", ints(&mask))];
    let found = binary(&given).unwrap();
    assert_eq!(found.1[5], 0.0);
    assert_same(found, expected(&labels, &mask));
}

#[test]
fn labels_may_be_whole_or_real_numbers() {
    let as_ints = binary(&[("labels", ints(&LABELS))]).unwrap();
    let real = LABELS.map(|label| label as f32);
    assert_eq!(binary(&[("labels", floats(&real))]).unwrap(), as_ints);

    let soft = [0.25, 0.0, 1.0, 0.5, 0.125, 0.75];
    let found = binary(&[("labels", floats(&soft))]).unwrap();
    assert_same(found, expected(&soft.map(f64::from), &[1; 6]));
}

#[test]
fn labels_and_masks_that_do_not_fit_are_refused() {
    let refused = |given: &[(&str, TensorData)]| binary(given).unwrap_err();
    assert_eq!(
        refused(&[("labels", ints(&[0, 0, -100, 0, 0, 0]))]),
        "labels: entry 2 is -100, allowed are 0 to 1"
    );
    for wrong in [1.5, -0.5, f32::NAN] {
        let message = refused(&[("labels", floats(&[0.0, wrong, 0.0, 0.0, 0.0, 0.0]))]);
        assert_eq!(
            message,
            format!("labels: entry 1 is {wrong}, allowed are 0 to 1")
        );
    }
    assert_eq!(
        refused(&[("labels", ints(&LABELS)), ("attention_mask", ints(&[0; 6]))]),
        "attention_mask: every entry is 0, so there is nothing to score; leave labels out"
    );
    let message = refused(&[("labels", TensorData::new(vec![0i64; 2], [2]))]);
    assert_eq!(message, "labels: has shape [2], [2, 3] is needed");
    assert_eq!(
        refused(&[("start_positions", ints(&LABELS))]),
        "start_positions: ElectraForPreTraining takes no such input, but input_ids, \
         attention_mask, token_type_ids, labels"
    );
}
