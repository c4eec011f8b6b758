//! The arguments of a forward pass, checked on the host: on a device a wrong id is a panic or an
//! unchecked read.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{BertClass, BertConfig, BertInputs};

/// Hugging Face's label for "not scored".
const IGNORED: i64 = -100;

/// An argument that is missing or does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum InputError {
    /// An argument the class cannot do without.
    #[error("{name}: missing; {class} needs it")]
    Missing { name: String, class: &'static str },
    /// An argument the class does not take.
    #[error("{name}: {class} takes no such input, but {known}")]
    Unknown {
        name: String,
        class: &'static str,
        known: String,
    },
    /// Real numbers for whole ones, or the reverse.
    #[error("{name}: has elements of type {found}, {expected} are needed")]
    Dtype {
        name: String,
        found: String,
        expected: &'static str,
    },
    /// Another shape than the other arguments ask for.
    #[error("{name}: has shape {found:?}, {expected} is needed")]
    Shape {
        name: String,
        found: Vec<usize>,
        expected: String,
    },
    /// An entry out of range.
    #[error("{name}: entry {index} is {value}, allowed are {allowed}")]
    Range {
        name: String,
        index: usize,
        value: f64,
        allowed: String,
    },
    /// More tokens than the model has positions.
    #[error("input_ids: {seq_len} tokens, max_position_embeddings is {positions}; shorten them")]
    TooLong { seq_len: usize, positions: usize },
    /// Labels of which none is scored.
    #[error("{name}: every entry is -100, so there is nothing to score; leave it out")]
    NothingScored { name: String },
    /// Gradients of nothing.
    #[error(
        "no loss to differentiate; {class} needs {labels}, or cotangent.OUTPUT beside an output"
    )]
    NoLoss {
        class: &'static str,
        labels: &'static str,
    },
}

/// Labels on a device, with what a weighted mean needs.
pub(super) struct Labels {
    /// `[n]`, 0 where nothing is scored.
    pub(super) labels: Tensor<1, Int>,
    /// `[n]`, 0 where nothing is scored, else 1.
    pub(super) weights: Tensor<1>,
    /// The sum of the weights, above 0.
    pub(super) count: f64,
}

/// All arguments of one call, by Hugging Face's names.
pub(super) struct Inputs<'a> {
    given: &'a BTreeMap<String, TensorData>,
    class: BertClass,
    device: Device,
    pub(super) batch: usize,
    pub(super) seq_len: usize,
}

impl<'a> Inputs<'a> {
    /// Checks the names, and takes the sizes from `input_ids`.
    pub(super) fn new(
        given: &'a BTreeMap<String, TensorData>,
        class: BertClass,
        config: &BertConfig,
        device: &Device,
    ) -> Result<Self, InputError> {
        let (labels, outputs) = (class.labels(), class.outputs());
        for name in given.keys() {
            let is_cotangent = name
                .strip_prefix("cotangent.")
                .is_some_and(|output| outputs.contains(&output));
            let tensors = ["input_ids", "attention_mask", "token_type_ids"];
            if !is_cotangent && !tensors.iter().chain(labels).any(|known| known == name) {
                let mut known = tensors.to_vec();
                known.extend(labels);
                return Err(InputError::Unknown {
                    name: name.clone(),
                    class: class.name(),
                    known: known.join(", "),
                });
            }
        }
        let input_ids = given.get("input_ids").ok_or_else(|| InputError::Missing {
            name: "input_ids".to_owned(),
            class: class.name(),
        })?;
        let [batch, seq_len] = *input_ids.shape().as_slice() else {
            return Err(shape_error("input_ids", input_ids, "[batch, seq_len]"));
        };
        if batch == 0 || seq_len == 0 {
            return Err(shape_error("input_ids", input_ids, "at least one token"));
        }
        let positions = config.max_position_embeddings;
        if seq_len > positions {
            return Err(InputError::TooLong { seq_len, positions });
        }
        Ok(Self {
            given,
            class,
            device: device.clone(),
            batch,
            seq_len,
        })
    }

    /// What the encoder reads. A missing mask is all ones, missing types are all zeros.
    pub(super) fn model_inputs(&self, config: &BertConfig) -> Result<BertInputs, InputError> {
        let shape = [self.batch, self.seq_len];
        let tensor =
            |name: &str, limit: usize| -> Result<Option<Tensor<2, Int>>, InputError> {
                let values = self.ints(name, &shape, 0..limit as i64, false)?;
                Ok(values
                    .map(|values| Tensor::from_data(TensorData::new(values, shape), &self.device)))
            };
        let Some(input_ids) = tensor("input_ids", config.vocab_size)? else {
            return Err(self.missing("input_ids"));
        };
        let attention_mask = tensor("attention_mask", 2)?;
        let token_type_ids = tensor("token_type_ids", config.type_vocab_size)?;
        Ok(BertInputs {
            input_ids,
            attention_mask,
            token_type_ids: token_type_ids.unwrap_or_else(|| Tensor::zeros(shape, &self.device)),
        })
    }

