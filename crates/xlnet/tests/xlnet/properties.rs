//! What XLNet is by definition: nothing leaks, streams share their weights, a memory continues a
//! text.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_nn::Init;
use kiln_testing::devices;
use kiln_xlnet::{
    Memory, Targets, Visibility, XlnetConfig, XlnetInputs, XlnetLmHeadModel, XlnetModel,
};

const VOCAB_SIZE: i32 = 29;

fn config(fields: &str) -> XlnetConfig {
    let config: XlnetConfig = serde_json::from_str(&format!(
        r#"{{"vocab_size":29,"d_model":12,"n_layer":2,"n_head":3,"d_inner":17,"dropout":0.0,
            "pad_token_id":0{fields}}}"#
    ))
    .unwrap();
    config.validate().unwrap();
    config
}

/// Weights large enough for every part to show.
fn model(config: &XlnetConfig, device: &Device) -> XlnetLmHeadModel {
    XlnetLmHeadModel::new(config, &mut Init::new(3, 0.3, device))
}

fn ints(values: &[i32], rows: usize, device: &Device) -> Tensor<2, Int> {
    let shape = [rows, values.len() / rows];
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// A small generator of numbers: tests shall not depend on a library's stream.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }

    fn shuffled(&mut self, count: usize) -> Vec<i32> {
        let mut all: Vec<i32> = (0..count as i32).collect();
        for end in (1..count).rev() {
            all.swap(end, self.below(end + 1));
        }
        all
    }

    fn word(&mut self, other_than: i32) -> i32 {
        loop {
            let word = 1 + self.below(VOCAB_SIZE as usize - 1) as i32;
            if word != other_than {
                return word;
            }
        }
    }
}

/// One sequence and its order of prediction by the original's rules.
struct Example {
    ids: Vec<i32>,
    query_ranks: Vec<i32>,
    key_ranks: Vec<i32>,
    targets: Vec<i32>,
}

impl Example {
    /// Two tokens at the end are functional, a third of the others targets.
    fn new(numbers: &mut Numbers, seq_len: usize) -> Self {
        let ranks = numbers.shuffled(seq_len);
        let mut targets = numbers.shuffled(seq_len - 2);
        targets.truncate(seq_len / 3);
        targets.sort_unstable();
        let (mut query_ranks, mut key_ranks) = (Vec::new(), Vec::new());
        for (position, rank) in (0..).zip(ranks) {
            let is_target = targets.contains(&position);
            let is_functional = position >= seq_len as i32 - 2;
            let key = if is_target || is_functional { rank } else { -1 };
            key_ranks.push(key);
            query_ranks.push(if is_target { key } else { key + 1 });
        }
        Self {
            ids: (0..seq_len).map(|_| numbers.word(0)).collect(),
            query_ranks,
            key_ranks,
            targets,
        }
    }

    fn inputs(&self, ids: &[i32], memory: Option<Memory>, device: &Device) -> XlnetInputs {
        let types: Vec<i32> = (0..ids.len())
            .map(|at| i32::from(at > ids.len() / 2))
            .collect();
        XlnetInputs {
            input_ids: ints(ids, 1, device),
            token_type_ids: Some(ints(&types, 1, device)),
            segment_columns: 2,
            visibility: Visibility::Ranks {
                queries: ints(&self.query_ranks, 1, device),
                keys: ints(&self.key_ranks, 1, device),
            },
            targets: Some(Targets {
                positions: ints(&self.targets, 1, device),
                is_present: None,
            }),
            memory,
            p_mask: None,
            cls_index: None,
            attention_mask: None,
        }
    }
}

fn some_memory(config: &XlnetConfig, mem_len: usize, phase: f32, device: &Device) -> Memory {
    let layer = |number: usize| {
        let values: Vec<f32> = (0..mem_len * config.d_model)
            .map(|i| (i as f32 * 1.7 + number as f32 + phase).sin())
            .collect();
        Tensor::from_data(
            TensorData::new(values, [1, mem_len, config.d_model]),
            device,
        )
    };
    Memory {
        states: (0..config.n_layer).map(layer).collect(),
    }
}

