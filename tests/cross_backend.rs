//! The same weights and batches on every backend of this build: outputs, losses, gradients and ten
//! training steps, each within the bounds of `kiln-testing`. Prints the table of differences:
//!
//! ```text
//! cargo test --test cross_backend --features flex,ndarray,tch,wgpu -- --nocapture
//! ```
//!
//! The first device is the yardstick for the others. Dropout is off: the backends' random numbers
//! differ. Adding an architecture is one more `Subject` below, and its two tests.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn::train::Interrupter;
use kiln::bert::{self, BertConfig, BertPretraining};
use kiln::checkpoint::{ModelFile, Names, gradient_tensors};
use kiln::deberta::{self, DebertaConfig, DebertaPretraining, DebertaReplacedTokens, MaskedLmForm};
use kiln::electra::{self, ElectraConfig, ElectraPretraining, PairConfig};
use kiln::learner::record::read_records;
use kiln::learner::{
    ModelFiles, Objective, Observer, OptimizerSettings, Record, RunFolder, TrainRequest,
    TrainingSettings, train,
};
use kiln::nn::Init;
use kiln::roberta::{self, Preset, RobertaConfig, RobertaForMaskedLm, RobertaPretraining};
use kiln::tasks::settings::{DetectionSettings, Sharing};
use kiln::text::examples::{
    ContinuousSegments, Documents, Examples, MaskedLmSource, PackedSequences, PermutedSettings,
    PermutedSource, SentencePairs,
};
use kiln::text::masking::Masking;
use kiln::text::rng::{Purpose, Rng};
use kiln::text::{BatchSource, Corpus, HostBatch, TextError, Vocabulary};
use kiln::xlnet::{self, XlnetConfig, XlnetPretraining};
use kiln_testing::{Bound, Report, devices, lock_generator};

const VOCAB_SIZE: u32 = 97;
const SEQ_LEN: usize = 24;
const BATCH_SIZE: usize = 5;

fn vocabulary() -> Vocabulary {
    let is_special: Vec<bool> = (0..VOCAB_SIZE).map(|id| id < 5 && id != 1).collect();
    let is_continuation = vec![false; VOCAB_SIZE as usize];
    let size = VOCAB_SIZE;
    Vocabulary {
        size,
        pad: 0,
        unk: 1,
        cls: 2,
        sep: 3,
        mask: 4,
        is_special,
        is_continuation,
    }
}

/// Twelve documents of random words.
fn documents() -> Documents {
    let mut rng = Rng::at(11, Purpose::Examples, 0, 0);
    let mut sentence = || {
        let words = 2 + rng.below(9);
        (0..words)
            .map(|_| 5 + rng.below(u64::from(VOCAB_SIZE) - 5) as u32)
            .collect()
    };
    let documents = (0..12)
        .map(|_| (0..7).map(|_| sentence()).collect())
        .collect();
    Documents::all(Arc::new(Corpus::in_memory(documents, VOCAB_SIZE)))
}

fn masked(examples: Arc<dyn Examples>, masking: Masking) -> MaskedLmSource {
    let vocabulary = Arc::new(vocabulary());
    MaskedLmSource::new(examples, masking, vocabulary, BATCH_SIZE, 3).unwrap()
}

/// Wider than published, so that activations reach the curved parts of every function.
const INITIALIZER_RANGE: f64 = 0.15;

/// Name, values, and what they are compared as.
type Found = BTreeMap<String, (Vec<f32>, Bound)>;

/// An architecture in the table.
trait Subject {
    type Objective: Objective;

    const NAME: &'static str;

    /// Parameter names in the module.
    const NAMES: &'static Names;

    /// Folders of models within a checkpoint.
    const FOLDERS: &'static [&'static str];

    /// Files within a checkpoint of what is carried from step to step.
    const CARRIED: &'static [&'static str] = &[];

    /// Sequences in a batch.
    const BATCH_SIZE: usize = BATCH_SIZE;

    /// The objective with this rate of dropout.
    fn objective(dropout: f64) -> Self::Objective;

    fn model(objective: &Self::Objective, init: &mut Init)
    -> <Self::Objective as Objective>::Model;

    fn files(objective: &Self::Objective) -> ModelFiles<<Self::Objective as Objective>::Model>;

    /// The batches to compare backends on: nothing in them is left to a device's generator.
    fn source() -> Arc<dyn BatchSource>;

    /// The batches to train on as a user would.
    fn drawn_source() -> Arc<dyn BatchSource> {
        Self::source()
    }

    /// Outputs beside losses and gradients.
    fn outputs(device: &Device) -> Found {
        let _ = device;
        Found::new()
    }
}

