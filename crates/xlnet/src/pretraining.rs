//! XLNet's permutation language modelling (Yang et al. 2019, sections 2.2 and 2.3).
//!
//! ```text
//! loss = mean over targets (-log p[token | tokens before it in the order, memory])
//! ```
//!
//! with p the softmax over the vocabulary of the query stream at a target. Inputs keep their true
//! tokens: only who sees whom hides them. The memory that a segment leaves goes to the next segment
//! of the same lanes, for the whole run; it begins with zeros, which are attended to.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_checkpoint::{ModelFile, NamedTensor, OpenError, WriteError};
use kiln_learner::upload::{floats, ints};
use kiln_learner::{ConstantGuess, Objective, PartOutput, PartSpec, TermSpec};
use kiln_nn::Init;
use kiln_tasks::masked_lm::{score, untracked};
use kiln_tasks::start::write_tokenizer;
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::model::{Memory, Targets, XlnetInputs};
use crate::open::{open_weights, write_folder};
use crate::{Visibility, XlnetClass, XlnetConfig, XlnetLmHeadModel};

/// Segments of an example: text and first half, second half, `<cls>`.
const SEGMENTS: usize = 3;

/// What `kiln_text::examples::PermutedSource` makes, on a device.
#[derive(Debug, Clone)]
pub struct PermutedBatch {
    /// `[batch, seq_len]`, nothing replaced.
    pub input_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`, 0, 1 or 2.
    pub token_type_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`: query i may not see key j where its rank is not above the key's.
    pub query_ranks: Tensor<2, Int>,
    /// `[batch, seq_len]`
    pub key_ranks: Tensor<2, Int>,
    /// `[batch, num_predictions]`, where the targets stand; any place in an empty slot.
    pub positions: Tensor<2, Int>,
    /// `[batch, num_predictions]`, what stands there.
    pub labels: Tensor<2, Int>,
    /// `[batch, num_predictions]`, 1 = target, 0 = empty slot.
    pub weights: Tensor<2>,
}

impl PermutedBatch {
    /// Moves a batch to a device.
    ///
    /// # Panics
    /// If the batch lacks a buffer: an objective and the source that feeds it are written together.
    pub fn upload(batch: &HostBatch, device: &Device) -> Self {
        Self {
            input_ids: ints(batch, "input_ids", device),
            token_type_ids: ints(batch, "token_type_ids", device),
            query_ranks: ints(batch, "query_ranks", device),
            key_ranks: ints(batch, "key_ranks", device),
            positions: ints(batch, "positions", device),
            labels: ints(batch, "labels", device),
            weights: floats(batch, "weights", device),
        }
    }

    /// What XLNet reads.
    pub fn inputs(&self, memory: Option<Memory>) -> XlnetInputs {
        XlnetInputs {
            input_ids: self.input_ids.clone(),
            token_type_ids: Some(self.token_type_ids.clone()),
            segment_columns: SEGMENTS,
            visibility: Visibility::Ranks {
                queries: self.query_ranks.clone(),
                keys: self.key_ranks.clone(),
            },
            targets: Some(Targets {
                positions: self.positions.clone(),
                is_present: None,
            }),
            memory,
        }
    }
}

/// What XLNet is pretrained with. Holds settings and files to write beside the weights, no
/// parameters.
#[derive(Debug, Clone)]
pub struct XlnetPretraining {
    config: XlnetConfig,
    batch_size: usize,
    tokenizer: Option<Tokenizer>,
}

impl XlnetPretraining {
    /// Permutation language modelling for a model of `config`, on batches of `batch_size`; without
    /// memory if its `mem_len` is absent or 0.
    pub fn new(config: XlnetConfig, batch_size: usize) -> Self {
        Self {
            config,
            batch_size,
            tokenizer: None,
        }
    }

    /// Writes this tokenizer into every checkpoint.
    #[must_use]
    pub fn with_tokenizer(mut self, tokenizer: Tokenizer) -> Self {
        self.tokenizer = Some(tokenizer);
        self
    }

    /// A model to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> XlnetLmHeadModel {
        XlnetLmHeadModel::new(&self.config, init)
    }

    fn memory_shape(&self) -> Option<[usize; 3]> {
        let mem_len = self.config.mem_len()?;
        Some([self.batch_size, mem_len, self.config.d_model])
    }
}

