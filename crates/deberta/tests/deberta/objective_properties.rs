//! What holds of the objectives whatever the weights: which gradients go where, what each turn moves,
//! what the discriminator's turn sees.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::path::Path;
use std::sync::Arc;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use kiln_checkpoint::{NamedTensor, gradient_tensors, module_tensors};
use kiln_deberta::DebertaReplacedTokens;
use kiln_deberta::names::NAMES;
use kiln_learner::record::read_records;
use kiln_learner::{Objective, RunFolder};
use kiln_nn::Init;
use kiln_tasks::settings::Sharing;
use kiln_testing::{Bound, Report, devices, lock_generator};
use kiln_text::BatchSource;

use crate::objectives::small::{
    WithSamples, model, objective, objective_with, optimizer, source, training, write,
};
use crate::objectives::{SHARINGS, train_on};

/// The table that may be both models', and the discriminator's own.
const SHARED_WORDS: &str = "generator.deberta.embeddings.word_embeddings.weight";
const OWN_WORDS: &str = "discriminator.word_embeddings.weight";

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
                    (objective.files(None), objective.clone()),
                    start,
                    &device,
                    &run,
                    training(1, optimizer(1e-2, 0.0)),
                    Arc::new(source(4)),
                );
                let fresh = objective.new_model(&mut Init::zeros(&device));
                let after = objective
                    .files(None)
                    .read(fresh, &outcome.checkpoint)
                    .unwrap();
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
                (objective.files(None), objective.clone()),
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
                let pair = objective.files(None).read(fresh, mixed.path()).unwrap();
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
