//! The work that benches share: a BERT with 4 layers of width 256 and 30,522 words, on batches of
//! 16 sequences of 128 random tokens, 20 of them predicted; and an ELECTRA of the same size, with a
//! generator of a quarter of its width and 19 predictions, as its formula gives them; and a DeBERTa of
//! BERT's size with v3's attention and BERT's predictions; and an XLNet of BERT's size with memory, in
//! two directions, that makes 21 predictions in random orders.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use burn::tensor::Device;
use burn::train::Interrupter;
use kiln::bert::{BertConfig, BertForPreTraining, BertPretraining, Preset};
use kiln::deberta::{DebertaConfig, DebertaForMaskedLm, DebertaPretraining, MaskedLmForm};
use kiln::electra::{ElectraConfig, ElectraPair, ElectraPretraining, PairConfig, generator_of};
use kiln::learner::{
    ModelFiles, Objective, Observer, Record, RunFolder, TrainRequest, TrainingSettings, train,
};
use kiln::nn::Init;
use kiln::tasks::settings::DetectionSettings;
use kiln::text::{BatchSource, HostBatch, TextError};
use kiln::xlnet::{XlnetConfig, XlnetLmHeadModel, XlnetPretraining};

/// Sequences in a batch.
pub(crate) const BATCH: usize = 16;
/// Tokens in a sequence; none is padding.
pub(crate) const SEQ_LEN: usize = 128;
/// Predicted tokens in a sequence: BERT's, ELECTRA's and XLNet's.
const PREDICTIONS: usize = 20;
const ELECTRA_PREDICTIONS: usize = 19;
const XLNET_PREDICTIONS: usize = 21;
/// BERT's vocabulary.
const VOCAB: usize = 30_522;
/// Ids below are special or unused in BERT's vocabulary.
const FIRST_WORD: u32 = 1_000;
/// More steps than anyone measures: the learning rate barely moves.
const ENDLESS: u64 = 1 << 32;
const SEED: u64 = 1;

/// What stops a measurement.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The model's configuration.
pub(crate) fn config() -> Result<BertConfig, Failure> {
    let mini = Preset::by_name("mini").ok_or("the preset mini is gone")?;
    Ok(mini.config(VOCAB))
}

/// The model with the weights that every measurement starts from.
pub(crate) fn model(device: &Device) -> Result<(BertPretraining, BertForPreTraining), Failure> {
    let config = config()?;
    let mut init = Init::new(SEED, config.initializer_range, device);
    let objective = BertPretraining::new(config, true);
    let model = objective.new_model(&mut init);
    Ok((objective, model))
}

/// The ELECTRA with the weights that every measurement starts from.
pub(crate) fn electra(device: &Device) -> (ElectraPretraining, ElectraPair) {
    let discriminator = ElectraConfig {
        vocab_size: VOCAB,
        num_hidden_layers: 4,
        ..ElectraConfig::default()
    };
    let settings = DetectionSettings::electra();
    let generator = generator_of(
        &discriminator,
        settings.generator_size,
        settings.generator_layers,
    );
    let mut init = Init::new(SEED, discriminator.initializer_range, device);
    let config = PairConfig {
        discriminator,
        generator: Some(generator),
        sharing: settings.sharing,
    };
    let objective = ElectraPretraining::new(config, settings);
    let model = objective.new_model(&mut init);
    (objective, model)
}

/// The DeBERTa with the weights that every measurement starts from. Without the mask decoder, which
/// transformers does not have.
pub(crate) fn deberta(
    device: &Device,
) -> Result<(DebertaPretraining, DebertaForMaskedLm), Failure> {
    let base = kiln::deberta::Preset::by_name("base").ok_or("the preset base is gone")?;
    let config = DebertaConfig {
        hidden_size: 256,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        intermediate_size: 1_024,
        ..base.config(VOCAB)
    };
    let mut init = Init::new(SEED, config.initializer_range, device);
    let objective = DebertaPretraining::new(config, MaskedLmForm::Plain);
    let model = objective.new_model(&mut init);
    Ok((objective, model))
}

