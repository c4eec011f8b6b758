//! What must hold of any DeBERTa, whatever its weights.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::common::{
    VOCAB_SIZE, gradients, inputs, ints, masked_lm, padded_inputs, v1, v2_conv, v3, values, wave,
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_deberta::{DebertaConfig, DebertaForMaskedLm, DebertaModel, MaskedLmForm};
use kiln_nn::Init;
use kiln_testing::{Bound, assert_close, devices, lock_generator};

const FORMS: [MaskedLmForm; 3] = [
    MaskedLmForm::Legacy,
    MaskedLmForm::Plain,
    MaskedLmForm::Enhanced,
];

/// Hidden states of the words 7, 28, 9, 3 with `before` and `after` places of padding around them.
fn shifted(config: &DebertaConfig, before: usize, after: usize, device: &Device) -> Vec<f32> {
    let model = DebertaModel::new(config, &mut Init::new(3, 0.3, device));
    let words = [7, 28, 9, 3];
    let around = |inner: [i32; 4]| {
        let mut row = vec![0; before];
        row.extend(inner);
        row.extend(vec![0; after]);
        row
    };
    let hidden_states = model.forward(inputs(&around(words), &around([1; 4]), 1, device));
    values(hidden_states.narrow(1, before, words.len()))
}

/// Relative positions alone: the same sums, with terms of weight zero at other places among them, so
/// that only their order can differ.
#[test]
fn a_sequence_shifted_inside_its_padding_has_the_same_hidden_states() {
    for (name, device) in devices() {
        for config in [v3(), v1(), v2_conv()] {
            let expected = shifted(&config, 0, 5, &device);
            for before in [2, 5] {
                let found = shifted(&config, before, 5 - before, &device);
                let what = format!("{} {before}", config.model_type);
                assert_close(&what, &found, &expected, Bound::Output, &name);
            }
        }
        let absolute = DebertaConfig {
            position_biased_input: true,
            ..v3()
        };
        let (start, end) = (
            shifted(&absolute, 0, 5, &device),
            shifted(&absolute, 5, 0, &device),
        );
        let differs = start.iter().zip(&end).any(|(a, b)| (a - b).abs() > 1e-2);
        assert!(differs, "{name}: absolute positions must show");
    }
}

#[test]
fn words_are_scored_at_positions_as_they_are_among_all() {
    // In any order, with repeats.
    let positions = [4, 0, 4, 6, 2, 1, 0, 3];
    for (name, device) in devices() {
        let device = device.autodiff();
        for config in [v3(), v1(), v2_conv()] {
            for form in FORMS {
                let model = masked_lm(&config, form, &device);
                assert_eq!(model.form(), form);
                let inputs = padded_inputs(&device);
                let [_, seq_len] = inputs.input_ids.dims();

                let chosen = ints(&positions, 2, &device);
                let found = model.predictions(inputs.clone(), chosen);
                let all = model.forward(inputs);
                let rows: Vec<i32> = positions
                    .iter()
                    .enumerate()
                    .map(|(at, position)| (at / 4 * seq_len) as i32 + position)
                    .collect();
                let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [8]), &device);
                let expected = all.select(0, rows);

                let what = format!("{} {form:?}", config.model_type);
                let (actual, wanted) = (values(found.clone()), values(expected.clone()));
                assert_close(&what, &actual, &wanted, Bound::Output, &name);
                let found = gradients(&model, found, wave(8, &device));
                let expected = gradients(&model, expected, wave(8, &device));
                for ((parameter, found), (_, expected)) in found.iter().zip(&expected) {
                    let what = format!("{what} {parameter}");
                    assert_close(&what, found, expected, Bound::Gradient, &name);
                }
            }
        }
    }
}

/// The model with one row of its position table changed.
fn with_position_moved(
    mut model: DebertaForMaskedLm,
    row: usize,
    device: &Device,
) -> DebertaForMaskedLm {
    let table = model.deberta.embeddings.block.position_embeddings.as_mut();
    let weight = &mut table.unwrap().weight;
    let patch = Tensor::ones([1, 12], device);
    let (id, old, mapper) = weight.clone().consume();
    let new = old.slice_assign([row..row + 1, 0..12], patch);
    *weight = burn::module::Param::from_mapped_value(id, new, mapper);
    model
}

/// Keys and values stay those of the layer below: a position that moves reaches its own query in
/// both passes and no other one.
#[test]
fn an_absolute_position_moves_the_words_of_its_own_place_alone() {
    for (name, device) in devices() {
        for config in [v3(), v1(), v2_conv()] {
            let model = masked_lm(&config, MaskedLmForm::Enhanced, &device);
            let before = values(model.forward(padded_inputs(&device)));
            let moved = with_position_moved(model, 3, &device);
            let after = values(moved.forward(padded_inputs(&device)));
            let rows = before.chunks(VOCAB_SIZE).zip(after.chunks(VOCAB_SIZE));
            for (index, (before, after)) in rows.enumerate() {
                let is_moved = index % 7 == 3;
                assert_eq!(before != after, is_moved, "{name} row {index}");
            }
        }
    }
}

