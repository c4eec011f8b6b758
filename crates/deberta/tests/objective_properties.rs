//! What holds of the objectives whatever the weights: which gradients go where, what the
//! discriminator's turn sees, what a checkpoint holds.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

mod objectives;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use burn::train::Interrupter;
use kiln_checkpoint::{
    ModelFile, NamedTensor, gradient_tensors, module_tensors, write_safetensors,
};
use kiln_deberta::names::NAMES;
use kiln_deberta::{DebertaConfig, DebertaPair, DebertaReplacedTokens, PairConfig};
use kiln_learner::record::read_records;
use kiln_learner::run::{ReplacedTokenSettings, Sharing};
use kiln_learner::{
    Objective, Observer, OptimizerSettings, Record, RunFolder, TrainRequest, TrainingSettings,
    train,
};
use kiln_nn::Init;
use kiln_testing::{Bound, Report, devices, lock_generator};
use kiln_text::examples::{Documents, MaskedLmSource, PackedSequences};
use kiln_text::masking::Masking;
use kiln_text::rng::{Purpose, Rng};
use kiln_text::{BatchSource, Corpus, HostBatch, TextError, Vocabulary};

use objectives::{SHARINGS, train_on};

const VOCAB_SIZE: u32 = 61;
const SEQ_LEN: usize = 20;

/// The table that may be both models', by its names in either.
const WORDS: &str = "deberta.embeddings.word_embeddings.weight";
const SHARED_WORDS: &str = "generator.deberta.embeddings.word_embeddings.weight";
const OWN_WORDS: &str = "discriminator.word_embeddings.weight";

fn vocabulary() -> Vocabulary {
    Vocabulary {
        size: VOCAB_SIZE,
        pad: 0,
        cls: 1,
        sep: 2,
        unk: 3,
        mask: 4,
        is_special: (0..VOCAB_SIZE).map(|id| id < 5 && id != 3).collect(),
        is_continuation: vec![false; VOCAB_SIZE as usize],
    }
}

fn source(batch_size: usize) -> MaskedLmSource {
    let mut rng = Rng::at(5, Purpose::Examples, 0, 0);
    let mut sentence = || {
        let words = 1 + rng.below(9);
        (0..words)
            .map(|_| 5 + rng.below(u64::from(VOCAB_SIZE) - 5) as u32)
            .collect()
    };
    let documents = (0..9)
        .map(|_| (0..6).map(|_| sentence()).collect())
        .collect();
    let documents = Documents::all(Arc::new(Corpus::in_memory(documents, VOCAB_SIZE)));
    let examples = PackedSequences::new(documents, &vocabulary(), SEQ_LEN, 3).unwrap();
    let masking = Masking::deberta_rtd(SEQ_LEN);
    let vocabulary = Arc::new(vocabulary());
    MaskedLmSource::new(Arc::new(examples), masking, vocabulary, batch_size, 3).unwrap()
}

/// Brings samples along, none of them lucky: backends draw different ones.
struct WithSamples(MaskedLmSource);

impl BatchSource for WithSamples {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let mut batch = self.0.batch(index)?;
        let labels = batch.ints["labels"].clone();
        let last = VOCAB_SIZE as i32 - 1;
        let other = |&label: &i32| if label < last { label + 1 } else { 5 };
        let samples = labels.data.iter().map(other).collect();
        batch.insert_ints("samples", samples, &labels.shape);
        Ok(batch)
    }
}