struct Bert;

impl Subject for Bert {
    type Objective = BertPretraining;

    const NAME: &'static str = "bert";
    const NAMES: &'static Names = &bert::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];

    fn objective(dropout: f64) -> BertPretraining {
        let config = BertConfig {
            vocab_size: VOCAB_SIZE as usize,
            hidden_size: 48,
            num_hidden_layers: 3,
            num_attention_heads: 3,
            intermediate_size: 80,
            max_position_embeddings: SEQ_LEN,
            hidden_dropout_prob: dropout,
            attention_probs_dropout_prob: dropout,
            ..BertConfig::default()
        };
        BertPretraining::new(config, true)
    }

    fn model(objective: &BertPretraining, init: &mut Init) -> bert::BertForPreTraining {
        objective.new_model(init)
    }

    fn files(objective: &BertPretraining) -> ModelFiles<bert::BertForPreTraining> {
        objective.files(None)
    }

    fn source() -> Arc<dyn BatchSource> {
        let pairs = SentencePairs::new(documents(), &vocabulary(), SEQ_LEN, 0.1, 3).unwrap();
        Arc::new(masked(Arc::new(pairs), Masking::bert(SEQ_LEN)))
    }

    fn outputs(device: &Device) -> Found {
        let objective = Self::objective(0.0);
        let host = Self::source().batch(0).unwrap();
        let batch = objective.upload(&host, device);
        let model = Self::model(&objective, &mut init(device));
        let hidden_states = model.bert.forward(batch.masked.inputs());
        // Padded positions are never read: their values are nobody's business.
        let [_, _, hidden_size] = hidden_states.dims();
        let real: Vec<f32> = hidden_states
            .try_into_vec_as::<f32>()
            .unwrap()
            .chunks(hidden_size)
            .zip(&host.ints["attention_mask"].data)
            .filter(|(_, mask)| **mask == 1)
            .flat_map(|(row, _)| row.to_vec())
            .collect();
        Found::from([("last_hidden_state".into(), (real, Bound::Output))])
    }
}

struct Electra;

impl Subject for Electra {
    type Objective = ElectraPretraining;

    const NAME: &'static str = "electra";
    const NAMES: &'static Names = &electra::names::NAMES;
    const FOLDERS: &'static [&'static str] = &["discriminator", "generator"];

    fn objective(dropout: f64) -> ElectraPretraining {
        let discriminator = ElectraConfig {
            vocab_size: VOCAB_SIZE as usize,
            embedding_size: Some(32),
            hidden_size: 48,
            num_hidden_layers: 3,
            num_attention_heads: 3,
            intermediate_size: 80,
            max_position_embeddings: SEQ_LEN,
            hidden_dropout_prob: dropout,
            attention_probs_dropout_prob: dropout,
            ..ElectraConfig::default()
        };
        let settings = DetectionSettings {
            sharing: Sharing::Embeddings,
            generator: None,
            generator_size: 0.5,
            generator_layers: 1.0,
            init_generator: None,
            generator_weight: 1.0,
            discriminator_weight: 50.0,
            temperature: 1.0,
            disallow_correct: false,
            uniform_generator: false,
            alternating: false,
        };
        let generator = electra::generator_of(&discriminator, 0.5, 1.0);
        let config = PairConfig {
            discriminator,
            generator: Some(generator),
            sharing: Sharing::Embeddings,
        };
        ElectraPretraining::new(config, settings)
    }

    fn model(objective: &ElectraPretraining, init: &mut Init) -> electra::ElectraPair {
        objective.new_model(init)
    }

    fn files(objective: &ElectraPretraining) -> ModelFiles<electra::ElectraPair> {
        objective.files(None)
    }

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(WithSamples(segments()))
    }

    fn drawn_source() -> Arc<dyn BatchSource> {
        Arc::new(segments())
    }
}

fn deberta_config(dropout: f64) -> DebertaConfig {
    DebertaConfig {
        hidden_size: 48,
        num_hidden_layers: 3,
        num_attention_heads: 3,
        intermediate_size: 80,
        max_position_embeddings: SEQ_LEN,
        // Distances within a sequence fall into buckets of several.
        position_buckets: Some(16),
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: dropout,
        ..deberta::presets::PRESETS[0].config(VOCAB_SIZE as usize)
    }
}

fn packed(masking: Masking) -> MaskedLmSource {
    let packed = PackedSequences::new(documents(), &vocabulary(), SEQ_LEN, 3).unwrap();
    masked(Arc::new(packed), masking)
}

