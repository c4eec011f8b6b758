//! What flags and presets come to, and what is refused.

use std::fs;

use super::{CONFIG, SMALL, folder, read_json};
use crate::command::{TINY_CONFIG, kiln, kiln_with};

#[test]
fn a_preset_brings_the_settings_it_was_trained_with() {
    let folder = folder();
    let folder = folder.path();
    let start = |architecture: &str, output: &str, flags: &str| {
        kiln(
            folder,
            &format!(
                "pretrain {architecture} --corpus text.txt --tokenizer tok --output {output} \
                 --steps 1 --batch-size 2 --seq-len 32 --held-out 0 {flags}"
            ),
        )
        .ok();
        read_json(&folder.join(output).join("config.json"))["training"].take()
    };
    let published = start("electra", "tiny", "");
    assert_eq!(published["optimizer"]["learning_rate"], 1e-3);
    assert_eq!(published["optimizer"]["bias_correction"], false);
    assert_eq!(published["schedule"], "electra");
    let flags = "--bias-correction --schedule cosine --adam-beta2 0.98 --weight-decay 0 --lr 3e-3";
    let asked = start("electra", "asked", flags);
    assert_eq!(asked["optimizer"]["learning_rate"], 3e-3);
    assert_eq!(asked["optimizer"]["bias_correction"], true);
    assert_eq!(asked["optimizer"]["betas"][1], 0.98);
    assert_eq!(asked["optimizer"]["weight_decay"], 0.0);
    assert_eq!(asked["schedule"], "cosine");
    let config = start("electra", "config", "--config electra.json");
    let bert = start("bert", "bert", "");
    for (training, rate) in [(config, 1e-4), (bert, 2e-3)] {
        assert_eq!(training["optimizer"]["learning_rate"], rate);
        assert_eq!(training["optimizer"]["bias_correction"], true);
        assert_eq!(training["schedule"], "linear");
    }
}

#[test]
fn what_can_not_be_trained_is_refused_in_one_line() {
    let folder = folder();
    let folder = folder.path();
    let electra = "pretrain electra --corpus text.txt --tokenizer tok --output x --steps 2";
    for (flags, code, expected) in [
        (
            "--config electra.json --temperature 0",
            2,
            "temperature = 0",
        ),
        (
            "--config electra.json --generator-size=-1",
            2,
            "generator_size = -1",
        ),
        (
            "--config electra.json --share all --generator-layers 0.5",
            2,
            "--generator-layers: with --share all",
        ),
        (
            "--config electra.json --bias-correction --no-bias-correction",
            2,
            "cannot be used with",
        ),
        (
            "--config electra.json --generator-config electra.json --generator-size 0.5",
            2,
            "cannot be used with",
        ),
        (
            "--config electra.json --discriminator-weight nan",
            2,
            "discriminator_weight has to be finite",
        ),
        (
            "--config electra.json --no-next-sentence",
            2,
            "--no-next-sentence: electra has no such option; leave the flag out, or train bert",
        ),
        ("--config electra.json --examples pairs", 2, "pairs"),
        ("--config electra.json --seq-len 40", 2, "32 positions"),
        ("--preset huge", 2, "electra has tiny, small, base, large"),
        (
            "--config electra.json --uniform-generator --temperature 2",
            2,
            "cannot be used with",
        ),
    ] {
        let done = kiln(folder, &format!("{electra} {flags}"));
        assert_eq!(done.code, code, "{flags}: {done:?}");
        assert!(done.stderr.contains(expected), "{flags}: {}", done.stderr);
        assert!(!folder.join("x").exists(), "{flags}");
    }
    fs::write(
        folder.join("other.json"),
        CONFIG.replace("\"embedding_size\": 24", "\"embedding_size\": 20"),
    )
    .unwrap();
    let flags = "--config electra.json --generator-config other.json";
    let line = kiln(folder, &format!("{electra} {flags}")).error(2);
    assert!(line.contains("embedding_size = 20"), "{line}");
    let bert = "pretrain bert --corpus text.txt --tokenizer tok --output x --steps 2";
    for (flags, expected) in [
        ("--temperature 2", "--temperature: bert has no"),
        ("--uniform-generator", "--uniform-generator: bert has no"),
        // Half of the second segments of pairs are random: that is what next sentences are about.
        ("--examples segments", "needs pairs"),
        ("--examples pairs --no-next-sentence", "pairs need it"),
    ] {
        let line = kiln(folder, &format!("{bert} {flags}")).error(2);
        assert!(line.contains(expected), "{flags}: {line}");
    }
    let line = kiln(folder, "predict replaced-tokens --model tok a").error(1);
    assert!(line.contains("tok/config.json"), "{line}");
}

#[test]
fn bert_without_next_sentences_reads_segments_or_packed_sequences() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("bert.json"), TINY_CONFIG).unwrap();
    for (output, flags, examples) in [
        ("default", "--no-next-sentence", "packed"),
        (
            "segments",
            "--no-next-sentence --examples segments",
            "segments",
        ),
    ] {
        kiln(
            folder,
            &format!(
                "pretrain bert --corpus text.txt --tokenizer tok --config bert.json \
                 --output {output} {SMALL} {flags}"
            ),
        )
        .ok();
        let settings = read_json(&folder.join(output).join("config.json"));
        assert_eq!(settings["objective"]["examples"]["kind"], examples);
    }
    let line = kiln_with(
        folder,
        &["predict", "replaced-tokens", "--model", "default", "clay"],
        "",
    );
    assert!(line.error(2).contains("bert has no discriminator"));
}
