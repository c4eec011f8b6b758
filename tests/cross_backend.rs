//! The same weights and batches on every backend of this build: outputs, losses, gradients and ten
//! training steps, each within the bounds of `kiln-testing`. Prints the table of differences:
//!
//! ```text
//! cargo test --test cross_backend --features flex,ndarray,tch,wgpu -- --nocapture
//! ```
//!
//! The first device is the yardstick for the others. Dropout is off: the backends' random numbers
//! differ. Adding an architecture is one more test below.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use burn::train::Interrupter;
use kiln::bert::{BertConfig, BertForPreTraining, BertInputs, BertPretraining, names::NAMES};
use kiln::checkpoint::{ModelFile, gradient_tensors};
use kiln::learner::record::read_records;
use kiln::learner::{
    NoObserver, Objective, Observer, OptimizerSettings, Record, RunFolder, TrainRequest,
    TrainingSettings, train,
};
use kiln::nn::Init;
use kiln::text::examples::{Documents, MaskedLmSource, SentencePairs};
use kiln::text::masking::Masking;
use kiln::text::rng::{Purpose, Rng};
use kiln::text::{BatchSource, Corpus, Vocabulary};
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

/// Sentence pairs over twelve documents of random words.
fn source() -> Arc<MaskedLmSource> {
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
    let corpus = Arc::new(Corpus::in_memory(documents, VOCAB_SIZE));
    let vocabulary = vocabulary();
    let pairs = SentencePairs::new(Documents::all(corpus), &vocabulary, SEQ_LEN, 0.1, 3).unwrap();
    let masking = Masking::bert(SEQ_LEN);
    Arc::new(
        MaskedLmSource::new(
            Arc::new(pairs),
            masking,
            Arc::new(vocabulary),
            BATCH_SIZE,
            3,
        )
        .unwrap(),
    )
}

fn config() -> BertConfig {
    BertConfig {
        vocab_size: VOCAB_SIZE as usize,
        hidden_size: 48,
        num_hidden_layers: 3,
        num_attention_heads: 3,
        intermediate_size: 80,
        max_position_embeddings: SEQ_LEN,
        // Wider than published, so that activations reach the curved parts of every function.
        initializer_range: 0.15,
        ..BertConfig::default()
    }
    .without_dropout()
}

/// Name, values, and what they are compared as.
type Found = BTreeMap<String, (Vec<f32>, Bound)>;

fn single_pass(device: &Device) -> Found {
    let device = device.clone().autodiff();
    let objective = BertPretraining::new(config(), true);
    let model: BertForPreTraining =
        objective.new_model(&mut Init::new(5, config().initializer_range, &device));
    let host = source().batch(0).unwrap();
    let batch = objective.upload(&host, &device);

    let mut found = Found::new();
    let plain = model.valid();
    let inner = device.clone().inner();
    let inputs = objective.upload(&host, &inner);
    let hidden_states = plain.bert.forward(BertInputs {
        input_ids: inputs.input_ids,
        attention_mask: Some(inputs.attention_mask),
        token_type_ids: inputs.token_type_ids,
    });
    // Padded positions are never read: their values are nobody's business.
    let real: Vec<f32> = hidden_states
        .clone()
        .try_into_vec_as::<f32>()
        .unwrap()
        .chunks(config().hidden_size)
        .zip(&host.ints["attention_mask"].data)
        .filter(|(_, mask)| **mask == 1)
        .flat_map(|(row, _)| row.to_vec())
        .collect();
    found.insert("last_hidden_state".into(), (real, Bound::Output));

    let output = objective.forward(&model, 0, &batch, (), &());
    let weights = objective.weights(&host);
    let mut loss = None;
    for ((term, sum), weight) in objective.terms().iter().zip(output.sums).zip(weights) {
        let mean = sum / weight;
        let value = mean.clone().inner().try_into_vec_as::<f32>().unwrap();
        found.insert(term.name.into(), (value, Bound::Loss));
        loss = Some(match loss {
            None => mean,
            Some(before) => before + mean,
        });
    }
    let gradients = GradientsParams::from_grads(loss.unwrap().backward(), &model);
    for tensor in gradient_tensors(&model, &gradients, &NAMES).unwrap() {
        found.insert(tensor.name, (tensor.data, Bound::Gradient));
    }
    found
}

