//! Every kernel against the composed form on the same device: odd shapes, more rows and longer ones than a
//! cube or a grid has, extreme values, rows of which nothing is to be seen.
//!
//! Both are float32 sums of the same numbers in different orders; a bound is that of the order, not of the
//! operation, whose definition `fused/tests.rs` holds all backends against.

use burn::backend::Cube;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::super::{
    AdamWUpdate, FusedOps, Terms, adamw, cross_entropy, embedding, gelu, layer_norm, relative,
    softmax,
};

/// The graphics processors that answer.
fn graphics() -> Vec<Device> {
    let devices = kiln_testing::devices().into_iter();
    let is_graphics = |name: &str| !matches!(name, "flex" | "ndarray" | "tch");
    devices
        .filter(|(name, _)| is_graphics(name.split(':').next().unwrap_or(name)))
        .map(|(_, device)| device)
        .collect()
}

/// Numbers up to `amplitude` without a pattern over rows.
fn wave(len: usize, phase: f64, amplitude: f64) -> Vec<f32> {
    (0..len)
        .map(|i| ((i as f64 * 1.7 + phase).sin() * amplitude) as f32)
        .collect()
}

/// A tensor as the operations of the backend take it.
fn float<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> FloatTensor<Cube> {
    let tensor = Tensor::<D>::from_data(TensorData::new(values, shape), device);
    tensor.try_into_primitive::<Cube>().unwrap()
}

fn integer<const D: usize>(
    values: Vec<i32>,
    shape: [usize; D],
    device: &Device,
) -> IntTensor<Cube> {
    let tensor = Tensor::<D, Int>::from_data(TensorData::new(values, shape), device);
    tensor.try_into_primitive::<Cube>().unwrap()
}

fn values<const D: usize>(tensor: FloatTensor<Cube>) -> Vec<f32> {
    let tensor = Tensor::<D>::from_primitive::<Cube>(tensor);
    tensor.try_into_vec_as().unwrap()
}

/// Compares entry by entry, `bound` being relative to the larger of 1 and the entry.
fn assert_same<const D: usize>(
    kernel: FloatTensor<Cube>,
    composed: FloatTensor<Cube>,
    bound: f32,
    what: &str,
) {
    let (kernel, composed) = (values::<D>(kernel), values::<D>(composed));
    assert_eq!(kernel.len(), composed.len(), "{what}");
    for (index, (&found, &expected)) in kernel.iter().zip(&composed).enumerate() {
        let is_near = (found - expected).abs() <= bound * expected.abs().max(1.0);
        assert!(
            is_near || (found.is_nan() && expected.is_nan()),
            "{what}[{index}]: {found} for {expected}"
        );
    }
}

/// Rows and their length: one entry, no multiple of anything, longer than a cube, more than a grid is long.
const SHAPES: [[usize; 2]; 6] = [[1, 1], [3, 7], [2, 255], [5, 257], [4, 1031], [66_000, 3]];

#[test]
fn softmax_and_its_gradient() {
    for device in graphics() {
        for [rows, size] in SHAPES {
            let what = format!("{rows} rows of {size}");
            let scores = || float(wave(rows * size, 0.3, 9.0), [rows, size], &device);
            let grad = || float(wave(rows * size, 1.3, 2.0), [rows, size], &device);
            let output = Cube::scaled_softmax(scores(), 0.7);
            let composed = softmax::scaled::<Cube>(scores(), 0.7);
            assert_same::<2>(output.clone(), composed.clone(), 1e-6, &what);
            let kernel = Cube::softmax_backward(output, grad(), 0.7);
            let composed = softmax::backward::<Cube>(composed, grad(), 0.7);
            assert_same::<2>(kernel, composed, 2e-6, &what);
        }
    }
}

#[test]
fn masks_of_any_strides_and_rows_of_which_nothing_is_seen() {
    let shape = [2, 3, 5, 37];
    let len = shape.iter().product();
    for device in graphics() {
        for mask_shape in [[2, 1, 1, 37], [1, 1, 5, 37], [2, 3, 5, 37], [1, 1, 1, 1]] {
            let count: usize = mask_shape.iter().product();
            // Every third hidden; of the last row of the mask all.
            let hidden: Vec<bool> = (0..count).map(|i| i % 3 == 0 || i + 37 >= count).collect();
            let mask = || {
                let mask = TensorData::new(hidden.clone(), mask_shape);
                let mask = Tensor::<4, Bool>::from_data(mask, &device);
                mask.try_into_primitive::<Cube>().unwrap()
            };
            for amplitude in [3.0, 1e30] {
                let scores = || float(wave(len, 0.3, amplitude), shape, &device);
                let kernel = Cube::masked_softmax(scores(), mask(), 0.25);
                let composed = softmax::masked::<Cube>(scores(), mask(), 0.25);
                let what = format!("mask {mask_shape:?}, scores up to {amplitude}");
                assert_same::<4>(kernel, composed, 1e-6, &what);
            }
        }
    }
}

