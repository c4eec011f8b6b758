//! Numbers that a small model with weights of sines gives, computed by Hugging Face in double
//! precision and again by a program written from the formulas alone.

#![expect(clippy::unwrap_used, reason = "a test's helpers may end the test")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::TensorData;
use kiln_checkpoint::{NamedTensor, write_model};
use kiln_tasks::architecture::ForwardRequest;
use kiln_tasks::forward::forward;
use kiln_testing::{Named, devices, named};
use kiln_xlnet::XlnetConfig;

/// The published digits are nine; single precision gives sums of some hundred entries of size 1
/// this well.
const BOUND: f64 = 5e-4;
/// One entry, after two layers.
const ENTRY_BOUND: f64 = 2e-5;

const SEQ_LEN: usize = 8;
const D_MODEL: usize = 12;

/// In the order in which the sines are drawn.
fn parameters() -> Vec<(String, Vec<usize>)> {
    let mut all = vec![
        ("transformer.word_embedding.weight".to_owned(), vec![37, 12]),
        ("transformer.mask_emb".to_owned(), vec![1, 1, 12]),
    ];
    for layer in 0..2 {
        let parts: [(&str, &[usize]); 17] = [
            ("rel_attn.q", &[12, 3, 4]),
            ("rel_attn.k", &[12, 3, 4]),
            ("rel_attn.v", &[12, 3, 4]),
            ("rel_attn.o", &[12, 3, 4]),
            ("rel_attn.r", &[12, 3, 4]),
            ("rel_attn.r_w_bias", &[3, 4]),
            ("rel_attn.r_r_bias", &[3, 4]),
            ("rel_attn.r_s_bias", &[3, 4]),
            ("rel_attn.seg_embed", &[2, 3, 4]),
            ("rel_attn.layer_norm.weight", &[12]),
            ("rel_attn.layer_norm.bias", &[12]),
            ("ff.layer_1.weight", &[20, 12]),
            ("ff.layer_1.bias", &[20]),
            ("ff.layer_2.weight", &[12, 20]),
            ("ff.layer_2.bias", &[12]),
            ("ff.layer_norm.weight", &[12]),
            ("ff.layer_norm.bias", &[12]),
        ];
        let parts = parts.iter();
        all.extend(
            parts
                .map(|(name, shape)| (format!("transformer.layer.{layer}.{name}"), shape.to_vec())),
        );
    }
    all.push(("lm_loss.bias".to_owned(), vec![37]));
    all
}

/// A Hugging Face folder; `fields` are JSON without braces.
fn write_folder(folder: &Path, fields: &str) {
    let tensors: Vec<NamedTensor> = parameters()
        .into_iter()
        .enumerate()
        .map(|(number, (name, shape))| {
            let gain = if name.ends_with("layer_norm.weight") {
                1.0
            } else {
                0.0
            };
            let values = (0..shape.iter().product::<usize>())
                .map(|i| 0.4 * (1.3 * number as f64 + 0.7 * i as f64).sin() + gain);
            NamedTensor {
                data: values.map(|value| value as f32).collect(),
                name,
                shape,
            }
        })
        .collect();
    write_model(folder, &tensors, None).unwrap();
    let config = format!(
        r#"{{"model_type":"xlnet","vocab_size":37,"d_model":12,"n_layer":2,"n_head":3,"d_inner":20,
            "dropout":0.0,"mem_len":6,"reuse_len":4{fields}}}"#
    );
    std::fs::write(folder.join("config.json"), config).unwrap();
}

type Inputs = BTreeMap<String, TensorData>;

fn tokens() -> Inputs {
    let ids = vec![9i64, 12, 30, 7, 4, 21, 4, 3, 3, 25, 14, 33, 10, 8, 19, 28];
    let types = vec![0i64, 0, 0, 0, 0, 1, 1, 2, 0, 0, 1, 1, 0, 0, 1, 1];
    BTreeMap::from([
        ("input_ids".to_owned(), TensorData::new(ids, [2, SEQ_LEN])),
        (
            "token_type_ids".to_owned(),
            TensorData::new(types, [2, SEQ_LEN]),
        ),
    ])
}

/// The order of the worked example, the same for both rows; the last slot is empty.
fn order() -> Inputs {
    let rows = [
        "01101001", "01101001", "00100000", "01101001", "00101001", "01101001", "01101001",
        "00100000",
    ];
    let hidden = rows.concat().repeat(2);
    let hidden: Vec<i64> = hidden
        .bytes()
        .map(|digit| i64::from(digit - b'0'))
        .collect();
    let mut mapping = vec![0i64; 2 * 4 * SEQ_LEN];
    for row in 0..2 {
        for (slot, position) in [1, 2, 4].into_iter().enumerate() {
            mapping[(row * 4 + slot) * SEQ_LEN + position] = 1;
        }
    }
    BTreeMap::from([
        (
            "perm_mask".to_owned(),
            TensorData::new(hidden, [2, SEQ_LEN, SEQ_LEN]),
        ),
        (
            "target_mapping".to_owned(),
            TensorData::new(mapping, [2, 4, SEQ_LEN]),
        ),
    ])
}