fn config(dropout: f64) -> DebertaConfig {
    DebertaConfig {
        vocab_size: VOCAB_SIZE as usize,
        hidden_size: 16,
        num_hidden_layers: 3,
        num_attention_heads: 2,
        intermediate_size: 24,
        max_position_embeddings: SEQ_LEN,
        relative_attention: true,
        position_biased_input: false,
        position_buckets: Some(8),
        share_att_key: Some(true),
        norm_rel_ebd: Some("layer_norm".into()),
        pos_att_type: serde_json::from_str(r#""p2c|c2p""#).unwrap(),
        hidden_dropout_prob: dropout,
        attention_probs_dropout_prob: dropout,
        ..DebertaConfig::v2()
    }
}

fn objective_with(
    dropout: f64,
    sharing: Sharing,
    alternating: bool,
    change: impl FnOnce(&mut ReplacedTokenSettings),
) -> DebertaReplacedTokens {
    let discriminator = config(dropout);
    discriminator.validate().unwrap();
    let size = if sharing == Sharing::None { 0.5 } else { 1.0 };
    let mut settings = objectives::settings(sharing, alternating);
    change(&mut settings);
    let config = PairConfig {
        generator: discriminator.generator(size, 0.5),
        discriminator,
        sharing,
    };
    DebertaReplacedTokens::new(config, settings)
}

fn objective(sharing: Sharing, alternating: bool) -> DebertaReplacedTokens {
    objective_with(0.0, sharing, alternating, |_| ())
}

fn model(objective: &DebertaReplacedTokens, device: &Device) -> DebertaPair {
    objective.new_model(&mut Init::new(2, 0.2, device))
}

fn optimizer(learning_rate: f64, weight_decay: f64) -> OptimizerSettings {
    OptimizerSettings {
        learning_rate,
        weight_decay,
        ..Default::default()
    }
}

fn training(steps: u64, optimizer: OptimizerSettings) -> TrainingSettings {
    TrainingSettings {
        steps,
        batch_size: 4,
        warmup: 0,
        optimizer,
        ..Default::default()
    }
}

/// The files of a model as it is written.
fn write(objective: &DebertaReplacedTokens, model: &DebertaPair) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    objective.write_model(model, folder.path()).unwrap();
    folder
}

/// `generator.NAME` and `discriminator.NAME` of a pair's folder; a discriminator's table is what it
/// reads with.
fn read(folder: &Path) -> BTreeMap<String, Vec<f32>> {
    let mut found = BTreeMap::new();
    for half in ["generator", "discriminator"] {
        let file = ModelFile::open(&folder.join(half)).unwrap();
        for name in file.names() {
            found.insert(format!("{half}.{name}"), file.read(name).unwrap());
        }
    }
    found
}

fn difference(folder: &Path) -> Vec<f32> {
    let file = ModelFile::open(&folder.join("embedding_difference.safetensors")).unwrap();
    file.read("weight").unwrap()
}

/// Module paths of the parameters that have a gradient of the term at `index`, and those whose
/// gradient is anything but zero.
fn reached(
    objective: &DebertaReplacedTokens,
    index: usize,
    device: &Device,
) -> (Vec<String>, Vec<String>) {
    let device = device.clone().autodiff();
    let model = model(objective, &device);
    let batch = objective.upload(&source(6).batch(0).unwrap(), &device);
    let mut scratch = None;
    let mut sums = Vec::new();
    for part in 0..objective.parts().len() {
        let output = objective.forward(&model, part, &batch, scratch, &());
        scratch = output.scratch;
        sums.extend(output.sums);
    }
    let gradients = GradientsParams::from_grads(sums[index].clone().backward(), &model);
    let tensors = gradient_tensors(&model, &gradients, &NAMES).unwrap();
    let name = |tensor: &NamedTensor| tensor.name.trim_start_matches("grad.").to_owned();
    let is_moved = |tensor: &&NamedTensor| tensor.data.iter().any(|&value| value != 0.0);
    let moved = tensors.iter().filter(is_moved).map(name).collect();
    (tensors.iter().map(name).collect(), moved)
}

fn of<'a>(names: &'a [String], half: &str) -> Vec<&'a str> {
    let names = names.iter().map(String::as_str);
    names.filter(|name| name.starts_with(half)).collect()
}

#[test]
fn the_discriminators_loss_reaches_of_the_generator_only_a_shared_table() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for sharing in SHARINGS {
            for alternating in [true, false] {
                let objective = objective(sharing, alternating);
                let (reached, moved) = reached(&objective, 1, &device);
                let row = format!("{name} {sharing:?} {alternating}");
                // Absent, not zero: nothing of the generator stands in this graph.
                let of_generator = of(&reached, "generator.");
                let mine = of(&moved, "discriminator.");
                match sharing {
                    Sharing::Embeddings => {
                        assert_eq!(of_generator, [SHARED_WORDS], "{row}");
                        assert!(moved.iter().any(|name| name == SHARED_WORDS), "{row}");
                    }
                    _ => {
                        assert!(of_generator.is_empty(), "{row}: {of_generator:?}");
                        assert!(mine.contains(&OWN_WORDS), "{row}: {mine:?}");
                    }
                }
                assert!(mine.len() > 40, "{row}: {mine:?}");
            }
        }
    }
}

