//! Every reference case on every device: outputs, losses, gradients, and the golden numbers.

use std::path::Path;

use kiln_bert::BertConfig;
use kiln_tasks::forward::forward;
use kiln_testing::{Bound, Fixture, Report, check_parity, devices, fixtures_dir, named, request};

#[test]
fn outputs_losses_and_gradients_are_the_references() {
    check_parity("bert", env!("CARGO_MANIFEST_DIR"), forward::<BertConfig>);
}

/// Numbers computed once in double precision, independent of the files beside them.
#[test]
fn the_golden_numbers_hold() {
    let folder = fixtures_dir("bert", env!("CARGO_MANIFEST_DIR")).join("golden");
    if !Path::new(&folder).is_dir() {
        return; // The fixtures were replaced by someone's own.
    }
    let fixture = Fixture::open(&folder);
    let mut report = Report::new("bert golden");
    for (device_name, device) in devices() {
        let found = named(forward::<BertConfig>(&request(&fixture, &device)).unwrap());
        let mut check = |name: &str, at: usize, expected: &[f32], bound| {
            let actual = &found[name].1[at..at + expected.len()];
            report.check(
                &format!("{name}[{at}..]"),
                &device_name,
                actual,
                expected,
                bound,
            );
        };
        let output = Bound::Output;
        check(
            "last_hidden_state",
            0,
            &[0.509_671_9, -0.420_026_8, -1.389_499_8, 1.301_954],
            output,
        );
        check(
            "last_hidden_state",
            (8 + 4) * 4,
            &[0.737_415_4, -0.060_047_604, -1.652_434, 0.594_448_86],
            output,
        );
        check(
            "pooler_output",
            0,
            &[-0.244_092_3, 0.256_251_46, 0.784_594, -0.637_853],
            output,
        );
        check(
            "prediction_logits",
            11,
            &[0.749_119_1, 0.050_147_537, -1.004_063_2, 0.168_174_32],
            output,
        );
        check(
            "seq_relationship_logits",
            0,
            &[0.334_017_85, 0.829_569_64, 0.328_810_5, 0.838_474_1],
            output,
        );
        check("loss", 0, &[3.336_708_2], Bound::Loss);
        check("mlm_loss", 0, &[2.615_833_2], Bound::Loss);
        check("next_sentence_loss", 0, &[0.720_875], Bound::Loss);
        // The row of [PAD] learns from the decoder alone.
        check(
            "grad.bert.embeddings.word_embeddings.weight",
            0,
            &[-0.096_988_95, 0.007_514_009, -0.053_019_654, 0.015_751_324],
            Bound::Gradient,
        );
        let norm = |name: &str| {
            let squares = found[name].1.iter().map(|&v| f64::from(v) * f64::from(v));
            squares.sum::<f64>().sqrt()
        };
        // An erf GELU with the tanh form's derivative would give 0.07074643 in the last one.
        for (name, expected) in [
            (
                "grad.bert.embeddings.word_embeddings.weight",
                1.010_998_142_7,
            ),
            (
                "grad.bert.encoder.layer.0.attention.self.query.weight",
                0.077_330_936_6,
            ),
            (
                "grad.bert.encoder.layer.0.intermediate.dense.weight",
                0.070_759_042_4,
            ),
        ] {
            let error = (norm(name) - expected).abs() / expected;
            assert!(error < 1e-5, "{device_name}: {name}: off by {error:e}");
        }
        let all: f64 = found
            .keys()
            .filter(|name| name.starts_with("grad."))
            .map(|name| norm(name).powi(2))
            .sum();
        assert!(
            (all.sqrt() - 1.712_923_142).abs() < 2e-5,
            "{device_name}: {all}"
        );
    }
    report.finish();
}
