//! A Hugging Face class is a type: an encoder with one head, or none.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::{CONFIG_FILE, ModelFile, OpenError};
use kiln_learner::LearnError;
use kiln_nn::Init;

use crate::architecture::{ForwardRequest, Output};
use crate::family::{Family, Sizes};
use crate::forward;
use crate::heads::{Head, NoHead};
use crate::replaced_tokens::Half;
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
}

impl Encoded {
    /// Hidden states alone, `[batch, seq_len, hidden_size]`.
    pub fn new(hidden_states: Tensor<3>) -> Self {
        Self {
            hidden_states,
            pooled: None,
            memory: Vec::new(),
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

type Run<F> = fn(&F, &Path, &ForwardRequest) -> Result<Vec<Output>, LearnError>;

/// A class in its architecture's list.
#[derive(Debug)]
pub struct ClassEntry<F: 'static> {
    names: &'static [&'static str],
    task: &'static str,
    half: Half,
    run: Run<F>,
}

impl<F: Family> ClassEntry<F> {
    /// The entry of `C`.
    pub const fn of<C: Class<Config = F>>() -> Self {
        Self {
            names: C::NAMES,
            task: C::Head::TASK,
            half: C::Head::HALF,
            run: forward::run::<C>,
        }
    }

    /// The class with this name or task.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        let mut classes = F::CLASSES.iter();
        classes.find(|class| class.names.contains(&name) || class.task == name)
    }

    /// Why there is no class of this name or task.
    pub(crate) fn unknown(name: &str, config: &F) -> LearnError {
        let (architecture, known) = (F::NAME, Self::known(config));
        LearnError::Settings(format!("task {name}: {architecture} has {known}"))
    }

    /// The class that config.json's `architectures` names first, or the one without a head if it
    /// names none.
    ///
    /// # Errors
    /// If there is no such class.
    pub(crate) fn of_config(config: &F, folder: &Path) -> Result<&'static Self, LearnError> {
        let name = config.architectures().and_then(<[String]>::first);
        let name = name.map_or(NoHead::TASK, String::as_str);
        let class = Self::from_name(name).ok_or_else(|| OpenError::Class {
            path: folder.join(CONFIG_FILE),
            class: name.to_owned(),
            known: Self::known(config),
        })?;
        Ok(class)
    }

    /// All names and tasks, for a message.
    pub fn known(config: &F) -> String {
        let classes = F::CLASSES.iter();
        let names = classes.map(|class| {
            let name = config.class_name(class.names);
            format!("{} ({name})", class.task)
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// The half that has this class where a folder holds a pair.
    pub(crate) fn half(&self) -> Half {
        self.half
    }

    /// Runs a forward pass as this class.
    ///
    /// # Errors
    /// As [`forward::forward`].
    pub(crate) fn forward(
        &self,
        config: &F,
        folder: &Path,
        request: &ForwardRequest,
    ) -> Result<Vec<Output>, LearnError> {
        (self.run)(config, folder, request)
    }
}
