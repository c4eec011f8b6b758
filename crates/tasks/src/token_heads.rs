//! The heads over tokens that every architecture has as the same function: labels and spans.

use burn::module::Module;
use burn::nn::Linear;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Dropout, Init};

use crate::class::{Class, Encoder, InputsOf, Outputs};
use crate::heads::{SpanLogits, TokenLogits};

/// What the heads over tokens are to know of an encoder.
pub trait TokenEncoder: Encoder {
    /// The name of the class with a label for each token, as in [`Class::NAMES`].
    const TOKEN_CLASSIFICATION: &'static [&'static str];
    /// The name of the class with the start and the end of a span.
    const QUESTION_ANSWERING: &'static [&'static str];

    /// The width of the hidden states.
    fn width(config: &Self::Config) -> usize;

    /// How many labels there are.
    fn num_labels(config: &Self::Config) -> usize;

    /// The rate of dropout before the labels.
    fn dropout(config: &Self::Config) -> f64;
}

/// A label for each token.
#[derive(Module, Debug)]
pub struct TokenClassification<E: Module> {
    /// The encoder, without a pooler.
    pub base_model: E,
    dropout: Dropout,
    classifier: Linear,
}

impl<E: TokenEncoder> TokenClassification<E> {
    /// Draws encoder and head.
    pub fn new(config: &E::Config, init: &mut Init) -> Self {
        Self {
            base_model: E::draw(config, init),
            dropout: Dropout::new(E::dropout(config)),
            classifier: init.linear(E::width(config), E::num_labels(config)),
        }
    }
}

impl<E: TokenEncoder> Class for TokenClassification<E> {
    type Config = E::Config;
    type Head = TokenLogits;

    const NAMES: &'static [&'static str] = E::TOKEN_CLASSIFICATION;

    fn for_file(config: &E::Config, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn outputs(&self, inputs: InputsOf<Self>) -> Outputs<TokenLogits> {
        let encoded = self.base_model.encoded(inputs);
        encoded.with(|hidden_states| TokenLogits {
            logits: self.classifier.forward(self.dropout.forward(hidden_states)),
        })
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

impl<E: TokenEncoder> QuestionAnswering<E> {
    /// Draws encoder and head.
    pub fn new(config: &E::Config, init: &mut Init) -> Self {
        Self {
            base_model: E::draw(config, init),
            qa_outputs: init.linear(E::width(config), 2),
        }
    }
}

impl<E: TokenEncoder> Class for QuestionAnswering<E> {
    type Config = E::Config;
    type Head = SpanLogits;

    const NAMES: &'static [&'static str] = E::QUESTION_ANSWERING;

    fn for_file(config: &E::Config, _: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(Self::new(config, init))
    }

    fn outputs(&self, inputs: InputsOf<Self>) -> Outputs<SpanLogits> {
        let encoded = self.base_model.encoded(inputs);
        encoded.with(|hidden_states| SpanLogits::of_columns(self.qa_outputs.forward(hidden_states)))
    }
}