/// DeBERTa v1's and v2's objective, on v3's attention.
struct DebertaWords;

impl Subject for DebertaWords {
    type Objective = DebertaPretraining;

    const NAME: &'static str = "deberta, mlm";
    const NAMES: &'static Names = &deberta::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];

    fn objective(dropout: f64) -> DebertaPretraining {
        DebertaPretraining::new(deberta_config(dropout), MaskedLmForm::Enhanced)
    }

    fn model(objective: &DebertaPretraining, init: &mut Init) -> deberta::DebertaForMaskedLm {
        objective.new_model(init)
    }

    fn files(objective: &DebertaPretraining) -> ModelFiles<deberta::DebertaForMaskedLm> {
        objective.files(None)
    }

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(packed(Masking::deberta_mlm(SEQ_LEN)))
    }
}

/// DeBERTa v3's objective, in turns.
struct DebertaReplaced;

impl Subject for DebertaReplaced {
    type Objective = DebertaReplacedTokens;

    const NAME: &'static str = "deberta, rtd";
    const NAMES: &'static Names = &deberta::names::NAMES;
    const FOLDERS: &'static [&'static str] = &["discriminator", "generator"];

    fn objective(dropout: f64) -> DebertaReplacedTokens {
        let discriminator = deberta_config(dropout);
        let settings = DetectionSettings {
            sharing: Sharing::GradientDisentangled,
            generator: None,
            generator_size: 1.0,
            generator_layers: 0.5,
            init_generator: None,
            generator_weight: 1.0,
            discriminator_weight: 10.0,
            temperature: 1.0,
            disallow_correct: false,
            uniform_generator: false,
            alternating: true,
        };
        let config = deberta::PairConfig {
            generator: discriminator.generator(1.0, 0.5),
            discriminator,
            sharing: Sharing::GradientDisentangled,
        };
        DebertaReplacedTokens::new(config, settings)
    }

    fn model(objective: &DebertaReplacedTokens, init: &mut Init) -> deberta::DebertaPair {
        objective.new_model(init)
    }

    fn files(objective: &DebertaReplacedTokens) -> ModelFiles<deberta::DebertaPair> {
        objective.files(None)
    }

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(WithSamples(packed(Masking::deberta_rtd(SEQ_LEN))))
    }

    fn drawn_source() -> Arc<dyn BatchSource> {
        Arc::new(packed(Masking::deberta_rtd(SEQ_LEN)))
    }
}

/// BERT's encoder on RoBERTa's positions.
struct Roberta;

impl Subject for Roberta {
    type Objective = RobertaPretraining;

    const NAME: &'static str = "roberta";
    const NAMES: &'static Names = &roberta::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];

    fn objective(dropout: f64) -> RobertaPretraining {
        let tiny = Preset::by_name("tiny").unwrap().config(VOCAB_SIZE as usize);
        let config = RobertaConfig {
            hidden_size: 48,
            num_hidden_layers: 3,
            num_attention_heads: 3,
            intermediate_size: 80,
            max_position_embeddings: SEQ_LEN + 1,
            pad_token_id: Some(vocabulary().pad as usize),
            hidden_dropout_prob: dropout,
            attention_probs_dropout_prob: dropout,
            ..tiny
        };
        RobertaPretraining::new(config, ())
    }

    fn model(objective: &RobertaPretraining, init: &mut Init) -> RobertaForMaskedLm {
        objective.new_model(init)
    }

    fn files(objective: &RobertaPretraining) -> ModelFiles<RobertaForMaskedLm> {
        objective.files(None)
    }

    fn source() -> Arc<dyn BatchSource> {
        Arc::new(packed(Masking::bert(SEQ_LEN)))
    }
}

/// Permutation language modelling, with memory, in two directions.
struct Xlnet;

impl Subject for Xlnet {
    type Objective = XlnetPretraining;

