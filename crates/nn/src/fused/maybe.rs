//! A tensor that may be absent, in a form that crosses from Burn's tensors to a backend's.

use burn::backend::{Backend, ExtensionType, tensor::FloatTensor};

/// A tensor that may be absent.
#[derive(Debug, Clone, ExtensionType)]
pub enum Maybe<B: Backend> {
    /// There is none.
    Absent,
    /// There is one.
    Present(FloatTensor<B>),
}

impl<B: Backend> Maybe<B> {
    /// The tensor, if there is one.
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Present(tensor) => Some(tensor),
        }
    }

    /// The tensor, if there is one.
    pub fn from_option(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::Absent, Self::Present)
    }
}
