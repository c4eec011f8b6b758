//! Tensors as the kernels take them.

use burn::backend::TensorMetadata as _;
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// A float32 tensor, not empty, with its values in row-major order.
pub(super) struct Floats(CubeTensor);

impl Floats {
    /// `None` for another float type, or if there is nothing in it; a copy only where values lie otherwise.
    pub(super) fn of(tensor: &CubeTensor) -> Option<Self> {
        let fits = tensor.dtype == DType::F32 && tensor.shape().num_elements() > 0;
        fits.then(|| Self(into_contiguous(tensor.clone())))
    }

    /// The values for a kernel that reads them.
    pub(super) fn arg(&self) -> BufferArg {
        self.0.clone().into_buffer_arg()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.shape().num_elements()
    }

    /// The tensor's shape.
    pub(super) fn shape(&self) -> Shape {
        self.0.shape()
    }

    /// (rows, entries of each), the last axis being a row.
    pub(super) fn rows(&self) -> (usize, usize) {
        let shape = self.shape();
        let size = shape.as_slice().last().copied().unwrap_or(1);
        (self.len() / size, size)
    }

    /// A tensor of the same shape with nothing in it yet.
    pub(super) fn empty(&self) -> CubeTensor {
        self.empty_of(self.shape())
    }

    /// A float32 tensor of this shape on the same device with nothing in it yet.
    pub(super) fn empty_of(&self, shape: impl Into<Shape>) -> CubeTensor {
        empty_of(&self.0, shape, DType::F32)
    }
}

/// A tensor on the device of another with nothing in it yet.
pub(super) fn empty_of(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), dtype)
}

/// A tensor that is known to be of float32 and not empty.
pub(super) fn known(tensor: &CubeTensor) -> Floats {
    Floats(into_contiguous(tensor.clone()))
}

/// Whole numbers, in row-major order.
pub(super) struct Integers(CubeTensor);

impl Integers {
    /// As they came, or copied into that order.
    pub(super) fn of(tensor: CubeTensor) -> Self {
        Self(into_contiguous(tensor))
    }

    /// The numbers for a kernel that reads them.
    pub(super) fn arg(&self) -> BufferArg {
        self.0.clone().into_buffer_arg()
    }

    /// Their type, as a kernel wants it told.
    pub(super) fn storage(&self) -> ElemType {
        storage_of(&self.0)
    }

    /// Entries along an axis.
    pub(super) fn along(&self, axis: usize) -> usize {
        self.0.shape()[axis]
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.shape().num_elements()
    }
}

/// How a tensor's entries are stored.
pub(super) fn storage_of(tensor: &CubeTensor) -> ElemType {
    burn::backend::cubecl::dtype_to_storage_type(tensor.dtype)
}

/// A tensor that may be written into: as it came where nothing else holds it, else a copy.
pub(super) fn owned(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() && tensor.is_contiguous_buffer() {
        tensor
    } else {
        tensor.copy()
    }
}
