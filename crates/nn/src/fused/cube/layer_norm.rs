//! Layer normalisation, a cube a row, with the gradients towards its gain and shift in a fixed order.

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::drawn::{Drops, kept};
use super::operands::Floats;
use super::rows::{per_entry, per_row, sum_over_units};

/// Rows of which one unit adds up a column before blocks of rows are added up.
const ROWS_OF_BLOCK: usize = 64;

/// The output alone.
pub(super) fn forward(x: &Floats, gamma: &Floats, beta: &Floats, epsilon: f64) -> CubeTensor {
    let output = x.empty();
    let (rows, size) = x.rows();
    let (count, dim) = per_row(&output, rows, size);
    kernel::launch(
        &output.client,
        count,
        dim,
        x.arg(),
        gamma.arg(),
        beta.arg(),
        output.clone().into_buffer_arg(),
        epsilon as f32,
        rows,
        size,
        dim.num_elems() as usize,
    );
    output
}

/// (output, normalised x, 1/√(variance + epsilon)).
pub(super) fn forward_saving(
    x: &Floats,
    gamma: &Floats,
    beta: &Floats,
    epsilon: f64,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let (output, normalised) = (x.empty(), x.empty());
    let inverse_deviation = x.empty_of(one_a_row(x));
    let (rows, size) = x.rows();
    let (count, dim) = per_row(&output, rows, size);
    saving_kernel::launch(
        &output.client,
        count,
        dim,
        x.arg(),
        gamma.arg(),
        beta.arg(),
        output.clone().into_buffer_arg(),
        normalised.clone().into_buffer_arg(),
        inverse_deviation.clone().into_buffer_arg(),
        epsilon as f32,
        rows,
        size,
        dim.num_elems() as usize,
    );
    (output, normalised, inverse_deviation)
}

/// Residual + branch, entries of the branch dropped by the key: (output, normalised sum, 1/√(variance +
/// epsilon)).
pub(super) fn residual_saving(
    [branch, residual]: [&Floats; 2],
    [gamma, beta]: [&Floats; 2],
    key: &Floats,
    epsilon: f64,
    prob: f64,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let (output, normalised) = (branch.empty(), branch.empty());
    let inverse_deviation = branch.empty_of(one_a_row(branch));
    let (rows, size) = branch.rows();
    let (count, dim) = per_row(&output, rows, size);
    let drops = Drops::new(prob);
    residual_kernel::launch(
        &output.client,
        count,
        dim,
        branch.arg(),
        residual.arg(),
        gamma.arg(),
        beta.arg(),
        key.arg(),
        output.clone().into_buffer_arg(),
        normalised.clone().into_buffer_arg(),
        inverse_deviation.clone().into_buffer_arg(),
        epsilon as f32,
        drops.factor,
        drops.below,
        rows,
        size,
        dim.num_elems() as usize,
    );
    (output, normalised, inverse_deviation)
}

/// The gradients towards (x, gamma, beta).
pub(super) fn backward(
    normalised: &Floats,
    inverse_deviation: &Floats,
    gamma: &Floats,
    grad: &Floats,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    let towards_x = grad.empty();
    let (rows, size) = grad.rows();
    let (count, dim) = per_row(&towards_x, rows, size);
    backward_kernel::launch(
        &towards_x.client,
        count,
        dim,
        normalised.arg(),
        inverse_deviation.arg(),
        gamma.arg(),
        grad.arg(),
        towards_x.clone().into_buffer_arg(),
        rows,
        size,
        dim.num_elems() as usize,
    );

    let blocks = rows.div_ceil(ROWS_OF_BLOCK);
    let [gammas, betas] = [(); 2].map(|()| grad.empty_of(Shape::new([blocks, size])));
    let (count, dim) = per_entry(&gammas, blocks * size);
    blocks_kernel::launch(
        &gammas.client,
        count,
        dim,
        normalised.arg(),
        grad.arg(),
        gammas.clone().into_buffer_arg(),
        betas.clone().into_buffer_arg(),
        rows,
        size,
        ROWS_OF_BLOCK,
    );
    let [towards_gamma, towards_beta] = [(); 2].map(|()| grad.empty_of(Shape::new([size])));
    let (count, dim) = per_entry(&gammas, size);
    columns_kernel::launch(
        &towards_gamma.client,
        count,
        dim,
        gammas.into_buffer_arg(),
        betas.into_buffer_arg(),
        towards_gamma.clone().into_buffer_arg(),
        towards_beta.clone().into_buffer_arg(),
        blocks,
        size,
    );
    (towards_x, towards_gamma, towards_beta)
}

/// The shape of one number for each row.
fn one_a_row(x: &Floats) -> Shape {
    let mut shape = x.shape();
    let last = shape.num_dims() - 1;
    shape[last] = 1;
    shape
}

/// The mean of a row.
#[cube]
fn mean(x: &[f32], start: usize, size: usize, #[comptime] units: usize) -> f32 {
    let mut sum = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < size {
        sum += x[start + at];
        at += units;
    }
    sum_over_units(sum, units) / f32::cast_from(size)
}

/// 1/√(variance + epsilon) of a row.
#[cube]
fn inverse_deviation_of(
    x: &[f32],
    start: usize,
    size: usize,
    mean: f32,
    epsilon: f32,
    #[comptime] units: usize,
) -> f32 {
    let mut sum = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < size {
        let centred = x[start + at] - mean;
        sum += centred * centred;
        at += units;
    }
    let variance = sum_over_units(sum, units) / f32::cast_from(size);
    1.0 / (variance + epsilon).sqrt()
}

