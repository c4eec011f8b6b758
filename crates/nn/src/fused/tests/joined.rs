//! Operations that are one step of several, against the several.

use burn::tensor::module::linear as burn_linear;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::super::*;
use super::{tensor, wave};

/// What an operation gives and its gradients towards all inputs, the device's generator being seeded before.
fn told<const D: usize>(
    device: &Device,
    inputs: &[Vec<f32>],
    shapes: &[&[usize]],
    operation: impl Fn(&[Tensor<D>]) -> Tensor<D>,
) -> Vec<Vec<f32>> {
    kiln_backend::seed(device, 11);
    let inputs = inputs.iter().zip(shapes).map(|(values, shape)| {
        // Axes in front that a shape does not have.
        let mut full = [1; D];
        full[D - shape.len()..].copy_from_slice(shape);
        tensor::<D>(values, full, device).require_grad()
    });
    let inputs: Vec<Tensor<D>> = inputs.collect();
    let output = operation(&inputs);
    let dims = output.dims();
    let weights = tensor(&wave(dims.iter().product(), 0.8, 1.0), dims, device);
    let gradients = (output.clone() * weights).sum().backward();
    let towards = inputs.iter().map(|input| input.grad(&gradients).unwrap());
    std::iter::once(output.inner())
        .chain(towards)
        .map(|tensor| tensor.try_into_vec_as::<f32>().unwrap())
        .collect()
}

/// An operation in one pass against those that it consists of. Both drop the same entries, for both take the
/// same numbers from the generator.
fn assert_joined(joined: &[Vec<f32>], apart: &[Vec<f32>], bound: f32, what: &str) {
    for (index, (joined, apart)) in joined.iter().zip(apart).enumerate() {
        assert_eq!(joined.len(), apart.len(), "{what}: result {index}");
        for (place, (a, b)) in joined.iter().zip(apart).enumerate() {
            assert!(
                (a - b).abs() <= bound,
                "{what}: result {index}[{place}]: {a} for {b}"
            );
        }
    }
}

/// On flex one pass gives the very bits of several; elsewhere `bound`.
fn bound_on(name: &str, bound: f32) -> f32 {
    if name == "flex" { 0.0 } else { bound }
}

/// A few units of single precision at values up to 4.
const FEW_UNITS: f32 = 4e-6;

#[test]
fn dropped_softmax_is_softmax_and_then_dropout() {
    let _guard = kiln_testing::lock_generator();
    // Rows that cross the ends of the blocks in which flex draws.
    let shape = [2, 5, 61, 67];
    let scores = wave(shape.iter().product(), 0.3, 3.0);
    let hidden: Vec<bool> = (0..2 * 67).map(|i| i % 67 >= 60 || i == 67).collect();
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let is_hidden =
            Tensor::<4, Bool>::from_data(TensorData::new(hidden.clone(), [2, 1, 1, 67]), &device);
        for prob in [0.1, 0.6] {
            let inputs = [scores.clone()];
            let joined = told::<4>(&device, &inputs, &[&shape], |inputs| {
                dropped_softmax(inputs[0].clone(), is_hidden.clone(), 0.3, prob)
            });
            let apart = told::<4>(&device, &inputs, &[&shape], |inputs| {
                let softmax = scaled_softmax(inputs[0].clone(), Some(is_hidden.clone()), 0.3);
                dropout(softmax, prob)
            });
            let bound = bound_on(&name, FEW_UNITS);
            assert_joined(&joined, &apart, bound, &format!("{name}, {prob}"));
        }
    }
}

#[test]
fn a_normalised_residual_is_dropout_sum_and_layer_norm() {
    let _guard = kiln_testing::lock_generator();
    let shape = [3, 211, 37];
    let len = shape.iter().product();
    let inputs = [
        wave(len, 0.3, 2.0),
        wave(len, 1.3, 1.0),
        wave(37, 2.0, 1.5),
        wave(37, 3.0, 0.5),
    ];
    let shapes: [&[usize]; 4] = [&shape, &shape, &[37], &[37]];
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        for prob in [0.0, 0.3] {
            let affine = |inputs: &[Tensor<3>]| [2, 3].map(|at| inputs[at].clone().reshape([37]));
            let joined = told::<3>(&device, &inputs, &shapes, |inputs| {
                let (branch, residual) = (inputs[0].clone(), inputs[1].clone());
                residual_layer_norm(branch, residual, affine(inputs), 1e-12, prob)
            });
            let apart = told::<3>(&device, &inputs, &shapes, |inputs| {
                let [gamma, beta] = affine(inputs);
                let branch = match prob {
                    0.0 => inputs[0].clone(),
                    _ => dropout(inputs[0].clone(), prob),
                };
                layer_norm(branch + inputs[1].clone(), gamma, beta, 1e-12)
            });
            let (what, bound) = (format!("{name}, {prob}"), bound_on(&name, FEW_UNITS));
            assert_joined(&joined[..3], &apart[..3], bound, &what);
            // Sums over 633 rows.
            let bound = bound_on(&name, 1e-4);
            assert_joined(&joined[3..], &apart[3..], bound, &what);
        }
    }
}

