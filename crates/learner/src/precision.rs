//! The float type of forward and backward passes, beside the float32 of everything that is kept.
//!
//! Micikevicius et al. 2018, "Mixed Precision Training": weights, their gradients' sums and the
//! optimizer's moments stay in float32. In bfloat16 a pass runs through a copy of the model that is
//! cast from them; the casts are part of the pass, so that gradients come back to the float32 weights.
//! bfloat16 has float32's range: losses need no scaling. What such a pass computes in float32 all the
//! same stands in `kiln_nn::precision`.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// The float type of forward and backward passes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// Everything in float32.
    #[default]
    #[serde(rename = "float32")]
    Float32,
    /// Matrix products, and what lies between layers, in bfloat16; weights, optimizer, LayerNorm,
    /// softmax and losses in float32.
    #[serde(rename = "bf16")]
    BFloat16,
}

impl Precision {
    /// The name in settings and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::BFloat16 => "bf16",
        }
    }

    /// Whether a run's settings need not mention it.
    pub(crate) fn is_float32(&self) -> bool {
        *self == Self::Float32
    }

    /// Whether `device` computes in this type.
    pub fn is_supported(self, device: &Device) -> bool {
        match self {
            Self::Float32 => true,
            Self::BFloat16 => device.supports_dtype(FloatDType::BF16),
        }
    }

    /// The model that a pass runs through, as long as it is another than `model`: its parameters are
    /// cast from those of `model`, tables excepted, and gradients lead back to them.
    pub(crate) fn cast<M: Module>(self, model: &M) -> Option<M> {
        match self {
            Self::Float32 => None,
            Self::BFloat16 => Some(model.clone().map(&mut Cast::default())),
        }
    }
}

/// Casts parameters to bfloat16.
#[derive(Default)]
struct Cast {
    /// Types of the modules around the parameter, from the root down.
    within: Vec<String>,
}

impl ModuleMapper for Cast {
    fn enter_module(&mut self, _: &str, container_type: &str) {
        self.within.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.within.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // The container is entered with each of its fields' names.
        if self
            .within
            .last()
            .is_some_and(|within| within == "Struct:Embedding")
        {
            return param;
        }
        let (id, tensor, mapper) = param.consume();
        Param::from_mapped_value(id, tensor.cast(FloatDType::BF16), mapper)
    }
}
