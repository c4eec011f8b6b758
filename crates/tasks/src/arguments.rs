//! The arguments of a forward pass, checked on the host: on a device a wrong id is a panic or an
//! unchecked read.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_nn::EncoderInputs;

use crate::labels::{HostLabels, Labels};
use crate::sizes::Sizes;

mod choices;
mod error;

pub(crate) use choices::as_rows;
pub use error::InputError;

/// Hugging Face's label for "not scored".
const IGNORED: i64 = -100;

/// What is to be known of a Hugging Face class to check its arguments.
#[derive(Debug, Clone)]
pub struct ClassSpec {
    /// The name in config.json's `architectures`.
    pub name: &'static str,
    /// The arguments it takes beside `input_ids`, `attention_mask` and `token_type_ids`; one that
    /// ends in a point is how the names of several begin, such as `mems.`.
    pub arguments: &'static [&'static str],
    /// The arguments that its head takes beside its labels.
    pub head_arguments: &'static [&'static str],
    /// The arguments that give it a loss.
    pub labels: &'static [&'static str],
    /// The names of what it computes, losses left out.
    pub outputs: Vec<&'static str>,
}

impl ClassSpec {
    /// What is needed for a loss, as a phrase.
    pub(crate) fn labels_in_words(&self) -> String {
        match self.labels {
            [] => "labels and a head".to_owned(),
            labels => labels.join(" and "),
        }
    }
}

/// All arguments of one call, by Hugging Face's names.
#[derive(Debug)]
pub struct Inputs<'a> {
    given: &'a BTreeMap<String, TensorData>,
    class: ClassSpec,
    sizes: Sizes,
    device: Device,
    /// Rows of `input_ids`, at least one.
    pub batch: usize,
    /// Columns of `input_ids`, at least one.
    pub seq_len: usize,
    /// How many of the rows are continuations of one example; 1 where each is an example.
    pub num_choices: usize,
}

impl<'a> Inputs<'a> {
    /// Checks the names, and takes `batch` and `seq_len` from `input_ids`.
    ///
    /// # Errors
    /// If a name is none of the class's, or `input_ids` is missing, empty, too long or no matrix.
    pub fn new(
        given: &'a BTreeMap<String, TensorData>,
        class: ClassSpec,
        sizes: Sizes,
        device: &Device,
    ) -> Result<Self, InputError> {
        for name in given.keys() {
            let is_cotangent = name
                .strip_prefix("cotangent.")
                .is_some_and(|output| class.outputs.contains(&output));
            let tensors = ["input_ids", "attention_mask", "token_type_ids"];
            let own = class.head_arguments.iter().chain(class.labels);
            let mut known = tensors.iter().chain(class.arguments).chain(own);
            let is_known = known
                .any(|known| known == name || (known.ends_with('.') && name.starts_with(known)));
            if !is_cotangent && !is_known {
                let mut known = tensors.to_vec();
                known.extend(class.arguments);
                known.extend(class.head_arguments);
                known.extend(class.labels);
                return Err(InputError::Unknown {
                    name: name.clone(),
                    class: class.name,
                    known: known.join(", "),
                });
            }
        }
        let input_ids = given.get("input_ids").ok_or_else(|| InputError::Missing {
            name: "input_ids".to_owned(),
            class: class.name,
        })?;
        let [batch, seq_len] = *input_ids.shape().as_slice() else {
            return Err(shape_error("input_ids", input_ids, "[batch, seq_len]"));
        };
        if batch == 0 || seq_len == 0 {
            return Err(shape_error("input_ids", input_ids, "at least one token"));
        }
        if seq_len > sizes.longest() {
            let room = sizes.room();
            return Err(InputError::TooLong { seq_len, room });
        }
        Ok(Self {
            given,
            class,
            sizes,
            device: device.clone(),
            batch,
            seq_len,
            num_choices: 1,
        })
    }

    /// These arguments, whose rows are so many continuations each of fewer examples.
    #[must_use]
    pub(crate) fn of_choices(self, num_choices: usize) -> Self {
        Self {
            num_choices,
            ..self
        }
    }

    /// How many examples there are.
    pub fn examples(&self) -> usize {
        self.batch / self.num_choices.max(1)
    }

    /// What the encoder reads. Without a mask everything is attended to, missing types are all 0.
    ///
    /// # Errors
    /// If a tensor has another shape than `input_ids`, or an entry that has no row in its table.
    pub fn model_inputs(&self) -> Result<EncoderInputs, InputError> {
        let shape = [self.batch, self.seq_len];
        let tensor =
            |name: &str, limit: usize| -> Result<Option<Tensor<2, Int>>, InputError> {
                let values = self.ints(name, &shape, 0..limit as i64, false)?;
                Ok(values
                    .map(|values| Tensor::from_data(TensorData::new(values, shape), &self.device)))
            };
        let Some(input_ids) = tensor("input_ids", self.sizes.vocab_size)? else {
            return Err(self.missing("input_ids"));
        };
        let attention_mask = tensor("attention_mask", 2)?;
        let token_type_ids = tensor("token_type_ids", self.sizes.type_vocab_size)?;
        Ok(EncoderInputs {
            input_ids,
            attention_mask,
            token_type_ids: token_type_ids.unwrap_or_else(|| Tensor::zeros(shape, &self.device)),
        })
    }

