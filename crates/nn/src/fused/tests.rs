//! Values and gradients against the definitions in double precision, on every device.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::*;

mod joined;

/// Deterministic values in [-amplitude, amplitude] without a pattern over rows.
fn wave(len: usize, phase: f64, amplitude: f64) -> Vec<f32> {
    (0..len)
        .map(|i| ((i as f64 * 1.7 + phase).sin() * amplitude) as f32)
        .collect()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Compares with f64 values; the bound is a few units of single precision at the values' size.
fn assert_near<const D: usize>(actual: Tensor<D>, expected: &[f64], bound: f64, what: &str) {
    let actual: Vec<f32> = actual.try_into_vec_as::<f32>().unwrap();
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(a) - e).abs();
        assert!(
            error < bound,
            "{what}[{index}]: {a} for {e}, off by {error:e}"
        );
    }
}

/// d(Σ coefficients·f(x))/dx by central differences in double precision.
fn slope(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f32], coefficients: &[f32]) -> Vec<f64> {
    let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
    let total = |x: &[f64]| -> f64 {
        let weighted = f(x).into_iter().zip(coefficients);
        weighted.map(|(v, &c)| v * f64::from(c)).sum()
    };
    let step = 1e-6;
    (0..x.len())
        .map(|i| {
            let moved = |by: f64| {
                let mut x = x.clone();
                x[i] += by;
                total(&x)
            };
            (moved(step) - moved(-step)) / (2.0 * step)
        })
        .collect()
}

