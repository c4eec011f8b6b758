//! The heads that architectures have as the same function of the hidden states: labels and spans over
//! tokens, and labels of a sequence from its first token.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Activation, Dropout, Init, project};

use crate::class::{Class, Encoded, Encoder};
use crate::family::Family;
use crate::heads::{RealLabels, SequenceLogits, SpanLogits, TokenLogits};

/// A label for each token.
#[derive(Module, Debug)]
pub struct TokenClassification<E: Module> {
    /// The encoder, without a pooler.
    pub base_model: E,
    dropout: Dropout,
    classifier: Linear,
}

impl<E: Encoder> TokenClassification<E> {
    /// Draws encoder and head.
    pub fn new(config: &E::Config, init: &mut Init) -> Self {
        Self {
            base_model: E::draw(config, init),
            dropout: Dropout::new(E::dropout(config)),
            classifier: init.linear(E::width(config), config.num_labels()),
        }
    }
}

impl<E: Encoder> Class for TokenClassification<E> {
    type Config = E::Config;
    type Encoder = E;
    type Head = TokenLogits;

    const NAMES: &'static [&'static str] = E::TOKEN_CLASSIFICATION;

    fn for_file(config: &E::Config, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &E {
        &self.base_model
    }

    fn head(&self, encoded: &Encoded) -> TokenLogits {
        let hidden_states = self.dropout.forward(encoded.hidden_states.clone());
        TokenLogits {
            logits: project(&self.classifier, hidden_states),
        }
    }
}

/// The start and the end of an answer within the sequence. No dropout before the head.
#[derive(Module, Debug)]
#[doc(alias = "span")]
pub struct QuestionAnswering<E: Module> {
    /// The encoder, without a pooler.
    pub base_model: E,
    qa_outputs: Linear,
}

impl<E: Encoder> QuestionAnswering<E> {
    /// Draws encoder and head.
    pub fn new(config: &E::Config, init: &mut Init) -> Self {
        Self {
            base_model: E::draw(config, init),
            qa_outputs: init.linear(E::width(config), 2),
        }
    }
}

impl<E: Encoder> Class for QuestionAnswering<E> {
    type Config = E::Config;
    type Encoder = E;
    type Head = SpanLogits;

    const NAMES: &'static [&'static str] = E::QUESTION_ANSWERING;

    fn for_file(config: &E::Config, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &E {
        &self.base_model
    }

    fn head(&self, encoded: &Encoded) -> SpanLogits {
        let hidden_states = encoded.hidden_states.clone();
        SpanLogits::of_columns(project(&self.qa_outputs, hidden_states))
    }
}

/// What the head over the first token is to know of an encoder.
pub trait FirstTokenEncoder: Encoder {
    /// The name of the class with labels for each sequence, as in [`Class::NAMES`].
    const SEQUENCE_CLASSIFICATION: &'static [&'static str];
    /// What stands between the head's two layers.
    const ACTIVATION: Activation;
}

/// The first token's hidden state to labels; Hugging Face `RobertaClassificationHead` and
/// `ElectraClassificationHead`.
#[derive(Module, Debug)]
pub struct ClassificationHead {
    dense: Linear,
    dropout: Dropout,
    out_proj: Linear,
    #[module(skip)]
    activation: Activation,
}

impl ClassificationHead {
    fn forward(&self, hidden_states: Tensor<3>) -> Tensor<2> {
        let first = hidden_states.narrow(1, 0, 1).squeeze_dim::<2>(1);
        let hidden = project(&self.dense, self.dropout.forward(first));
        let hidden = self.activation.forward(hidden);
        project(&self.out_proj, self.dropout.forward(hidden))
    }
}

/// A label, or a number, for each sequence, from its first token.
#[derive(Module, Debug)]
pub struct SequenceClassification<E: Module> {
    /// The encoder, without a pooler.
    pub base_model: E,
    classifier: ClassificationHead,
}

impl<E: FirstTokenEncoder> SequenceClassification<E> {
    /// Draws encoder and head.
    pub fn new(config: &E::Config, init: &mut Init) -> Self {
        let width = E::width(config);
        Self {
            base_model: E::draw(config, init),
            classifier: ClassificationHead {
                dense: init.linear(width, width),
                dropout: Dropout::new(E::dropout(config)),
                out_proj: init.linear(width, config.num_labels()),
                activation: E::ACTIVATION,
            },
        }
    }
}

impl<E: FirstTokenEncoder> Class for SequenceClassification<E> {
    type Config = E::Config;
    type Encoder = E;
    type Head = SequenceLogits;

    const NAMES: &'static [&'static str] = E::SEQUENCE_CLASSIFICATION;

    fn for_file(config: &E::Config, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn encoder(&self) -> &E {
        &self.base_model
    }

    fn head(&self, encoded: &Encoded) -> SequenceLogits {
        SequenceLogits {
            logits: self.classifier.forward(encoded.hidden_states.clone()),
            real_labels: RealLabels::YesOrNo,
        }
    }
}