    /// Class labels of any shape, flat, each below `classes`; −100 marks what is not scored.
    ///
    /// # Errors
    /// If the shape or an entry is another, or nothing is scored.
    pub fn labels(
        &self,
        name: &str,
        shape: &[usize],
        classes: usize,
    ) -> Result<Option<Labels>, InputError> {
        let Some(values) = self.ints(name, shape, 0..classes as i64, true)? else {
            return Ok(None);
        };
        self.scored(HostLabels::classes(values), || InputError::NothingScored {
            name: name.to_owned(),
        })
    }

    /// Positions of a span, `[batch]`, among `width`. As in Hugging Face, one beyond them is not scored.
    ///
    /// # Errors
    /// If the shape is another, an entry is no whole number, or nothing is scored.
    pub fn positions(&self, name: &str, width: usize) -> Result<Option<Labels>, InputError> {
        let Some(values) = self.ints(
            name,
            &[self.batch],
            i64::from(i32::MIN)..i64::from(i32::MAX),
            false,
        )?
        else {
            return Ok(None);
        };
        self.scored(HostLabels::places(values, width), || {
            InputError::NoPosition {
                name: name.to_owned(),
                seq_len: width,
            }
        })
    }

    fn scored(
        &self,
        labels: HostLabels,
        nothing: impl FnOnce() -> InputError,
    ) -> Result<Option<Labels>, InputError> {
        if labels.count() == 0.0 {
            return Err(nothing());
        }
        Ok(Some(labels.upload(&self.device)))
    }

    /// Whether an argument holds real numbers.
    pub fn is_float(&self, name: &str) -> bool {
        self.given
            .get(name)
            .is_some_and(|data| data.dtype().is_float())
    }

    /// Real numbers, flat `[n]`.
    ///
    /// # Errors
    /// If the shape is another, or they are whole numbers.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor<1>>, InputError> {
        let values = self.reals(name, shape)?;
        Ok(values.map(|values| self.flat(values)))
    }

    /// Whole or real numbers from 0 to 1, flat `[n]`.
    ///
    /// # Errors
    /// If the shape or an entry is another.
    pub fn probabilities(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Tensor<1>>, InputError> {
        if !self.is_float(name) {
            let values = self.ints(name, shape, 0..2, false)?;
            let values = values.map(|values| values.into_iter().map(|value| value as f32));
            return Ok(values.map(|values| self.flat(values.collect())));
        }
        let Some(values) = self.reals(name, shape)? else {
            return Ok(None);
        };
        let outside = |value: &f32| !(0.0..=1.0).contains(value);
        if let Some(index) = values.iter().position(outside) {
            return Err(InputError::Range {
                name: name.to_owned(),
                index,
                value: values
                    .get(index)
                    .copied()
                    .map(f64::from)
                    .unwrap_or_default(),
                allowed: "0 to 1".to_owned(),
            });
        }
        Ok(Some(self.flat(values)))
    }

    /// 1 at the positions attended to, else 0: flat `[batch * seq_len]`, with the sum, above 0.
    ///
    /// # Errors
    /// If `attention_mask` has another shape, an entry that is neither 0 nor 1, or no 1.
    pub fn attended(&self) -> Result<(Tensor<1>, f64), InputError> {
        let shape = [self.batch, self.seq_len];
        let mask = self.ints("attention_mask", &shape, 0..2, false)?;
        let mask = mask.unwrap_or_else(|| vec![1; self.batch * self.seq_len]);
        let count = mask.iter().copied().map(f64::from).sum();
        if count == 0.0 {
            return Err(InputError::NothingAttended);
        }
        let weights = mask.into_iter().map(|value| value as f32).collect();
        Ok((self.flat(weights), count))
    }

    /// Where tensors of the arguments are made.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The names of the arguments given that begin so.
    pub fn beginning_with(&self, prefix: &str) -> Vec<String> {
        let names = self.given.keys();
        names
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// The shape of an argument, if it is given.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let data = self.given.get(name)?;
        Some(data.shape().as_slice().to_vec())
    }

    /// Whole numbers from 0 to below `limit`, flat.
    ///
    /// # Errors
    /// If the shape or an entry is another, or they are real numbers.
    pub fn whole_numbers(
        &self,
        name: &str,
        shape: &[usize],
        limit: usize,
    ) -> Result<Option<Vec<i32>>, InputError> {
        self.ints(name, shape, 0..limit as i64, false)
    }

    /// Zeros and ones, given as whole or real numbers, flat.
    ///
    /// # Errors
    /// If the shape or an entry is another.
    pub fn zeros_and_ones(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Vec<i32>>, InputError> {
        if !self.is_float(name) {
            return self.ints(name, shape, 0..2, false);
        }
        let Some(values) = self.reals(name, shape)? else {
            return Ok(None);
        };
        if let Some(index) = values.iter().position(|&v| v != 0.0 && v != 1.0) {
            return Err(InputError::Range {
                name: name.to_owned(),
                index,
                value: values.get(index).copied().map_or(0.0, f64::from),
                allowed: "0 and 1".to_owned(),
            });
        }
        Ok(Some(values.into_iter().map(|v| v as i32).collect()))
    }

    fn missing(&self, name: &str) -> InputError {
        InputError::Missing {
            name: name.to_owned(),
            class: self.class.name,
        }
    }

    fn flat(&self, values: Vec<f32>) -> Tensor<1> {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), &self.device)
    }

    fn reals(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>, InputError> {
        let Some(data) = self.given.get(name) else {
            return Ok(None);
        };
        if data.shape().as_slice() != shape {
            return Err(shape_error(name, data, &format!("{shape:?}")));
        }
        match data.try_to_vec_as::<f32>() {
            Ok(values) if data.dtype().is_float() => Ok(Some(values)),
            _ => Err(dtype_error(name, data, "real numbers")),
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
