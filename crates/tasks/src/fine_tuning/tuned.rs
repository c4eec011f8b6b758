//! Fine-tuning of an architecture, whichever of its heads is meant: one objective, one model type, and
//! so one instance of the loop for an architecture and not one for a class.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Device;
use kiln_checkpoint::{OpenError, WriteError};
use kiln_datasets::Problem;
use kiln_learner::{
    LearnError, ModelFiles, Objective, Observer, ParameterGroup, PartOutput, TermSpec, read_values,
};
use kiln_nn::{Init, untracked};
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use super::{FineTuning, FineTuningBatch, FineTuningSettings};
use crate::class::{Class, InputsOf};
use crate::family::{Family, ReadInputs, write_module};
use crate::heads::{
    BeamLogits, ChoiceLogits, Head, HostTargets, SequenceLogits, SpanLogits, TokenLogits,
    TrainedHead,
};
use crate::tokenizer::write_tokenizer;

/// The classes of an architecture that are fine-tuned.
pub trait FineTuned: Family {
    /// Labels, or numbers, for a sequence.
    type Sequence: Class<Config = Self, Head = SequenceLogits> + ModuleDisplay;
    /// A label for each token.
    type Tokens: Class<Config = Self, Head = TokenLogits> + ModuleDisplay;
    /// The start and the end of an answer.
    type Spans: Class<Config = Self, Head = SpanLogits> + ModuleDisplay;
    /// Which continuation fits.
    type Choices: Class<Config = Self, Head = ChoiceLogits> + ModuleDisplay;
    /// The start and the end of an answer with a beam: [`super::NoBeam`] where transformers has no such class.
    type Beam: Class<Config = Self, Head = BeamLogits> + ModuleDisplay;
}

/// Which of the heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadKind {
    /// [`FineTuned::Sequence`].
    Sequence,
    /// [`FineTuned::Tokens`].
    Tokens,
    /// [`FineTuned::Spans`].
    Spans,
    /// [`FineTuned::Choices`].
    Choices,
    /// [`FineTuned::Beam`].
    Beam,
}

/// A model with one of the heads.
#[derive(Module, Debug)]
pub enum TunedModel<S: Module, T: Module, Q: Module, C: Module, B: Module> {
    /// Labels, or numbers, for a sequence.
    Sequence(S),
    /// A label for each token.
    Tokens(T),
    /// The start and the end of an answer.
    Spans(Q),
    /// Which continuation fits.
    Choices(C),
    /// The start and the end of an answer, with a beam.
    Beam(B),
}

/// The model type of an architecture.
pub type TunedModelOf<F> = TunedModel<
    <F as FineTuned>::Sequence,
    <F as FineTuned>::Tokens,
    <F as FineTuned>::Spans,
    <F as FineTuned>::Choices,
    <F as FineTuned>::Beam,
>;

type BatchOf<C> = FineTuningBatch<InputsOf<C>, <<C as Class>::Head as Head>::Targets>;

/// One micro-batch on a device, with the labels of the head.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "one a micro-batch, of tensors' handles"
)]
pub enum TunedBatch<F: FineTuned> {
    /// Labels, or numbers, for a sequence.
    Sequence(BatchOf<F::Sequence>),
    /// A label for each token.
    Tokens(BatchOf<F::Tokens>),
    /// The start and the end of an answer.
    Spans(BatchOf<F::Spans>),
    /// Which continuation fits.
    Choices(BatchOf<F::Choices>),
    /// The start and the end of an answer, with a beam.
    Beam(BatchOf<F::Beam>),
}

/// The objective: that of the class which has the head.
#[derive(Debug, Clone)]
pub enum TunedObjective<F: FineTuned> {
    /// Labels, or numbers, for a sequence.
    Sequence(FineTuning<F::Sequence>),
    /// A label for each token.
    Tokens(FineTuning<F::Tokens>),
    /// The start and the end of an answer.
    Spans(FineTuning<F::Spans>),
    /// Which continuation fits.
    Choices(FineTuning<F::Choices>),
    /// The start and the end of an answer, with a beam.
    Beam(FineTuning<F::Beam>),
}