#[cube(launch)]
fn kernel(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    output: &mut [f32],
    epsilon: f32,
    rows: usize,
    size: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let mean = mean(x, start, size, units);
    let inverse = inverse_deviation_of(x, start, size, mean, epsilon, units);
    let mut at = UNIT_POS as usize;
    while at < size {
        output[start + at] = (x[start + at] - mean) * inverse * gamma[at] + beta[at];
        at += units;
    }
}

#[cube(launch)]
fn saving_kernel(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    output: &mut [f32],
    normalised: &mut [f32],
    inverse_deviation: &mut [f32],
    epsilon: f32,
    rows: usize,
    size: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let mut at = UNIT_POS as usize;
    while at < size {
        normalised[start + at] = x[start + at];
        at += units;
    }
    normalise(
        normalised,
        inverse_deviation,
        output,
        gamma,
        beta,
        epsilon,
        size,
        units,
    );
}

#[cube(launch)]
fn residual_kernel(
    branch: &[f32],
    residual: &[f32],
    gamma: &[f32],
    beta: &[f32],
    key: &[f32],
    output: &mut [f32],
    normalised: &mut [f32],
    inverse_deviation: &mut [f32],
    epsilon: f32,
    factor: f32,
    below: u32,
    rows: usize,
    size: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let mut at = UNIT_POS as usize;
    while at < size {
        let place = start + at;
        normalised[place] = kept(branch[place], place, key, factor, below) + residual[place];
        at += units;
    }
    normalise(
        normalised,
        inverse_deviation,
        output,
        gamma,
        beta,
        epsilon,
        size,
        units,
    );
}

/// Normalises a row that stands in `normalised`, of which each unit reads again what it has written itself and
/// nothing else.
#[cube]
fn normalise(
    normalised: &mut [f32],
    inverse_deviation: &mut [f32],
    output: &mut [f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    size: usize,
    #[comptime] units: usize,
) {
    let start = CUBE_POS * size;
    let row = &normalised[start..start + size];
    let mean = mean(row, 0usize, size, units);
    let inverse = inverse_deviation_of(row, 0usize, size, mean, epsilon, units);
    if UNIT_POS == 0 {
        inverse_deviation[CUBE_POS] = inverse;
    }
    let mut at = UNIT_POS as usize;
    while at < size {
        let value = (normalised[start + at] - mean) * inverse;
        normalised[start + at] = value;
        output[start + at] = value * gamma[at] + beta[at];
        at += units;
    }
}

/// With n the normalised x, s the inverse deviation and h = gamma·grad: s·(h − mean(h) − n·mean(h·n)).
#[cube(launch)]
fn backward_kernel(
    normalised: &[f32],
    inverse_deviation: &[f32],
    gamma: &[f32],
    grad: &[f32],
    towards: &mut [f32],
    rows: usize,
    size: usize,
    #[comptime] units: usize,
) {
    if CUBE_POS >= rows {
        terminate!();
    }
    let start = CUBE_POS * size;
    let mut sum = 0.0f32;
    let mut slope = 0.0f32;
    let mut at = UNIT_POS as usize;
    while at < size {
        let scaled = grad[start + at] * gamma[at];
        sum += scaled;
        slope += scaled * normalised[start + at];
        at += units;
    }
    let mean = sum_over_units(sum, units) / f32::cast_from(size);
    let slope = sum_over_units(slope, units) / f32::cast_from(size);
    let inverse = inverse_deviation[CUBE_POS];
    let mut at = UNIT_POS as usize;
    while at < size {
        let scaled = grad[start + at] * gamma[at];
        towards[start + at] = (scaled - mean - normalised[start + at] * slope) * inverse;
        at += units;
    }
}

/// Σ grad·normalised and Σ grad over the rows of a block, a unit a column.
#[cube(launch)]
fn blocks_kernel(
    normalised: &[f32],
    grad: &[f32],
    gammas: &mut [f32],
    betas: &mut [f32],
    rows: usize,
    size: usize,
    rows_of_block: usize,
) {
    if ABSOLUTE_POS >= gammas.len() {
        terminate!();
    }
    let column = ABSOLUTE_POS % size;
    let first = (ABSOLUTE_POS / size) * rows_of_block;
    let end = select(first + rows_of_block < rows, first + rows_of_block, rows);
    let mut gamma = 0.0f32;
    let mut beta = 0.0f32;
    for row in first..end {
        let value = grad[row * size + column];
        gamma += value * normalised[row * size + column];
        beta += value;
    }
    gammas[ABSOLUTE_POS] = gamma;
    betas[ABSOLUTE_POS] = beta;
}

/// The sums over blocks of rows, a unit a column.
#[cube(launch)]
fn columns_kernel(
    gammas: &[f32],
    betas: &[f32],
    towards_gamma: &mut [f32],
    towards_beta: &mut [f32],
    blocks: usize,
    size: usize,
) {
    if ABSOLUTE_POS >= size {
        terminate!();
    }
    let mut gamma = 0.0f32;
    let mut beta = 0.0f32;
    for block in 0..blocks {
        gamma += gammas[block * size + ABSOLUTE_POS];
        beta += betas[block * size + ABSOLUTE_POS];
    }
    towards_gamma[ABSOLUTE_POS] = gamma;
    towards_beta[ABSOLUTE_POS] = beta;
}
