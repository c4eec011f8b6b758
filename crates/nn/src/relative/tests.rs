//! Scores and their gradients against the definition in double precision.

use super::*;
use crate::{AttentionOptions, Dropout, attend};

const BATCH: usize = 2;
const HEADS: usize = 3;

/// Deterministic values in [-1, 1] without a pattern over rows.
fn wave(len: usize, phase: f64) -> Vec<f32> {
    let values = 0..len;
    values
        .map(|i| (i as f64 * 1.7 + phase).sin() as f32)
        .collect()
}

fn upload(values: &[f32], shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// Compares with sums in double precision.
fn assert_near(found: Tensor<4>, exact: &[f64], bound: f64, what: &str) {
    let found = found.try_into_vec_as::<f32>().unwrap();
    assert_eq!(found.len(), exact.len(), "{what}");
    for (at, (&found, exact)) in found.iter().zip(exact).enumerate() {
        let error = (f64::from(found) - exact).abs();
        assert!(
            error < bound,
            "{what}[{at}]: {found} for {exact}, off by {error:e}"
        );
    }
}

/// Distances to a table of `2 * half` rows: the same up to `exact`, then ever coarser.
fn log_row(half: i64, exact: i64) -> impl Fn(i64) -> usize {
    move |distance| {
        let far = (distance.abs() - exact).max(0) as f64;
        let near = distance.abs().min(exact) as f64;
        let bucket = (near + (1.0 + far).log2().floor()) as i64 * distance.signum();
        (bucket + half).clamp(0, 2 * half - 1) as usize
    }
}

/// One arrangement of queries and keys.
struct Case {
    name: &'static str,
    /// Positions of the queries that the index is made for, and of those asked for.
    made_for: std::ops::Range<usize>,
    positions: Option<[Vec<usize>; BATCH]>,
    keys: usize,
    rows: usize,
    row: Box<dyn Fn(i64) -> usize>,
}

fn cases() -> Vec<Case> {
    let case = |name, made_for, keys, rows, row| Case {
        name,
        made_for,
        positions: None,
        keys,
        rows,
        row,
    };
    vec![
        case(
            "a row for each distance",
            0..7,
            7,
            13,
            Box::new(|d| (d + 6) as usize),
        ),
        case(
            "the same turned round",
            0..7,
            7,
            14,
            Box::new(|d| (7 - d) as usize),
        ),
        case("log buckets", 0..37, 37, 20, Box::new(log_row(10, 4))),
        case("one row for all", 0..5, 5, 3, Box::new(|_| 1)),
        case(
            "a memory of keys",
            6..11,
            11,
            16,
            Box::new(|d| (d + 5) as usize),
        ),
        case(
            "fewer keys than queries",
            0..9,
            4,
            12,
            Box::new(log_row(6, 3)),
        ),
        case("one query", 6..7, 9, 10, Box::new(log_row(5, 3))),
        case("one key", 0..5, 1, 5, Box::new(|d| d as usize)),
        case("one of each", 0..1, 1, 1, Box::new(|d| d as usize)),
        Case {
            positions: Some([vec![12, 5, 5], vec![8, 11, 6]]),
            ..case(
                "predicted positions",
                5..13,
                13,
                20,
                Box::new(log_row(10, 4)),
            )
        },
    ]
}

impl Case {
    fn index(&self, device: &Device) -> RelativeIndex {
        let (first, len) = (self.made_for.start, self.made_for.len());
        let index = RelativeIndex::new(len, self.keys, first, &self.row, device);
        match &self.positions {
            Some(positions) => {
                let flat: Vec<i32> = positions.concat().iter().map(|&p| p as i32).collect();
                let shape = [BATCH, positions[0].len()];
                index.at(Tensor::from_data(TensorData::new(flat, shape), device))
            }
            None => index,
        }
    }

    fn queries(&self) -> usize {
        let explicit = self.positions.as_ref();
        explicit.map_or(self.made_for.len(), |positions| positions[0].len())
    }

    /// Calls with (place of the score, of the query's term, of the key's), by the definition.
    fn for_each(&self, mut visit: impl FnMut(usize, usize, usize)) {
        for head in 0..BATCH * HEADS {
            for i in 0..self.queries() {
                let position = match &self.positions {
                    Some(positions) => positions[head / HEADS][i],
                    None => self.made_for.start + i,
                };
                let query = head * self.queries() + i;
                for j in 0..self.keys {
                    let row = (self.row)(position as i64 - j as i64);
                    let key = head * self.keys + j;
                    visit(
                        query * self.keys + j,
                        query * self.rows + row,
                        key * self.rows + row,
                    );
                }
            }
        }
    }
}

#[test]
fn scores_and_gradients_are_those_of_a_double_loop() {
    for case in cases() {
        let (queries, keys) = (case.queries(), case.keys);
        let shape = [BATCH, HEADS, queries, keys];
        let query_shape = [BATCH, HEADS, queries, case.rows];
        let key_shape = [BATCH, HEADS, keys, case.rows];
        let len = |shape: [usize; 4]| shape.iter().product::<usize>();
        let scores = wave(len(shape), 0.1);
        let by_query = wave(len(query_shape), 0.2);
        let by_key = wave(len(key_shape), 0.3);
        let coefficients = wave(len(shape), 0.4);
        for (with_query, with_key) in [(true, true), (true, false), (false, true)] {
            let mut exact: Vec<f64> = scores.iter().map(|&s| f64::from(s)).collect();
            let mut towards_query = vec![0.0; by_query.len()];
            let mut towards_key = vec![0.0; by_key.len()];
            case.for_each(|score, query, key| {
                if with_query {
                    exact[score] += f64::from(by_query[query]);
                    towards_query[query] += f64::from(coefficients[score]);
                }
                if with_key {
                    exact[score] += f64::from(by_key[key]);
                    towards_key[key] += f64::from(coefficients[score]);
                }
            });
            for (name, device) in kiln_testing::devices() {
                let what = format!("{name}, {}, {with_query}, {with_key}", case.name);
                let device = device.autodiff();
                let input = upload(&scores, shape, &device).require_grad();
                let query = upload(&by_query, query_shape, &device).require_grad();
                let key = upload(&by_key, key_shape, &device).require_grad();
                let relative = RelativeScores {
                    by_query: with_query.then(|| query.clone()),
                    by_key: with_key.then(|| key.clone()),
                    index: case.index(&device),
                };
                let output = relative.add_to(input.clone());
                // Two additions of numbers up to 1.
                assert_near(output.clone(), &exact, 5e-7, &what);

                let loss = (output * upload(&coefficients, shape, &device)).sum();
                let gradients = loss.backward();
                let own: Vec<f64> = coefficients.iter().map(|&c| f64::from(c)).collect();
                assert_near(input.grad(&gradients).unwrap(), &own, 1e-7, &what);
                // Sums of up to 37 numbers up to 1.
                if with_query {
                    let found = query.grad(&gradients).unwrap();
                    assert_near(found, &towards_query, 4e-6, &what);
                }
                if with_key {
                    let found = key.grad(&gradients).unwrap();
                    assert_near(found, &towards_key, 4e-6, &what);
                }
            }
        }
    }
}

#[test]
fn scores_that_something_else_holds_stay_as_they_are() {
    let values = wave(BATCH * HEADS * 4 * 4, 0.0);
    let shape = [BATCH, HEADS, 4, 4];
    for (name, device) in kiln_testing::devices() {
        let scores = upload(&values, shape, &device);
        let index = RelativeIndex::new(4, 4, 0, |d| (d + 3) as usize, &device);
        let relative = RelativeScores {
            by_query: Some(Tensor::ones([BATCH, HEADS, 4, 7], &device)),
            by_key: Some(Tensor::ones([BATCH, HEADS, 4, 7], &device)),
            index,
        };
        let added = relative.add_to(scores.clone());
        let kept = scores.try_into_vec_as::<f32>().unwrap();
        assert_eq!(kept, values, "{name}");
        let added = added.try_into_vec_as::<f32>().unwrap();
        assert!(added.iter().zip(&values).all(|(a, v)| a > v), "{name}");
    }
}

/// Transposed scores and terms lie in memory in another order than their axes'.
#[test]
fn tensors_in_any_order_of_memory_are_read_by_their_axes() {
    let (queries, keys, rows) = (5, 6, 10);
    let scores = wave(BATCH * HEADS * queries * keys, 0.1);
    let terms = wave(BATCH * HEADS * keys * rows, 0.2);
    for (name, device) in kiln_testing::devices() {
        let index = RelativeIndex::new(queries, keys, 0, |d| (d + 5) as usize, &device);
        let add = |scores, by_key| {
            let relative = RelativeScores {
                by_query: None,
                by_key: Some(by_key),
                index: index.clone(),
            };
            relative.add_to(scores).try_into_vec_as::<f32>().unwrap()
        };
        let plain_scores = upload(&scores, [BATCH, HEADS, queries, keys], &device);
        let plain_terms = upload(&terms, [BATCH, HEADS, keys, rows], &device);
        let turned = |tensor: &Tensor<4>| {
            let [_, _, a, b] = tensor.dims();
            let data = tensor.clone().swap_dims(2, 3).into_data();
            let turned = Tensor::<4>::from_data(data, &device);
            assert_shape!(turned, [_, _, b, a]);
            turned.swap_dims(2, 3)
        };
        let expected = add(plain_scores.clone(), plain_terms.clone());
        let found = add(turned(&plain_scores), turned(&plain_terms));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn gradients_reach_the_terms_alone_when_the_scores_are_constant() {
    for (name, device) in kiln_testing::devices() {
        let device = device.autodiff();
        let by_query = Tensor::<4>::ones([1, 1, 3, 5], &device).require_grad();
        let relative = RelativeScores {
            by_query: Some(by_query.clone()),
            by_key: None,
            index: RelativeIndex::new(3, 3, 0, |d| (d + 2) as usize, &device),
        };
        let scores = Tensor::<4>::zeros([1, 1, 3, 3], &device);
        let gradients = relative.add_to(scores).sum().backward();
        let found = by_query.grad(&gradients).unwrap();
        let found = found.try_into_vec_as::<f32>().unwrap();
        let expected = [
            [1.0, 1.0, 1.0, 0.0, 0.0],
            [0.0, 1.0, 1.0, 1.0, 0.0],
            [0.0, 0.0, 1.0, 1.0, 1.0],
        ];
        assert_eq!(found, expected.concat(), "{name}");
    }
}

#[test]
fn attention_scales_the_terms_with_the_product_of_query_and_key() {
    let (len, size) = (5, 4);
    let shape = [BATCH, HEADS, len, size];
    let values = |phase| wave(BATCH * HEADS * len * size, phase);
    for (name, device) in kiln_testing::devices() {
        let dropout = Dropout::new(0.0);
        let index = RelativeIndex::new(len, len, 0, |d| (d + 4) as usize, &device);
        let terms = wave(BATCH * HEADS * len * 9, 0.5);
        let relative = RelativeScores {
            by_query: Some(upload(&terms, [BATCH, HEADS, len, 9], &device)),
            by_key: Some(upload(&terms, [BATCH, HEADS, len, 9], &device)),
            index,
        };
        let zeros = Tensor::zeros([BATCH, HEADS, len, len], &device);
        let bias = relative.clone().add_to(zeros).mul_scalar(0.3);
        let run = |relative, score_bias| {
            let options = AttentionOptions {
                scale: 0.3,
                relative,
                score_bias,
                is_hidden: None,
                dropout: &dropout,
            };
            let [query, key, value] =
                [0.0, 1.0, 2.0].map(|phase| upload(&values(phase), shape, &device));
            let context = attend(query, key, value, options);
            context.try_into_vec_as::<f32>().unwrap()
        };
        let (found, expected) = (run(Some(relative), None), run(None, Some(bias)));
        // Averages of numbers up to 1.
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{name}: {found} {expected}"
            );
        }
    }
}

#[cfg(feature = "flex")]
#[test]
fn repeated_runs_on_flex_give_the_same_bits() {
    let device = Device::flex().autodiff();
    let (len, rows) = (150, 40);
    let run = || {
        let scores = wave(BATCH * HEADS * len * len, 0.1);
        let terms = wave(BATCH * HEADS * len * rows, 0.2);
        let scores = upload(&scores, [BATCH, HEADS, len, len], &device).require_grad();
        let terms = upload(&terms, [BATCH, HEADS, len, rows], &device).require_grad();
        let relative = RelativeScores {
            by_query: Some(terms.clone()),
            by_key: Some(terms.clone()),
            index: RelativeIndex::new(len, len, 0, log_row(20, 8), &device),
        };
        let output = relative.add_to(scores.clone());
        let gradients = output.clone().square().sum_dim(3).sum().backward();
        [output.inner(), terms.grad(&gradients).unwrap()]
            .map(|tensor| tensor.try_into_vec_as::<f32>().unwrap())
    };
    let first = run();
    for _ in 0..5 {
        assert_eq!(run(), first);
    }
}
