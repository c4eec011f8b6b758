//! The masked language model heads: hidden states to vocabulary logits.
//!
//! logits = LayerNorm(act(dense(h)))·Wordᵀ + bias, under the names that a checkpoint's kind has.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use kiln_checkpoint::{ModelFile, OpenError, check_shapes};
use kiln_nn::{Apart, EncoderInputs, HeadTransform, Init, MaskedLmHead, gather_positions};
use kiln_tasks::class::{Class, Encoded, Encoder, Outputs};
use kiln_tasks::family::{Family, Sizes};
use kiln_tasks::heads::WordLogits;
use kiln_tasks::tying;

use crate::masked_lm_form::{MaskedLmForm, masked_lm_form};
use crate::names::names_of;
use crate::{DebertaConfig, DebertaModel};

/// The head under the names of its kind of checkpoint.
///
/// Where config.json does not tie, the decoder of `cls.predictions` has a matrix and a bias of its
/// own; `lm_predictions` reads the word table whatever config.json says.
#[derive(Module, Debug)]
pub enum NamedHead {
    /// `cls.predictions`
    Legacy(MaskedLmHead),
    /// `lm_predictions.lm_head`
    LmHead(MaskedLmHead),
}

/// The encoder with a masked language model head; Hugging Face `DebertaForMaskedLM` and
/// `DebertaV2ForMaskedLM`.
#[derive(Module, Debug)]
#[doc(alias = "DebertaForMaskedLM")]
#[doc(alias = "DebertaV2ForMaskedLM")]
pub struct DebertaForMaskedLm {
    /// The encoder, which has the mask decoder's positions if there is a mask decoder.
    pub deberta: DebertaModel,
    /// The head.
    pub head: NamedHead,
}

impl DebertaForMaskedLm {
    /// Draws encoder and head. With absolute positions in the input there is no mask decoder, as in
    /// the original: [`MaskedLmForm::Enhanced`] is then [`MaskedLmForm::Plain`].
    pub fn new(config: &DebertaConfig, form: MaskedLmForm, init: &mut Init) -> Self {
        Self::with_apart(config, form, tying::apart(&config.other), init)
    }

    /// Draws encoder and head, with a decoder that keeps `apart` from the word table, whatever the
    /// config says; `lm_predictions` keeps nothing.
    fn with_apart(
        config: &DebertaConfig,
        form: MaskedLmForm,
        apart: Apart,
        init: &mut Init,
    ) -> Self {
        let deberta = match form {
            MaskedLmForm::Enhanced => DebertaModel::with_positions(config, init),
            MaskedLmForm::Legacy | MaskedLmForm::Plain => DebertaModel::new(config, init),
        };
        let sizes = (config.hidden_size, config.embedding_size());
        let transform = HeadTransform::new(sizes, config.hidden_act, config.layer_norm_eps, init);
        let head = |apart| MaskedLmHead::new(transform, config.vocab_size, apart, init);
        Self {
            deberta,
            head: if form.legacy() {
                NamedHead::Legacy(head(apart))
            } else {
                NamedHead::LmHead(head(Apart::default()))
            },
        }
    }

    /// The kind of checkpoint that the head makes.
    pub fn form(&self) -> MaskedLmForm {
        match &self.head {
            NamedHead::Legacy(_) => MaskedLmForm::Legacy,
            NamedHead::LmHead(_) if self.deberta.embeddings.block.has_decoder_positions() => {
                MaskedLmForm::Enhanced
            }
            NamedHead::LmHead(_) => MaskedLmForm::Plain,
        }
    }

    /// Scores the vocabulary at `positions` alone.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_predictions]`, each in `0..seq_len`; repeats are fine
    /// - returns `[batch * num_predictions, vocab_size]`
    ///
    /// # Panics
    /// If the shapes do not fit: the caller's mistake.
    pub fn predictions(&self, inputs: EncoderInputs, positions: Tensor<2, Int>) -> Tensor<2> {
        let attention_mask = inputs.attention_mask.clone();
        let embedded = self.deberta.embeddings.forward(inputs);
        self.predictions_from(embedded, attention_mask, positions)
    }

