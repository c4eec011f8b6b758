//! Low-rank adapters against PEFT: what they compute, every gradient, thirty steps, the merged matrices.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use kiln_bert::BertConfig;
use kiln_bert::names::NAMES;
use kiln_checkpoint::{ModelFile, NamedTensor, gradient_tensors, module_tensors};
use kiln_learner::{Objective, Precision};
use kiln_tasks::fine_tuning::{
    FineTuned, FineTuningSettings, HeadKind, LoraSettings, PeftConfig, TunedModel, TunedModelOf,
    TunedObjective,
};
use kiln_testing::{
    Bound, Fixture, Report, adapted, check_adapted_fine_tuning, devices, fixtures_dir,
    lock_generator, moved, three_steps, ways,
};
use kiln_text::{BatchSource, HostBatch, TextError};

const CASES: (&str, &str) = ("sequence_classification", "lora");

fn settings() -> LoraSettings {
    LoraSettings {
        alpha: 5.0,
        ..LoraSettings::new(3, &["query", "value"])
    }
}

fn batch(fixture: &Fixture) -> HostBatch {
    let mut batch = HostBatch::default();
    for name in ["input_ids", "attention_mask", "token_type_ids", "labels"] {
        let tensor = fixture.input(name);
        batch.insert_ints(name, tensor.ints().to_vec(), &tensor.shape);
    }
    batch
}

/// The class, whose names are those of the reference.
fn class(model: TunedModelOf<BertConfig>) -> <BertConfig as FineTuned>::Sequence {
    match model {
        TunedModel::Sequence(model) => model,
        _ => unreachable!("another head"),
    }
}

fn by_name(tensors: Vec<NamedTensor>) -> BTreeMap<String, Vec<f32>> {
    let tensors = tensors.into_iter();
    tensors.map(|tensor| (tensor.name, tensor.data)).collect()
}

#[test]
fn an_adapted_model_and_every_gradient_are_pefts() {
    let _guard = lock_generator();
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let mut report = Report::new("lora");
    for (name, device) in devices() {
        let device = device.autodiff();
        let learned = (HeadKind::Sequence, &settings());
        let (objective, model, _) = adapted::<BertConfig>(&root, CASES, learned, &device);
        let fixture = Fixture::open(&root.join("lora"));
        let host = batch(&fixture);
        let answers = objective.answers(&model, &host, &device).unwrap();
        let logits = fixture.output("logits").floats();
        report.check("logits", &name, &answers.outputs[0], logits, Bound::Output);

        let uploaded = objective.upload(&host, &device);
        let [sum] = objective
            .forward(&model, 0, &uploaded, (), &())
            .sums
            .try_into()
            .unwrap();
        let loss = sum.div_scalar(objective.weights(&host)[0]);
        let value = loss.clone().into_data().try_to_vec::<f32>().unwrap();
        report.check(
            "loss",
            &name,
            &value,
            fixture.output("loss").floats(),
            Bound::Loss,
        );
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let found = by_name(gradient_tensors(&class(model.clone()), &gradients, &NAMES).unwrap());
        for (parameter, expected) in &fixture.gradients {
            let row = &found[parameter];
            report.check(parameter, &name, row, expected.floats(), Bound::Gradient);
        }

        let merged = by_name(module_tensors(&class(model).materialize(), &NAMES).unwrap());
        let mut count = 0;
        for (parameter, expected) in &fixture.outputs {
            let Some(parameter) = parameter.strip_prefix("merged.") else {
                continue;
            };
            count += 1;
            // A sum of four rounded products of numbers below one each.
            let gaps = merged[parameter].iter().zip(expected.floats());
            let gap = gaps.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(gap < 1e-6, "{name} {parameter}: {gap}");
        }
        assert_eq!(count, 4, "two matrices of two layers");
    }
    report.finish();
}

/// A merged matrix is the very sum that a pass with adapters computes, so there is nothing to round
/// differently: the bits are the same.
#[test]
fn a_merged_model_gives_the_same_bits() {
    let _guard = lock_generator();
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    for (name, device) in devices() {
        let learned = (HeadKind::Sequence, &settings());
        let (objective, model, _) = adapted::<BertConfig>(&root, CASES, learned, &device);
        let host = batch(&Fixture::open(&root.join("lora")));
        let answers = objective.answers(&model, &host, &device).unwrap();
        let merged = objective.answers(&model.materialize(), &host, &device);
        assert_eq!(answers, merged.unwrap(), "{name}");
    }
}

#[test]
fn thirty_steps_of_an_adapter_are_pefts() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = (CASES.0, CASES.1, "trajectory_lora");
    check_adapted_fine_tuning::<BertConfig>(&root, cases, (HeadKind::Sequence, &settings()), 1);
}

