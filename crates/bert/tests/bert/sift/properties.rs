//! What holds whatever the numbers are.

use std::cell::RefCell;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use kiln_bert::names::NAMES;
use kiln_bert::{BertForSequenceClassification, BertInputs};
use kiln_checkpoint::{NamedTensor, gradient_tensors};
use kiln_tasks::sift::{AscentLoss, CleanPass, SiftSettings, difference_rows};
use kiln_testing::{Bound, Fixture, assert_close, devices, lock_generator};

use crate::sift::passes::{Batch, case, classifier, settings};

/// The reference's model and batch on an autodiff device.
fn start(device: &Device) -> (BertForSequenceClassification, Batch) {
    let device = device.clone().autodiff();
    let batch = Batch::of(&Fixture::open(&case("sift")), &device);
    (classifier(&device), batch)
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().try_into_vec_as().unwrap()
}

fn published() -> SiftSettings {
    settings(AscentLoss::SymmetricKl)
}

#[test]
fn the_embedding_tables_learn_from_the_clean_pass_alone() {
    for (name, device) in devices() {
        let (model, batch) = start(&device);
        let gradients = |clean: CleanPass| -> Vec<NamedTensor> {
            let logits_of = batch.logits_of();
            let sum = clean.perturbed_sum(batch.delta.clone(), &model, &logits_of);
            let gradients = GradientsParams::from_grads(sum.backward(), &model);
            gradient_tensors(&model, &gradients, &NAMES).unwrap()
        };
        let reaches = |gradients: &[NamedTensor], part: &str| {
            let mut of_part = gradients.iter().filter(|tensor| tensor.name.contains(part));
            of_part.any(|tensor| tensor.data.iter().any(|&entry| entry != 0.0))
        };
        let clean = batch.clean(&model);
        let constant = CleanPass {
            logits: clean.logits.clone().detach(),
            ..clean.clone()
        };
        let (both, perturbed) = (gradients(clean), gradients(constant));
        for table in ["word", "position", "token_type"] {
            let table = format!("{table}_embeddings");
            assert!(reaches(&both, &table), "{name}: {table}");
            assert!(!reaches(&perturbed, &table), "{name}: {table}");
        }
        // From the embeddings' own LayerNorm on, all is trained.
        for part in ["embeddings.LayerNorm", "layer.0.", "classifier"] {
            assert!(reaches(&perturbed, part), "{name}: {part}");
        }
    }
}

#[test]
fn the_ascent_sees_constants_and_the_loss_the_model() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let (model, batch) = start(&device);
        let seen = RefCell::new(Vec::new());
        let logits_of = batch.logits_of();
        let clean = batch.clean(&model);
        let noise = published().draw(&clean.read.embedded);
        let sum = clean.sift_sum(&published(), noise, &model, |model, sum| {
            let words = model.bert.word_embeddings();
            let logits = logits_of(model, sum);
            seen.borrow_mut()
                .push((words.is_tracked(), logits.is_tracked()));
            logits
        });
        assert_eq!(seen.take(), [(false, true), (true, true)], "{name}");
        // The clean pass' graph is whole: the ascent's backward pass consumed another.
        let gradients = GradientsParams::from_grads(sum.backward(), &model);
        assert!(gradients.len() > 20, "{name}: {}", gradients.len());
    }
}

#[test]
fn each_token_moves_by_the_step_and_padding_stays() {
    for (name, device) in devices() {
        let (model, batch) = start(&device);
        let hidden_size = batch.delta.dims()[2];
        let delta =
            batch
                .clean(&model)
                .climb(&published(), batch.delta.clone(), &model, batch.logits_of());
        let (before, after) = (floats(batch.delta), floats(delta));
        let tokens = before
            .chunks(hidden_size)
            .zip(after.chunks(hidden_size))
            .map(|(before, after)| {
                let moves = before.iter().zip(after).map(|(a, b)| (a - b).abs());
                moves.fold(0.0, f32::max)
            });
        let attends = batch.inputs.attention_mask.unwrap();
        let attends: Vec<i32> = attends.try_into_vec_as().unwrap();
        for (moved, attends) in tokens.zip(attends) {
            if attends == 0 {
                assert_eq!(moved, 0.0, "{name}: no gradient, no step");
            } else {
                // m / (m + 1e-6) of 0.1: the gradients' maxima here are 1e-5 and more.
                assert!((0.09..0.1001).contains(&moved), "{name}: {moved}");
            }
        }
    }
}