    /// Scores the vocabulary from given embeddings, such as [`crate::EmbeddingBlock::finish`]
    /// returns.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, hidden_size]`
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - `positions`: `[batch, num_predictions]`, each in `0..seq_len`; repeats are fine
    /// - returns `[batch * num_predictions, vocab_size]`
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn predictions_from(
        &self,
        embedded: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
        positions: Tensor<2, Int>,
    ) -> Tensor<2> {
        let [_, seq_len, _] = embedded.dims();
        let model = &self.deberta;
        let gathered = match self.decoder_positions(seq_len) {
            Some(rows) => model.decode_masks(embedded, attention_mask, rows, Some(positions)),
            None => gather_positions(model.encode(embedded, attention_mask), positions),
        };
        self.score(gathered)
    }

    /// Scores the vocabulary at every position.
    ///
    /// # Shapes
    /// - returns `[batch * seq_len, vocab_size]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    pub fn forward(&self, inputs: EncoderInputs) -> Tensor<2> {
        self.outputs(inputs).head.logits
    }

    /// Scores the vocabulary for hidden states that the mask decoder, or without one the last layer,
    /// has made.
    ///
    /// # Shapes
    /// - `hidden_states`: `[batch, n, hidden_size]`
    /// - returns `[batch * n, vocab_size]`
    pub fn score(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let (NamedHead::Legacy(head) | NamedHead::LmHead(head)) = &self.head;
        let rows = hidden_states.flatten::<2>(0, 1);
        head.forward(rows, self.deberta.word_embeddings())
    }

    /// The mask decoder's rows `[seq_len, hidden_size]`, where there is one.
    fn decoder_positions(&self, seq_len: usize) -> Option<Tensor<2>> {
        match self.form() {
            MaskedLmForm::Enhanced => self.deberta.embeddings.block.decoder_positions(seq_len),
            MaskedLmForm::Legacy | MaskedLmForm::Plain => None,
        }
    }
}

impl Class for DebertaForMaskedLm {
    type Config = DebertaConfig;
    type Encoder = DebertaModel;
    type Head = WordLogits;

    const NAMES: &'static [&'static str] = &["DebertaForMaskedLM", "DebertaV2ForMaskedLM"];

    /// A masked language model of the kind that the file holds.
    fn for_file(
        config: &DebertaConfig,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError> {
        let form = masked_lm_form(config, file)?;
        let apart = tying::apart_in(file, names_of(file).options, &config.other)?;
        Ok(Self::with_apart(config, form, apart, init))
    }

    /// Those with the mask decoder's positions, where it has one.
    fn sizes(config: &DebertaConfig, file: &ModelFile) -> Result<Sizes, OpenError> {
        let form = masked_lm_form(config, file)?;
        config.check_sizes(file)?;
        let sizes = config.sizes();
        if form != MaskedLmForm::Enhanced {
            return Ok(sizes);
        }
        let max_position_embeddings = config.max_position_embeddings;
        let positions = (
            "embeddings.position_embeddings.weight".to_owned(),
            [max_position_embeddings, config.hidden_size],
        );
        check_shapes(file, names_of(file).options, &[positions])?;
        Ok(Sizes {
            max_position_embeddings,
            ..sizes
        })
    }

    fn encoder(&self) -> &DebertaModel {
        &self.deberta
    }

    /// Without the mask decoder, which reads what stands below the last layer.
    fn head(&self, encoded: &Encoded) -> WordLogits {
        WordLogits {
            logits: self.score(encoded.hidden_states.clone()),
        }
    }

    fn outputs_from(&self, sum: Tensor<3>, inputs: EncoderInputs) -> Outputs<WordLogits> {
        let [_, seq_len, _] = sum.dims();
        let model = &self.deberta;
        let Some(rows) = self.decoder_positions(seq_len) else {
            let encoded = model.encoded_from(sum, inputs);
            return Outputs {
                head: self.head(&encoded),
                encoded,
            };
        };
        let attention_mask = inputs.attention_mask;
        let embedded = model.embeddings.block.finish(sum, attention_mask.clone());
        let (hidden_states, decoded) = model.encode_and_decode(embedded, attention_mask, rows);
        Outputs {
            encoded: Encoded::new(hidden_states),
            head: WordLogits {
                logits: self.score(decoded),
            },
        }
    }
}
