//! What holds of answers with a beam, whatever the numbers are.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use kiln_learner::record::read_records;
use kiln_learner::{
    OptimizerSettings, Precision, RunFolder, TrainRequest, TrainingSettings, train,
};
use kiln_nn::Init;
use kiln_tasks::beam::Found;
use kiln_tasks::class::Class;
use kiln_tasks::family::ReadInputs;
use kiln_tasks::fine_tuning::{FineTuning, FineTuningSettings};
use kiln_testing::{Bound, assert_close, devices, lock_generator};
use kiln_text::{BatchSource, HostBatch, TextError};
use kiln_xlnet::{XlnetConfig, XlnetForQuestionAnswering, XlnetInputs};

/// Tokens of the window: four of the context, a separator, two of the question, a separator, `<cls>`.
const WINDOW: [i32; 9] = [11, 12, 13, 14, 4, 15, 16, 4, 3];
const CONTEXT: usize = 4;

fn config() -> XlnetConfig {
    let config = XlnetConfig {
        vocab_size: 29,
        d_model: 12,
        n_layer: 2,
        n_head: 3,
        d_inner: 17,
        start_n_top: 3,
        end_n_top: 2,
        ..XlnetConfig::default()
    };
    config.without_dropout()
}

/// The window, behind so much padding, with an answer that starts at the context's second word.
fn batch(padding: usize) -> HostBatch {
    let seq_len = padding + WINDOW.len();
    let padded = |fill: i32, own: &[i32]| {
        let fill = std::iter::repeat_n(fill, padding);
        fill.chain(own.iter().copied()).collect::<Vec<_>>()
    };
    let mut batch = HostBatch::default();
    let shape = [1, seq_len];
    batch.insert_ints("input_ids", padded(5, &WINDOW), &shape);
    batch.insert_ints("attention_mask", padded(0, &[1; 9]), &shape);
    let types = padded(3, &[0, 0, 0, 0, 0, 1, 1, 1, 2]);
    batch.insert_ints("token_type_ids", types, &shape);
    let may_be = |at: usize| at >= padding && (at < padding + CONTEXT || at + 1 == seq_len);
    let mask = (0..seq_len).map(|at| f32::from(u8::from(!may_be(at))));
    batch.insert_floats("p_mask", mask.collect(), &shape);
    batch.insert_ints("cls_index", vec![seq_len as i32 - 1], &[1]);
    let at = |place: usize| vec![(padding + place) as i32];
    batch.insert_ints("start_positions", at(1), &[1]);
    batch.insert_ints("end_positions", at(2), &[1]);
    batch
}

fn search(padding: usize, device: &Device) -> Found {
    let model = XlnetForQuestionAnswering::new(&config(), &mut Init::new(3, 0.3, device));
    let inputs = <XlnetInputs as ReadInputs<XlnetConfig>>::upload(&batch(padding), device);
    let head = model.outputs(inputs).head;
    let (p_mask, cls_index) = (head.p_mask.as_ref(), head.cls_index.as_ref());
    head.beam
        .search(head.hidden_states, p_mask, cls_index, head.n_top)
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

#[test]
fn padding_moves_positions_and_changes_no_probability() {
    for (name, device) in devices() {
        let (plain, padded) = (search(0, &device), search(5, &device));
        for (what, a, b) in [
            (
                "starts",
                floats(plain.start_probabilities),
                floats(padded.start_probabilities),
            ),
            (
                "ends",
                floats(plain.end_probabilities),
                floats(padded.end_probabilities),
            ),
            (
                "no answer",
                floats(plain.no_answer),
                floats(padded.no_answer),
            ),
        ] {
            assert_close(what, &b, &a, Bound::Output, &name);
        }
        let moved = |positions: Vec<f32>| positions.iter().map(|at| at - 5.0).collect::<Vec<_>>();
        assert_eq!(
            moved(floats(padded.starts.float())),
            floats(plain.starts.float())
        );
        assert_eq!(
            moved(floats(padded.ends.float())),
            floats(plain.ends.float())
        );
    }
}

#[test]
fn nothing_is_found_where_no_answer_can_be_and_the_best_come_first() {
    for (name, device) in devices() {
        let found = search(2, &device);
        let seen = [floats(found.starts.float()), floats(found.ends.float())].concat();
        let may_be = |at: &f32| (2.0..6.0).contains(at) || *at == 10.0;
        assert!(seen.iter().all(may_be), "{name}: {seen:?}");
        let starts = floats(found.start_probabilities);
        assert!(starts.is_sorted_by(|a, b| a >= b), "{name}: {starts:?}");
        // The best end of each start, then the second best of each.
        let ends = floats(found.end_probabilities);
        let (best, second) = ends.split_at(3);
        assert!(
            best.iter().zip(second).all(|(a, b)| a >= b),
            "{name}: {ends:?}"
        );
    }
}

struct Windows;

impl BatchSource for Windows {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        Ok(batch(index as usize % 3))
    }
}

/// The losses of five steps, term by term.
fn losses(device: &Device, precision: Precision) -> Vec<f64> {
    let objective =
        FineTuning::<XlnetForQuestionAnswering>::new(config(), FineTuningSettings::default())
            .unwrap();
    let init = &mut Init::new(3, 0.3, &device.clone().autodiff());
    let model = XlnetForQuestionAnswering::new(&config(), init);
    let files = objective.files(None);
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(&folder.path().join("run")).unwrap();
    let settings = TrainingSettings {
        steps: 5,
        batch_size: 1,
        warmup: 0,
        precision,
        optimizer: OptimizerSettings {
            learning_rate: 1e-3,
            ..OptimizerSettings::default()
        },
        ..TrainingSettings::default()
    };
    let request = TrainRequest::new(
        objective,
        model,
        files,
        run.clone(),
        settings,
        Arc::new(Windows),
    );
    train(request).unwrap();
    let records = read_records(&run.metrics()).unwrap();
    let terms = ["start_loss", "end_loss", "answer_class_loss"];
    let values = records
        .iter()
        .flat_map(|record| terms.map(|term| record.get(term)));
    values.flatten().collect()
}

#[test]
fn answers_are_learned_in_bf16_as_in_float32() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        if !Precision::BFloat16.is_supported(&device) {
            continue;
        }
        let exact = losses(&device, Precision::Float32);
        let rounded = losses(&device, Precision::BFloat16);
        assert_eq!(exact.len(), 15, "{name}");
        assert_ne!(exact, rounded, "{name}");
        for (exact, rounded) in exact.iter().zip(&rounded) {
            // Logits of size one, each off by some parts in 256.
            assert!((exact - rounded).abs() < 0.05, "{name}: {exact} {rounded}");
        }
    }
}