fn ten_steps(device: &Device) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    let objective = BertPretraining::new(config(), true);
    let autodiff = device.clone().autodiff();
    let model = objective.new_model(&mut Init::new(5, config().initializer_range, &autodiff));
    let outcome = train(TrainRequest {
        objective: Arc::new(objective),
        model,
        devices: vec![device.clone()],
        run: run.clone(),
        settings: TrainingSettings {
            steps: 10,
            batch_size: BATCH_SIZE,
            warmup: 2,
            optimizer: OptimizerSettings {
                learning_rate: 1e-3,
                ..Default::default()
            },
            ..Default::default()
        },
        train: source(),
        eval: None,
        interrupter: Default::default(),
        observer: Arc::new(NoObserver),
        dashboard: false,
    })
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
    let file = ModelFile::open(&outcome.checkpoint).unwrap();
    for name in file.names() {
        // Without a gradient in exact arithmetic: what Adam makes of rounding is arbitrary.
        if !name.ends_with("key.bias") {
            let values = file.read(name).unwrap();
            found.insert(format!("ten steps: {name}"), (values, Bound::Output));
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

/// The losses of eight steps with dropout; `stops` are the steps after which the run is stopped
/// and resumed.
fn losses(device: &Device, stops: &[u64]) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    RunFolder::create(&path).unwrap();
    for stop in stops.iter().copied().chain([0]) {
        let config = BertConfig {
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            ..config()
        };
        let objective = BertPretraining::new(config, true);
        let autodiff = device.clone().autodiff();
        let interrupter = Interrupter::new();
        train(TrainRequest {
            model: objective.new_model(&mut Init::new(5, 0.15, &autodiff)),
            objective: Arc::new(objective),
            devices: vec![device.clone()],
            run: RunFolder::at(&path),
            settings: TrainingSettings {
                steps: 8,
                batch_size: BATCH_SIZE,
                warmup: 2,
                optimizer: OptimizerSettings {
                    learning_rate: 1e-3,
                    ..Default::default()
                },
                ..Default::default()
            },
            train: source(),
            eval: None,
            interrupter: interrupter.clone(),
            observer: Arc::new(StopAfter(stop, interrupter)),
            dashboard: false,
        })
        .unwrap();
    }
    let records = read_records(&RunFolder::at(&path).metrics()).unwrap();
    records
        .iter()
        .map(|record| record.get("loss").unwrap() as f32)
        .collect()
}

/// To the last bit where the backend repeats itself, within the bound of a loss elsewhere.
#[test]
fn a_run_stopped_and_resumed_goes_on_alike_on_every_backend() {
    let _guard = lock_generator();
    let mut report = Report::new("bert resumed");
    for (name, device) in devices() {
        let straight = losses(&device, &[]);
        assert_eq!(straight.len(), 8);
        let resumed = losses(&device, &[3, 5]);
        if ["flex", "ndarray"].contains(&name.as_str()) {
            assert_eq!(resumed, straight, "{name}");
        }
        report.check(
            "losses of eight steps",
            &name,
            &resumed,
            &straight,
            Bound::Loss,
        );
    }
    report.finish();
}

#[test]
fn bert_is_the_same_on_every_backend() {
    let _guard = lock_generator();
    let mut expected = Found::new();
    let mut report = Report::new("bert across backends");
    let devices = devices();
    for (index, (name, device)) in devices.iter().enumerate() {
        let mut found = single_pass(device);
        found.extend(ten_steps(device));
        if index == 0 {
            expected = found;
            if devices.len() > 1 {
                continue;
            }
            // One backend in this build: then a second run of it has to give the same.
            found = single_pass(device);
            found.extend(ten_steps(device));
        }
        assert_eq!(found.len(), expected.len());
        for (key, (values, bound)) in found {
            report.check(&key, name, &values, &expected[&key].0, bound);
        }
    }
    report.finish();
}