fn softmax_rows(
    x: &[f64],
    row: usize,
    scale: f64,
    hidden: impl Fn(usize, usize) -> bool,
) -> Vec<f64> {
    x.chunks(row)
        .enumerate()
        .flat_map(|(r, values)| {
            let weights: Vec<f64> = values
                .iter()
                .enumerate()
                .map(|(c, v)| if hidden(r, c) { 0.0 } else { (scale * v).exp() })
                .collect();
            let sum: f64 = weights.iter().sum();
            weights
                .into_iter()
                .map(move |w| w / sum)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn softmax_is_that_of_the_definition_with_its_gradient() {
    // 37 keys: no multiple of a vector's width. The first key of batch row 1 is hidden.
    let (shape, row) = ([2, 3, 2, 37], 37);
    let len: usize = shape.iter().product();
    let (scores, coefficients) = (wave(len, 0.3, 3.0), wave(len, 1.1, 1.0));
    let is_masked = |r: usize, c: usize| (r >= 6 && c == 0) || (r < 6 && c >= 35);
    let mask: Vec<bool> = (0..2)
        .flat_map(|b| (0..37).map(move |c| (b == 1 && c == 0) || (b == 0 && c >= 35)))
        .collect();
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        for masked in [false, true] {
            let input = tensor(&scores, shape, &device).require_grad();
            let is_hidden = masked.then(|| {
                Tensor::<4, Bool>::from_data(TensorData::new(mask.clone(), [2, 1, 1, 37]), &device)
            });
            let output = scaled_softmax(input.clone(), is_hidden, 0.7);
            let f = |x: &[f64]| softmax_rows(x, row, 0.7, |r, c| masked && is_masked(r, c));
            let exact: Vec<f64> = scores.iter().map(|&v| f64::from(v)).collect();
            let what = format!("{name} masked: {masked}");
            assert_near(output.clone(), &f(&exact), 5e-7, &what);

            let loss = (output * tensor(&coefficients, shape, &device)).sum();
            let gradient = input.grad(&loss.backward()).unwrap();
            // Central differences are good to about 1e-9 here; the rest is single precision.
            assert_near(gradient, &slope(f, &scores, &coefficients), 5e-7, &what);
        }
    }
}

fn normalise(x: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> Vec<f64> {
    let size = gamma.len() as f64;
    x.chunks(gamma.len())
        .flat_map(|row| {
            let mean = row.iter().sum::<f64>() / size;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / size;
            let deviation = (variance + epsilon).sqrt();
            row.iter()
                .zip(gamma.iter().zip(beta))
                .map(|(v, (g, b))| (v - mean) / deviation * g + b)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn layer_norm_is_that_of_the_definition_with_its_gradients() {
    let (shape, size) = ([2, 3, 19], 19);
    let (x, coefficients) = (wave(2 * 3 * 19, 0.2, 2.0), wave(2 * 3 * 19, 0.9, 1.0));
    let (gamma, beta) = (wave(size, 2.0, 1.5), wave(size, 3.0, 0.5));
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let (gamma64, beta64) = (wide(&gamma), wide(&beta));
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let input = tensor(&x, shape, &device).require_grad();
        let gain = tensor(&gamma, [size], &device).require_grad();
        let shift = tensor(&beta, [size], &device).require_grad();
        let output = layer_norm(input.clone(), gain.clone(), shift.clone(), 1e-12);
        let what = name.clone();
        // Values up to 4.
        let exact = normalise(&wide(&x), &gamma64, &beta64, 1e-12);
        assert_near(output.clone(), &exact, 2e-6, &what);

        let loss = (output * tensor(&coefficients, shape, &device)).sum();
        let gradients = loss.backward();
        let towards_x = |v: &[f64]| normalise(v, &gamma64, &beta64, 1e-12);
        let towards_gamma = |v: &[f64]| normalise(&wide(&x), v, &beta64, 1e-12);
        let towards_beta = |v: &[f64]| normalise(&wide(&x), &gamma64, v, 1e-12);
        let bound = 3e-6;
        let gradient = input.grad(&gradients).unwrap();
        assert_near(gradient, &slope(towards_x, &x, &coefficients), bound, &what);
        let gradient = gain.grad(&gradients).unwrap();
        assert_near(
            gradient,
            &slope(towards_gamma, &gamma, &coefficients),
            bound,
            &what,
        );
        let gradient = shift.grad(&gradients).unwrap();
        assert_near(
            gradient,
            &slope(towards_beta, &beta, &coefficients),
            bound,
            &what,
        );
    }
}

#[test]
fn a_tiny_vector_is_normalised_with_the_epsilon_given() {
    // Entries near 1e-4: an epsilon of 1e-5 would leave values near 0.03 instead of 1.
    let x: Vec<f32> = wave(16, 0.0, 1e-4);
    for (name, device) in kiln_testing::devices() {
        let ones = Tensor::<1>::ones([16], &device);
        let zeros = Tensor::<1>::zeros([16], &device);
        let output = layer_norm(tensor(&x, [1, 16], &device), ones, zeros, 1e-12);
        let square: f32 = output.square().mean().into_scalar();
        // Variance 5e-9 against epsilon 1e-12: 1 − 2e-4.
        assert!((square - 1.0).abs() < 5e-4, "{name}: {square}");
    }
}

#[test]
fn a_constant_vector_becomes_the_shift() {
    for (name, device) in kiln_testing::devices() {
        let ones = Tensor::<1>::ones([8], &device);
        let output = layer_norm(
            Tensor::<2>::full([1, 8], 0.75, &device),
            ones.clone(),
            ones,
            1e-12,
        );
        assert_near(output, &[1.0; 8], 1e-6, &name);
    }
}

fn cross_entropy_exact(x: &[f64], classes: usize, labels: &[i32], weights: &[f32]) -> f64 {
    x.chunks(classes)
        .zip(labels.iter().zip(weights))
        .map(|(row, (&label, &weight))| {
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            f64::from(weight) * (sum.ln() - row[label as usize])
        })
        .sum()
}

#[test]
fn cross_entropy_is_that_of_the_definition_with_its_gradient() {
    let (n, classes) = (5, 23);
    let logits = wave(n * classes, 0.4, 6.0);
    let labels = [3, 22, 0, 7, 7];
    let weights = [1.0, 0.5, 0.0, 2.0, 1.0];
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let input = tensor(&logits, [n, classes], &device).require_grad();
        let loss = cross_entropy(
            input.clone(),
            Tensor::<1, Int>::from_data(labels, &device),
            Tensor::<1>::from_data(weights, &device),
        );
        let f = |x: &[f64]| vec![cross_entropy_exact(x, classes, &labels, &weights)];
        let exact: Vec<f64> = logits.iter().map(|&v| f64::from(v)).collect();
        let what = name.clone();
        // A sum near 30.
        assert_near(loss.clone(), &f(&exact), 2e-5, &what);
        let gradient = input.grad(&loss.mul_scalar(3.0).backward()).unwrap();
        assert_near(gradient, &slope(f, &logits, &[3.0]), 2e-6, &what);
    }
}

#[test]
fn huge_logits_neither_overflow_nor_vanish() {
    for (name, device) in kiln_testing::devices() {
        let loss = cross_entropy(
            Tensor::<2>::from_data([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]], &device),
            Tensor::<1, Int>::from_data([0, 1], &device),
            Tensor::<1>::ones([2], &device),
        );
        assert_near(loss, &[3f64.ln()], 2e-3, &name);
    }
}

#[test]
fn gradients_flow_to_a_gain_alone_when_the_input_is_constant() {
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let gain = Tensor::<1>::ones([4], &device).require_grad();
        let shift = Tensor::<1>::zeros([4], &device);
        let input = tensor(&wave(8, 0.0, 1.0), [2, 4], &device);
        let output = layer_norm(input, gain.clone(), shift, 1e-12);
        let gradients = output.clone().sum().backward();
        let gradient = gain
            .grad(&gradients)
            .unwrap()
            .try_into_vec_as::<f32>()
            .unwrap();
        let sums = output.sum_dim(0).try_into_vec_as::<f32>().unwrap();
        for (g, s) in gradient.iter().zip(&sums) {
            assert!((g - s).abs() < 1e-6, "{name}: {g} {s}");
        }
    }
}

#[test]
fn a_sum_of_squares_is_that_of_the_definition() {
    // More than a block of a task, in rows.
    let x = wave(3 * 20_011, 0.3, 2.0);
    let exact: f64 = x.iter().map(|&v| f64::from(v).powi(2)).sum();
    for (name, device) in kiln_testing::devices() {
        let before = tensor(&[1000.0], [1], &device);
        let found = add_squared_sum(before, tensor(&x, [3, 20_011], &device));
        // A sum near 120,000, to one in a million.
        assert_near(found, &[1000.0 + exact], 0.12, &name);
    }
}
