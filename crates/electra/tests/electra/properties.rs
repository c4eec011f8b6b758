//! What holds of replaced token detection whatever the weights: which gradients go where, what
//! stands in the discriminator's input, which tokens count.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::sync::Arc;

use burn::module::Module as _;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use kiln_checkpoint::{ModelFile, gradient_tensors, module_tensors};
use kiln_electra::names::NAMES;
use kiln_electra::{ElectraConfig, ElectraPair, ElectraPretraining, PairConfig, generator_of};
use kiln_learner::{
    Objective, OptimizerSettings, RunFolder, TrainRequest, TrainingSettings, train,
};
use kiln_nn::Init;
use kiln_tasks::replaced_tokens::{Corrupted, ModelPair, ReplacedTokenBatch, corrupt};
use kiln_tasks::settings::{DetectionSettings, Sharing};
use kiln_testing::{devices, lock_generator};
use kiln_text::examples::{ContinuousSegments, Documents, MaskedLmEvaluation, MaskedLmSource};
use kiln_text::masking::Masking;
use kiln_text::rng::{Purpose, Rng};
use kiln_text::{BatchSource, Corpus, HostBatch, Vocabulary};

const VOCAB_SIZE: u32 = 61;
const SEQ_LEN: usize = 20;
const MASK: i32 = 4;

fn vocabulary() -> Vocabulary {
    Vocabulary {
        size: VOCAB_SIZE,
        pad: 0,
        unk: 1,
        cls: 2,
        sep: 3,
        mask: MASK as u32,
        is_special: (0..VOCAB_SIZE).map(|id| id < 5 && id != 1).collect(),
        is_continuation: vec![false; VOCAB_SIZE as usize],
    }
}

fn examples() -> Arc<ContinuousSegments> {
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
    let corpus = Documents::all(Arc::new(Corpus::in_memory(documents, VOCAB_SIZE)));
    Arc::new(ContinuousSegments::new(corpus, &vocabulary(), SEQ_LEN, 0.05, 3).unwrap())
}

fn source(batch_size: usize) -> MaskedLmSource {
    let masking = Masking::electra(SEQ_LEN, 0.15);
    let vocabulary = Arc::new(vocabulary());
    MaskedLmSource::new(examples(), masking, vocabulary, batch_size, 3).unwrap()
}

fn config() -> ElectraConfig {
    ElectraConfig {
        vocab_size: VOCAB_SIZE as usize,
        embedding_size: Some(12),
        hidden_size: 16,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 24,
        max_position_embeddings: SEQ_LEN,
        initializer_range: 0.2,
        ..ElectraConfig::default()
    }
    .without_dropout()
}

fn objective(sharing: Sharing, change: impl FnOnce(&mut DetectionSettings)) -> ElectraPretraining {
    let discriminator = config();
    let mut settings = crate::common::settings(sharing);
    change(&mut settings);
    let mut generator = match sharing {
        Sharing::All => discriminator.clone(),
        _ => generator_of(&discriminator, 0.5, 1.0),
    };
    if sharing == Sharing::None {
        generator.embedding_size = Some(generator.hidden_size);
    }
    let config = PairConfig {
        discriminator,
        generator: (!settings.uniform_generator).then_some(generator),
        sharing,
    };
    ElectraPretraining::new(config, settings)
}

fn model(objective: &ElectraPretraining, device: &Device) -> ElectraPair {
    objective.new_model(&mut Init::new(2, 0.2, device))
}

/// The names of parameters whose gradient of the term at `index` is anything but zero.
fn moved(objective: &ElectraPretraining, index: usize, device: &Device) -> Vec<String> {
    let device = device.clone().autodiff();
    let model = model(objective, &device);
    let batch = objective.upload(&source(6).batch(0).unwrap(), &device);
    let output = objective.forward(&model, 0, &batch, None, &());
    let sum = output.sums[index].clone();
    let gradients = GradientsParams::from_grads(sum.backward(), &model);
    gradient_tensors(&model, &gradients, &NAMES)
        .unwrap()
        .into_iter()
        .filter(|tensor| tensor.data.iter().any(|&value| value != 0.0))
        .map(|tensor| tensor.name)
        .collect()
}

