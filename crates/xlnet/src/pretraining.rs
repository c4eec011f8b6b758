//! XLNet's permutation language modelling (Yang et al. 2019, sections 2.2 and 2.3).
//!
//! ```text
//! loss = mean over targets (-log p[token | tokens before it in the order, memory])
//! ```
//!
//! with p the softmax over the vocabulary of the query stream at a target. Inputs keep their true
//! tokens: only who sees whom hides them. The memory that a segment leaves goes to the next segment
//! of the same lanes, for the whole run; it begins with zeros, which are attended to.

use burn::tensor::{Device, Int, Tensor};
use kiln_learner::upload::{floats, ints};
use kiln_learner::{ConstantGuess, ModelFiles, Objective, ParameterGroup, PartOutput, TermSpec};
use kiln_nn::Init;
use kiln_tasks::masked_lm::score;
use kiln_tasks::model_files::model_files;
use kiln_tasks::{Class, Family};
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::memory::Memory;
use crate::model::{Targets, XlnetInputs};
use crate::{Visibility, XlnetConfig, XlnetLmHeadModel};

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
            p_mask: None,
            cls_index: None,
            attention_mask: None,
        }
    }
}

/// What XLNet is pretrained with. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct XlnetPretraining {
    config: XlnetConfig,
    batch_size: usize,
}

impl XlnetPretraining {
    /// Permutation language modelling for a model of `config`, on batches of `batch_size`; without
    /// memory if its `mem_len` is absent or 0.
    pub fn new(config: XlnetConfig, batch_size: usize) -> Self {
        Self { config, batch_size }
    }

    /// A model to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> XlnetLmHeadModel {
        XlnetLmHeadModel::new(&self.config, init)
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<XlnetLmHeadModel> {
        // A batch reads in two directions in pretraining alone; transformers would do so with any
        // text, as config.json says.
        let config = XlnetConfig {
            bi_data: false,
            use_mems_train: self.config.mem_len().is_some(),
            ..self.config.clone()
        };
        model_files(config, XlnetLmHeadModel::NAMES, tokenizer)
    }
}

impl Objective for XlnetPretraining {
    type Model = XlnetLmHeadModel;
    type Batch = PermutedBatch;
    type Scratch = ();
    type Carry = Option<Memory>;

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
        let mem_len = self.config.mem_len()?;
        Some(Memory::zeros(
            &self.config,
            self.batch_size,
            mem_len,
            device,
        ))
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

    fn group(&self, path: &str) -> ParameterGroup {
        self.config.parameter_group(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_pulls_at_what_is_added_to_queries_and_at_no_other_bias() {
        let objective = XlnetPretraining::new(XlnetConfig::default(), 1);
        let decays = |path| objective.group(path).decays;
        assert!(decays("transformer.layer.0.rel_attn.r_w_bias"));
        assert!(decays("transformer.layer.0.rel_attn.q"));
        assert!(!decays("transformer.layer.0.ff.layer_1.bias"));
        assert!(!decays("transformer.layer.0.ff.layer_norm.gamma"));
    }
}
