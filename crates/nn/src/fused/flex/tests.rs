//! The kernels on plain slices.

use super::drawn::{Drops, dropout};
use super::layer_norm::Branch;
use super::{cross_entropy, gelu, layer_norm, linear, softmax, sums};

fn wave(len: usize, phase: f32) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 1.7 + phase).sin()).collect()
}

fn in_place(values: &[f32], work: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut values = values.to_vec();
    work(&mut values);
    values
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (rows, row) = (700, 75);
    let (x, grad) = (wave(rows * row, 0.0), wave(rows * row, 1.0));
    let (gamma, beta) = (wave(row, 2.0), wave(row, 3.0));
    let labels: Vec<usize> = (0..rows).map(|r| r % row).collect();
    let weights = vec![1.0; rows];
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let drops = Drops::new(&[0.1, 0.2, 0.3, 0.4], 0.1);
            let plain = Branch {
                x: &x,
                residual: None,
                drops: None,
            };
            let ending = Branch {
                residual: Some(&grad),
                drops: Some(&drops),
                ..plain
            };
            let (output, normalised, inverse) = layer_norm::forward(&plain, &gamma, &beta, 1e-12);
            let (loss, log_sums) = cross_entropy::forward(&x, row, &labels, &weights);
            (
                (
                    gelu::forward(&x),
                    in_place(&grad, |grad| gelu::backward(&x, grad)),
                ),
                (
                    gelu::biased(&x, &beta),
                    in_place(&grad, |grad| gelu::biased_backward(&x, &beta, grad)),
                ),
                softmax::forward(&x, row, 0.5, None),
                softmax::backward(&x, &grad, row, 0.5, None),
                softmax::backward(&x, &grad, row, 0.5, Some(&drops)),
                layer_norm::forward(&ending, &gamma, &beta, 1e-12),
                {
                    let (mut towards, mut branch) = (grad.clone(), vec![0.0; grad.len()]);
                    let parts = Some((branch.as_mut_slice(), &drops));
                    let sums =
                        layer_norm::backward(&normalised, &inverse, &gamma, &mut towards, parts);
                    (towards, branch, sums)
                },
                in_place(&x, |x| {
                    cross_entropy::backward(x, row, &labels, &weights, &log_sums, 1.0);
                }),
                linear::row_sums(&x, row),
                (output, loss, in_place(&x, |x| dropout(x, &drops))),
                sums::squared_sum(&x),
            )
        })
    };
    assert_eq!(all(1), all(3));
}

#[test]
fn a_bias_beside_gelu_is_one_added_before_it_to_the_last_bit() {
    let (rows, row) = (700, 75);
    let (x, bias, grad) = (wave(rows * row, 0.0), wave(row, 3.0), wave(rows * row, 1.0));
    let biased: Vec<f32> = x
        .iter()
        .zip(bias.iter().cycle())
        .map(|(x, b)| x + b)
        .collect();
    assert!(gelu::biased(&x, &bias) == gelu::forward(&biased));
    let joined = in_place(&grad, |grad| gelu::biased_backward(&x, &bias, grad));
    assert!(joined == in_place(&grad, |grad| gelu::backward(&biased, grad)));
}