/// What a model gives for a batch, on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The head's outputs in Hugging Face's order, flat.
    pub outputs: Vec<Vec<f32>>,
    /// How many rows each of them has: sequences of the batch.
    pub rows: usize,
    /// The loss as sums and weights, a pair for each of its terms; none where the batch has no labels.
    pub losses: Vec<(f64, f64)>,
}

impl Answers {
    /// The outputs of one row.
    pub fn row(&self, row: usize) -> Vec<&[f32]> {
        let of_row = |output: &'_ Vec<f32>| {
            let width = output.len() / self.rows.max(1);
            row * width..(row + 1) * width
        };
        let outputs = self.outputs.iter();
        outputs
            .map(|output| output.get(of_row(output)).unwrap_or_default())
            .collect()
    }
}

/// Does the same with whichever class is meant.
macro_rules! each {
    ($value:expr, $type:ident, $inner:ident => $body:expr) => {
        match $value {
            $type::Sequence($inner) => $body,
            $type::Tokens($inner) => $body,
            $type::Spans($inner) => $body,
            $type::Choices($inner) => $body,
            $type::Beam($inner) => $body,
        }
    };
}

/// As [`each!`], with the same variant of two enums.
macro_rules! both {
    (($a:expr, $A:ident, $left:ident), ($b:expr, $B:ident, $right:ident) => $body:expr) => {
        match ($a, $b) {
            ($A::Sequence($left), $B::Sequence($right)) => $body,
            ($A::Tokens($left), $B::Tokens($right)) => $body,
            ($A::Spans($left), $B::Spans($right)) => $body,
            ($A::Choices($left), $B::Choices($right)) => $body,
            ($A::Beam($left), $B::Beam($right)) => $body,
            _ => unreachable!("a model and its batches have the objective's head"),
        }
    };
}

impl HeadKind {
    /// The head that a problem needs, of those for answers the one with a beam or without.
    pub fn of(problem: Problem, beam: bool) -> Self {
        match problem {
            Problem::Span if beam => Self::Beam,
            Problem::SingleLabel | Problem::MultiLabel | Problem::Regression => Self::Sequence,
            Problem::Tags => Self::Tokens,
            Problem::Span => Self::Spans,
            Problem::Choice => Self::Choices,
        }
    }

    /// The names of the class that has it, as in config.json's `architectures`.
    pub fn class_names<F: FineTuned>(self) -> &'static [&'static str] {
        match self {
            Self::Sequence => F::Sequence::NAMES,
            Self::Tokens => F::Tokens::NAMES,
            Self::Spans => F::Spans::NAMES,
            Self::Choices => F::Choices::NAMES,
            Self::Beam => F::Beam::NAMES,
        }
    }
}

impl<F: FineTuned> TunedObjective<F> {
    /// The head.
    pub fn kind(&self) -> HeadKind {
        match self {
            Self::Sequence(_) => HeadKind::Sequence,
            Self::Tokens(_) => HeadKind::Tokens,
            Self::Spans(_) => HeadKind::Spans,
            Self::Choices(_) => HeadKind::Choices,
            Self::Beam(_) => HeadKind::Beam,
        }
    }

    /// Fine-tuning of a model of `config` with this head.
    ///
    /// # Errors
    /// As [`FineTuning::new`].
    pub fn new(
        kind: HeadKind,
        config: F,
        settings: FineTuningSettings,
    ) -> Result<Self, LearnError> {
        if kind.class_names::<F>().is_empty() {
            return Err(LearnError::Settings(format!(
                "beam: {} answers questions without one; leave it out",
                F::NAME
            )));
        }
        Ok(match kind {
            HeadKind::Sequence => Self::Sequence(FineTuning::new(config, settings)?),
            HeadKind::Tokens => Self::Tokens(FineTuning::new(config, settings)?),
            HeadKind::Spans => Self::Spans(FineTuning::new(config, settings)?),
            HeadKind::Choices => Self::Choices(FineTuning::new(config, settings)?),
            HeadKind::Beam => Self::Beam(FineTuning::new(config, settings)?),
        })
    }

