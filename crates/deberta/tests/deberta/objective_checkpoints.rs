//! What a checkpoint of a pair holds: the discriminator's table as of the step saved, and everything
//! that it takes to go on as if nothing had been.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use burn::train::Interrupter;
use kiln_checkpoint::{ModelFile, NamedTensor, module_tensors, write_safetensors};
use kiln_deberta::names::NAMES;
use kiln_deberta::{DebertaPair, DebertaReplacedTokens};
use kiln_learner::record::read_records;
use kiln_learner::{Observer, Record, RunFolder, TrainRequest, TrainingSettings, train};
use kiln_nn::Init;
use kiln_tasks::settings::Sharing;
use kiln_testing::{Bound, Report, devices, lock_generator};

use crate::objectives::small::{
    VOCAB_SIZE, config, model, objective, objective_with, optimizer, source, training, write,
};
use crate::objectives::{SHARINGS, train_on};

const WORDS: &str = "deberta.embeddings.word_embeddings.weight";

/// `generator.NAME` and `discriminator.NAME` of a pair's folder; a discriminator's table is what it
/// reads with.
fn read(folder: &Path) -> BTreeMap<String, Vec<f32>> {
    let mut found = BTreeMap::new();
    for half in ["generator", "discriminator"] {
        let file = ModelFile::open(folder.join(half)).unwrap();
        for name in file.names() {
            found.insert(format!("{half}.{name}"), file.read(name).unwrap());
        }
    }
    found
}

fn difference(folder: &Path) -> Vec<f32> {
    let file = ModelFile::open(folder.join("embedding_difference.safetensors")).unwrap();
    file.read("weight").unwrap()
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
        let outcome = train_on(
            (objective.files(None), objective),
            start,
            &device,
            &run,
            settings,
            source,
        );
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
        let outcome = train_on(
            (objective.files(None), objective),
            start,
            &device,
            &run,
            settings,
            source,
        );
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
    write_safetensors(&path, std::slice::from_ref(&difference)).unwrap();
    let fresh = objective.new_model(&mut Init::zeros(device));
    let read = objective.files(None).read(fresh, folder.path()).unwrap();
    let own = module_tensors(&read.discriminator, &NAMES).unwrap();
    let own = own.iter().find(|own| own.name == "word_embeddings.weight");
    assert_eq!(own.unwrap().data, difference.data);
    read
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
            let read = objective.files(None).read(fresh, written.path()).unwrap();
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
        let files = objective.files(None);
        let model = model(&objective, &device.clone().autodiff());
        let outcome = train(TrainRequest {
            interrupter: interrupter.clone(),
            observer: Arc::new(StopAfter(stop, interrupter)),
            ..TrainRequest::new(
                objective,
                model,
                files,
                run.clone(),
                training(6, optimizer(1e-3, 0.01)),
                Arc::new(source(4)),
            )
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