    const NAME: &'static str = "xlnet";
    const NAMES: &'static Names = &xlnet::names::NAMES;
    const FOLDERS: &'static [&'static str] = &[""];
    const CARRIED: &'static [&'static str] = &["training/carry-0.safetensors"];
    // Half of them read backwards.
    const BATCH_SIZE: usize = 4;

    fn objective(dropout: f64) -> XlnetPretraining {
        let config = XlnetConfig {
            d_model: 48,
            n_layer: 3,
            n_head: 3,
            d_inner: 80,
            dropout,
            ..xlnet::presets::PRESETS[0].config(VOCAB_SIZE as usize, SEQ_LEN)
        };
        XlnetPretraining::new(config, Self::BATCH_SIZE)
    }

    fn model(objective: &XlnetPretraining, init: &mut Init) -> xlnet::XlnetLmHeadModel {
        objective.new_model(init)
    }

    fn files(objective: &XlnetPretraining) -> ModelFiles<xlnet::XlnetLmHeadModel> {
        objective.files(None)
    }

    fn source() -> Arc<dyn BatchSource> {
        let settings = PermutedSettings {
            batch_size: Self::BATCH_SIZE,
            seed: 3,
            ..PermutedSettings::published(SEQ_LEN)
        };
        let vocabulary = Arc::new(vocabulary());
        Arc::new(PermutedSource::new(documents(), vocabulary, settings).unwrap())
    }
}

fn segments() -> MaskedLmSource {
    let segments = ContinuousSegments::new(documents(), &vocabulary(), SEQ_LEN, 0.05, 3).unwrap();
    masked(Arc::new(segments), Masking::electra(SEQ_LEN, 0.15))
}

/// Brings samples along, every fourth of them lucky: backends draw different ones.
struct WithSamples(MaskedLmSource);

impl BatchSource for WithSamples {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let mut batch = self.0.batch(index)?;
        let labels = batch.ints["labels"].clone();
        let last = VOCAB_SIZE as i32 - 1;
        let samples = labels.data.iter().enumerate().map(|(slot, &label)| {
            if slot % 4 == 0 {
                label
            } else {
                (label + 7).min(last)
            }
        });
        batch.insert_ints("samples", samples.collect(), &labels.shape);
        Ok(batch)
    }
}

fn init(device: &Device) -> Init {
    Init::new(5, INITIALIZER_RANGE, device)
}

fn single_pass<S: Subject>(device: &Device) -> Found {
    let mut found = S::outputs(device);
    let device = device.clone().autodiff();
    let objective = S::objective(0.0);
    let model = S::model(&objective, &mut init(&device));
    let host = S::source().batch(0).unwrap();
    let batch = objective.upload(&host, &device);
    let carry = objective.start_carry(&device);
    let mut scratch = Default::default();
    let mut sums = Vec::new();
    for part in 0..objective.parts().len() {
        let output = objective.forward(&model, part, &batch, scratch, &carry);
        scratch = output.scratch;
        sums.extend(output.sums);
    }
    let weights = objective.weights(&host);
    let mut loss = None;
    for ((term, sum), weight) in objective.terms().iter().zip(sums).zip(weights) {
        let mean = sum / weight;
        let value = mean.clone().inner().try_into_vec_as::<f32>().unwrap();
        found.insert(term.name.into(), (value, Bound::Loss));
        let share = mean.mul_scalar(term.coefficient);
        loss = Some(match loss {
            None => share,
            Some(before) => before + share,
        });
    }
    let gradients = GradientsParams::from_grads(loss.unwrap().backward(), &model);
    for tensor in gradient_tensors(&model, &gradients, S::NAMES).unwrap() {
        found.insert(tensor.name, (tensor.data, Bound::Gradient));
    }
    found
}

fn settings<S: Subject>(steps: u64) -> TrainingSettings {
    TrainingSettings {
        steps,
        batch_size: S::BATCH_SIZE,
        warmup: 2,
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..Default::default()
        },
        ..Default::default()
    }
}

fn ten_steps<S: Subject>(device: &Device) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    let objective = S::objective(0.0);
    let model = S::model(&objective, &mut init(&device.clone().autodiff()));
    let files = S::files(&objective);
    let outcome = train(TrainRequest::new(
        objective,
        model,
        files,
        run.clone(),
        settings::<S>(10),
        S::source(),
    ))
    .unwrap();
    let records = read_records(&run.metrics()).unwrap();
    let curve = |key: &str| -> Vec<f32> {
        records
            .iter()
            .map(|record| record.get(key).unwrap() as f32)
            .collect()
    };
    let mut found = Found::new();
    found.insert("ten steps: loss".into(), (curve("loss"), Bound::Loss));
    found.insert(
        "ten steps: grad_norm".into(),
        (curve("grad_norm"), Bound::Gradient),
    );
    for path in S::FOLDERS.iter().chain(S::CARRIED) {
        let file = ModelFile::open(outcome.checkpoint.join(path)).unwrap();
        for name in file.names() {
            // Without a gradient in exact arithmetic: what Adam makes of rounding is arbitrary.
            if !name.ends_with("key.bias") {
                let values = file.read(name).unwrap();
                let row = format!("ten steps: {path} {name}");
                found.insert(row, (values, Bound::Output));
            }
        }
    }
    found
}