#[test]
fn three_micro_batches_of_one_row_adapt_alike() {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let cases = (CASES.0, CASES.1, "trajectory_lora");
    check_adapted_fine_tuning::<BertConfig>(&root, cases, (HeadKind::Sequence, &settings()), 3);
}

/// The reference's batches, again and again.
struct Again(HostBatch);

impl BatchSource for Again {
    fn batch(&self, _: u64) -> Result<HostBatch, TextError> {
        Ok(self.0.clone())
    }
}

/// Trains three steps and gives what moved between the model before and the checkpoint, and the adapter's
/// folder in it.
fn learned(
    folder: &Path,
    way: &(Precision, Vec<Device>),
    lora: &LoraSettings,
) -> (Vec<String>, ModelFile) {
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let device = way.1[0].clone().autodiff();
    let fine_tuning = FineTuningSettings {
        lora: Some(lora.clone()),
        ..FineTuningSettings::default()
    };
    let learned = (HeadKind::Sequence, &settings());
    let (_, _, files) = adapted::<BertConfig>(&root, CASES, learned, &device);
    let config: BertConfig = kiln_tasks::Family::open(&root.join(CASES.0)).unwrap();
    let objective = TunedObjective::new(HeadKind::Sequence, config, fine_tuning).unwrap();
    let init = &mut kiln_nn::Init::zeros(&device);
    let start = root.join(CASES.0);
    let model = objective
        .start(&start, true, init, &kiln_learner::NoObserver)
        .unwrap();
    let model = TunedObjective::<BertConfig>::with_adapters(model, lora, (7, &device)).unwrap();
    let source = Again(batch(&Fixture::open(&root.join("lora"))));
    let checkpoint = three_steps(folder, (objective, model.model, files), source, way);
    let adapter = checkpoint.join("adapter");
    PeftConfig::open(&adapter).unwrap();
    let adapter = ModelFile::open(adapter.join("adapter_model.safetensors")).unwrap();
    (moved(&start, &checkpoint), adapter)
}

#[test]
fn what_has_no_adapter_stays_to_the_last_byte() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for way in ways(&device) {
            let folder = tempfile::tempdir().unwrap();
            let (moved, adapter) = learned(folder.path(), &way, &settings());
            let expected = [
                "bert.encoder.layer.0.attention.self.query.weight",
                "bert.encoder.layer.0.attention.self.value.weight",
                "bert.encoder.layer.1.attention.self.query.weight",
                "bert.encoder.layer.1.attention.self.value.weight",
                "bert.pooler.dense.bias",
                "bert.pooler.dense.weight",
                "classifier.bias",
                "classifier.weight",
            ];
            assert_eq!(moved, expected, "{name} {:?}", way.0);
            // Eight factors and the head; nothing of the rest.
            let names: Vec<&str> = adapter.names().collect();
            assert_eq!(names.len(), 8 + 4, "{names:?}");
            assert!(
                names
                    .iter()
                    .all(|name| name.starts_with("base_model.model."))
            );
        }
    }
}

#[test]
fn a_layer_that_is_not_there_is_refused_with_those_that_are() {
    let (_, device) = devices().remove(0);
    let root = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR"));
    let model = || {
        let learned = (HeadKind::Sequence, &settings());
        let config = kiln_tasks::Family::open(&root.join(CASES.0)).unwrap();
        let objective =
            TunedObjective::<BertConfig>::new(learned.0, config, FineTuningSettings::default());
        let init = &mut kiln_nn::Init::zeros(&device);
        objective
            .unwrap()
            .random(&root.join(CASES.0), init)
            .unwrap()
    };
    let refused = |targets: &[&str]| {
        let lora = LoraSettings::new(2, targets);
        let refused = TunedObjective::<BertConfig>::with_adapters(model(), &lora, (1, &device));
        refused.unwrap_err().to_string()
    };
    for wrong in ["queries", "classifier", "word_embeddings", "LayerNorm"] {
        let refusal = refused(&["query", wrong]);
        let expected = format!(
            "{wrong} is no linear layer of the encoder, which has dense, key, query, value"
        );
        assert!(refusal.ends_with(&expected), "{refusal}");
    }
    // Where an end is that of a layer of the head, too, PEFT is told whole names.
    let dense = LoraSettings::new(2, &["dense"]);
    let adapters = TunedObjective::<BertConfig>::with_adapters(model(), &dense, (1, &device));
    let modules = adapters.unwrap().target_modules;
    assert_eq!(modules.len(), 6, "{modules:?}");
    assert_eq!(modules[0], "bert.encoder.layer.0.attention.output.dense");
}