#[test]
fn a_slope_below_the_floor_hardly_moves_the_perturbation() {
    for (name, device) in devices() {
        let (model, batch) = start(&device);
        let logits_of = batch.logits_of();
        let moved = |scale: f64| {
            let clean = batch.clean(&model);
            let clean = CleanPass {
                logits: clean.logits * scale,
                ..clean
            };
            let delta = clean.climb(&published(), batch.delta.clone(), &model, |model, sum| {
                logits_of(model, sum) * scale
            });
            let moves = floats(batch.delta.clone().inner() - delta);
            moves.into_iter().map(f32::abs).fold(0.0, f32::max)
        };
        // Flat predictions: no slope at all.
        assert_eq!(moved(0.0), 0.0, "{name}");
        // Gradients fall with the square of the scale, to 1e-8 or so: a hundredth of the floor, so
        // about a hundredth of the step.
        let small = moved(1e-3);
        assert!(small > 0.0 && small < 0.02, "{name}: {small}");
    }
}

#[test]
fn the_first_perturbation_is_kept_where_the_slope_is_not_finite() {
    for (name, device) in devices() {
        let (model, batch) = start(&device);
        let logits_of = batch.logits_of();
        // Infinite logits make NaN of the softmax; a factor of 1e30 gives gradients whose squares
        // overflow, though each is finite.
        let overflows = |model: &BertForSequenceClassification, sum: Tensor<3>| {
            logits_of(model, sum) * 1e30 * 1e30
        };
        let is_steep = |model: &BertForSequenceClassification, sum: Tensor<3>| {
            let logits = logits_of(model, sum);
            logits.clone() * 1e30 - logits.detach() * 1e30
        };
        let clean = batch.clean(&model);
        let start = || batch.delta.clone();
        let settings = published();
        for (case, delta) in [
            ("NaN", clean.climb(&settings, start(), &model, overflows)),
            (
                "infinite",
                clean.climb(&settings, start(), &model, is_steep),
            ),
        ] {
            assert_eq!(floats(delta), floats(start()), "{name}: {case}");
        }
    }
}

#[test]
fn a_rows_step_does_not_depend_on_its_batch() {
    for (name, device) in devices() {
        let (model, batch) = start(&device);
        let climb = |batch: &Batch| {
            let logits_of = batch.logits_of();
            let delta =
                batch
                    .clean(&model)
                    .climb(&published(), batch.delta.clone(), &model, &logits_of);
            floats(delta)
        };
        let alone = climb(&batch);
        let BertInputs {
            input_ids,
            attention_mask,
            token_type_ids,
        } = batch.inputs.clone();
        let twice = Batch {
            inputs: BertInputs {
                input_ids: Tensor::cat(vec![input_ids.clone(), input_ids], 0),
                attention_mask: attention_mask.map(|mask| Tensor::cat(vec![mask.clone(), mask], 0)),
                token_type_ids: Tensor::cat(vec![token_type_ids.clone(), token_type_ids], 0),
            },
            labels: Tensor::cat(vec![batch.labels.clone(), batch.labels.clone()], 0),
            weights: Tensor::cat(vec![batch.weights.clone(), batch.weights.clone()], 0),
            delta: Tensor::cat(vec![batch.delta.clone(), batch.delta.clone()], 0),
        };
        let both = climb(&twice);
        for half in both.chunks(alone.len()) {
            assert_close("delta_1", half, &alone, Bound::Output, &name);
        }
    }
}