/// Stops a run after a step.
struct StopAfter(u64, Interrupter);

impl Observer for StopAfter {
    fn step(&self, record: &Record, _: &TrainingSettings) {
        if record.step == self.0 {
            self.1.stop(None);
        }
    }
}

/// The losses of eight steps with dropout, and the files of the last model and of what it carries;
/// `stops` are the steps after which the run is stopped and resumed.
fn eight_steps<S: Subject>(device: &Device, stops: &[u64]) -> (Vec<f32>, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    RunFolder::create(&path).unwrap();
    let mut checkpoint = PathBuf::new();
    for stop in stops.iter().copied().chain([0]) {
        let objective = S::objective(0.1);
        let interrupter = Interrupter::new();
        let model = S::model(&objective, &mut init(&device.clone().autodiff()));
        let files = S::files(&objective);
        let outcome = train(TrainRequest {
            interrupter: interrupter.clone(),
            observer: Arc::new(StopAfter(stop, interrupter)),
            ..TrainRequest::new(
                objective,
                model,
                files,
                RunFolder::at(&path),
                settings::<S>(8),
                S::drawn_source(),
            )
        })
        .unwrap();
        checkpoint = outcome.checkpoint;
    }
    let records = read_records(&RunFolder::at(&path).metrics()).unwrap();
    let losses = records
        .iter()
        .map(|record| record.get("loss").unwrap() as f32)
        .collect();
    let models = S::FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join("model.safetensors"));
    let files = models.chain(S::CARRIED.iter().map(PathBuf::from));
    let read = |file: PathBuf| std::fs::read(checkpoint.join(file)).unwrap();
    (losses, files.map(read).collect())
}

/// To the last bit where the backend repeats itself, within the bound of a loss elsewhere.
fn resumes_alike<S: Subject>() {
    let _guard = lock_generator();
    let mut report = Report::new(&format!("{} resumed", S::NAME));
    for (name, device) in devices() {
        let straight = eight_steps::<S>(&device, &[]);
        assert_eq!(straight.0.len(), 8);
        let resumed = eight_steps::<S>(&device, &[3, 5]);
        if ["flex", "ndarray"].contains(&name.as_str()) {
            assert!(resumed == straight, "{name}: not the same bits");
        }
        report.check(
            "losses of eight steps",
            &name,
            &resumed.0,
            &straight.0,
            Bound::Loss,
        );
    }
    report.finish();
}

fn is_the_same_everywhere<S: Subject>() {
    let _guard = lock_generator();
    let mut expected = Found::new();
    let mut report = Report::new(&format!("{} across backends", S::NAME));
    let devices = devices();
    for (index, (name, device)) in devices.iter().enumerate() {
        let mut found = single_pass::<S>(device);
        found.extend(ten_steps::<S>(device));
        if index == 0 {
            expected = found;
            if devices.len() > 1 {
                continue;
            }
            // One backend in this build: then a second run of it has to give the same.
            found = single_pass::<S>(device);
            found.extend(ten_steps::<S>(device));
        }
        assert_eq!(found.len(), expected.len());
        for (key, (values, bound)) in found {
            report.check(&key, name, &values, &expected[&key].0, bound);
        }
    }
    report.finish();
}

#[test]
fn bert_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Bert>();
}

#[test]
fn electra_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Electra>();
}

#[test]
fn debertas_masked_words_are_the_same_on_every_backend() {
    is_the_same_everywhere::<DebertaWords>();
}

#[test]
fn debertas_replaced_tokens_are_the_same_on_every_backend() {
    is_the_same_everywhere::<DebertaReplaced>();
}

#[test]
fn roberta_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Roberta>();
}

#[test]
fn xlnet_is_the_same_on_every_backend() {
    is_the_same_everywhere::<Xlnet>();
}

#[test]
fn a_run_of_bert_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<Bert>();
}

#[test]
fn a_run_of_electra_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<Electra>();
}

#[test]
fn a_run_of_debertas_masked_words_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<DebertaWords>();
}

#[test]
fn a_run_of_debertas_replaced_tokens_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<DebertaReplaced>();
}

#[test]
fn a_run_of_roberta_stopped_and_resumed_goes_on_alike_on_every_backend() {
    resumes_alike::<Roberta>();
}

#[test]
fn a_run_of_xlnet_stopped_and_resumed_goes_on_with_its_memory_on_every_backend() {
    resumes_alike::<Xlnet>();
}