/// The last layer's own output has no part in the decoder's: with positions of zero, the first pass
/// gives that output, and the second goes on from it.
#[test]
fn the_mask_decoder_passes_twice_through_the_last_layer() {
    for (name, device) in devices() {
        let config = v3();
        let mut model = masked_lm(&config, MaskedLmForm::Enhanced, &device);
        let table = model.deberta.embeddings.block.position_embeddings.as_mut();
        let zeros = Init::zeros(&device).embedding(16, 12);
        *table.unwrap() = zeros;
        let inputs = padded_inputs(&device);
        let decoded = values(model.forward(inputs.clone()));
        let last_hidden_states = model.deberta.forward(inputs);
        let once = values(model.score(last_hidden_states));
        let differs = decoded.iter().zip(&once).any(|(a, b)| (a - b).abs() > 1e-2);
        assert!(differs, "{name}");
    }
}

#[test]
fn a_row_of_padding_alone_gives_numbers_forwards_and_backwards() {
    for (name, device) in devices() {
        let device = device.autodiff();
        for config in [v3(), v1(), v2_conv()] {
            for form in FORMS {
                let model = masked_lm(&config, form, &device);
                let ids = [2, 7, 28, 3, 0, 0, 0, 0];
                let mask = [1, 1, 1, 1, 0, 0, 0, 0];
                let logits = model.forward(inputs(&ids, &mask, 2, &device));
                let what = format!("{name} {form:?}");
                let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
                assert!(is_finite(&values(logits.clone())), "{what}");
                for (parameter, gradient) in gradients(&model, logits, wave(8, &device)) {
                    assert!(is_finite(&gradient), "{what} {parameter}");
                }
            }
        }
    }
}

/// As in Hugging Face: an embedding that stands for padding is not moved by its lookup, but by the
/// softmax whose matrix it shares.
#[test]
fn the_word_for_padding_learns_from_the_softmax_alone() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = masked_lm(&v3(), MaskedLmForm::Plain, &device);
        let table = &model.deberta.embeddings.word_embeddings.weight;
        // The id of padding in the middle of a row, seen by all.
        let inputs = || inputs(&[2, 0, 28, 3], &[1; 4], 1, &device);
        let gradient_of_row = |loss: Tensor<1>| {
            let gradient = table.val().grad(&loss.backward()).unwrap();
            values(gradient.narrow(0, 0, 1))
        };
        let lookup = gradient_of_row(model.deberta.forward(inputs()).powi_scalar(3).sum());
        assert_eq!(lookup, vec![0.0; 12], "{name}");
        let softmax = gradient_of_row((model.forward(inputs()) * wave(4, &device)).sum());
        assert!(softmax.iter().any(|&value| value != 0.0), "{name}");
    }
}

/// Where a disturbed input comes in: the sum before its LayerNorm.
#[test]
fn the_encoder_runs_from_a_given_sum_of_embeddings() {
    for (name, device) in devices() {
        let model = DebertaModel::new(&v3(), &mut Init::new(3, 0.3, &device));
        let inputs = padded_inputs(&device);
        let mask = inputs.attention_mask.clone();
        let expected = values(model.forward(inputs.clone()));
        let block = &model.embeddings.block;
        let table = model.word_embeddings();
        let sum = block.sum(table.clone(), inputs.clone());
        let finished = block.finish(sum.clone(), mask.clone());
        assert_eq!(
            values(model.encode(finished, mask.clone())),
            expected,
            "{name}"
        );
        let same = block.sum(table.clone(), inputs.clone());
        assert_eq!(values(same), values(sum.clone()), "{name}");
        let other = block.sum(table.mul_scalar(2.0), inputs);
        assert_eq!(values(other), values(sum.mul_scalar(2.0)), "{name}");
    }
}

/// A sequence that no distance of a bucket fits, at lengths where the table is cut on either side.
#[test]
fn sequences_of_any_length_run_without_absolute_positions() {
    for (name, device) in devices() {
        for config in [v3(), v1()] {
            let model = DebertaModel::new(&config, &mut Init::new(3, 0.3, &device));
            for seq_len in [1, 2, 40] {
                let row = vec![5; seq_len];
                let mask = vec![1; seq_len];
                let hidden_states = model.forward(inputs(&row, &mask, 1, &device));
                let found = values(hidden_states);
                assert!(found.iter().all(|value| value.is_finite()), "{name}");
            }
        }
    }
}

#[test]
fn dropout_acts_in_training_alone_and_repeats_with_the_seed() {
    let _guard = lock_generator();
    for (name, device) in devices() {
        for config in [v3(), v1(), v2_conv()] {
            let config = DebertaConfig {
                hidden_dropout_prob: 0.1,
                attention_probs_dropout_prob: 0.1,
                ..config
            };
            let run = |device: &Device| {
                let model = masked_lm(&config, MaskedLmForm::Enhanced, device);
                kiln_backend::seed(device, 7);
                let draw = || values(model.forward(padded_inputs(device)));
                (draw(), draw())
            };
            let (first, second) = run(&device.clone().autodiff());
            assert_ne!(first, second, "{name}");
            assert_eq!(run(&device.clone().autodiff()), (first, second), "{name}");
            let (first, second) = run(&device);
            assert_eq!(first, second, "{name}");
        }
    }
}
