//! What Kiln writes, for review: names and shapes of every preset's parameters, and the files of a run
//! and of its checkpoints. `scripts/check_names.py` holds the names against transformers'.
//!
//! Sizes of time, memory and losses, hashes and folders are left out; they differ from run to run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use burn::module::Module;
use kiln_backend::DeviceSpec;
use kiln_checkpoint::{Names, parameters};
use kiln_nn::Init;
use serde_json::Value;

use crate::command::{kiln, read_json, write_corpus};

/// Publishes a snapshot into the folder of this file's own.
fn assert_written(name: &str, written: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("written");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, written));
}

/// `NAME [SHAPE]` of a module, a line for each parameter; layers that are alike share one.
fn lines_of<M: Module>(title: &str, module: &M, names: &Names) -> String {
    let parameters = parameters(module, names);
    let numbers: usize = parameters
        .iter()
        .map(|p| p.shape.iter().product::<usize>())
        .sum();
    let mut text = format!("{title}: {} tensors, {numbers} numbers\n", parameters.len());
    let mut alike: Vec<(String, Vec<usize>, usize)> = Vec::new();
    for parameter in &parameters {
        let is_layer = |part: &&str| part.parse::<usize>().is_ok();
        let layer: Vec<&str> = parameter.name.split('.').filter(is_layer).collect();
        let (name, layer) = match layer[..] {
            [number] => {
                let name = parameter.name.replacen(&format!(".{number}."), ".{}.", 1);
                (name, number.parse().unwrap())
            }
            _ => (parameter.name.clone(), 0),
        };
        match alike
            .iter_mut()
            .find(|(other, shape, _)| (other, shape) == (&name, &parameter.shape))
        {
            Some((.., last)) => *last = layer,
            None => alike.push((name, parameter.shape.clone(), layer)),
        }
    }
    for (name, shape, last) in alike {
        let layers = if last == 0 {
            "0".to_owned()
        } else {
            format!("0-{last}")
        };
        writeln!(text, "  {} {shape:?}", name.replace("{}", &layers)).unwrap();
    }
    text
}

/// Layers of a wide model that are made, which is all the same for names and shapes, and what is said
/// of it.
fn few(layers: &mut usize, width: usize) -> String {
    let all = *layers;
    if width < 1_024 || all <= 4 {
        return String::new();
    }
    *layers = 4;
    format!(", 4 of {all} layers")
}

/// Draws nothing: a large model takes no more than its zeros.
fn zeros() -> Init {
    let device = kiln_backend::open(&"flex".parse::<DeviceSpec>().unwrap()).unwrap();
    Init::zeros(&device)
}

#[test]
fn parameters_of_bert_and_roberta() {
    let mut written = String::new();
    for preset in kiln_bert::presets::PRESETS {
        let mut config = preset.config(30_522);
        let of = few(&mut config.num_hidden_layers, preset.hidden_size);
        let model = kiln_bert::BertForPreTraining::new(&config, &mut zeros());
        let title = format!("bert {}{of}, BertForPreTraining", preset.name);
        written += &lines_of(&title, &model, &kiln_bert::names::NAMES);
    }
    for preset in kiln_roberta::presets::PRESETS {
        let mut config = preset.config(50_265);
        let of = few(&mut config.num_hidden_layers, preset.size.hidden_size);
        let model = kiln_roberta::RobertaForMaskedLm::new(&config, &mut zeros());
        let title = format!("roberta {}{of}, RobertaForMaskedLM", preset.size.name);
        written += &lines_of(&title, &model, &kiln_roberta::names::NAMES);
    }
    assert_written("parameters_bert_roberta", &written);
}

#[test]
fn parameters_of_electra() {
    let mut written = String::new();
    for preset in kiln_electra::presets::PRESETS {
        let mut config = preset.config(30_522);
        let width = config.hidden_size;
        let of = few(&mut config.num_hidden_layers, width);
        let settings = preset.detection();
        let generator =
            kiln_electra::generator_of(&config, settings.generator_size, settings.generator_layers);
        let model = kiln_electra::ElectraForMaskedLm::new(&generator, &mut zeros());
        let title = format!("electra {}{of}, generator, ElectraForMaskedLM", preset.name);
        written += &lines_of(&title, &model, &kiln_electra::names::NAMES);
        let model = kiln_electra::ElectraForPreTraining::new(&config, &mut zeros());
        let title = format!(
            "electra {}{of}, discriminator, ElectraForPreTraining",
            preset.name
        );
        written += &lines_of(&title, &model, &kiln_electra::names::NAMES);
    }
    assert_written("parameters_electra", &written);
}

#[test]
fn parameters_of_deberta() {
    let mut written = String::new();
    for preset in kiln_deberta::presets::PRESETS {
        // The tables of the wide ones alone would take gigabytes.
        let words = match preset.hidden_size {
            1_024.. => 1_000,
            _ if preset.name.starts_with("v1") => 50_265,
            _ => 128_100,
        };
        let mut config = preset.config(words);
        let of = few(&mut config.num_hidden_layers, preset.hidden_size);
        let form = kiln_deberta::MaskedLmForm::Enhanced;
        let model = kiln_deberta::DebertaForMaskedLm::new(&config, form, &mut zeros());
        let title = format!(
            "deberta {}{of}, words, with the enhanced mask decoder",
            preset.name
        );
        written += &lines_of(&title, &model, &kiln_deberta::names::NAMES);
        let model = kiln_deberta::DebertaForPreTraining::new(&config, &mut zeros());
        let title = format!("deberta {}{of}, discriminator", preset.name);
        written += &lines_of(&title, &model, &kiln_deberta::names::NAMES);
    }
    assert_written("parameters_deberta", &written);
}

