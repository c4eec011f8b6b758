//! The objective of a model that is trained to predict masked words and nothing else.
//!
//! ```text
//! loss = mean over chosen tokens (-log p[original])
//! ```
//!
//! with p the softmax over the vocabulary at a chosen position (Devlin et al. 2019, section 3.1,
//! task 1). The mean runs over the whole step, whatever its number of micro-batches and devices; the
//! vocabulary is scored at the chosen positions alone.

use std::fmt::Debug;
use std::path::Path;

use burn::module::ModuleDisplay;
use burn::tensor::{Device, Int, Tensor};
use kiln_checkpoint::{ModelFile, WriteError};
use kiln_learner::{
    ConstantGuess, LearnError, ModelFiles, Objective, Observer, PartOutput, TermSpec, TrainOutcome,
};
use kiln_nn::{EncoderInputs, Init};
use kiln_text::tokenizer::Tokenizer;
use kiln_text::{HostBatch, Vocabulary};

use crate::architecture::RunContext;
use crate::class::Class;
use crate::family::{Family, write_folder};
use crate::masked_lm::MaskedLmBatch;
use crate::masked_lm_data::{check_seq_len, open_masked};
use crate::predict::{PredictWords, TextBatch};
use crate::settings::RunSettings;
use crate::start::start_with_encoder;
use crate::tokenizer::{match_padding, open_tokenizer, write_tokenizer};

/// A masked language model that can be trained.
pub trait MaskedLm: Class + ModuleDisplay {
    /// What a model is made by beside its config; `()` where nothing is.
    type Form: Clone + Debug + Send + Sync + 'static;

    /// Of the config the id of padding, and the initial weights' standard deviation.
    fn fields(config: &mut Self::Config) -> (&mut Option<usize>, f64);

    /// Draws encoder and head.
    fn draw(config: &Self::Config, form: &Self::Form, init: &mut Init) -> Self;

    /// Scores the vocabulary at `positions` alone.
    ///
    /// # Shapes
    /// - `positions`: `[batch, num_predictions]`, each in `0..seq_len`
    /// - returns `[batch * num_predictions, vocab_size]`
    ///
    /// # Panics
    /// If the shapes do not fit: the caller's mistake.
    fn predictions(&self, inputs: EncoderInputs, positions: Tensor<2, Int>) -> Tensor<2>;

    /// This model with the weights of a folder; a head that is not there stays fresh, and `observer`
    /// is told.
    ///
    /// # Errors
    /// As [`start_with_encoder`].
    fn start(self, folder: &Path, observer: &dyn Observer) -> Result<Self, LearnError> {
        let file = ModelFile::open(folder)?;
        start_with_encoder::<Self::Config, Self>(self, (folder, &file), observer)
    }

    /// Writes config.json and model.safetensors into an existing folder.
    ///
    /// # Errors
    /// As [`write_folder`].
    fn write(&self, config: &Self::Config, folder: &Path) -> Result<(), WriteError> {
        write_folder(self, config, folder)
    }
}

/// What a masked language model is pretrained with. Holds settings, no parameters.
#[derive(Debug, Clone)]
pub struct MaskedLmPretraining<C: MaskedLm> {
    config: C::Config,
    form: C::Form,
}

impl<C: MaskedLm> MaskedLmPretraining<C> {
    /// Masked language modelling for a model of `config` and `form`.
    pub fn new(config: C::Config, form: C::Form) -> Self {
        Self { config, form }
    }

    /// A model to train, drawn by `init`.
    pub fn new_model(&self, init: &mut Init) -> C {
        C::draw(&self.config, &self.form, init)
    }

    /// The model's files in a checkpoint, with the tokenizer if there is one.
    pub fn files(&self, tokenizer: Option<Tokenizer>) -> ModelFiles<C> {
        let config = self.config.clone();
        ModelFiles::new(
            move |model: &C, folder| {
                model.write(&config, folder)?;
                write_tokenizer(tokenizer.as_ref(), folder)
            },
            C::Config::open_complete,
        )
    }
}

impl<C: MaskedLm> Objective for MaskedLmPretraining<C> {
    type Model = C;
    type Batch = MaskedLmBatch;
    type Scratch = ();
    type Carry = ();

    fn terms(&self) -> Vec<TermSpec> {
        vec![TermSpec {
            name: "mlm_loss",
            part: 0,
            coefficient: 1.0,
            is_perplexity: true,
            constant: ConstantGuess::WORDS,
        }]
    }

    fn measure_names(&self) -> Vec<&'static str> {
        vec!["mlm_accuracy"]
    }

    fn weights(&self, batch: &HostBatch) -> Vec<f64> {
        vec![MaskedLmBatch::weight(batch)]
    }

    fn upload(&self, batch: &HostBatch, device: &Device) -> MaskedLmBatch {
        MaskedLmBatch::upload(batch, device)
    }

    fn start_carry(&self, _: &Device) {}

    fn forward(
        &self,
        model: &C,
        _: usize,
        batch: &MaskedLmBatch,
        (): (),
        (): &(),
    ) -> PartOutput<Self> {
        let logits = model.predictions(batch.inputs(), batch.positions.clone());
        let (sum, accuracy) = batch.score(logits, "mlm_accuracy");
        PartOutput {
            sums: vec![sum],
            measures: vec![accuracy],
            scratch: (),
            carry: (),
        }
    }
}

/// A trained one fills masks.
impl<C: MaskedLm> PredictWords for C {
    fn word_logits(&self, batch: &TextBatch<'_>, _: &Vocabulary, device: &Device) -> Tensor<2> {
        self.predictions(batch.inputs(device), batch.positions(device))
    }
}

/// Runs or resumes a pretraining run of a model of `config` and `form`.
///
/// # Errors
/// As [`kiln_learner::train()`].
pub fn pretrain<C: MaskedLm>(
    mut config: C::Config,
    form: C::Form,
    settings: &RunSettings,
    context: RunContext,
) -> Result<TrainOutcome, LearnError> {
    let observer = &*context.observer;
    let (tokenizer, vocabulary) = open_tokenizer(settings, config.sizes().vocab_size)?;
    let (pad_token_id, initializer_range) = C::fields(&mut config);
    match_padding(pad_token_id, &vocabulary, observer);
    // Where positions begin may depend on the id of padding.
    check_seq_len(settings.data.seq_len, config.sizes())?;
    let is_fresh = context.is_fresh()?;
    let data = open_masked(settings, &tokenizer, &vocabulary, is_fresh)?;
    let device = context.first_device()?;
    let mut init = Init::new(settings.training.seed, initializer_range, &device);
    let objective = MaskedLmPretraining::<C>::new(config, form);
    let files = objective.files(Some(tokenizer));
    let mut model = objective.new_model(&mut init);
    if let (Some(folder), true) = (&settings.init_from, is_fresh) {
        model = model.start(folder, observer)?;
    }
    context.train(objective, model, files, settings, data)
}