impl Objective for XlnetPretraining {
    type Model = XlnetLmHeadModel;
    type Batch = PermutedBatch;
    type Scratch = ();
    type Carry = Option<Memory>;

    fn parts(&self) -> Vec<PartSpec> {
        vec![PartSpec {
            name: "model",
            trains: &[],
        }]
    }

    fn terms(&self) -> Vec<TermSpec> {
        vec![TermSpec {
            name: "plm_loss",
            part: 0,
            coefficient: 1.0,
            is_perplexity: true,
            constant: ConstantGuess::WORDS,
        }]
    }

    fn measure_names(&self) -> Vec<&'static str> {
        vec!["plm_accuracy"]
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        let weights = batch.floats.get("weights").into_iter();
        let weights = weights.flat_map(|weights| &weights.data);
        vec![weights.map(|&weight| f64::from(weight)).sum()]
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> PermutedBatch {
        PermutedBatch::upload(batch, device)
    }

    fn start_carry(&self, device: &Device) -> Option<Memory> {
        let [batch, mem_len, _] = self.memory_shape()?;
        Some(Memory::zeros(&self.config, batch, mem_len, device))
    }

    fn forward(
        &self,
        model: &XlnetLmHeadModel,
        _: usize,
        batch: &PermutedBatch,
        (): (),
        carry: &Option<Memory>,
    ) -> PartOutput<Self> {
        let (logits, outputs) = model.forward(batch.inputs(carry.clone()));
        let labels = batch.labels.clone().flatten::<1>(0, 1);
        let weights = batch.weights.clone().flatten::<1>(0, 1);
        let (sum, accuracy) = score(logits, labels, weights, "plm_accuracy");
        PartOutput {
            sums: vec![sum],
            measures: vec![accuracy],
            scratch: (),
            carry: carry.is_some().then_some(outputs.memory),
        }
    }

    fn carry_tensors(&self, carry: &Option<Memory>) -> Result<Vec<NamedTensor>, WriteError> {
        let Some(shape) = self.memory_shape() else {
            return Ok(Vec::new());
        };
        let states = carry.iter().flat_map(|memory| &memory.states);
        let tensors = states.enumerate().map(|(layer, state)| {
            let name = format!("mems.{layer}");
            let read = untracked(state).try_into_vec_as::<f32>();
            let data = read.map_err(|error| WriteError::Device {
                name: name.clone(),
                reason: error.to_string(),
            })?;
            Ok(NamedTensor {
                name,
                shape: shape.to_vec(),
                data,
            })
        });
        tensors.collect()
    }

    fn restore_carry(
        &self,
        tensors: Vec<NamedTensor>,
        device: &Device,
    ) -> Result<Option<Memory>, OpenError> {
        let Some(shape) = self.memory_shape() else {
            return Ok(None);
        };
        let mut states = Vec::with_capacity(self.config.n_layer);
        for layer in 0..self.config.n_layer {
            let name = format!("mems.{layer}");
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            let tensor = tensor.ok_or_else(|| OpenError::NoTensor {
                path: Default::default(),
                name: name.clone(),
            })?;
            if tensor.shape != shape {
                return Err(OpenError::Shape {
                    path: Default::default(),
                    name,
                    found: tensor.shape.clone(),
                    expected: shape.to_vec(),
                });
            }
            let data = TensorData::new(tensor.data.clone(), shape);
            states.push(Tensor::from_data(data, device));
        }
        Ok(Some(Memory { states }))
    }

    fn write_model(&self, model: &XlnetLmHeadModel, folder: &Path) -> Result<(), WriteError> {
        // A batch reads in two directions in pretraining alone; transformers would do so with any
        // text, as config.json says.
        let config = XlnetConfig {
            bi_data: false,
            use_mems_train: self.config.mem_len().is_some(),
            ..self.config.clone()
        };
        write_folder(model, &config, XlnetClass::LmHead, folder)?;
        write_tokenizer(self.tokenizer.as_ref(), folder)
    }

    fn read_model(
        &self,
        model: XlnetLmHeadModel,
        folder: &Path,
    ) -> Result<XlnetLmHeadModel, OpenError> {
        let file = ModelFile::open(folder)?;
        let (model, report) = open_weights(model, &file)?;
        report.require_complete(folder)?;
        Ok(model)
    }
}