#[test]
fn the_discriminators_loss_moves_nothing_that_is_the_generators_alone() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for sharing in [Sharing::Embeddings, Sharing::None, Sharing::All] {
            let objective = objective(sharing, |_| ());
            let moved = moved(&objective, 1, &device);
            let of_generator = moved.iter().filter(|key| key.contains("generator"));
            // `Display` of both names: "grad.generator…" and "grad.discriminator…".
            let of_generator: Vec<_> = of_generator.collect();
            assert!(
                of_generator.is_empty(),
                "{name} {sharing:?}: {of_generator:?}"
            );
            assert!(!moved.is_empty());
        }
    }
}

#[test]
fn the_generators_loss_moves_of_the_discriminator_only_what_is_shared() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for (sharing, shared) in [
            (Sharing::Embeddings, &["embeddings."][..]),
            (Sharing::None, &[]),
            (
                Sharing::All,
                &["embeddings.", "embeddings_project.", "encoder."],
            ),
        ] {
            let objective = objective(sharing, |_| ());
            let moved = moved(&objective, 0, &device);
            let strays: Vec<_> = moved
                .iter()
                .filter_map(|key| key.strip_prefix("grad.discriminator.electra."))
                .filter(|key| !shared.iter().any(|part| key.starts_with(part)))
                .collect();
            assert!(strays.is_empty(), "{name} {sharing:?}: {strays:?}");
            let head = moved
                .iter()
                .any(|key| key.contains("discriminator_predictions"));
            assert!(!head, "{name} {sharing:?}");
            for part in shared {
                let prefix = format!("grad.discriminator.electra.{part}");
                assert!(moved.iter().any(|key| key.starts_with(&prefix)), "{part}");
            }
        }
    }
}

/// Everything that makes the discriminator's side of one batch.
fn corrupted(
    objective: &ElectraPretraining,
    host: &HostBatch,
    samples: Vec<i32>,
    device: &Device,
) -> (ReplacedTokenBatch, Corrupted) {
    let mut host = host.clone();
    let shape = host.ints["labels"].shape.clone();
    host.insert_ints("samples", samples, &shape);
    let batch = objective.upload(&host, device);
    let samples = batch.samples.clone().unwrap();
    let corrupted = corrupt(samples, &batch);
    (batch, corrupted)
}

#[test]
fn labels_say_where_ids_differ_and_nothing_else() {
    let objective = objective(Sharing::Embeddings, |_| ());
    let mut rng = Rng::at(8, Purpose::Examples, 0, 0);
    for (name, device) in devices() {
        for index in 0..8 {
            let host = source(5).batch(index).unwrap();
            let labels = &host.ints["labels"].data;
            // A third are lucky.
            let samples: Vec<i32> = labels
                .iter()
                .map(|&label| match rng.below(3) {
                    0 => label,
                    _ => 5 + rng.below(u64::from(VOCAB_SIZE) - 5) as i32,
                })
                .collect();
            let (batch, corrupted) = corrupted(&objective, &host, samples.clone(), &device);
            let original: Vec<i32> = batch.original_ids.try_into_vec_as().unwrap();
            let ids: Vec<i32> = corrupted.input_ids.try_into_vec_as().unwrap();
            let replaced: Vec<f32> = corrupted.replaced.try_into_vec_as().unwrap();
            for ((original, id), replaced) in original.iter().zip(&ids).zip(&replaced) {
                assert_eq!(*replaced == 1.0, original != id, "{name}");
            }
            // Nothing of the masking is left: the only [MASK]s are those the generator wrote.
            assert!(!ids.contains(&MASK), "{name}");
            assert!(!original.contains(&MASK), "{name}");

            let slots = host.ints["positions"].shape[1];
            let mut expected = original.clone();
            for (slot, &position) in host.ints["positions"].data.iter().enumerate() {
                if host.floats["weights"].data[slot] == 1.0 {
                    expected[slot / slots * SEQ_LEN + position as usize] = samples[slot];
                }
            }
            assert_eq!(ids, expected, "{name}");
        }
    }
}