#[test]
fn gelu_of_a_projection_is_that_of_the_product_with_its_bias() {
    let inputs = [
        wave(3 * 5 * 7, 0.3, 1.0),
        wave(7 * 19, 1.0, 1.0),
        wave(19, 2.0, 1.0),
    ];
    let shapes: [&[usize]; 3] = [&[3, 5, 7], &[7, 19], &[19]];
    let parts = |inputs: &[Tensor<3>]| {
        let [x, weight, bias] = [0, 1, 2].map(|at| inputs[at].clone());
        (x, weight.reshape([7, 19]), bias.reshape([19]))
    };
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let joined = told::<3>(&device, &inputs, &shapes, |inputs| {
            let (x, weight, bias) = parts(inputs);
            linear_gelu(x, weight, bias)
        });
        let apart = told::<3>(&device, &inputs, &shapes, |inputs| {
            let (x, weight, bias) = parts(inputs);
            gelu(burn_linear(x, weight, Some(bias)))
        });
        let bound = bound_on(&name, FEW_UNITS);
        assert_joined(&joined[..1], &apart[..1], bound, &name);
        // The products for the gradients are of other shapes.
        assert_joined(&joined[1..], &apart[1..], FEW_UNITS, &name);
    }
}

#[test]
fn a_projection_is_burns_with_its_gradients() {
    // Rows that fill no block, and a sequence whose length is a multiple of 32, which Burn treats apart.
    let shapes: [&[usize]; 3] = [&[3, 32, 7], &[7, 19], &[19]];
    let inputs = shapes.map(|shape| wave(shape.iter().product(), shape.len() as f64, 1.0));
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        for with_bias in [true, false] {
            let run = |fused: bool| {
                told::<3>(&device, &inputs, &shapes, |inputs| {
                    let x = inputs[0].clone();
                    let weight = inputs[1].clone().reshape([7, 19]);
                    let bias = inputs[2].clone().reshape([19]);
                    // Each of three gradients is asked for.
                    let unused = bias.clone().sum().mul_scalar(0.0).reshape([1, 1, 1]);
                    let bias = with_bias.then_some(bias);
                    unused
                        + if fused {
                            linear(x, weight, bias)
                        } else {
                            burn_linear(x, weight, bias)
                        }
                })
            };
            let (joined, apart) = (run(true), run(false));
            let what = format!("{name}, bias: {with_bias}");
            assert_joined(&joined[..2], &apart[..2], FEW_UNITS, &what);
            // Sums over 96 rows of numbers up to 1.
            assert_joined(&joined[2..], &apart[2..], 2e-5, &what);
        }
    }
}

#[test]
fn a_weight_in_the_other_order_of_memory_is_the_same_weight() {
    let shapes: [&[usize]; 2] = [&[2, 5, 7], &[19, 7]];
    let inputs = shapes.map(|shape| wave(shape.iter().product(), shape.len() as f64, 1.0));
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let run = |fused: bool| {
            told::<3>(&device, &inputs, &shapes, |inputs| {
                let weight = inputs[1].clone().reshape([19, 7]).swap_dims(0, 1);
                if fused {
                    linear(inputs[0].clone(), weight, None)
                } else {
                    burn_linear(inputs[0].clone(), weight, None)
                }
            })
        };
        assert_joined(&run(true), &run(false), FEW_UNITS, &name);
    }
}

/// Sizes of attention.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    heads: usize,
    queries: usize,
    keys: usize,
}

/// Attention by its parts: as one step, or as the steps that it consists of.
struct Attention {
    sizes: Sizes,
    is_hidden: Option<Tensor<4, Bool>>,
    has_terms: [bool; 2],
    prob: f64,
    rows: Tensor<1, Int>,
    starts: Tensor<2, Int>,
}

const KEY_SIZE: usize = 6;
const VALUE_SIZE: usize = 5;
const TERMS: usize = 9;
const SCALE: f64 = 0.4;

impl Attention {
    fn new(sizes: Sizes, has_mask: bool, has_terms: [bool; 2], prob: f64, device: &Device) -> Self {
        let Sizes {
            batch,
            queries,
            keys,
            ..
        } = sizes;
        let is_hidden = has_mask.then(|| {
            let hidden: Vec<bool> = (0..batch * keys).map(|i| i % 7 == 3 || i == 0).collect();
            Tensor::from_data(TensorData::new(hidden, [batch, 1, 1, keys]), device)
        });
        let places = queries + keys - 1;
        let rows: Vec<i32> = (0..places).map(|i| (i * TERMS / places) as i32).collect();
        let starts: Vec<i32> = (0..queries as i32).rev().collect();
        Self {
            sizes,
            is_hidden,
            has_terms,
            prob,
            rows: Tensor::from_data(TensorData::new(rows, [places]), device),
            starts: Tensor::from_data(TensorData::new(starts, [1, queries]), device),
        }
    }