fn memory(outputs: &Named) -> Inputs {
    let states = outputs.iter().filter(|(name, _)| name.starts_with("mems."));
    states
        .map(|(name, (shape, values))| {
            (name.clone(), TensorData::new(values.clone(), shape.clone()))
        })
        .collect()
}

fn check(what: &str, values: &[f32], sum: f64, squares: f64, first: [f64; 4]) {
    let found: f64 = values.iter().map(|&value| f64::from(value)).sum();
    assert!((found - sum).abs() < BOUND, "{what}: sum {found} for {sum}");
    let found: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    assert!(
        (found - squares).abs() < BOUND,
        "{what}: squares {found} for {squares}"
    );
    for (&found, expected) in values.iter().zip(first) {
        let error = (f64::from(found) - expected).abs();
        assert!(error < ENTRY_BOUND, "{what}: {found} for {expected}");
    }
}

#[test]
fn the_published_numbers_come_out() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, tanh, two_ways] = ["plain", "tanh", "two_ways"].map(|name| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    });
    write_folder(&plain, "");
    write_folder(&tanh, r#","ff_activation":"gelu_new""#);
    write_folder(&two_ways, r#","bi_data":true"#);
    for (name, device) in devices() {
        let run = |model: &Path, task: &str, parts: &[Inputs]| {
            named(
                forward::<XlnetConfig>(&ForwardRequest {
                    model: model.to_path_buf(),
                    inputs: parts
                        .iter()
                        .flatten()
                        .map(|(name, data)| (name.clone(), data.clone()))
                        .collect(),
                    task: Some(task.to_owned()),
                    gradients: false,
                    device: device.clone(),
                    warn: |_| {},
                })
                .unwrap(),
            )
        };
        let hidden = |outputs: &Named| outputs["last_hidden_state"].1.clone();

        let a = run(&plain, "embed", &[tokens()]);
        check(
            &format!("{name} A"),
            &hidden(&a),
            21.241600485,
            213.882306375,
            [0.760482380, -0.916157430, 1.001718749, 1.730422756],
        );
        assert_eq!(a["mems.0"].0, [4, 2, D_MODEL]);
        check(
            &format!("{name} A, memory of layer 0"),
            &a["mems.0"].1,
            3.432614530,
            7.807966322,
            [0.080163969, 0.313771939, 0.399808063, 0.297808208],
        );
        check(
            &format!("{name} A, memory of layer 1"),
            &a["mems.1"].1,
            -6.077261692,
            99.876103928,
            [1.090622082, 0.271323713, -0.377676925, 0.040671368],
        );
        check(
            &format!("{name} A with tanh GELU"),
            &hidden(&run(&tanh, "embed", &[tokens()])),
            21.241967067,
            213.877602864,
            [0.760399399, -0.916173795, 1.001779868, 1.730330937],
        );

        let mut mask = vec![1i64; 2 * SEQ_LEN];
        mask[..3].fill(0);
        let mask = TensorData::new(mask, [2, SEQ_LEN]);
        let padding = BTreeMap::from([("attention_mask".to_owned(), mask)]);
        let b = hidden(&run(&plain, "embed", &[tokens(), padding]));
        let rows = b.chunks(SEQ_LEN * D_MODEL);
        let behind: Vec<f32> = rows.flat_map(|row| row[3 * D_MODEL..].to_vec()).collect();
        check(
            &format!("{name} B"),
            &behind,
            12.363398878,
            138.858476776,
            [0.382894423, -1.638341446, 1.510563893, 0.738369766],
        );

        let c = run(&plain, "embed", &[tokens(), memory(&a)]);
        let first = [0.783943199, -0.848791515, 0.908489639, 1.801484028];
        let what = format!("{name} C");
        check(&what, &hidden(&c), 20.030860571, 212.325341960, first);
        let d = run(&two_ways, "embed", &[tokens(), memory(&a)]);
        let what = format!("{name} D");
        check(&what, &hidden(&d), 20.490382993, 212.924662793, first);

        let first = [1.174618189, -0.400746648, -1.135746315, 0.676157907];
        let three_slots = |outputs: &Named| {
            let rows = outputs["logits"].1.chunks(4 * 37);
            rows.flat_map(|row| row[..3 * 37].to_vec())
                .collect::<Vec<f32>>()
        };
        let e = run(&plain, "fill-mask", &[tokens(), memory(&a), order()]);
        let what = format!("{name} E");
        check(&what, &three_slots(&e), 8.399697823, 160.587333463, first);
        assert_eq!(e["mems.1"].0, [6, 2, D_MODEL]);
        check(
            &format!("{name} E, memory of layer 1"),
            &e["mems.1"].1,
            -6.829304733,
            146.063412098,
            [1.332081334, 0.017867622, -0.561249773, -0.068521695],
        );
        let labels = vec![12i64, 30, 4, -100, 25, 14, 10, -100];
        let labels = BTreeMap::from([("labels".to_owned(), TensorData::new(labels, [2, 4]))]);
        let f = run(
            &two_ways,
            "fill-mask",
            &[tokens(), memory(&a), order(), labels],
        );
        let what = format!("{name} F");
        check(&what, &three_slots(&f), 8.375670647, 159.657245644, first);
        let loss = f64::from(f["loss"].1[0]);
        assert!((loss - 4.132763951).abs() < 5e-6, "{name} F: loss {loss}");
    }
}
