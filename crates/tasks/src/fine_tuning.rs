//! Fine-tuning: a Hugging Face class trained on its own head's loss.
//!
//! ```text
//! loss = coefficient · Σ terms (sum over what is scored / weight)   [+ λ · SiFT's term]
//! ```
//!
//! Every class whose head is a [`TrainedHead`] can be trained so: a label, several or a number for each
//! sequence, a label for each token, the start and the end of a span, one of several continuations. The
//! sums run over the whole step, whatever its number of micro-batches and devices.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use burn::module::ModuleDisplay;
use burn::tensor::{Device, Tensor};
use kiln_checkpoint::ModelFile;
use kiln_datasets::Problem;
use kiln_learner::upload::floats;
use kiln_learner::{
    ConstantGuess, LearnError, ModelFiles, Objective, Observer, ParameterGroup, PartOutput,
    TermSpec,
};
use kiln_nn::Init;
use kiln_text::HostBatch;
use kiln_text::tokenizer::Tokenizer;

use crate::class::{Class, Encoder, InputsOf};
use crate::class_loss::ClassLoss;
use crate::family::{Family, ReadInputs};
use crate::heads::{Head, HostTargets, TrainedHead, problem_of};
use crate::model_files::model_files;
use crate::sift::{CleanPass, Disturbed, SiftSettings};
use crate::start::{start_with_encoder, weights_of};

mod adapted;
mod by_head;
mod check;
mod layer_decay;
mod lora;
mod no_beam;
mod place;
mod settings;
mod tuned;

pub use adapted::ADAPTER;
pub use layer_decay::{LayerCount, LayerDecay};
pub use lora::{AdapterFile, AdapterTask, Adapters, LoraScale, LoraSettings, PeftConfig};
pub use no_beam::NoBeam;
pub use settings::FineTuningSettings;
pub use tuned::{
    Answers, FineTuned, HeadKind, TunedBatch, TunedModel, TunedModelOf, TunedObjective,
};

/// What a class is fine-tuned with. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct FineTuning<C: Class> {
    config: C::Config,
    settings: FineTuningSettings,
    problem: Problem,
    class_loss: Arc<ClassLoss>,
    class: PhantomData<fn() -> C>,
}

/// One micro-batch on a device.
#[derive(Debug, Clone)]
pub struct FineTuningBatch<I, T> {
    /// What the encoder reads.
    pub inputs: I,
    /// What the head is scored by.
    pub targets: T,
    /// `[batch, seq_len, width]`, SiFT's first perturbation, to take it instead of drawing one, to compare
    /// with other implementations. Made from a buffer `delta_0`, if the host batch has one.
    pub delta: Option<Tensor<3>>,
}

/// One micro-batch of a class.
type BatchOf<C> = FineTuningBatch<InputsOf<C>, <<C as Class>::Head as Head>::Targets>;

impl<C: Class> FineTuning<C> {
    /// Fine-tuning of a model of `config`, whose `problem_type` says what labels of sequences mean; without
    /// one a model with one label learns numbers, others classes.
    ///
    /// # Errors
    /// If there is no such problem, or a setting can't be used, or not with such a class.
    pub fn new(config: C::Config, settings: FineTuningSettings) -> Result<Self, LearnError> {
        let problem = match C::Head::PROBLEM {
            Some(problem) => problem,
            None => problem_of(config.problem_type(), config.num_labels())?
                .unwrap_or(Problem::SingleLabel),
        };
        let validated = settings.validate();
        let validated = validated.and_then(|()| settings.suits::<C>(&config, problem));
        validated.map_err(LearnError::Settings)?;
        Ok(Self {
            class_loss: Arc::new(settings.class_loss()),
            config,
            settings,
            problem,
            class: PhantomData,
        })
    }

    /// A model to train with the weights of a folder, of the half with such a head where it holds a pair; a
    /// head that is not there, or that the folder has for other labels, is drawn by `init`, and `observer`
    /// is told. `keeps_head` says whether the folder's head is one for these labels.
    ///
    /// # Errors
    /// If the folder can't be opened, does not fit, or lacks a part of the encoder.
    pub fn start(
        &self,
        folder: &Path,
        keeps_head: bool,
        init: &mut Init,
        observer: &dyn Observer,
    ) -> Result<C, LearnError> {
        let folder = &C::Head::HALF.meant_by(folder);
        let file = weights_of::<C::Config>(folder, keeps_head)?;
        C::sizes(&self.config, &file)?;
        let model = C::for_file(&self.config, &file, init)?;
        start_with_encoder::<C::Config, C>(model, (folder, &file), observer)
    }