    /// Class labels of any shape, flat; −100 marks what is not scored.
    pub(super) fn labels(
        &self,
        name: &str,
        shape: &[usize],
        classes: usize,
    ) -> Result<Option<Labels>, InputError> {
        let Some(values) = self.ints(name, shape, 0..classes as i64, true)? else {
            return Ok(None);
        };
        let weights = values.iter().map(|&label| f32::from(u8::from(label >= 0)));
        let weights: Vec<f32> = weights.collect();
        let count = weights.iter().map(|&weight| f64::from(weight)).sum();
        if count == 0.0 {
            return Err(InputError::NothingScored {
                name: name.to_owned(),
            });
        }
        let labels: Vec<i32> = values.into_iter().map(|label| label.max(0)).collect();
        let n = labels.len();
        Ok(Some(Labels {
            labels: Tensor::from_data(TensorData::new(labels, [n]), &self.device),
            weights: Tensor::from_data(TensorData::new(weights, [n]), &self.device),
            count,
        }))
    }

    /// Positions of a span. As in Hugging Face, one beyond the sequence is not scored.
    pub(super) fn positions(&self, name: &str) -> Result<Option<Labels>, InputError> {
        let Some(values) = self.ints(
            name,
            &[self.batch],
            i64::from(i32::MIN)..i64::from(i32::MAX),
            false,
        )?
        else {
            return Ok(None);
        };
        let is_scored = |position: i32| position < self.seq_len as i32;
        let weights: Vec<f32> = values
            .iter()
            .map(|&position| f32::from(u8::from(is_scored(position))))
            .collect();
        let count: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        if count == 0.0 {
            return Err(InputError::NothingScored {
                name: name.to_owned(),
            });
        }
        let last = self.seq_len as i32 - 1;
        let labels: Vec<i32> = values.into_iter().map(|v| v.clamp(0, last)).collect();
        Ok(Some(Labels {
            labels: Tensor::from_data(TensorData::new(labels, [self.batch]), &self.device),
            weights: Tensor::from_data(TensorData::new(weights, [self.batch]), &self.device),
            count,
        }))
    }

    /// Whether an argument holds real numbers.
    pub(super) fn is_float(&self, name: &str) -> bool {
        self.given
            .get(name)
            .is_some_and(|data| data.dtype().is_float())
    }

    /// Real numbers, flat `[n]`.
    pub(super) fn floats(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Tensor<1>>, InputError> {
        let Some(data) = self.given.get(name) else {
            return Ok(None);
        };
        if data.shape().as_slice() != shape {
            return Err(shape_error(name, data, &format!("{shape:?}")));
        }
        let values = match data.try_to_vec_as::<f32>() {
            Ok(values) if data.dtype().is_float() => values,
            _ => return Err(dtype_error(name, data, "real numbers")),
        };
        let n = values.len();
        Ok(Some(Tensor::from_data(
            TensorData::new(values, [n]),
            &self.device,
        )))
    }

    pub(super) fn missing(&self, name: &str) -> InputError {
        InputError::Missing {
            name: name.to_owned(),
            class: self.class.name(),
        }
    }

    /// Whole numbers in `range`, or also −100.
    fn ints(
        &self,
        name: &str,
        shape: &[usize],
        range: Range<i64>,
        or_ignored: bool,
    ) -> Result<Option<Vec<i32>>, InputError> {
        let Some(data) = self.given.get(name) else {
            return Ok(None);
        };
        if data.shape().as_slice() != shape {
            return Err(shape_error(name, data, &format!("{shape:?}")));
        }
        let dtype = data.dtype();
        if !(dtype.is_int() || dtype.is_uint() || dtype.is_bool()) {
            return Err(dtype_error(name, data, "whole numbers"));
        }
        // Every integer type goes into f64 without a fault, and small ones exactly.
        let Ok(values) = data.try_to_vec_as::<f64>() else {
            return Err(dtype_error(name, data, "whole numbers"));
        };
        let is_allowed = |value: f64| {
            let value = value as i64;
            range.contains(&value) || (or_ignored && value == IGNORED)
        };
        if let Some(index) = values.iter().position(|&value| !is_allowed(value)) {
            let also = if or_ignored { " and -100" } else { "" };
            return Err(InputError::Range {
                name: name.to_owned(),
                index,
                value: values.get(index).copied().unwrap_or_default(),
                allowed: format!("{} to {}{also}", range.start, range.end - 1),
            });
        }
        Ok(Some(values.into_iter().map(|value| value as i32).collect()))
    }
}

fn shape_error(name: &str, data: &TensorData, expected: &str) -> InputError {
    InputError::Shape {
        name: name.to_owned(),
        found: data.shape().as_slice().to_vec(),
        expected: expected.to_owned(),
    }
}

fn dtype_error(name: &str, data: &TensorData, expected: &'static str) -> InputError {
    InputError::Dtype {
        name: name.to_owned(),
        found: format!("{:?}", data.dtype()),
        expected,
    }
}