/// The XLNet with the weights that every measurement starts from: of each batch 64 positions are kept,
/// 96 are remembered.
pub(crate) fn xlnet(device: &Device) -> Result<(XlnetPretraining, XlnetLmHeadModel), Failure> {
    let base = kiln::xlnet::Preset::by_name("base").ok_or("the preset base is gone")?;
    let config = XlnetConfig {
        d_model: 256,
        n_layer: 4,
        n_head: 4,
        d_inner: 1_024,
        ..base.config(VOCAB, SEQ_LEN)
    };
    let mut init = Init::new(SEED, config.initializer_range, device);
    let objective = XlnetPretraining::new(config, BATCH);
    let model = objective.new_model(&mut init);
    Ok((objective, model))
}

/// Random words, half of each sequence in the first segment. A formula that other programs can
/// repeat: `scripts/compare_pytorch.py` does.
#[derive(Debug)]
pub(crate) struct RandomWords {
    predictions: usize,
    /// Whether predictions have an order.
    is_permuted: bool,
}

impl RandomWords {
    /// With as many predictions in a sequence as BERT makes.
    pub(crate) const BERT: Self = Self {
        predictions: PREDICTIONS,
        is_permuted: false,
    };
    /// With as many as ELECTRA's generator makes.
    pub(crate) const ELECTRA: Self = Self {
        predictions: ELECTRA_PREDICTIONS,
        is_permuted: false,
    };
    /// With as many as XLNet makes, in a random order for each sequence.
    pub(crate) const XLNET: Self = Self {
        predictions: XLNET_PREDICTIONS,
        is_permuted: true,
    };
}

impl BatchSource for RandomWords {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let places = BATCH * SEQ_LEN;
        let predictions = self.predictions;
        let slots = BATCH * predictions;
        let first = index as u32 * places as u32;
        let word = |place: usize, salt| random_word(first + place as u32, salt);
        let position = |slot: usize| 3 + 6 * (slot % predictions);
        let place = |slot: usize| slot / predictions * SEQ_LEN + position(slot);
        let segment = |place: usize| i32::from(place % SEQ_LEN >= SEQ_LEN / 2);

        let mut batch = HostBatch {
            real_tokens: places,
            all_tokens: places,
            ..HostBatch::default()
        };
        let ids = (0..places).map(|place| word(place, 0)).collect();
        let labels = (0..slots).map(|slot| word(place(slot), 1)).collect();
        let positions = (0..slots).map(|slot| position(slot) as i32).collect();
        let types = (0..places).map(segment).collect();
        let follows = (0..BATCH).map(|row| row as i32 % 2).collect();
        batch.insert_ints("input_ids", ids, &[BATCH, SEQ_LEN]);
        batch.insert_ints("attention_mask", vec![1; places], &[BATCH, SEQ_LEN]);
        batch.insert_ints("token_type_ids", types, &[BATCH, SEQ_LEN]);
        batch.insert_ints("positions", positions, &[BATCH, predictions]);
        batch.insert_ints("labels", labels, &[BATCH, predictions]);
        batch.insert_floats("weights", vec![1.0; slots], &[BATCH, predictions]);
        batch.insert_ints("next_sentence_label", follows, &[BATCH]);
        batch.insert_floats("example_weight", vec![1.0; BATCH], &[BATCH]);
        if self.is_permuted {
            let [mut queries, mut keys] = [vec![0; places], vec![-1; places]];
            let ranks: Vec<i32> = (0..BATCH)
                .flat_map(|row| random_order(first + (row * SEQ_LEN) as u32))
                .collect();
            for place in (0..slots).map(place) {
                queries[place] = ranks[place];
                keys[place] = ranks[place];
            }
            batch.insert_ints("query_ranks", queries, &[BATCH, SEQ_LEN]);
            batch.insert_ints("key_ranks", keys, &[BATCH, SEQ_LEN]);
        }
        Ok(batch)
    }
}

/// When each token of a sequence has its turn, by the hashes of their places from `first` on.
fn random_order(first: u32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..SEQ_LEN).collect();
    order.sort_by_key(|&position| hash(first + position as u32, 1));
    let mut ranks = vec![0; SEQ_LEN];
    for (rank, position) in order.into_iter().enumerate() {
        ranks[position] = rank as i32;
    }
    ranks
}