/// The sums of the columns of rows of that size, added up in double precision.
fn column_sums(entries: impl Iterator<Item = f32>, size: usize) -> Vec<f32> {
    let mut sums = vec![0f64; size];
    for (place, entry) in entries.enumerate() {
        sums[place % size] += f64::from(entry);
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

#[test]
fn layer_norm_and_its_gradients() {
    for device in graphics() {
        for [rows, size] in SHAPES {
            for amplitude in [1e-3, 2.0, 1e4] {
                let what = format!("{rows} rows of {size} up to {amplitude}");
                let x = || float(wave(rows * size, 0.2, amplitude), [rows, size], &device);
                let gamma = || float(wave(size, 2.0, 1.5), [size], &device);
                let beta = || float(wave(size, 3.0, 0.5), [size], &device);
                let grad = || float(wave(rows * size, 0.9, 1.0), [rows, size], &device);
                // Large enough for a row of one entry, whose variance is nothing but roundings.
                let epsilon = 1e-7 * amplitude * amplitude;
                let (output, normalised, inverse) =
                    Cube::layer_normalised_saving(x(), gamma(), beta(), epsilon);
                let composed = layer_norm::forward_saving::<Cube>(x(), gamma(), beta(), epsilon);
                assert_same::<2>(output, composed.0.clone(), 5e-6, &what);
                assert_same::<2>(normalised.clone(), composed.1, 5e-6, &what);
                assert_same::<2>(inverse.clone(), composed.2, 5e-6, &what);
                let plain = Cube::layer_normalised(x(), gamma(), beta(), epsilon);
                assert_same::<2>(plain, composed.0, 5e-6, &what);

                let normalised_again = normalised.clone();
                let scale = values::<2>(inverse.clone()).into_iter().fold(1.0, f32::max);
                let saved = (normalised.clone(), inverse.clone(), gamma(), grad());
                let kernel = Cube::layer_normalised_backward(saved.0, saved.1, saved.2, saved.3);
                let composed = layer_norm::backward::<Cube>(normalised, inverse, gamma(), grad());
                assert_same::<2>(kernel.0, composed.0, 3e-6 * scale, &what);
                // Not the composed form: Burn's sums over more than 65,536 rows leave some of them out here.
                let normalised = values::<2>(normalised_again);
                let grad = wave(rows * size, 0.9, 1.0);
                let gains = grad.iter().zip(&normalised).map(|(&g, &n)| g * n);
                // Sums over all rows of numbers up to the size of the normalised ones.
                let bound = 1e-6 * rows as f32;
                let exact = column_sums(gains, size);
                assert_same::<1>(kernel.1, float(exact, [size], &device), bound, &what);
                let exact = column_sums(grad.iter().copied(), size);
                assert_same::<1>(kernel.2, float(exact, [size], &device), bound, &what);
            }
        }
    }
}

#[test]
fn gelu_and_its_gradient_to_the_ends_of_float32() {
    let mut x = wave(1000, 0.1, 6.0);
    x.extend([0.0, -0.0, 1e-30, -1e-30, 30.0, -30.0, 1e18, -1e18, f32::NAN]);
    for device in graphics() {
        let input = || float(x.clone(), [x.len()], &device);
        let grad = || float(wave(x.len(), 1.0, 1.0), [x.len()], &device);
        // The composed form's error function is good to 1.5e-7 of 1, times an x of up to 6.
        let kernel = Cube::gelu_erf(input());
        assert_same::<1>(kernel, gelu::forward::<Cube>(input()), 1e-6, "forward");
        let kernel = Cube::gelu_erf_backward(input(), grad());
        let composed = gelu::backward::<Cube>(input(), grad());
        assert_same::<1>(kernel, composed, 1e-6, "backward");
    }
}

#[test]
fn cross_entropy_and_its_gradient() {
    for device in graphics() {
        for ([n, classes], amplitude) in [
            ([1, 2], 3.0),
            ([7, 1031], 8.0),
            ([300, 5], 1e4),
            ([5, 257], 1e30),
        ] {
            let what = format!("{n} of {classes} up to {amplitude}");
            let logits = || float(wave(n * classes, 0.4, amplitude), [n, classes], &device);
            let labels = (0..n)
                .map(|i| (i * 37 % classes) as i32)
                .collect::<Vec<_>>();
            let labels = || integer(labels.clone(), [n], &device);
            let weights = || float(wave(n, 0.0, 1.0), [n], &device);
            let grad = || float(vec![3.0], [1], &device);
            let (sum, log_sums) = Cube::cross_entropy_saving(logits(), labels(), weights());
            let composed = cross_entropy::forward_saving::<Cube>(logits(), labels(), weights());
            // Terms as large as the logits, of both signs, which cancel.
            let bound = 1e-6 * (n as f32 * amplitude as f32).max(1.0);
            assert_same::<1>(sum, composed.0, bound, &what);
            assert_same::<2>(log_sums.clone(), composed.1, 1e-6, &what);
            let saved = (logits(), labels(), weights(), log_sums);
            let (a, b, c, d) = saved.clone();
            let kernel = Cube::cross_entropy_backward(a, b, c, d, grad());
            let (a, b, c, d) = saved;
            let composed = cross_entropy::backward::<Cube>(a, b, c, d, grad());
            assert_same::<2>(kernel, composed, 2e-6, &what);
        }
    }
}

#[test]
fn relative_terms_and_their_gradient() {
    let (batch, heads, count) = (2, 3, 9);
    for device in graphics() {
        for [queries, keys] in [[1, 1], [5, 7], [33, 300]] {
            for (kind, owners) in [(Terms::OfQuery, queries), (Terms::OfKey, keys)] {
                for shared in [1, batch] {
                    let what = format!("{queries} x {keys}, {kind:?}, {shared} orders");
                    let len = batch * heads * queries * keys;
                    let shape = [batch, heads, queries, keys];
                    let scores = || float(wave(len, 0.1, 2.0), shape, &device);
                    let terms = || {
                        let terms = wave(batch * heads * owners * count, 0.7, 1.0);
                        float(terms, [batch, heads, owners, count], &device)
                    };
                    let places = queries + keys;
                    let rows = (0..places)
                        .map(|i| (i * 4 % count) as i32)
                        .collect::<Vec<_>>();
                    let rows = || integer(rows.clone(), [places], &device);
                    let starts = (0..shared * queries).map(|i| (i % queries) as i32);
                    let starts = starts.rev().collect::<Vec<_>>();
                    let starts = || integer(starts.clone(), [shared, queries], &device);
                    let kernel = Cube::add_relative(scores(), terms(), rows(), starts(), kind);
                    let composed = relative::add::<Cube>(scores(), terms(), rows(), starts(), kind);
                    assert_same::<4>(kernel, composed, 0.0, &what);
                    let kernel =
                        Cube::add_relative_backward(scores(), rows(), starts(), count, kind);
                    let composed =
                        relative::backward::<Cube>(scores(), rows(), starts(), count, kind);
                    // Sums of at most 300 numbers up to 2.
                    assert_same::<4>(kernel, composed, 2e-5, &what);
                }
            }
        }
    }
}

#[test]
fn gradients_of_tables_are_added_up_in_the_order_of_the_places() {
    for device in graphics() {
        for (table_rows, [batch, seq_len], size) in [
            (1, [1, 1], 1),
            (2, [7, 100], 5),
            (700, [3, 43], 300),
            (66_000, [1, 9], 2),
        ] {
            let what = format!("{table_rows} rows of {size}, {batch} x {seq_len} places");
            let places = batch * seq_len;
            let ids = (0..places)
                .map(|i| (i * i * 31 % table_rows) as i32)
                .collect::<Vec<_>>();
            let grad = wave(places * size, 0.5, 1.0);
            let mut expected = vec![0f32; table_rows * size];
            for (&id, grad) in ids.iter().zip(grad.chunks(size)) {
                let row = &mut expected[id as usize * size..][..size];
                row.iter_mut()
                    .zip(grad)
                    .for_each(|(sum, grad)| *sum += grad);
            }
            let table = || float(vec![0.0; table_rows * size], [table_rows, size], &device);
            let ids = || integer(ids.clone(), [batch, seq_len], &device);
            let grad = || float(grad.clone(), [batch, seq_len, size], &device);
            let kernel = Cube::embedded_backward(table(), ids(), grad());
            // The order is that of the places, and so are the bits.
            assert_eq!(values::<2>(kernel.clone()), expected, "{what}");
            let composed = embedding::backward::<Cube>(table(), ids(), grad());
            assert_same::<2>(kernel, composed, 1e-6, &what);
        }
    }
}

#[test]
fn sums_of_squares_of_any_length() {
    for device in graphics() {
        for len in [1, 255, 16_384, 16_385, 1_000_003] {
            let x = || float(wave(len, 0.3, 2.0), [len], &device);
            let before = float(vec![0.75], [1], &device);
            // Not the composed form: Burn's sums over more than 65,536 entries leave some of them out here.
            let squares = wave(len, 0.3, 2.0)
                .into_iter()
                .map(|x| f64::from(x).powi(2));
            let exact = 0.75 + squares.sum::<f64>();
            let found = values::<1>(Cube::add_squared_sum(before, x()))[0];
            let error = (f64::from(found) / exact - 1.0).abs();
            assert!(error < 1e-6, "{len}: {found} for {exact}");
        }
    }
}

#[test]
fn updates_of_parameters_with_extreme_gradients() {
    let update = AdamWUpdate {
        beta1: 0.9,
        beta2: 0.999,
        scale: 0.5,
        step_size: 1e-2,
        epsilon: 1e-6,
        shrink: 0.99,
    };
    for device in graphics() {
        for (len, amplitude) in [(1, 1.0), (1000, 1e-20), (70_001, 1e15)] {
            let tensors = || {
                [(0.0, 1.0), (1.0, amplitude), (2.0, 1.0)]
                    .map(|(phase, amplitude)| float(wave(len, phase, amplitude), [len], &device))
            };
            let second = || {
                let squares = wave(len, 3.0, 1.0).into_iter().map(|x| x * x).collect();
                float(squares, [len], &device)
            };
            let [value, gradient, first] = tensors();
            let kernel = Cube::adamw(value, gradient, first, second(), update);
            let [value, gradient, first] = tensors();
            let composed = adamw::update::<Cube>(value, gradient, first, second(), update);
            let what = format!("{len} up to {amplitude}");
            assert_same::<1>(kernel.0, composed.0, 1e-6, &what);
            assert_same::<1>(kernel.1, composed.1, 1e-6, &what);
            assert_same::<1>(kernel.2, composed.2, 1e-6, &what);
        }
    }
}

#[test]
fn a_dropped_softmax_is_dropout_of_the_softmax_by_the_same_key() {
    let shape = [2, 3, 5, 301];
    let len = shape.iter().product();
    for device in graphics() {
        let mask = || {
            let hidden = (0..2 * 301)
                .map(|i| i % 7 == 0 || i > 560)
                .collect::<Vec<bool>>();
            let mask =
                Tensor::<4, Bool>::from_data(TensorData::new(hidden, [2, 1, 1, 301]), &device);
            mask.try_into_primitive::<Cube>().unwrap()
        };
        let scores = || float(wave(len, 0.3, 5.0), shape, &device);
        let grad = || float(wave(len, 1.3, 2.0), shape, &device);
        let (output, softmax, key) = Cube::dropped_softmax_saving(scores(), mask(), 0.25, 0.3);
        let apart = softmax::masked::<Cube>(scores(), mask(), 0.25);
        assert_same::<4>(softmax.clone(), apart, 1e-6, "softmax");
        // Dropping again by the key is what the gradient does.
        let dropped = Cube::dropout_backward(key.clone(), softmax.clone(), 0.3);
        assert_same::<4>(output.clone(), dropped, 0.0, "dropped");
        let zeros = values::<4>(output).iter().filter(|&&x| x == 0.0).count();
        assert!(zeros > len / 3, "{zeros} of {len}");

        let kernel =
            Cube::dropped_softmax_backward(softmax.clone(), key.clone(), grad(), 0.25, 0.3);
        let grad = Cube::dropout_backward(key, grad(), 0.3);
        let composed = softmax::backward::<Cube>(softmax, grad, 0.25);
        assert_same::<4>(kernel, composed, 2e-6, "gradient");
    }
}