/// For random orders: whichever token is changed, a prediction stays the same to the last bit where
/// its order hides that token, its own included, and another one where it does not.
#[test]
fn no_prediction_depends_on_what_its_order_hides() {
    for (name, device) in devices() {
        let config = config("");
        let model = model(&config, &device);
        let mut numbers = Numbers(11);
        let (mut hidden_pairs, mut visible_pairs) = (0, 0);
        for round in 0..6 {
            let example = Example::new(&mut numbers, 12);
            let memory = (round % 2 == 1).then(|| some_memory(&config, 5, 0.0, &device));
            let predict = |ids: &[i32]| {
                let inputs = example.inputs(ids, memory.clone(), &device);
                let hidden = model.transformer.forward(inputs).hidden_states;
                let hidden = values(hidden);
                let rows = hidden.chunks(config.d_model);
                rows.map(<[f32]>::to_vec).collect::<Vec<_>>()
            };
            let before = predict(&example.ids);
            for changed in 0..example.ids.len() {
                let mut ids = example.ids.clone();
                ids[changed] = numbers.word(ids[changed]);
                let after = predict(&ids);
                for (slot, &target) in example.targets.iter().enumerate() {
                    // A target sees what its rank lets it; what others have seen they may tell, but
                    // nobody has seen more than is before him in the order.
                    let rank = example.query_ranks[target as usize];
                    let is_hidden = rank <= example.key_ranks[changed];
                    let is_same = before[slot] == after[slot];
                    assert_eq!(
                        is_hidden, is_same,
                        "{name}, round {round}: token {changed} of rank {} and target {target} of \
                         rank {rank}",
                        example.key_ranks[changed]
                    );
                    hidden_pairs += usize::from(is_hidden);
                    visible_pairs += usize::from(!is_hidden);
                }
            }
        }
        assert!(
            hidden_pairs > 30 && visible_pairs > 100,
            "{hidden_pairs} {visible_pairs}"
        );
    }
}

/// The first half's hidden states, which are what a memory keeps, do not know of the second half.
#[test]
fn what_a_memory_keeps_does_not_depend_on_what_comes_after_it() {
    for (name, device) in devices() {
        let config = config(r#","mem_len":6,"reuse_len":6"#);
        let model = model(&config, &device);
        let mut numbers = Numbers(5);
        let first = Example::new(&mut numbers, 6);
        let second = Example::new(&mut numbers, 6);
        // As halves are joined: all of the second half's ranks above all of the first's.
        let raised = |ranks: &[i32]| ranks.iter().map(|rank| rank + 7).collect::<Vec<_>>();
        let whole = Example {
            ids: [first.ids, second.ids].concat(),
            query_ranks: [first.query_ranks, raised(&second.query_ranks)].concat(),
            key_ranks: [first.key_ranks, raised(&second.key_ranks)].concat(),
            targets: first.targets,
        };
        let kept = |ids: &[i32]| {
            let inputs = whole.inputs(ids, None, &device);
            let outputs = model.transformer.forward(inputs);
            let states = outputs.memory.states.into_iter().map(values);
            (states.collect::<Vec<_>>(), values(outputs.hidden_states))
        };
        let before = kept(&whole.ids);
        for changed in 0..12 {
            let mut ids = whole.ids.clone();
            ids[changed] = numbers.word(ids[changed]);
            let after = kept(&ids);
            assert_eq!(before.0 == after.0, changed >= 6, "{name}: {changed}");
            if changed >= 6 {
                assert_eq!(before.1, after.1, "{name}: predictions of the first half");
            }
        }
    }
}

#[test]
fn a_memory_reaches_every_prediction() {
    for (name, device) in devices() {
        let config = config("");
        let model = model(&config, &device);
        let example = Example::new(&mut Numbers(7), 9);
        let predict = |memory| {
            let inputs = example.inputs(&example.ids, memory, &device);
            let hidden = values(model.transformer.forward(inputs).hidden_states);
            hidden.chunks(12).map(<[f32]>::to_vec).collect::<Vec<_>>()
        };
        let with = |phase| predict(Some(some_memory(&config, 4, phase, &device)));
        let zeros = predict(Some(Memory::zeros(&config, 1, 4, &device)));
        let none = predict(None);
        for (slot, before) in with(0.0).iter().enumerate() {
            assert_ne!(before, &with(0.5)[slot], "{name}: slot {slot}");
            // Zero keys still have scores by position, and take their share of attention.
            assert_ne!(zeros[slot], none[slot], "{name}: slot {slot}");
        }
    }
}

/// What a segment has left in the memory is used by the next one, but not changed by its loss.
#[test]
fn no_gradient_goes_back_through_the_memory() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let model = model(&config(""), &device);
        let run = |ids: &[i32], memory| {
            model.transformer.forward(XlnetInputs {
                memory,
                ..XlnetInputs::new(ints(ids, 1, &device))
            })
        };
        let first = run(&[1, 2, 3], None);
        let second = run(&[11, 12, 13], Some(first.memory));
        let gradients = second.hidden_states.powi_scalar(2).sum().backward();
        let table = model
            .transformer
            .word_embeddings()
            .grad(&gradients)
            .unwrap();
        let rows: Vec<f32> = table.abs().sum_dim(1).try_into_vec_as().unwrap();
        for (word, &sum) in rows.iter().enumerate() {
            assert_eq!(
                sum > 0.0,
                (11..14).contains(&word),
                "{name}: word {word}, {sum}"
            );
        }
    }
}

