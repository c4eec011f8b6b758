//! Fine-tuning of an architecture, whichever of its heads is meant: one objective, one model type, and
//! so one instance of the loop for an architecture and not one for a class.

use std::path::Path;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::OpenError;
use kiln_datasets::Problem;
use kiln_learner::{
    LearnError, ModelFiles, Objective, Observer, ParameterGroup, PartOutput, TermSpec, read_values,
};
use kiln_nn::{Init, untracked, widened};
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use super::by_head::{alike, each, mapped};
use super::{BatchOf, FineTuning, FineTuningSettings};
use crate::class::{Class, InputsOf};
use crate::family::{Family, ReadInputs};
use crate::heads::{
    BeamLogits, ChoiceLogits, Head, HostTargets, SequenceLogits, SpanLogits, TokenLogits,
    TrainedHead,
};

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

    /// The heads that sum a sequence up as config.json's `summary_type` says; see
    /// [`crate::summary::SequenceSummary`].
    const SUMS_UP: &'static [HeadKind] = &[];
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

impl HeadKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Sequence,
        Self::Tokens,
        Self::Spans,
        Self::Choices,
        Self::Beam,
    ];

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

    /// Refuses a task of which config.json says something else.
    ///
    /// # Errors
    /// As [`FineTuning::check`].
    pub fn check(&self, problem: Problem, outputs: usize) -> Result<(), LearnError> {
        each!(self, Self, objective => objective.check(problem, outputs))
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
        Ok(mapped!(self, Self => TunedModel, objective => {
            objective.start(folder, keeps_head, init, observer)?
        }))
    }

    /// A model with random weights, of the kind that the file in `folder` holds.
    ///
    /// # Errors
    /// If the file is unreadable, or the config has no such class.
    pub fn random(&self, folder: &Path, init: &mut Init) -> Result<TunedModelOf<F>, LearnError> {
        Ok(mapped!(self, Self => TunedModel, objective => objective.random(folder, init)?))
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, config: F, tokenizer: Option<Tokenizer>) -> ModelFiles<TunedModelOf<F>> {
        ModelFiles::new(
            move |model, folder| Self::write(model, &config, tokenizer.as_ref(), folder),
            Self::load,
        )
    }

    /// A model with the weights of the folder that has such a head.
    ///
    /// # Errors
    /// If the weights are unreadable, or not exactly the model's.
    pub fn load(model: TunedModelOf<F>, folder: &Path) -> Result<TunedModelOf<F>, OpenError> {
        Ok(mapped!(model, TunedModel => TunedModel, model => F::open_complete(model, folder)?))
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
        alike!((self, Self, objective), (model, TunedModel, model) => {
            let targets = has_labels(batch).then(|| objective.host_targets(batch));
            let targets = targets.map(|targets| {
                let weights = targets.weights();
                (targets.upload(device), weights)
            });
            answers(model, batch, targets, device)
        })
    }
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
    let mut parts: Vec<Tensor<1>> = outputs.map(|output| single(output.values)).collect();
    let num_outputs = parts.len();
    let mut weights = Vec::new();
    if let Some((targets, of_targets)) = targets {
        let sums = head
            .losses(targets)
            .into_iter()
            .map(|term| single(term.sum));
        parts.extend(sums);
        weights = of_targets;
    }
    let mut read = read_parts(parts)?.into_iter();
    let outputs = read.by_ref().take(num_outputs).collect();
    let sums = read.map(|sum| sum.into_iter().map(f64::from).sum());
    Ok(Answers {
        outputs,
        rows,
        losses: sums.zip(weights).collect(),
    })
}

/// Values to be read, in float32 whatever they were computed in.
fn single(values: Tensor<1>) -> Tensor<1> {
    widened(untracked(values))
}

/// The values of several tensors by one transfer from the device.
fn read_parts(parts: Vec<Tensor<1>>) -> Result<Vec<Vec<f32>>, LearnError> {
    let lengths: Vec<usize> = parts.iter().map(|part| part.dims()[0]).collect();
    let mut values = read_values(Tensor::cat(parts, 0))?;
    let mut read: Vec<Vec<f32>> = Vec::with_capacity(lengths.len());
    for length in lengths.into_iter().rev() {
        read.push(values.split_off(values.len().saturating_sub(length)));
    }
    read.reverse();
    Ok(read)
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
        mapped!(self, Self => TunedBatch, objective => objective.upload(batch, device))
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
        alike!((self, Self, own), (model, TunedModel, model), (batch, TunedBatch, batch) => {
            own_output(own.forward(model, part, batch, (), &()))
        })
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