fn random_word(place: u32, salt: u32) -> i32 {
    (FIRST_WORD + hash(place, salt) % (VOCAB as u32 - FIRST_WORD)) as i32
}

/// Knuth's multiplicative hash of the place, its upper bits.
fn hash(place: u32, salt: u32) -> u32 {
    (2 * place + salt + 1).wrapping_mul(2_654_435_761) >> 8
}

/// One step of the learner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// From taking the batch to the updated weights, losses read back.
    pub(crate) seconds: f64,
    pub(crate) loss: f64,
}

/// A training run on a thread of its own that makes a step whenever it is asked for one.
pub(crate) struct Training {
    steps: Receiver<Step>,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Training {
    /// Starts a run of BERT's; the Hugging Face files of the first weights go to `start`, if given.
    pub(crate) fn start(device: Device, start: Option<&Path>) -> Result<Self, Failure> {
        let work = model(&device.clone().autodiff())?;
        let files = work.0.files(None);
        Self::start_with(work, files, RandomWords::BERT, device, start)
    }

    /// Starts the ELECTRA, whose files are two folders.
    pub(crate) fn start_electra(device: Device, start: Option<&Path>) -> Result<Self, Failure> {
        let work = electra(&device.clone().autodiff());
        let files = work.0.files(None);
        Self::start_with(work, files, RandomWords::ELECTRA, device, start)
    }

    /// Starts the DeBERTa.
    pub(crate) fn start_deberta(device: Device, start: Option<&Path>) -> Result<Self, Failure> {
        let work = deberta(&device.clone().autodiff())?;
        let files = work.0.files(None);
        Self::start_with(work, files, RandomWords::BERT, device, start)
    }

    /// Starts the XLNet, whose memory is handed on from step to step.
    pub(crate) fn start_xlnet(device: Device, start: Option<&Path>) -> Result<Self, Failure> {
        let work = xlnet(&device.clone().autodiff())?;
        let files = work.0.files(None);
        Self::start_with(work, files, RandomWords::XLNET, device, start)
    }

    fn start_with<O: Objective>(
        (objective, model): (O, O::Model),
        files: ModelFiles<O::Model>,
        words: RandomWords,
        device: Device,
        start: Option<&Path>,
    ) -> Result<Self, Failure> {
        if let Some(folder) = start {
            files.write(&model, folder)?;
        }
        let (sender, steps) = sync_channel(0);
        let run = move || run(objective, model, files, words, device, sender);
        Ok(Self {
            steps,
            thread: thread::Builder::new().spawn(run)?,
        })
    }

    /// The next step.
    pub(crate) fn step(&self) -> Result<Step, Failure> {
        let ended = |_| "the run ended by itself; finish() says why";
        Ok(self.steps.recv().map_err(ended)?)
    }

    /// Stops the run and says what stopped it before.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        // The run meets a closed channel at its next step.
        drop(self.steps);
        self.thread.join().map_err(|_| "the run panicked")?
    }
}

/// Hands steps over one by one; stops the run when nobody takes them any more.
struct HandOver {
    steps: SyncSender<Step>,
    interrupter: Interrupter,
}

impl Observer for HandOver {
    fn step(&self, record: &Record, _: &TrainingSettings) {
        let value = |name| record.get(name).unwrap_or(f64::NAN);
        let step = Step {
            seconds: value("tokens") / value("tokens_per_second"),
            loss: value("loss"),
        };
        if self.steps.send(step).is_err() {
            self.interrupter.stop(None);
        }
    }
}

fn run<O: Objective>(
    objective: O,
    model: O::Model,
    files: ModelFiles<O::Model>,
    words: RandomWords,
    device: Device,
    steps: SyncSender<Step>,
) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let interrupter = Interrupter::new();
    train(TrainRequest {
        devices: vec![device],
        interrupter: interrupter.clone(),
        observer: Arc::new(HandOver { steps, interrupter }),
        ..TrainRequest::new(
            objective,
            model,
            files,
            RunFolder::create(folder.path())?,
            TrainingSettings {
                steps: ENDLESS,
                batch_size: BATCH,
                seed: SEED,
                ..TrainingSettings::default()
            },
            Arc::new(words),
        )
    })?;
    Ok(())
}