/// An identity order is a left-to-right language model: each target sees what stands before it.
#[test]
fn an_order_from_left_to_right_is_a_left_to_right_model() {
    for (name, device) in devices() {
        let config = config("");
        let model = model(&config, &device);
        let ids: Vec<i32> = (1..8).collect();
        let ranks: Vec<i32> = (0..7).collect();
        let example = Example {
            ids,
            query_ranks: ranks.clone(),
            key_ranks: ranks.clone(),
            targets: ranks.clone(),
        };
        let by_order = model
            .transformer
            .forward(example.inputs(&example.ids, None, &device));
        // The same by reading order: the query stream of attn_type uni would see its own token, and
        // so it is told to hide that alone.
        let uni = self::config(r#","attn_type":"uni""#);
        let mut own = vec![0; 49];
        (0..7).for_each(|at| own[at * 8] = 1);
        let own = Tensor::from_data(TensorData::new(own, [1, 7, 7]), &device);
        let by_reading = self::model(&uni, &device).transformer.forward(XlnetInputs {
            visibility: Visibility::Mask(own),
            ..example.inputs(&example.ids, None, &device)
        });
        let (found, expected) = (
            values(by_order.hidden_states),
            values(by_reading.hidden_states),
        );
        for (found, expected) in found.iter().zip(&expected) {
            // Distances ahead take other rows of the table there, which nobody sees.
            assert!(
                (found - expected).abs() < 1e-5,
                "{name}: {found} {expected}"
            );
        }
    }
}

/// Read from left to right, a text in two segments with memory is the text as a whole.
#[test]
fn segments_with_memory_are_the_whole_text() {
    for (name, device) in devices() {
        let config = config(r#","attn_type":"uni","mem_len":null"#);
        let transformer = XlnetModel::new(&config, &mut Init::new(3, 0.3, &device));
        let ids: Vec<i32> = (1..13).collect();
        let run = |ids: &[i32], memory| {
            transformer.forward(XlnetInputs {
                memory,
                ..XlnetInputs::new(ints(ids, 1, &device))
            })
        };
        let whole = values(run(&ids, None).hidden_states);
        let first = run(&ids[..5], None);
        let second = run(&ids[5..9], Some(first.memory.clone()));
        let third = run(&ids[9..], Some(second.memory));
        let parts = [
            values(first.hidden_states),
            values(second.hidden_states),
            values(third.hidden_states),
        ];
        for (found, expected) in parts.concat().iter().zip(&whole) {
            // The same sums in another order.
            assert!(
                (found - expected).abs() < 1e-5,
                "{name}: {found} {expected}"
            );
        }
    }
}

#[test]
fn only_whether_two_segments_are_the_same_matters() {
    for (name, device) in devices() {
        let config = config("");
        let model = model(&config, &device);
        let example = Example::new(&mut Numbers(2), 8);
        let run = |types: Option<&[i32]>| {
            let inputs = XlnetInputs {
                token_type_ids: types.map(|types| ints(types, 1, &device)),
                segment_columns: 6,
                ..example.inputs(&example.ids, None, &device)
            };
            values(model.transformer.forward(inputs).hidden_states)
        };
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        let mixed = run(Some(&[0, 0, 0, 1, 1, 1, 2, 2]));
        assert!(
            near(&mixed, &run(Some(&[5, 5, 5, 4, 4, 4, 0, 0]))),
            "{name}"
        );
        assert!(near(&run(Some(&[3; 8])), &run(None)), "{name}");
        assert!(!near(&mixed, &run(None)), "{name}");
    }
}
