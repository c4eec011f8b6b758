//! Products of matrices that lie in slices, by the crate that Burn's own products on flex go through.
//!
//! What is not in Burn's: the output may begin as something else, so that a bias costs nothing; it may be
//! a part of a larger tensor, so that heads stand side by side without a copy; and its memory is not
//! cleared before all of it is written.

use gemm::Parallelism;
use rayon::prelude::*;

/// A matrix in a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// # Panics
    /// If an entry lies outside of the slice.
    pub(super) fn strided(values: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        assert!(
            values.len() >= reach(shape, strides),
            "a matrix {shape:?} of strides {strides:?} in {} values",
            values.len()
        );
        Self {
            values,
            shape,
            strides,
        }
    }

    /// Rows one after the other.
    pub(super) fn rows(values: &'a [f32], columns: usize) -> Self {
        let rows = values.len() / columns.max(1);
        Self::strided(values, [rows, columns], [columns, 1])
    }

    pub(super) fn transposed(self) -> Self {
        let ([rows, columns], [down, along]) = (self.shape, self.strides);
        Self {
            values: self.values,
            shape: [columns, rows],
            strides: [along, down],
        }
    }
}

/// Values from the first entry of a matrix to its last.
fn reach([rows, columns]: [usize; 2], [down, along]: [usize; 2]) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * down + (columns - 1) * along + 1
}

/// A matrix that is written, of rows that may stand apart.
#[derive(Debug)]
pub(super) struct Output<'a> {
    values: &'a mut [f32],
    row_stride: usize,
}

impl<'a> Output<'a> {
    /// Rows that begin `row_stride` values apart.
    pub(super) fn strided(values: &'a mut [f32], row_stride: usize) -> Self {
        Self { values, row_stride }
    }

    /// Becomes the product.
    pub(super) fn write(self, lhs: Matrix<'_>, rhs: Matrix<'_>) {
        self.call(lhs, rhs, false, Parallelism::None);
    }

    /// Has the product added.
    pub(super) fn add(self, lhs: Matrix<'_>, rhs: Matrix<'_>) {
        self.call(lhs, rhs, true, Parallelism::None);
    }

    fn call(self, lhs: Matrix<'_>, rhs: Matrix<'_>, adds: bool, parallelism: Parallelism) {
        let shape = shape_of(lhs, rhs);
        assert!(
            self.values.len() >= reach(shape, [self.row_stride, 1]) && self.row_stride >= shape[1],
            "a product {shape:?} for {} values, {} a row",
            self.values.len(),
            self.row_stride
        );
        let output = self.values.as_mut_ptr();
        #[expect(unsafe_code, reason = "see `multiply`")]
        // SAFETY: the output's slice holds all entries of the product, as was asserted.
        unsafe {
            multiply(output, self.row_stride, lhs, rhs, adds, parallelism);
        }
    }
}

/// The product, by all threads, in memory of its own; added to a bias for each column if there is one.
pub(super) fn product(lhs: Matrix<'_>, rhs: Matrix<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    let [rows, columns] = shape_of(lhs, rhs);
    let count = rows * columns;
    let mut output = Vec::with_capacity(count);
    if let Some(bias) = bias {
        assert_eq!(bias.len(), columns, "a bias for other columns");
        let room = &mut output.spare_capacity_mut()[..count];
        let rows = room.par_chunks_exact_mut(columns.max(1));
        rows.for_each(|row| {
            row.write_copy_of_slice(bias);
        });
    }
    let (output_at, parallelism) = (output.as_mut_ptr(), parallelism(lhs, rhs));
    #[expect(
        unsafe_code,
        reason = "see `multiply`; to clear the memory first takes 3 % of a training step"
    )]
    // SAFETY: there is room for all entries of the product. They are read only where a bias was written to
    // all of them, and are all written, also where the sums have no terms.
    unsafe {
        multiply(output_at, columns, lhs, rhs, bias.is_some(), parallelism);
        output.set_len(count);
    }
    output
}

fn shape_of(lhs: Matrix<'_>, rhs: Matrix<'_>) -> [usize; 2] {
    let ([rows, terms], [same, columns]) = (lhs.shape, rhs.shape);
    assert_eq!(
        terms, same,
        "a product of {:?} and {:?}",
        lhs.shape, rhs.shape
    );
    [rows, columns]
}

/// Small products are faster on one thread.
fn parallelism(lhs: Matrix<'_>, rhs: Matrix<'_>) -> Parallelism {
    let [rows, terms] = lhs.shape;
    let [_, columns] = rhs.shape;
    if rows * columns * terms < 192 * 192 * 192 {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    }
}

/// Writes the product, or adds it to what stands there.
///
/// # Safety
/// The output has room for all entries, rows being `row_stride` values apart; they are initialised if
/// the product is added.
#[expect(unsafe_code, reason = "the crate's only interface is one of pointers")]
unsafe fn multiply(
    output: *mut f32,
    row_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    adds: bool,
    parallelism: Parallelism,
) {
    let [rows, columns] = shape_of(lhs, rhs);
    // SAFETY: matrices lie within their slices, which cannot change meanwhile; the output is the caller's
    // promise.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            lhs.shape[1],
            output,
            1,
            row_stride as isize,
            adds,
            lhs.values.as_ptr(),
            lhs.strides[1] as isize,
            lhs.strides[0] as isize,
            rhs.values.as_ptr(),
            rhs.strides[1] as isize,
            rhs.strides[0] as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
