//! The encoder with the heads it is pretrained with.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Int, Tensor};
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Apart, Init, gather_positions};
use kiln_tasks::class::{Class, Encoded};
use kiln_tasks::heads::{PretrainingLogits, WordLogits};
use kiln_tasks::tying::{apart, apart_in};

use crate::masked_lm::MaskedLmHead;
use crate::names::LOAD_OPTIONS;
use crate::{BertConfig, BertInputs, BertModel};

/// Masked language model and next sentence; Hugging Face `BertPreTrainingHeads`.
#[derive(Module, Debug)]
pub struct BertPreTrainingHeads {
    /// Words at masked positions.
    pub predictions: MaskedLmHead,
    /// Whether the second segment follows the first: class 0 if it does, 1 if it is random.
    pub seq_relationship: Option<Linear>,
}

/// The encoder with the masked language model head and, where there is next sentence prediction,
/// pooler and second head. Without the latter its file is a [`crate::BertForMaskedLm`]'s.
#[derive(Module, Debug)]
pub struct BertForPreTraining {
    /// The encoder.
    pub bert: BertModel,
    /// The heads.
    pub cls: BertPreTrainingHeads,
}

/// What the heads say of a batch.
#[derive(Debug, Clone)]
pub struct PreTrainingLogits {
    /// `[batch * num_predictions, vocab_size]`
    pub predictions: Tensor<2>,
    /// `[batch, 2]`; `None` without next sentence prediction.
    pub seq_relationship: Option<Tensor<2>>,
}

impl BertForPreTraining {
    /// Draws a model with both heads.
    pub fn new(config: &BertConfig, init: &mut Init) -> Self {
        Self::with_apart(config, apart(&config.other), init)
    }

    /// Draws encoder and both heads, with a decoder that keeps `apart` from the word table, whatever
    /// the config says.
    fn with_apart(config: &BertConfig, apart: Apart, init: &mut Init) -> Self {
        Self {
            bert: BertModel::new(config, init),
            cls: BertPreTrainingHeads {
                predictions: MaskedLmHead::new(config, apart, init),
                seq_relationship: Some(init.linear(config.hidden_size, 2)),
            },
        }
    }

    /// Draws a model without pooler and next sentence head.
    pub fn masked_lm(config: &BertConfig, init: &mut Init) -> Self {
        Self {
            bert: BertModel::without_pooler(config, init),
            cls: BertPreTrainingHeads {
                predictions: MaskedLmHead::new(config, apart(&config.other), init),
                seq_relationship: None,
            },
        }
    }

    /// Runs encoder and heads; the vocabulary is scored at `positions` alone.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_predictions]`, each in `0..seq_len`
    ///
    /// # Panics
    /// If the shapes do not fit: the caller's mistake.
    pub fn forward(&self, inputs: BertInputs, positions: Tensor<2, Int>) -> PreTrainingLogits {
        let hidden_states = self.bert.forward(inputs);
        let seq_relationship = self.next_sentence_logits(hidden_states.clone());
        let gathered = gather_positions(hidden_states, positions);
        PreTrainingLogits {
            predictions: self.prediction_logits(gathered),
            seq_relationship,
        }
    }

    /// Scores the vocabulary at every position given.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, hidden_size]`
    /// - returns `[batch * n, vocab_size]`
    pub fn prediction_logits(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let [batch, n, hidden_size] = hidden_states.dims();
        let rows = hidden_states.reshape([batch * n, hidden_size]);
        let head = &self.cls.predictions;
        head.forward(rows, self.bert.word_embeddings())
    }

    /// Scores "follows" and "random"; `None` without next sentence prediction.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, seq_len, hidden_size]`
    /// - returns `[batch, 2]`
    pub fn next_sentence_logits(&self, hidden_states: Tensor<3>) -> Option<Tensor<2>> {
        let head = self.cls.seq_relationship.as_ref()?;
        let pooled = self.bert.pool(hidden_states)?;
        Some(head.forward(pooled))
    }
}

impl Class for BertForPreTraining {
    type Config = BertConfig;
    type Encoder = BertModel;
    type Head = PretrainingLogits;

    const NAMES: &'static [&'static str] = &["BertForPreTraining"];
    const POOLS: bool = true;

    fn for_file(config: &BertConfig, file: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        let apart = apart_in(file, &LOAD_OPTIONS, &config.other)?;
        Ok(Self::with_apart(config, apart, init))
    }

    fn encoder(&self) -> &BertModel {
        &self.bert
    }

    fn head(&self, encoded: &Encoded) -> PretrainingLogits {
        let next_sentence = self.cls.seq_relationship.as_ref();
        let next_sentence = next_sentence.zip(encoded.pooled.clone());
        PretrainingLogits {
            words: WordLogits {
                logits: self.prediction_logits(encoded.hidden_states.clone()),
            },
            next_sentence: next_sentence.map(|(head, pooled)| head.forward(pooled)),
        }
    }
}