#[test]
fn the_generators_loss_reaches_nothing_of_the_discriminator() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for sharing in SHARINGS {
            for alternating in [true, false] {
                let objective = objective(sharing, alternating);
                let (reached, moved) = reached(&objective, 0, &device);
                let row = format!("{name} {sharing:?} {alternating}");
                let strays = of(&reached, "discriminator.");
                assert!(strays.is_empty(), "{row}: {strays:?}");
                assert!(moved.iter().any(|name| name == SHARED_WORDS), "{row}");
                let positions = "generator.deberta.embeddings.position_embeddings.weight";
                assert!(moved.iter().any(|name| name == positions), "{row}");
            }
        }
    }
}

/// With one loss weighing nothing and no decay, its part has gradients of zero and moves nothing: all
/// that moves is moved by the other part.
#[test]
fn in_turns_each_part_moves_its_own_parameters_and_a_shared_table() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for sharing in SHARINGS {
            for (silent, part, other) in [
                ("discriminator", "generator.", "discriminator."),
                ("generator", "discriminator.", "generator."),
            ] {
                let objective = objective_with(0.0, sharing, true, |settings| {
                    if silent == "generator" {
                        settings.generator_weight = 0.0;
                    } else {
                        settings.discriminator_weight = 0.0;
                    }
                });
                let start = model(&objective, &device.clone().autodiff());
                let before = module_tensors(&start, &NAMES).unwrap();
                let folder = tempfile::tempdir().unwrap();
                let run = RunFolder::create(&folder.path().join("run")).unwrap();
                let outcome = train_on(
                    objective.clone(),
                    start,
                    &device,
                    &run,
                    training(1, optimizer(1e-2, 0.0)),
                    Arc::new(source(4)),
                );
                let fresh = objective.new_model(&mut Init::zeros(&device));
                let after = objective.read_model(fresh, &outcome.checkpoint).unwrap();
                let after = module_tensors(&after, &NAMES).unwrap();
                assert_eq!(before.len(), after.len());
                let row = format!("{name} {sharing:?}, {silent} silent");
                let mut moved = 0;
                for (before, after) in before.iter().zip(&after) {
                    assert_eq!(before.name, after.name);
                    let is_shared = sharing == Sharing::Embeddings && before.name == SHARED_WORDS;
                    if before.name.starts_with(other) && !is_shared {
                        assert_eq!(before.data, after.data, "{row}: {}", before.name);
                    }
                    let has_moved = before.data != after.data;
                    assert!(!is_shared || has_moved, "{row}: the shared table");
                    moved += usize::from(before.name.starts_with(part) && has_moved);
                }
                // All of them but what this batch does not reach.
                assert!(moved > 30, "{row}: {moved}");
            }
        }
    }
}

