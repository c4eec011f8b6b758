//! The head that scores continuations, on any encoder.

use burn::module::{Module, ModuleDisplay};
use burn::nn::Linear;
use burn::tensor::Tensor;
use kiln_checkpoint::{ModelFile, OpenError};
use kiln_nn::{Dropout, Init, project};

use crate::class::{Class, Encoded, Encoder};
use crate::heads::ChoiceLogits;
use crate::model_config::ConfigError;

/// What gives one vector for a sequence.
pub trait Pool: Module + ModuleDisplay + 'static {
    /// The vectors `[batch, width]`.
    fn pool(&self, encoded: &Encoded) -> Tensor<2>;
}

/// The pooler of an encoder that has one.
#[derive(Module, Debug)]
pub struct OwnPooler;

impl Pool for OwnPooler {
    fn pool(&self, encoded: &Encoded) -> Tensor<2> {
        encoded.pooled()
    }
}

/// What the head over continuations is to know of an encoder.
pub trait ChoiceEncoder: Encoder {
    /// The name of the class that chooses among continuations, as in [`Class::NAMES`].
    const MULTIPLE_CHOICE: &'static [&'static str];
    /// What gives it one vector for a sequence.
    type Pooler: Pool;

    /// Draws an encoder and what pools it.
    ///
    /// # Errors
    /// If the config has no such class.
    fn draw_pooled(
        config: &Self::Config,
        init: &mut Init,
    ) -> Result<(Self, Self::Pooler), ConfigError>;

    /// The rate of dropout behind the pooler.
    fn choice_dropout(config: &Self::Config) -> f64;
}

/// Which of several continuations fits: a score for each.
#[derive(Module, Debug)]
pub struct MultipleChoice<E: Module, P: Module> {
    /// The encoder.
    pub base_model: E,
    pooler: P,
    dropout: Dropout,
    classifier: Linear,
}

impl<E: ChoiceEncoder> MultipleChoice<E, E::Pooler> {
    /// Draws encoder and head.
    ///
    /// # Errors
    /// If the config has no such class.
    pub fn new(config: &E::Config, init: &mut Init) -> Result<Self, ConfigError> {
        let (base_model, pooler) = E::draw_pooled(config, init)?;
        Ok(Self {
            base_model,
            pooler,
            dropout: Dropout::new(E::choice_dropout(config)),
            classifier: init.linear(E::width(config), 1),
        })
    }
}

impl<E: ChoiceEncoder> Class for MultipleChoice<E, E::Pooler> {
    type Config = E::Config;
    type Encoder = E;
    type Head = ChoiceLogits;

    const NAMES: &'static [&'static str] = E::MULTIPLE_CHOICE;
    const POOLS: bool = E::POOLS;

    fn for_file(config: &E::Config, file: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Self::new(config, init).map_err(|error| error.beside(file))
    }

    fn encoder(&self) -> &E {
        &self.base_model
    }

    fn head(&self, encoded: &Encoded) -> ChoiceLogits {
        let pooled = self.dropout.forward(self.pooler.pool(encoded));
        ChoiceLogits::of_column(project(&self.classifier, pooled))
    }
}