#[test]
fn a_row_of_weight_zero_adds_nothing() {
    for (name, device) in devices() {
        let (model, mut batch) = start(&device);
        let sum = |batch: &Batch| {
            let logits_of = batch.logits_of();
            let clean = batch.clean(&model);
            floats(clean.perturbed_sum(batch.delta.clone(), &model, &logits_of))[0]
        };
        let all = sum(&batch);
        let device = batch.weights.device();
        let total: f32 = (0..4)
            .map(|row| {
                let only: Vec<f32> = (0..4)
                    .map(|other| f32::from(u8::from(other == row)))
                    .collect();
                batch.weights = Tensor::from_data(only.as_slice(), &device);
                sum(&batch)
            })
            .sum();
        assert!((total - all).abs() < 1e-5 * all, "{name}: {total}, {all}");
    }
}

#[test]
fn differences_are_symmetric_and_both_entropies_on_top_of_the_divergences() {
    for (name, device) in devices() {
        let (a, b) = (
            [[0.3f32, -1.2, 2.0], [0.0, 0.0, 0.0]],
            [[1.1f32, 0.4, -0.7], [0.0; 3]],
        );
        let tensor = |rows: [[f32; 3]; 2]| Tensor::<2>::from_data(rows, &device);
        let there = floats(difference_rows(tensor(a), tensor(b)));
        assert_eq!(
            there,
            floats(difference_rows(tensor(b), tensor(a))),
            "{name}"
        );

        let log_softmax = |row: [f32; 3]| {
            let row = row.map(f64::from);
            let total: f64 = row.iter().map(|logit| logit.exp()).sum();
            row.map(|logit| logit - total.ln())
        };
        let expected: Vec<f32> = a
            .into_iter()
            .zip(b)
            .map(|(a, b)| {
                let (a, b) = (log_softmax(a), log_softmax(b));
                let terms = a.iter().zip(b).map(|(a, b)| -(a.exp() * b + b.exp() * a));
                terms.sum::<f64>() as f32
            })
            .collect();
        assert_close("differences", &there, &expected, Bound::Output, &name);
        assert!((there[1] - 2.0 * 3f32.ln()).abs() < 1e-5, "{name}");
    }
}

#[test]
fn a_number_is_compared_by_its_square() {
    for (name, device) in devices() {
        let column = |values: [[f32; 1]; 2]| Tensor::<2>::from_data(values, &device);
        let rows = difference_rows(column([[1.5], [-2.0]]), column([[1.0], [1.0]]));
        assert_eq!(floats(rows), [0.25, 9.0], "{name}");
    }
}

#[test]
fn what_is_drawn_has_the_deviation_is_cut_at_two_and_repeats_with_its_seed() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        let device = device.autodiff();
        let like = Tensor::<3>::zeros([8, 50, 100], &device);
        let draw = || {
            device.seed(3);
            floats(published().draw(&like))
        };
        let drawn = draw();
        assert_eq!(drawn, draw(), "{name}");
        // 40,000 draws of deviation 0.1. Cut at two deviations, the second moment is 0.9205 of the
        // full one, and 4.55 % lie at the cut; five standard errors are 0.01 and 0.005.
        assert!(drawn.iter().all(|entry| entry.abs() <= 0.200_001), "{name}");
        let n = drawn.len() as f64;
        let squares: f64 = drawn.iter().map(|&entry| f64::from(entry).powi(2)).sum();
        let second = squares / n / 0.01;
        assert!((second - 0.9205).abs() < 0.03, "{name}: {second}");
        let cut = drawn.iter().filter(|entry| entry.abs() > 0.199_99).count() as f64 / n;
        assert!((cut - 0.0455).abs() < 0.006, "{name}: {cut}");
        let mean = drawn.iter().map(|&entry| f64::from(entry)).sum::<f64>() / n;
        assert!(mean.abs() < 0.0025, "{name}: {mean}");
    }
}

#[test]
fn normalising_before_the_layer_norm_changes_next_to_nothing() {
    for (name, device) in devices() {
        let (model, batch) = start(&device);
        let logits = floats(batch.clean(&model).logits);
        let hidden_states = model.bert.forward(batch.inputs.clone());
        let plain = floats(model.logits(model.bert.pool(hidden_states).unwrap()));
        // An epsilon in two roots instead of one: 1e-7 of a variance near 0.1.
        for (with, without) in logits.iter().zip(plain) {
            assert!((with - without).abs() < 1e-4, "{name}: {with}, {without}");
        }
    }
}