/// A rate so large that the generator is another one after its step.
#[test]
fn the_discriminators_turn_reads_with_the_words_of_the_generator_that_has_stepped() {
    let _guard = lock_generator();
    let mut report = Report::new("the discriminator's turn");
    for (name, device) in devices() {
        for sharing in [Sharing::GradientDisentangled, Sharing::Embeddings] {
            let objective = objective(sharing, true);
            let start = model(&objective, &device.clone().autodiff());
            let first = write(&objective, &start);
            let folder = tempfile::tempdir().unwrap();
            let run = RunFolder::create(&folder.path().join("run")).unwrap();
            let outcome = train_on(
                objective.clone(),
                start,
                &device,
                &run,
                training(1, optimizer(0.5, 0.0)),
                Arc::new(WithSamples(source(4))),
            );
            let records = read_records(&run.metrics()).unwrap();
            let found = records[0].get("discriminator_loss").unwrap() as f32;

            // The discriminator as it was before its step, on either generator.
            let host = WithSamples(source(4)).batch(0).unwrap();
            let batch = objective.upload(&host, &device);
            let loss = |generator: &Path| {
                let mixed = tempfile::tempdir().unwrap();
                copy(
                    &generator.join("generator"),
                    &mixed.path().join("generator"),
                );
                let of_discriminator = mixed.path().join("discriminator");
                copy(&first.path().join("discriminator"), &of_discriminator);
                let file = "embedding_difference.safetensors";
                if first.path().join(file).exists() {
                    std::fs::copy(first.path().join(file), mixed.path().join(file)).unwrap();
                }
                let fresh = objective.new_model(&mut Init::zeros(&device));
                let pair = objective.read_model(fresh, mixed.path()).unwrap();
                let samples = batch.samples.clone();
                let output = objective.forward(&pair, 1, &batch, samples, &());
                let sum = output.sums[0].clone().try_into_vec_as::<f32>().unwrap()[0];
                sum / objective.weights(&host)[1] as f32
            };
            let row = format!("{sharing:?}");
            if sharing == Sharing::GradientDisentangled {
                // One table has moved once more, with the discriminator.
                let expected = loss(&outcome.checkpoint);
                report.check(&row, &name, &[found], &[expected], Bound::Loss);
            }
            let before = loss(first.path());
            assert!(
                (found - before).abs() > 0.05,
                "{name} {row}: {found} {before}"
            );
        }
    }
    report.finish();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Rather than drawing again from a generator that has stepped.
#[test]
fn the_discriminators_turn_reads_what_it_is_handed() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let objective = objective(Sharing::GradientDisentangled, true);
        let model = model(&objective, &device);
        let host = source(4).batch(0).unwrap();
        let batch = objective.upload(&host, &device);
        assert!(batch.samples.is_none());
        let replaced = |samples: Tensor<2, Int>| {
            let output = objective.forward(&model, 1, &batch, Some(samples), &());
            let measures = output.measures.into_iter();
            let mut measures = measures.filter(|measure| measure.name == "replaced");
            measures.next().unwrap().sum.into_scalar::<f32>()
        };
        let labels = batch.masked.labels.clone();
        assert_eq!(replaced(labels.clone()), 0.0, "{name}");
        let chosen = host.floats["weights"].data.iter().sum::<f32>();
        assert_eq!(replaced(labels.add_scalar(1)), chosen, "{name}");
        let drawn = objective.forward(&model, 0, &batch, None, &()).scratch;
        assert_eq!(drawn.unwrap().dims(), batch.masked.labels.dims());
    }
}

/// Not as of the discriminator's last forward pass, after which difference and generator have moved.
#[test]
fn the_written_discriminator_has_the_table_as_of_the_step_saved() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let objective = objective(Sharing::GradientDisentangled, true);
        let start = model(&objective, &device.clone().autodiff());
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let settings = training(3, optimizer(1e-2, 0.01));
        let source = Arc::new(source(4));
        let outcome = train_on(objective, start, &device, &run, settings, source);
        let found = read(&outcome.checkpoint);
        let difference = difference(&outcome.checkpoint);
        let expected: Vec<f32> = found[&format!("generator.{WORDS}")]
            .iter()
            .zip(&difference)
            .map(|(of_generator, difference)| of_generator + difference)
            .collect();
        assert_eq!(found[&format!("discriminator.{WORDS}")], expected, "{name}");
        let moved = difference.iter().filter(|&&value| value != 0.0).count();
        assert!(moved > difference.len() / 2, "{name}: {moved}");
    }
}

#[test]
fn one_table_is_equal_bit_for_bit_in_both_folders() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let objective = objective(Sharing::Embeddings, true);
        let start = model(&objective, &device.clone().autodiff());
        let before = read(write(&objective, &start).path());
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let settings = training(2, optimizer(1e-2, 0.01));
        let source = Arc::new(source(4));
        let outcome = train_on(objective, start, &device, &run, settings, source);
        let found = read(&outcome.checkpoint);
        let [generator, discriminator] =
            ["generator", "discriminator"].map(|half| &found[&format!("{half}.{WORDS}")]);
        assert_eq!(generator, discriminator, "{name}");
        assert_ne!(generator, &before[&format!("generator.{WORDS}")], "{name}");
    }
}

