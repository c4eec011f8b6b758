//! A module with the shapes and oddities of a BERT, and helpers to fill and write it.

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::{LoadOptions, NamedTensor, Names, Tied, parameters};
use safetensors::tensor::{Dtype, TensorView};

pub(crate) const VOCAB: usize = 11;
pub(crate) const HIDDEN: usize = 4;
pub(crate) const INTERMEDIATE: usize = 6;

pub(crate) const NAMES: Names = Names {
    rules: &[("layer_norm", "LayerNorm"), ("self_attention", "self")],
};

pub(crate) const OPTIONS: LoadOptions = LoadOptions {
    base_prefix: Some("bert."),
    ignorable: &["embeddings.position_ids"],
    tied: &[
        Tied {
            copy: "cls.predictions.decoder.weight",
            owner: "bert.embeddings.word_embeddings.weight",
            head: "cls.predictions.",
        },
        Tied {
            copy: "cls.predictions.decoder.bias",
            owner: "cls.predictions.bias",
            head: "cls.predictions.",
        },
    ],
};

#[derive(Module, Debug)]
pub(crate) struct PreTraining {
    pub(crate) bert: Bert,
    pub(crate) cls: Cls,
}

#[derive(Module, Debug)]
pub(crate) struct Bert {
    pub(crate) embeddings: Embeddings,
    pub(crate) encoder: Encoder,
    pub(crate) pooler: Pooler,
}

#[derive(Module, Debug)]
pub(crate) struct Embeddings {
    pub(crate) word_embeddings: Embedding,
    pub(crate) position_embeddings: Embedding,
    pub(crate) token_type_embeddings: Embedding,
    pub(crate) layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
pub(crate) struct Encoder {
    pub(crate) layer: Vec<Layer>,
}

#[derive(Module, Debug)]
pub(crate) struct Layer {
    pub(crate) attention: Attention,
    pub(crate) intermediate: Dense,
    pub(crate) output: Output,
}

#[derive(Module, Debug)]
pub(crate) struct Attention {
    pub(crate) self_attention: SelfAttention,
    pub(crate) output: Output,
}

#[derive(Module, Debug)]
pub(crate) struct SelfAttention {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
}

#[derive(Module, Debug)]
pub(crate) struct Dense {
    pub(crate) dense: Linear,
}

#[derive(Module, Debug)]
pub(crate) struct Output {
    pub(crate) dense: Linear,
    pub(crate) layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
pub(crate) struct Pooler {
    pub(crate) dense: Linear,
}

#[derive(Module, Debug)]
pub(crate) struct Cls {
    pub(crate) predictions: Predictions,
    pub(crate) seq_relationship: Linear,
}

#[derive(Module, Debug)]
pub(crate) struct Predictions {
    pub(crate) bias: Param<Tensor<1>>,
    pub(crate) transform: Output,
}

impl PreTraining {
    pub(crate) fn new(device: &Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        let norm = || LayerNormConfig::new(HIDDEN).init(device);
        let table = |rows| EmbeddingConfig::new(rows, HIDDEN).init(device);
        let output = |inputs| Output {
            dense: linear(inputs, HIDDEN),
            layer_norm: norm(),
        };
        let layer = || Layer {
            attention: Attention {
                self_attention: SelfAttention {
                    query: linear(HIDDEN, HIDDEN),
                    key: linear(HIDDEN, HIDDEN),
                    value: linear(HIDDEN, HIDDEN),
                },
                output: output(HIDDEN),
            },
            intermediate: Dense {
                dense: linear(HIDDEN, INTERMEDIATE),
            },
            output: output(INTERMEDIATE),
        };
        Self {
            bert: Bert {
                embeddings: Embeddings {
                    word_embeddings: table(VOCAB),
                    position_embeddings: table(8),
                    token_type_embeddings: table(2),
                    layer_norm: norm(),
                },
                encoder: Encoder {
                    layer: vec![layer(), layer()],
                },
                pooler: Pooler {
                    dense: linear(HIDDEN, HIDDEN),
                },
            },
            cls: Cls {
                predictions: Predictions {
                    bias: Param::from_tensor(Tensor::zeros([VOCAB], device)),
                    transform: Output {
                        dense: linear(HIDDEN, HIDDEN),
                        layer_norm: norm(),
                    },
                },
                seq_relationship: linear(HIDDEN, 2),
            },
        }
    }
}

/// Every parameter of `module`, in its order, filled with values that tell position and tensor apart.
pub(crate) fn filled<M: Module>(module: &M) -> Vec<NamedTensor> {
    let mut parameters = parameters(module, &NAMES);
    parameters.sort_by(|a, b| a.name.cmp(&b.name));
    let tensors = (1..).zip(parameters).map(|(k, parameter)| {
        let elements = parameter.shape.iter().product::<usize>();
        let offset = if parameter.name.ends_with("LayerNorm.weight") {
            1.0
        } else {
            0.0
        };
        NamedTensor {
            data: (0..elements)
                .map(|i| (0.5 * f64::sin((k + i) as f64) + offset) as f32)
                .collect(),
            name: parameter.name,
            shape: parameter.shape,
        }
    });
    tensors.collect()
}

/// `tensors` with every name passed through `rename`.
pub(crate) fn renamed(
    tensors: &[NamedTensor],
    rename: impl Fn(&str) -> String,
) -> Vec<NamedTensor> {
    let tensors = tensors.iter().cloned().map(|mut tensor| {
        tensor.name = rename(&tensor.name);
        tensor
    });
    tensors.collect()
}

/// Sorted by name, for comparison.
pub(crate) fn sorted(mut tensors: Vec<NamedTensor>) -> Vec<NamedTensor> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    tensors
}

/// A safetensors file of any element types, written by the format's own crate.
pub(crate) fn write_raw(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (
            *name,
            TensorView::new(*dtype, shape.to_vec(), bytes).unwrap(),
        )
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Little-endian bytes of float32 values.
pub(crate) fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
