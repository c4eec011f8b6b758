//! ELECTRA's encoder: BERT's, on embeddings of their own width (Clark et al. 2020, section 3.2).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Int, Tensor};
use kiln_bert::{BertEmbeddings, BertEncoder, BertInputs};
use kiln_nn::{Init, is_padding, project};
use kiln_tasks::class::{Encoded, Encoder};

use crate::ElectraConfig;

/// What stands above the embeddings: the projection to the encoder's width, where there is one, and
/// the layers. Generator and discriminator have one each, and share what is below.
#[derive(Module, Debug)]
pub struct ElectraBody {
    embeddings_project: Option<Linear>,
    encoder: BertEncoder,
}

impl ElectraBody {
    /// Draws all weights, in the order of the forward pass.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        let embeddings_project = config
            .has_projection()
            .then(|| init.linear(config.embedding_size(), config.hidden_size));
        Self {
            embeddings_project,
            encoder: BertEncoder::new(config, init),
        }
    }

    /// The last layer's hidden states.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, embedding_size]`
    /// - `attention_mask`: `[batch, seq_len]`, 1 = attend, 0 = padding
    /// - returns `[batch, seq_len, hidden_size]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If those shapes do not hold: the caller's mistake.
    pub fn forward(
        &self,
        embedded: Tensor<3>,
        attention_mask: Option<Tensor<2, Int>>,
    ) -> Tensor<3> {
        let projected = match &self.embeddings_project {
            Some(projection) => project(projection, embedded),
            None => embedded,
        };
        self.encoder
            .forward(projected, attention_mask.map(is_padding))
    }
}

/// Token ids to hidden states; Hugging Face `ElectraModel`. There is no pooler: sentence tasks take
/// the hidden state at position 0.
#[derive(Module, Debug)]
pub struct ElectraModel {
    /// Word, position and segment tables, `embedding_size` wide.
    pub embeddings: BertEmbeddings,
    /// Projection and layers.
    pub body: ElectraBody,
}

impl ElectraModel {
    /// Draws all weights, in the order of the forward pass.
    pub fn new(config: &ElectraConfig, init: &mut Init) -> Self {
        Self {
            embeddings: BertEmbeddings::new(config, init),
            body: ElectraBody::new(config, init),
        }
    }

    /// The last layer's hidden states.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len, hidden_size]`; what stands at padding means nothing
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    pub fn forward(&self, inputs: BertInputs) -> Tensor<3> {
        let embedded = self
            .embeddings
            .forward(inputs.input_ids, inputs.token_type_ids);
        self.body.forward(embedded, inputs.attention_mask)
    }

    /// The word table `[vocab_size, embedding_size]`, to be handed to the generator's head.
    pub fn word_embeddings(&self) -> Tensor<2> {
        self.embeddings.word_embeddings.weight.val()
    }
}

impl Encoder for ElectraModel {
    type Config = ElectraConfig;

    const NAMES: &'static [&'static str] = &["ElectraModel"];
    const TOKEN_CLASSIFICATION: &'static [&'static str] = &["ElectraForTokenClassification"];
    const QUESTION_ANSWERING: &'static [&'static str] = &["ElectraForQuestionAnswering"];

    fn width(config: &ElectraConfig) -> usize {
        config.hidden_size
    }

    fn dropout(config: &ElectraConfig) -> f64 {
        config.classifier_dropout()
    }

    fn draw(config: &ElectraConfig, init: &mut Init) -> Self {
        Self::new(config, init)
    }

    fn sum(&self, inputs: &BertInputs) -> Tensor<3> {
        self.embeddings
            .sum(inputs.input_ids.clone(), inputs.token_type_ids.clone())
    }

    fn encoded_from(&self, sum: Tensor<3>, inputs: BertInputs) -> Encoded {
        let embedded = self.embeddings.finish(sum);
        let attention_mask = inputs.attention_mask;
        Encoded {
            attention_mask: attention_mask.clone(),
            ..Encoded::new(self.body.forward(embedded, attention_mask))
        }
    }
}