    /// A model to train; as [`FineTuning::start`], with a head from `file` where `keeps_head`.
    ///
    /// # Errors
    /// As [`FineTuning::start`].
    pub fn start(
        &self,
        folder: &Path,
        keeps_head: bool,
        init: &mut Init,
        observer: &dyn Observer,
    ) -> Result<TunedModelOf<F>, LearnError> {
        Ok(match self {
            Self::Sequence(objective) => {
                TunedModel::Sequence(objective.start(folder, keeps_head, init, observer)?)
            }
            Self::Tokens(objective) => {
                TunedModel::Tokens(objective.start(folder, keeps_head, init, observer)?)
            }
            Self::Spans(objective) => {
                TunedModel::Spans(objective.start(folder, keeps_head, init, observer)?)
            }
            Self::Choices(objective) => {
                TunedModel::Choices(objective.start(folder, keeps_head, init, observer)?)
            }
            Self::Beam(objective) => {
                TunedModel::Beam(objective.start(folder, keeps_head, init, observer)?)
            }
        })
    }

    /// A model with random weights, of the kind that the file in `folder` holds.
    ///
    /// # Errors
    /// If the file is unreadable, or the config has no such class.
    pub fn random(&self, folder: &Path, init: &mut Init) -> Result<TunedModelOf<F>, LearnError> {
        Ok(match self {
            Self::Sequence(objective) => TunedModel::Sequence(objective.random(folder, init)?),
            Self::Tokens(objective) => TunedModel::Tokens(objective.random(folder, init)?),
            Self::Spans(objective) => TunedModel::Spans(objective.random(folder, init)?),
            Self::Choices(objective) => TunedModel::Choices(objective.random(folder, init)?),
            Self::Beam(objective) => TunedModel::Beam(objective.random(folder, init)?),
        })
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, config: F, tokenizer: Option<Tokenizer>) -> ModelFiles<TunedModelOf<F>> {
        ModelFiles::new(
            move |model, folder| {
                each!(model, TunedModel, model => write_class(model, &config, folder))?;
                write_tokenizer(tokenizer.as_ref(), folder)
            },
            |model, folder| load::<F>(model, folder),
        )
    }

    /// A model with the weights of the folder that has such a head.
    ///
    /// # Errors
    /// If the weights are unreadable, or not exactly the model's.
    pub fn load(
        &self,
        model: TunedModelOf<F>,
        folder: &Path,
    ) -> Result<TunedModelOf<F>, OpenError> {
        load::<F>(model, folder)
    }

    /// What `model` gives for a batch, and its loss where the batch has labels.
    ///
    /// # Errors
    /// If the device fails.
    pub fn answers(
        &self,
        model: &TunedModelOf<F>,
        batch: &HostBatch,
        device: &Device,
    ) -> Result<Answers, LearnError> {
        both!((self, Self, objective), (model, TunedModel, model) => {
            let targets = has_labels(batch).then(|| objective.host_targets(batch));
            let targets = targets.map(|targets| {
                let weights = targets.weights();
                (targets.upload(device), weights)
            });
            answers(model, batch, targets, device)
        })
    }
}

fn load<F: FineTuned>(model: TunedModelOf<F>, folder: &Path) -> Result<TunedModelOf<F>, OpenError> {
    Ok(match model {
        TunedModel::Sequence(model) => TunedModel::Sequence(F::open_complete(model, folder)?),
        TunedModel::Tokens(model) => TunedModel::Tokens(F::open_complete(model, folder)?),
        TunedModel::Spans(model) => TunedModel::Spans(F::open_complete(model, folder)?),
        TunedModel::Choices(model) => TunedModel::Choices(F::open_complete(model, folder)?),
        TunedModel::Beam(model) => TunedModel::Beam(F::open_complete(model, folder)?),
    })
}

/// Whether a batch says what the model is to give.
fn has_labels(batch: &HostBatch) -> bool {
    batch.ints.contains_key("labels")
        || batch.floats.contains_key("labels")
        || batch.ints.contains_key("start_positions")
}