#[test]
fn every_real_token_counts_special_ones_too_and_no_other() {
    let examples = examples();
    let held_out = 7;
    let vocabulary = Arc::new(vocabulary());
    let masking = Masking::electra(SEQ_LEN, 0.15);
    let evaluation =
        MaskedLmEvaluation::new(examples, masking, vocabulary, 4, 3, Some(held_out)).unwrap();
    // The second batch has a row that only fills it up.
    let host = evaluation.batch(1).unwrap();
    let objective = objective(Sharing::Embeddings, |_| ());
    for (name, device) in devices() {
        let weights: Vec<f32> = objective
            .upload(&host, &device)
            .token_weights
            .try_into_vec_as()
            .unwrap();
        let mask = &host.ints["attention_mask"].data;
        for (row, (weights, mask)) in weights
            .chunks(SEQ_LEN)
            .zip(mask.chunks(SEQ_LEN))
            .enumerate()
        {
            for (weight, &is_token) in weights.iter().zip(mask) {
                let counts = row < 3 && is_token == 1;
                assert_eq!(*weight, f32::from(u8::from(counts)), "{name} row {row}");
            }
        }
        let counted: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        assert_eq!(objective.weights(&host)[1], counted, "{name}");
    }
}

#[test]
fn padding_leaves_both_losses_unchanged() {
    let objective = objective(Sharing::Embeddings, |_| ());
    for (name, device) in devices() {
        let model = model(&objective, &device);
        let host = source(4).batch(2).unwrap();
        let labels = host.ints["labels"].data.clone();
        let sums = |host: &HostBatch| -> Vec<f32> {
            let mut host = host.clone();
            let shape = host.ints["labels"].shape.clone();
            host.insert_ints("samples", labels.iter().map(|id| id + 1).collect(), &shape);
            let batch = objective.upload(&host, &device);
            let output = objective.forward(&model, 0, &batch, None, &());
            let sums = output.sums.into_iter();
            sums.flat_map(|sum| sum.try_into_vec_as::<f32>().unwrap())
                .collect()
        };
        let expected = sums(&host);
        let mut changed = host.clone();
        let mask = &host.ints["attention_mask"].data;
        let ids = changed.ints.get_mut("input_ids").unwrap();
        for (id, &is_token) in ids.data.iter_mut().zip(mask) {
            if is_token == 0 {
                *id = 40;
            }
        }
        assert_ne!(changed, host, "the batch has padding");
        // Hidden keys have weight zero exactly; only the order of the same sums could differ.
        for (found, expected) in sums(&changed).iter().zip(&expected) {
            assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{name}");
        }
    }
}

/// The rate in a measure of one batch.
fn measured(objective: &ElectraPretraining, device: &Device, key: &str) -> (f64, f64) {
    let model = model(objective, device);
    let (mut sum, mut weight) = (0.0, 0.0);
    for index in 0..20 {
        kiln_backend::seed(device, index);
        let batch = objective.upload(&source(16).batch(index).unwrap(), device);
        let output = objective.forward(&model, 0, &batch, None, &());
        let found = output.measures.into_iter().find(|m| m.name == key).unwrap();
        sum += f64::from(found.sum.into_scalar::<f32>());
        weight += f64::from(found.weight.into_scalar::<f32>());
    }
    (sum, weight)
}

#[test]
fn with_disallow_correct_no_sample_is_correct() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let strict = objective(Sharing::Embeddings, |settings| {
            settings.disallow_correct = true;
        });
        let (correct, _) = measured(&strict, &device, "sampled_accuracy");
        assert_eq!(correct, 0.0, "{name}");
        let loose = objective(Sharing::Embeddings, |_| ());
        assert!(
            measured(&loose, &device, "sampled_accuracy").0 > 0.0,
            "{name}"
        );
    }
}

