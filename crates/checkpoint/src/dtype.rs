//! Types of elements, and what becomes of them in memory: float32.

use half::{bf16, f16};

pub use safetensors::Dtype;

/// What is known of a tensor without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Type of the elements in the file.
    pub dtype: Dtype,
    /// Extents, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Whether the elements can be read as float32.
    pub(crate) fn is_float(&self) -> bool {
        matches!(
            self.dtype,
            Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16
        )
    }
}

/// The elements are not floating point numbers.
pub(crate) struct NotFloat;

/// Appends little-endian elements of type `dtype` to `data` as float32.
///
/// F64 is rounded to the nearest float32; F16 and BF16 fit into one exactly.
pub(crate) fn decode_into(dtype: Dtype, bytes: &[u8], data: &mut Vec<f32>) -> Result<(), NotFloat> {
    match dtype {
        Dtype::F32 => data.extend(bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes)),
        Dtype::F64 => {
            let elements = bytes.as_chunks().0.iter().copied().map(f64::from_le_bytes);
            data.extend(elements.map(|element| element as f32));
        }
        Dtype::F16 => {
            let elements = bytes.as_chunks().0.iter().copied().map(f16::from_le_bytes);
            data.extend(elements.map(f16::to_f32));
        }
        Dtype::BF16 => {
            let elements = bytes.as_chunks().0.iter().copied().map(bf16::from_le_bytes);
            data.extend(elements.map(bf16::to_f32));
        }
        _ => return Err(NotFloat),
    }
    Ok(())
}