/// What a class gives for a batch; with labels also the sums of its loss, each with its weight.
///
/// # Errors
/// If the device fails.
pub(crate) fn answers<C>(
    model: &C,
    batch: &HostBatch,
    targets: Option<(<C::Head as Head>::Targets, Vec<f64>)>,
    device: &Device,
) -> Result<Answers, LearnError>
where
    C: Class,
    C::Head: TrainedHead,
{
    let inputs = <InputsOf<C> as ReadInputs<C::Config>>::upload(batch, device);
    let rows = batch.ints.get("input_ids");
    let rows = rows.and_then(|ids| ids.shape.first().copied());
    let choices = batch.ints.get("num_choices");
    let choices = choices.and_then(|buffer| buffer.data.first().copied());
    let choices = choices.and_then(|count| usize::try_from(count).ok());
    // Continuations of an example are rows one behind the other.
    let rows = rows.unwrap_or_default() / choices.unwrap_or(1).max(1);
    let head = model.outputs(inputs).head;
    let outputs = head.named(rows).into_iter();
    let outputs = outputs
        .map(|output| read_values(untracked(output.values)))
        .collect::<Result<Vec<_>, _>>()?;
    let losses = match targets {
        Some((targets, weights)) => {
            let terms = head.losses(targets).into_iter().zip(weights);
            let sums = terms.map(|(term, weight)| {
                let sum = read_values(untracked(term.sum))?;
                Ok((sum.into_iter().map(f64::from).sum(), weight))
            });
            sums.collect::<Result<Vec<_>, LearnError>>()?
        }
        None => Vec::new(),
    };
    Ok(Answers {
        outputs,
        rows,
        losses,
    })
}

fn write_class<C: Class>(model: &C, config: &C::Config, folder: &Path) -> Result<(), WriteError> {
    write_module(model, config, config.class_name(C::NAMES), folder)
}

impl<F: FineTuned> Objective for TunedObjective<F> {
    type Model = TunedModelOf<F>;
    type Batch = TunedBatch<F>;
    type Scratch = ();
    type Carry = ();

    fn terms(&self) -> Vec<TermSpec> {
        each!(self, Self, objective => objective.terms())
    }

    fn measure_names(&self) -> Vec<&'static str> {
        each!(self, Self, objective => objective.measure_names())
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        each!(self, Self, objective => objective.weights(batch))
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> TunedBatch<F> {
        match self {
            Self::Sequence(objective) => TunedBatch::Sequence(objective.upload(batch, device)),
            Self::Tokens(objective) => TunedBatch::Tokens(objective.upload(batch, device)),
            Self::Spans(objective) => TunedBatch::Spans(objective.upload(batch, device)),
            Self::Choices(objective) => TunedBatch::Choices(objective.upload(batch, device)),
            Self::Beam(objective) => TunedBatch::Beam(objective.upload(batch, device)),
        }
    }

    fn start_carry(&self, _: &Device) {}

    /// Paths begin with the head's name, which the classes' do not have.
    fn group(&self, path: &str) -> ParameterGroup {
        let path = path.split_once('.').map_or(path, |(_, rest)| rest);
        each!(self, Self, objective => objective.group(path))
    }

    fn forward(
        &self,
        model: &TunedModelOf<F>,
        part: usize,
        batch: &TunedBatch<F>,
        (): (),
        (): &(),
    ) -> PartOutput<Self> {
        match (self, model, batch) {
            (Self::Sequence(own), TunedModel::Sequence(model), TunedBatch::Sequence(batch)) => {
                own_output(own.forward(model, part, batch, (), &()))
            }
            (Self::Tokens(own), TunedModel::Tokens(model), TunedBatch::Tokens(batch)) => {
                own_output(own.forward(model, part, batch, (), &()))
            }
            (Self::Spans(own), TunedModel::Spans(model), TunedBatch::Spans(batch)) => {
                own_output(own.forward(model, part, batch, (), &()))
            }
            (Self::Choices(own), TunedModel::Choices(model), TunedBatch::Choices(batch)) => {
                own_output(own.forward(model, part, batch, (), &()))
            }
            (Self::Beam(own), TunedModel::Beam(model), TunedBatch::Beam(batch)) => {
                own_output(own.forward(model, part, batch, (), &()))
            }
            _ => unreachable!("a model and its batches have the objective's head"),
        }
    }
}

/// A class's output as the objective's of all.
fn own_output<A, B>(output: PartOutput<A>) -> PartOutput<B>
where
    A: Objective<Scratch = (), Carry = ()>,
    B: Objective<Scratch = (), Carry = ()>,
{
    PartOutput {
        sums: output.sums,
        measures: output.measures,
        scratch: (),
        carry: (),
    }
}