    /// Query and key with their heads as an encoder has them, value and terms as they are.
    fn shapes(&self) -> [[usize; 4]; 5] {
        let Sizes {
            batch,
            heads,
            queries,
            keys,
        } = self.sizes;
        [
            [batch, queries, heads, KEY_SIZE],
            [batch, keys, heads, KEY_SIZE],
            [batch, heads, keys, VALUE_SIZE],
            [batch, heads, queries, TERMS],
            [batch, heads, keys, TERMS],
        ]
    }

    fn run(&self, device: &Device, is_one_step: bool) -> Vec<Vec<f32>> {
        let shapes = self.shapes();
        let inputs = shapes.map(|shape| wave(shape.iter().product(), shape[3] as f64, 1.5));
        let shapes = shapes.each_ref().map(|shape| shape.as_slice());
        told::<4>(device, &inputs, &shapes, |inputs| {
            let [query, key] = [0, 1].map(|at| inputs[at].clone().swap_dims(1, 2));
            let [value, by_query, by_key] = [2, 3, 4].map(|at| inputs[at].clone());
            // Each of the gradients is asked for.
            let unused = (by_query.clone().sum() + by_key.clone().sum()).mul_scalar(0.0);
            let terms = [by_query, by_key];
            let output = if is_one_step {
                self.one_step([query, key, value], terms)
            } else {
                self.by_parts([query, key, value], terms)
            };
            output + unused.reshape([1, 1, 1, 1])
        })
    }

    fn one_step(&self, inputs: [Tensor<4>; 3], terms: [Tensor<4>; 2]) -> Tensor<4> {
        let mut has = self.has_terms.into_iter();
        let terms = terms.map(|terms| {
            has.next().unwrap().then(|| PositionTerm {
                terms,
                rows: self.rows.clone(),
                starts: self.starts.clone(),
            })
        });
        attention(inputs, terms, self.is_hidden.clone(), SCALE, self.prob)
    }

    fn by_parts(&self, [query, key, value]: [Tensor<4>; 3], terms: [Tensor<4>; 2]) -> Tensor<4> {
        let mut scores = query.matmul(key.swap_dims(2, 3));
        let kinds = [Terms::OfQuery, Terms::OfKey];
        for ((terms, kind), has) in terms.into_iter().zip(kinds).zip(self.has_terms) {
            if has {
                let (rows, starts) = (self.rows.clone(), self.starts.clone());
                scores = add_relative(scores, terms, rows, starts, kind);
            }
        }
        let softmax = scaled_softmax(scores, self.is_hidden.clone(), SCALE);
        let probabilities = match self.prob {
            0.0 => softmax,
            prob => dropout(softmax, prob),
        };
        probabilities.matmul(value)
    }
}

#[test]
fn attention_is_what_it_consists_of_with_all_gradients() {
    let _guard = kiln_testing::lock_generator();
    // One head a task on flex and all of a sequence's; one block of queries and several.
    let few = Sizes {
        batch: 1,
        heads: 3,
        queries: 13,
        keys: 11,
    };
    let many = Sizes {
        batch: 9,
        heads: 2,
        queries: 5,
        keys: 7,
    };
    let long = Sizes {
        batch: 1,
        heads: 2,
        queries: 150,
        keys: 170,
    };
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        for (sizes, has_mask, has_terms, prob) in [
            (few, true, [false, false], 0.0),
            (few, false, [true, false], 0.3),
            (many, true, [true, true], 0.3),
            (many, false, [false, false], 0.0),
            (long, true, [false, true], 0.1),
            (long, true, [true, true], 0.0),
        ] {
            let case = Attention::new(sizes, has_mask, has_terms, prob, &device);
            let (joined, apart) = (case.run(&device, true), case.run(&device, false));
            let what = format!("{name}, {} queries, {has_terms:?}, {prob}", sizes.queries);
            assert_joined(&joined[..1], &apart[..1], FEW_UNITS, &what);
            // Sums over up to 170 keys or queries of products of numbers up to 2.
            assert_joined(&joined[1..], &apart[1..], 2e-5, &what);
        }
    }
}

#[test]
fn a_query_that_no_gradient_is_asked_of_takes_none() {
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let sizes = [1, 2, 3, KEY_SIZE];
        let plain = || tensor::<4>(&wave(6 * KEY_SIZE, 0.3, 1.0), sizes, &device);
        let value = plain().require_grad();
        let output = attention(
            [plain(), plain(), value.clone()],
            [None, None],
            None,
            SCALE,
            0.0,
        );
        let gradients = output.sum().backward();
        // Each of three queries spreads a weight of 1 over the keys.
        let sum = value.grad(&gradients).unwrap().sum().into_scalar::<f32>();
        assert!((sum - 6.0 * KEY_SIZE as f32).abs() < 1e-4, "{name}: {sum}");
    }
}
