//! Scores by relative position, forward and backward, with both terms: three ways to look them up, on
//! every compiled-in device that answers.
//!
//! ```text
//! cargo bench --bench relative --features tch -- [FILTER]
//! ```
//!
//! `gather` is Burn's own along an index expanded over batch and heads; `skew` selects the rows of all
//! distances and shifts each query's by its place (Dai et al. 2019), by slices and reshapes alone;
//! `fused` is `kiln_nn::RelativeScores`.

#[path = "../crates/cli/src/allocator.rs"]
mod allocator;

use std::time::Duration;

use burn::tensor::{Device, Distribution, Int, Tensor};
use criterion::{BatchSize, Criterion, SamplingMode};
use kiln::backend::{DeviceSpec, compiled_in, open};
use kiln::nn::{RelativeIndex, RelativeScores};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Batch, heads, length and rows of the table: a small model's, and a base model's with log buckets.
const SIZES: [[usize; 4]; 2] = [[16, 4, 128, 256], [4, 12, 512, 512]];

/// Up to half of it a distance has a row of its own.
const BUCKETS: i64 = 256;
/// The longest distance told from others.
const MAX_DISTANCE: i64 = 512;

fn main() {
    allocator::keep_freed_memory();
    let mut criterion = Criterion::default().configure_from_args();
    for size in SIZES {
        let [batch, heads, len, rows] = size;
        let name = format!("relative {batch}x{heads}x{len}x{len}, {rows} rows");
        let mut group = criterion.benchmark_group(name);
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(20)
            .measurement_time(Duration::from_secs(5));
        for (name, device) in devices() {
            let inputs = Inputs::new(size, &device.autodiff());
            for (way, run) in WAYS {
                inputs.check(run);
                group.bench_function(format!("{name} {way}"), |bencher| {
                    bencher.iter_batched(
                        || inputs.scores(),
                        |scores| inputs.backward(run(&inputs, scores)),
                        BatchSize::PerIteration,
                    );
                });
            }
        }
        group.finish();
    }
    criterion.final_summary();
}

#[expect(clippy::print_stderr, reason = "a bench reports to its terminal")]
fn devices() -> Vec<(String, Device)> {
    let specs = compiled_in().into_iter().filter_map(DeviceSpec::first);
    let opened = specs.filter_map(|spec| match open(&spec) {
        Ok(device) => Some((spec.to_string(), device)),
        Err(error) => {
            eprintln!("left out: {error}");
            None
        }
    });
    opened.collect()
}

/// Adds both terms to the scores.
type Way = fn(&Inputs, Tensor<4>) -> Tensor<4>;

const WAYS: [(&str, Way); 3] = [
    ("gather", Inputs::gather),
    ("skew", Inputs::skew),
    ("fused", Inputs::fused),
];

/// What a layer of attention holds.
struct Inputs {
    /// Before any gradient is asked for.
    scores: Tensor<4>,
    by_query: Tensor<4>,
    by_key: Tensor<4>,
    index: RelativeIndex,
    /// `[1, 1, query_len, key_len]` and `[1, 1, key_len, query_len]`.
    matrices: [Tensor<4, Int>; 2],
    /// `[2 * len]`, by falling and by growing distance; the last is never used.
    distances: [Tensor<1, Int>; 2],
}

impl Inputs {
    fn new([batch, heads, len, rows]: [usize; 4], device: &Device) -> Self {
        let random = |last| {
            let range = Distribution::Uniform(-1.0, 1.0);
            Tensor::<4>::random([batch, heads, len, last], range, device)
        };
        let ints = |values: Vec<i64>| Tensor::<1, Int>::from_data(values.as_slice(), device);
        let row = |distance| row(distance, rows as i64);
        let places = 0..len as i64;
        let by_query = places
            .clone()
            .flat_map(|i| places.clone().map(move |j| i - j));
        let by_key = places
            .clone()
            .flat_map(|j| places.clone().map(move |i| i - j));
        let shape = [1, 1, len, len];
        let last = len as i64 - 1;
        Self {
            scores: random(len),
            by_query: random(rows).require_grad(),
            by_key: random(rows).require_grad(),
            index: RelativeIndex::new(len, len, 0, |distance| row(distance) as usize, device),
            matrices: [
                ints(by_query.map(row).collect()).reshape(shape),
                ints(by_key.map(row).collect()).reshape(shape),
            ],
            distances: [
                ints((-last - 1..=last).rev().map(row).collect()),
                ints((-last..=last + 1).map(row).collect()),
            ],
        }
    }

    /// Scores that nothing else holds, as a product of query and key is.
    fn scores(&self) -> Tensor<4> {
        self.scores.clone().add_scalar(0.0).require_grad()
    }

    /// Ways that do not compute the same are not worth comparing.
    fn check(&self, way: Way) {
        let difference = way(self, self.scores()) - self.gather(self.scores());
        let largest = difference.inner().abs().max().into_scalar::<f32>();
        // Three numbers up to 1, added in another order.
        assert!(largest < 1e-6, "off by {largest}");
    }

    /// The gradients of both terms, and whether the device has them ready.
    fn backward(&self, scores: Tensor<4>) -> ([Option<Tensor<4>>; 2], bool) {
        let device = scores.device();
        let gradients = scores.backward();
        let gradients = [&self.by_query, &self.by_key].map(|terms| terms.grad(&gradients));
        (gradients, device.sync().is_ok())
    }

    fn gather(&self, scores: Tensor<4>) -> Tensor<4> {
        let [by_query, by_key] = self.matrices.clone();
        let shape = scores.dims();
        let by_query = self.by_query.clone().gather(3, by_query.expand(shape));
        let by_key = self.by_key.clone().gather(3, by_key.expand(shape));
        scores + by_query + by_key.swap_dims(2, 3)
    }

    fn skew(&self, scores: Tensor<4>) -> Tensor<4> {
        let [falling, growing] = self.distances.clone();
        let by_query = skewed(self.by_query.clone().select(3, falling));
        let by_key = skewed(self.by_key.clone().select(3, growing));
        scores + by_query + by_key.swap_dims(2, 3)
    }

    fn fused(&self, scores: Tensor<4>) -> Tensor<4> {
        let relative = RelativeScores {
            by_query: Some(self.by_query.clone()),
            by_key: Some(self.by_key.clone()),
            index: self.index.clone(),
        };
        relative.add_to(scores)
    }
}

/// Entry `len - 1 - i + j` of row i, for every i and j.
///
/// # Shapes
/// - `terms`: `[batch, heads, len, 2 * len]`
/// - returns `[batch, heads, len, len]`
fn skewed(terms: Tensor<4>) -> Tensor<4> {
    let [batch, heads, len, width] = terms.dims();
    // A row less one entry moves each row by one place against that before it.
    terms
        .reshape([batch, heads, len * width])
        .narrow(2, len - 1, len * (width - 1))
        .reshape([batch, heads, len, width - 1])
        .narrow(3, 0, len)
}

/// The row for a distance: its own up to half the buckets, then logarithmic.
fn row(distance: i64, rows: i64) -> i64 {
    let middle = BUCKETS / 2;
    let length = distance.abs().min(MAX_DISTANCE - 1);
    let bucket = if length <= middle {
        length
    } else {
        let share =
            (length as f64 / middle as f64).ln() / ((MAX_DISTANCE - 1) as f64 / middle as f64).ln();
        middle + (share * (middle - 1) as f64).ceil() as i64
    };
    (rows / 2 + bucket * distance.signum()).clamp(0, rows - 1)
}
