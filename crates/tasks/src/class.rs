//! A Hugging Face class is a type: an encoder with one head, or none.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor};
use kiln_checkpoint::{ModelFile, OpenError, WriteError};
use kiln_learner::LearnError;
use kiln_nn::Init;

use crate::family::{Family, write_module};
use crate::heads::{Head, NoHead};
use crate::sizes::Sizes;
use crate::tying::fresh_biases;

/// What an encoder gives.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `[batch, seq_len, hidden_size]`; what stands at padding means nothing.
    pub hidden_states: Tensor<3>,
    /// `[batch, hidden_size]`, where there is a pooler.
    pub pooled: Option<Tensor<2>>,
    /// `[mem_len, batch, hidden_size]` for each layer, where there is memory to hand on.
    pub memory: Vec<Tensor<3>>,
    /// `[batch, seq_len]`, 1 = token, 0 = padding, where a head sums sequences up by their tokens;
    /// `None`: nothing is padding.
    pub attention_mask: Option<Tensor<2, Int>>,
}

impl Encoded {
    /// Hidden states alone, `[batch, seq_len, hidden_size]`.
    pub fn new(hidden_states: Tensor<3>) -> Self {
        Self {
            hidden_states,
            pooled: None,
            memory: Vec::new(),
            attention_mask: None,
        }
    }

    /// The pooled vectors `[batch, hidden_size]`.
    ///
    /// # Panics
    /// If the encoder has no pooler: the caller's mistake.
    #[expect(clippy::expect_used, reason = "who needs a pooler makes one")]
    pub fn pooled(&self) -> Tensor<2> {
        self.pooled.clone().expect("an encoder with a pooler")
    }
}

/// What a class gives.
#[derive(Debug, Clone)]
pub struct Outputs<H> {
    /// The encoder's.
    pub encoded: Encoded,
    /// The head's.
    pub head: H,
}

/// What a class of `F` reads.
pub type InputsOf<C> = <<C as Class>::Config as Family>::Inputs;

/// A Hugging Face class.
pub trait Class: Module + Sized + 'static {
    /// config.json of its architecture.
    type Config: Family;
    /// What the head stands on.
    type Encoder: Encoder<Config = Self::Config>;
    /// What stands on the encoder.
    type Head: Head;

    /// The name in config.json's `architectures`; several where the architecture's versions have
    /// classes of their own.
    const NAMES: &'static [&'static str];
    /// Whether the encoder gives a pooled vector.
    const POOLS: bool = false;

    /// A module that takes what `file` holds, its weights not yet in it.
    ///
    /// # Errors
    /// If the file is unreadable, or the config has no such class.
    fn for_file(
        config: &Self::Config,
        file: &ModelFile,
        init: &mut Init,
    ) -> Result<Self, OpenError>;

    /// The rows of the tables, after the file was held against the config.
    ///
    /// # Errors
    /// As [`Family::check_sizes`].
    fn sizes(config: &Self::Config, file: &ModelFile) -> Result<Sizes, OpenError> {
        config.check_sizes(file)?;
        Ok(config.sizes())
    }

    /// The encoder.
    fn encoder(&self) -> &Self::Encoder;

    /// Runs the head on what the encoder has given.
    fn head(&self, encoded: &Encoded) -> Self::Head;

    /// Runs encoder and head.
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    fn outputs(&self, inputs: InputsOf<Self>) -> Outputs<Self::Head> {
        let sum = self.encoder().sum(&inputs);
        self.outputs_from(sum, inputs)
    }

    /// Runs encoder and head from a sum of embeddings on, such as a disturbed one.
    ///
    /// # Shapes
    /// - `sum`: `[batch, seq_len, width]`, as [`Encoder::sum`] gives it
    ///
    /// # Panics
    /// As [`Class::outputs`].
    fn outputs_from(&self, sum: Tensor<3>, inputs: InputsOf<Self>) -> Outputs<Self::Head> {
        let encoded = self.encoder().encoded_from(sum, inputs);
        Outputs {
            head: self.head(&encoded),
            encoded,
        }
    }
}

/// An encoder, which is also the class that has no head.
pub trait Encoder: Module + ModuleDisplay + 'static {
    /// config.json of its architecture.
    type Config: Family;

    /// The class's name, as in [`Class::NAMES`].
    const NAMES: &'static [&'static str];
    /// Whether the class gives a pooled vector.
    const POOLS: bool = false;
    /// The name of the class with a label for each token.
    const TOKEN_CLASSIFICATION: &'static [&'static str];
    /// The name of the class with the start and the end of a span.
    const QUESTION_ANSWERING: &'static [&'static str];

    /// Whether its embeddings end in a LayerNorm: SiFT's clean pass then normalises what goes into it.
    const NORMALISES_EMBEDDINGS: bool = true;

    /// The width of the hidden states.
    fn width(config: &Self::Config) -> usize;

    /// The rate of dropout before the labels of tokens.
    fn dropout(config: &Self::Config) -> f64;

    /// Draws what the heads over tokens stand on.
    fn draw(config: &Self::Config, init: &mut Init) -> Self;

    /// The encoder as `file` holds it, with a pooler or without.
    fn for_file(config: &Self::Config, file: &ModelFile, init: &mut Init) -> Self {
        let _ = file;
        Self::draw(config, init)
    }

    /// The sum of the embeddings before anything is done to it: before their own LayerNorm, where they
    /// have one.
    ///
    /// # Shapes
    /// - returns `[batch, seq_len, width]`
    ///
    /// # Panics
    /// If the inputs' shapes differ: the caller's mistake.
    fn sum(&self, inputs: &<Self::Config as Family>::Inputs) -> Tensor<3>;

    /// Runs what stands above that sum.
    ///
    /// # Shapes
    /// - `sum`: `[batch, seq_len, width]`, as [`Self::sum`] gives it
    ///
    /// # Panics
    /// As [`Self::sum`].
    fn encoded_from(&self, sum: Tensor<3>, inputs: <Self::Config as Family>::Inputs) -> Encoded;
}

impl<E: Encoder> Class for E {
    type Config = E::Config;
    type Encoder = E;
    type Head = NoHead;

    const NAMES: &'static [&'static str] = E::NAMES;
    const POOLS: bool = E::POOLS;

    fn for_file(config: &E::Config, file: &ModelFile, init: &mut Init) -> Result<Self, OpenError> {
        Ok(<E as Encoder>::for_file(config, file, init))
    }

    fn encoder(&self) -> &E {
        self
    }

    fn head(&self, _: &Encoded) -> NoHead {
        NoHead
    }
}

/// A class as a module with the weights of `file`, all of them: a fresh head would give random
/// results in silence; and what is to be told of the file, if anything: biases that it lacks, which
/// are zeros then.
///
/// # Errors
/// If the file does not fit the class or lacks a parameter.
pub(crate) fn open_module<C: Class>(
    config: &C::Config,
    file: &ModelFile,
    device: &Device,
) -> Result<(C, Option<String>), LearnError> {
    let module = C::for_file(config, file, &mut Init::zeros(device))?;
    let (module, report) = C::Config::open_weights(module, file)?;
    report.require_all(file.path())?;
    Ok((module, fresh_biases(file, &report)))
}

/// Writes config.json and model.safetensors into an existing folder, as transformers would.
///
/// # Errors
/// If a file cannot be written or a parameter not be read back from its device.
pub fn write_folder<C: Class>(
    model: &C,
    config: &C::Config,
    folder: &Path,
) -> Result<(), WriteError> {
    write_module(model, config, config.class_name(C::NAMES), folder)
}