/// All files of a folder and its folders, by path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The pair with a difference that says something: a new one's is zero.
fn with_difference(
    objective: &DebertaReplacedTokens,
    pair: DebertaPair,
    device: &Device,
) -> DebertaPair {
    let folder = write(objective, &pair);
    let path = folder.path().join("embedding_difference.safetensors");
    std::fs::remove_file(&path).unwrap();
    let shape = vec![VOCAB_SIZE as usize, config(0.0).hidden_size];
    let entries = shape.iter().product::<usize>();
    let difference = NamedTensor {
        name: "weight".into(),
        data: (0..entries).map(|i| (i as f32 * 0.7).sin()).collect(),
        shape,
    };
    write_safetensors(&path, &[difference]).unwrap();
    let fresh = objective.new_model(&mut Init::zeros(device));
    objective.read_model(fresh, folder.path()).unwrap()
}

#[test]
fn a_pair_read_from_its_folders_is_the_pair_that_was_written() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for sharing in SHARINGS {
            let objective = objective(sharing, true);
            let mut drawn = model(&objective, &device);
            if sharing == Sharing::GradientDisentangled {
                drawn = with_difference(&objective, drawn, &device);
            }
            let written = write(&objective, &drawn);
            let fresh = objective.new_model(&mut Init::zeros(&device));
            let read = objective.read_model(fresh, written.path()).unwrap();
            let tensors = |model: &DebertaPair| module_tensors(model, &NAMES).unwrap();
            assert_eq!(tensors(&read), tensors(&drawn), "{name} {sharing:?}");
            let again = write(&objective, &read);
            let [first, second] = [&written, &again].map(|folder| files(folder.path()));
            assert!(first == second, "{name} {sharing:?}");
        }
    }
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

/// Losses and files of six steps in turns with dropout; `stops` are the steps after which the run is
/// stopped and resumed.
fn six_steps(device: &Device, stops: &[u64]) -> (Vec<f32>, BTreeMap<PathBuf, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    let mut checkpoint = PathBuf::new();
    for stop in stops.iter().copied().chain([0]) {
        let objective = objective_with(0.1, Sharing::GradientDisentangled, true, |_| ());
        let interrupter = Interrupter::new();
        let outcome = train(TrainRequest {
            model: model(&objective, &device.clone().autodiff()),
            objective: Arc::new(objective),
            devices: vec![device.clone()],
            run: run.clone(),
            settings: training(6, optimizer(1e-3, 0.01)),
            train: Arc::new(source(4)),
            eval: None,
            interrupter: interrupter.clone(),
            observer: Arc::new(StopAfter(stop, interrupter)),
            dashboard: false,
        })
        .unwrap();
        checkpoint = outcome.checkpoint;
    }
    let records = read_records(&run.metrics()).unwrap();
    let losses = records
        .iter()
        .map(|record| record.get("loss").unwrap() as f32);
    // What else lies there has times in it.
    let mut files = files(&checkpoint);
    files.retain(|path, _| {
        let folders = [
            "generator",
            "discriminator",
            "embedding_difference.safetensors",
        ];
        folders.iter().any(|folder| path.starts_with(folder))
    });
    (losses.collect(), files)
}

/// To the last bit where the backend repeats itself, within the bound of a loss elsewhere.
#[test]
fn three_steps_and_three_more_are_six() {
    let _guard = lock_generator();
    let mut report = Report::new("three steps and three more");
    for (name, device) in devices() {
        let straight = six_steps(&device, &[]);
        assert_eq!(straight.0.len(), 6);
        assert_eq!(straight.1.len(), 5, "{:?}", straight.1.keys());
        let resumed = six_steps(&device, &[3]);
        if ["flex", "ndarray"].contains(&name.as_str()) {
            assert!(resumed == straight, "{name}: not the same bits");
        }
        report.check("losses", &name, &resumed.0, &straight.0, Bound::Loss);
    }
    report.finish();
}