#[test]
fn parameters_of_xlnet() {
    let mut written = String::new();
    for preset in kiln_xlnet::presets::PRESETS {
        let mut config = preset.config(32_000, 128);
        let of = few(&mut config.n_layer, preset.d_model);
        let model = kiln_xlnet::XlnetLmHeadModel::new(&config, &mut zeros());
        let title = format!("xlnet {}{of}, XLNetLMHeadModel", preset.name);
        written += &lines_of(&title, &model, &kiln_xlnet::names::NAMES);
    }
    assert_written("parameters_xlnet", &written);
}

/// A way to train, and the folders of its checkpoint with a config.json.
const RUNS: [(&str, &str, &[&str]); 7] = [
    ("bert", "bert", &["."]),
    ("electra", "electra", &["generator", "discriminator"]),
    (
        "deberta_rtd",
        "deberta --objective rtd",
        &["generator", "discriminator"],
    ),
    ("deberta_mlm", "deberta --objective mlm", &["."]),
    (
        "deberta_legacy",
        "deberta --objective mlm --mlm-head legacy",
        &["."],
    ),
    ("xlnet", "xlnet", &["."]),
    ("roberta", "roberta", &["."]),
];

#[test]
fn files_of_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_corpus(&folder.join("text.txt"));
    let mut written = String::new();
    for (name, flags, halves) in RUNS {
        kiln(
            folder,
            &format!("pretrain {flags} --corpus text.txt --vocab-size 300 --output {name} {SMALL}"),
        )
        .ok();
        for half in halves {
            tell_folder(
                &mut written,
                folder,
                &format!("{name}/checkpoints/step-00000001/{half}"),
            );
        }
    }
    assert_written("checkpoints", &written);
}

/// Flags of a run of one small step.
const SMALL: &str = "--steps 1 --batch-size 2 --seq-len 16 --held-out 0";

/// config.json of the reference cases is as transformers writes it: what it says is kept.
#[test]
fn configs_of_hugging_face_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_corpus(&folder.join("text.txt"));
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut written = String::new();
    for (architecture, case, flags) in [
        ("bert", "pretraining", ""),
        ("electra", "discriminator", ""),
        ("deberta", "masked_lm", "--objective mlm --mlm-head legacy"),
        ("xlnet", "language_model", ""),
        ("roberta", "masked_lm", ""),
    ] {
        let given = crates.join(architecture).join("tests/fixtures").join(case);
        let mut config = read_json(&given.join("config.json"));
        config["vocab_size"] = 300.into();
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        kiln(
            folder,
            &format!(
                "pretrain {architecture} {flags} --config config.json --corpus text.txt --output \
                 {architecture} {SMALL}"
            ),
        )
        .ok();
        let half = if architecture == "electra" {
            "discriminator"
        } else {
            "."
        };
        let path = format!("{architecture}/checkpoints/step-00000001/{half}/config.json");
        tell_file(&mut written, folder, &path);
    }
    assert_written("configs_written_again", &written);
}

#[test]
fn files_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_corpus(&folder.join("text.txt"));
    kiln(
        folder,
        "pretrain electra --corpus text.txt --vocab-size 300 --output run --steps 2 --batch-size 2 \
         --seq-len 16 --eval-every 1 --eval-batches 1",
    )
    .ok();
    let mut written = String::new();
    tell_file(&mut written, folder, "run/config.json");
    tell_file(
        &mut written,
        folder,
        "run/checkpoints/step-00000002/training/state.json",
    );
    let metrics = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let mut kinds = BTreeMap::new();
    for line in metrics.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let keys: Vec<String> = record.as_object().unwrap().keys().cloned().collect();
        kinds.entry(record["kind"].to_string()).or_insert(keys);
    }
    for (kind, keys) in kinds {
        writeln!(
            written,
            "== keys of metrics.jsonl, kind {kind}\n{}\n",
            keys.join("\n")
        )
        .unwrap();
    }
    assert_written("run", &written);
}

/// The names of a folder's files, and its JSON without the tokenizer's own.
fn tell_folder(written: &mut String, root: &Path, folder: &str) {
    let folder = folder.trim_end_matches("/.");
    let names = crate::faults::names_in(&root.join(folder));
    writeln!(written, "== {folder}\n{}\n", names.join("\n")).unwrap();
    for file in [
        "config.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    ] {
        let path = format!("{folder}/{file}");
        if root.join(&path).exists() {
            tell_file(written, root, &path);
        }
    }
}

/// A file of JSON as it is, but for what differs from run to run.
fn tell_file(written: &mut String, root: &Path, path: &str) {
    let text = fs::read_to_string(root.join(path)).unwrap();
    let root = root.canonicalize().unwrap().display().to_string();
    writeln!(written, "== {}", path.replace("/./", "/")).unwrap();
    for line in text.lines() {
        let line = line.replace(&root, "[folder]");
        let varies = ["\"seconds\"", "_loss\"", "\"loss\"", "\"data_threads\""];
        let line = match line.split_once(": ") {
            Some((key, value))
                if varies.iter().any(|it| key.ends_with(it))
                    && value.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                format!(
                    "{key}: [number]{}",
                    if value.ends_with(',') { "," } else { "" }
                )
            }
            _ => line,
        };
        let is_hash = |word: &&str| word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let hash = line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find(is_hash)
            .map(str::to_owned);
        let line = hash.map_or(line.clone(), |hash| line.replace(&hash, "[hash]"));
        writeln!(written, "{line}").unwrap();
    }
    written.push('\n');
}