#[test]
fn the_uniform_generator_is_right_as_often_as_chance() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let uniform = objective(Sharing::Embeddings, |settings| {
            settings.uniform_generator = true;
        });
        let names: Vec<_> = uniform.terms().iter().map(|term| term.name).collect();
        assert_eq!(names, ["discriminator_loss"]);
        let (correct, all) = measured(&uniform, &device, "sampled_accuracy");
        let expected = all / f64::from(VOCAB_SIZE);
        // Four standard deviations of a count of rare events.
        assert!(
            (correct - expected).abs() < 4.0 * expected.sqrt(),
            "{name}: {correct} of {all}"
        );
    }
}

#[test]
fn about_fifteen_percent_of_the_tokens_are_chosen() {
    let (mut chosen, mut tokens) = (0.0, 0.0);
    for index in 0..200 {
        let host = source(8).batch(index).unwrap();
        chosen += f64::from(host.floats["weights"].data.iter().sum::<f32>());
        tokens += host.real_tokens as f64;
    }
    // Counts are rounded for each sequence, and at least one.
    assert!((chosen / tokens - 0.15).abs() < 0.02, "{}", chosen / tokens);
}

/// One owner of a shared parameter: both folders hold the same bits after it has moved.
#[test]
fn shared_embeddings_are_equal_bit_for_bit_in_both_folders_of_a_checkpoint() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let objective = objective(Sharing::Embeddings, |_| ());
        let start = model(&objective, &device.clone().autodiff());
        let before = module_tensors(&start.discriminator.electra.embeddings, &NAMES).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = objective.files(None);
        let outcome = train(TrainRequest::new(
            objective,
            start,
            files,
            RunFolder::create(&folder.path().join("run")).unwrap(),
            TrainingSettings {
                steps: 3,
                batch_size: 4,
                warmup: 0,
                optimizer: OptimizerSettings {
                    learning_rate: 1e-2,
                    ..Default::default()
                },
                ..Default::default()
            },
            Arc::new(source(4)),
        ))
        .unwrap();
        let open = |half: &str| ModelFile::open(outcome.checkpoint.join(half)).unwrap();
        let (generator, discriminator) = (open("generator"), open("discriminator"));
        for tensor in before {
            let key = format!("electra.embeddings.{}", tensor.name);
            let found = discriminator.read(&key).unwrap();
            assert_eq!(generator.read(&key).unwrap(), found, "{name} {key}");
            assert_ne!(found, tensor.data, "{name}: {key} has not moved");
        }
    }
}

#[test]
fn a_pair_read_from_its_folders_is_the_pair_that_was_written() {
    let (name, device) = devices().remove(0);
    for sharing in [Sharing::Embeddings, Sharing::None, Sharing::All] {
        let objective = objective(sharing, |_| ());
        let written = model(&objective, &device);
        let folder = tempfile::tempdir().unwrap();
        objective
            .files(None)
            .write(&written, folder.path())
            .unwrap();
        let fresh = objective.new_model(&mut Init::zeros(&device));
        let read = objective.files(None).read(fresh, folder.path()).unwrap();
        let tensors = |model: &ElectraPair| module_tensors(model, &NAMES).unwrap();
        assert_eq!(tensors(&read), tensors(&written), "{name} {sharing:?}");
        assert_eq!(
            read.clone().num_params(),
            written.clone().num_params(),
            "{sharing:?}"
        );
    }
}

/// The scores of the vocabulary are made at the slots alone, whatever the length of the sequence.
#[test]
fn the_vocabulary_is_scored_at_the_slots_alone() {
    let (_, device) = devices().remove(0);
    let objective = objective(Sharing::Embeddings, |_| ());
    let model = model(&objective, &device);
    let host = source(3).batch(0).unwrap();
    let batch = objective.upload(&host, &device);
    let (inputs, positions) = (batch.masked.inputs(), batch.masked.positions);
    let logits = model.generator_logits(inputs, positions).unwrap();
    let slots = Masking::electra(SEQ_LEN, 0.15).max_predictions;
    assert_eq!(logits.dims(), [3 * slots, VOCAB_SIZE as usize]);
}