    /// A model with random weights, of the kind that the file in `folder` holds.
    ///
    /// # Errors
    /// If the file is unreadable, or the config has no such class.
    pub fn random(&self, folder: &Path, init: &mut Init) -> Result<C, LearnError> {
        let file = ModelFile::open(C::Head::HALF.meant_by(folder))?;
        C::sizes(&self.config, &file)?;
        Ok(C::for_file(&self.config, &file, init)?)
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<C> {
        model_files(self.config.clone(), C::NAMES, tokenizer)
    }
}

impl<C> FineTuning<C>
where
    C: Class,
    C::Head: TrainedHead,
{
    fn host_targets(&self, batch: &HostBatch) -> <C::Head as TrainedHead>::Host {
        let targets = C::Head::host_targets(batch, self.problem, self.config.num_labels());
        targets.with_loss(&self.class_loss)
    }
}

impl<C> Objective for FineTuning<C>
where
    C: Class + ModuleDisplay,
    C::Head: TrainedHead,
{
    type Model = C;
    type Batch = BatchOf<C>;
    type Scratch = ();
    type Carry = ();

    fn terms(&self) -> Vec<TermSpec> {
        let terms = C::Head::LOSSES.iter().map(|&name| TermSpec {
            name,
            part: 0,
            coefficient: C::Head::COEFFICIENT,
            is_perplexity: false,
            constant: ConstantGuess::Untold,
        });
        let sift = self.settings.sift.as_ref().map(|sift| sift.term(0));
        terms.chain(sift).collect()
    }

    fn measure_names(&self) -> Vec<&'static str> {
        C::Head::measure_names(self.problem)
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        let targets = self.host_targets(batch);
        let mut weights = targets.weights();
        if self.settings.sift.is_some() {
            weights.push(targets.num_rows());
        }
        weights
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> BatchOf<C> {
        FineTuningBatch {
            inputs: <InputsOf<C> as ReadInputs<C::Config>>::upload(batch, device),
            targets: self.host_targets(batch).upload(device),
            delta: batch
                .floats
                .contains_key("delta_0")
                .then(|| floats(batch, "delta_0", device)),
        }
    }

    fn start_carry(&self, _: &Device) {}

    fn group(&self, path: &str) -> ParameterGroup {
        let mut group = self.config.parameter_group(path);
        if let Some(decay) = self.settings.layer_decay {
            group.rate_factor *= decay.rate_factor(path, self.config.num_layers());
        }
        group.is_frozen |= self.settings.freezes(path);
        group
    }

    fn forward(
        &self,
        model: &C,
        _: usize,
        batch: &BatchOf<C>,
        (): (),
        (): &(),
    ) -> PartOutput<Self> {
        let mut sum = model.encoder().sum(&batch.inputs);
        let sift = self.settings.sift.as_ref().map(|sift| {
            let read = match C::Encoder::NORMALISES_EMBEDDINGS {
                true => Disturbed::normalised(sum.clone()),
                false => Disturbed::in_its_scale(sum.clone()),
            };
            sum = read.embedded.clone();
            (sift, read)
        });
        let head = model.outputs_from(sum, batch.inputs.clone()).head;
        let sift =
            sift.map(|(sift, read)| sift_sum(sift, model, batch, read, head.rows(&batch.targets)));
        let (measures, terms) = head.scored(batch.targets.clone());
        PartOutput {
            sums: terms.into_iter().map(|term| term.sum).chain(sift).collect(),
            measures,
            scratch: (),
            carry: (),
        }
    }
}

/// SiFT's term as a sum over rows `[1]`; 0 outside of training, where there is no perturbed pass.
fn sift_sum<C>(
    settings: &SiftSettings,
    model: &C,
    batch: &BatchOf<C>,
    read: Disturbed,
    rows: Tensor<2>,
) -> Tensor<1>
where
    C: Class + ModuleDisplay,
    C::Head: TrainedHead,
{
    if !rows.is_autodiff() {
        return Tensor::zeros([1], &rows.device());
    }
    let start = batch.delta.clone();
    let start = start.unwrap_or_else(|| settings.draw(&read.embedded));
    let clean = CleanPass {
        read,
        logits: rows,
        row_weights: C::Head::row_weights(&batch.targets),
    };
    clean.sift_sum(settings, start, model, |model, sum| {
        let head = model.outputs_from(sum, batch.inputs.clone()).head;
        head.rows(&batch.targets)
    })
}
