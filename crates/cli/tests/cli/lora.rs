//! `kiln finetune --lora` and `kiln merge`: resumed to the last byte, merged to the last byte, refused by
//! name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use crate::command::{kiln, read_json, write_corpus};

const CONFIG: &str = r#"{"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 32,
    "hidden_dropout_prob": 0.1}"#;

const RUN: &str = "finetune classify --model first --train train.csv --dev train.csv --output run --steps 8 \
                   --batch-size 4 --eval-every 4 --keep-last 9 --lora 2 --lora-dropout 0.2 --lr 0.01";

/// A folder with a pretrained model, `first`, and `train.csv`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_corpus(&path.join("text.txt"));
    fs::write(path.join("bert.json"), CONFIG).unwrap();
    kiln(
        path,
        "pretrain bert --corpus text.txt --config bert.json --vocab-size 150 --output first --steps 2 \
         --batch-size 4 --seq-len 32",
    )
    .ok();
    let rows = (0..24).map(|row| match row % 2 {
        0 => format!("the kiln is hot {row},warm\n"),
        _ => format!("the clay is cold {row},cold\n"),
    });
    let table: String = std::iter::once("text,label\n".to_owned())
        .chain(rows)
        .collect();
    fs::write(path.join("train.csv"), table).unwrap();
    folder
}

/// Every file below a folder by its path there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_path_buf();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// What must be the same in a resumed run: all but the seconds it took.
fn lasting(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(folder);
    files.retain(|path, _| {
        let name = path.file_name().unwrap().to_string_lossy();
        let timed = [
            "metrics.jsonl",
            "state.json",
            "checksums.json",
            "report.html",
        ];
        !timed.contains(&&*name) && name != ".lock"
    });
    files
}

/// The tensors of a file by their names.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter();
    tensors
        .map(|(name, tensor)| (name, tensor.data().to_vec()))
        .collect()
}

#[test]
fn a_run_with_adapters_is_resumed_from_any_place_to_the_last_byte() {
    let folder = folder();
    let (path, run) = (folder.path(), folder.path().join("run"));
    kiln(path, RUN).ok();
    let whole = lasting(&run);
    let last = run.join("checkpoints/step-00000008");
    let ends = ["scores.json", "predictions.jsonl"].map(|name| run.join(name));
    // Between the two checkpoints, and before the first, where the model that is adapted is there alone.
    for gone in [vec![last.clone()], vec![run.join("checkpoints")]] {
        for folder in gone {
            fs::remove_dir_all(folder).unwrap();
        }
        for end in &ends {
            fs::remove_file(end).unwrap();
        }
        kiln(path, "resume run").ok();
        let resumed = lasting(&run);
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&resumed), names(&whole));
        for (name, bytes) in &whole {
            assert!(resumed[name] == *bytes, "{}", name.display());
        }
    }
    // The model that the run started from is not needed any more; the one that it adapts is.
    fs::rename(path.join("first"), path.join("away")).unwrap();
    fs::remove_dir_all(&last).unwrap();
    fs::remove_file(&ends[0]).unwrap();
    fs::rename(run.join("base"), path.join("base")).unwrap();
    let refused = kiln(path, "resume run").late_error(1);
    assert!(
        refused.contains("the model that the run adapts is not what it was"),
        "{refused}"
    );
    let weights = path.join("base/model.safetensors");
    let sound = fs::read(&weights).unwrap();
    let mut damaged = sound.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&weights, damaged).unwrap();
    fs::rename(path.join("base"), run.join("base")).unwrap();
    let refused = kiln(path, "resume run").late_error(1);
    assert!(
        refused.contains("the model that the run adapts is not what it was"),
        "{refused}"
    );
    fs::write(run.join("base/model.safetensors"), sound).unwrap();
    kiln(path, "resume run").ok();
    assert!(lasting(&run) == whole);
}

#[test]
fn what_is_adapted_stays_and_what_is_merged_is_the_checkpoint() {
    let folder = folder();
    let (path, run) = (folder.path(), folder.path().join("run"));
    let done = kiln(path, &format!("{RUN} --json")).json();
    let checkpoint = path.join(done["checkpoint"].as_str().unwrap());
    let first = tensors(&path.join("first/checkpoints/step-00000002/model.safetensors"));
    let base = tensors(&run.join("base/model.safetensors"));
    let merged = tensors(&checkpoint.join("model.safetensors"));
    assert_eq!(
        base.keys().collect::<Vec<_>>(),
        merged.keys().collect::<Vec<_>>()
    );
    for (name, values) in &base {
        let is_head = name.starts_with("classifier") || name.contains("pooler");
        if !is_head {
            assert!(
                first[name] == *values,
                "{name}: the encoder that the run started from"
            );
        }
        let is_adapted = name.ends_with("query.weight") || name.ends_with("value.weight");
        assert_eq!(merged[name] != *values, is_head || is_adapted, "{name}");
    }

    let peft = read_json(&checkpoint.join("adapter/adapter_config.json"));
    assert_eq!(peft["task_type"], "SEQ_CLS");
    assert_eq!((&peft["r"], &peft["lora_alpha"]), (&2.into(), &8.into()));
    assert_eq!(peft["lora_dropout"], 0.2);
    let named = PathBuf::from(peft["base_model_name_or_path"].as_str().unwrap());
    assert_eq!(
        named.canonicalize().unwrap(),
        run.join("base").canonicalize().unwrap()
    );

    // A run, a checkpoint, the adapter alone, the adapter with its model.
    let adapter = checkpoint.join("adapter");
    fs::create_dir(path.join("elsewhere")).unwrap();
    for (name, bytes) in files(&adapter) {
        fs::write(path.join("elsewhere").join(name), bytes).unwrap();
    }
    let model = files(&checkpoint);
    for (number, source) in [
        "run".to_owned(),
        checkpoint.display().to_string(),
        adapter.display().to_string(),
        "elsewhere".to_owned(),
        "run/base --adapter elsewhere".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let output = format!("merged-{number}");
        let told = kiln(path, &format!("merge --model {source} --output {output}")).ok();
        assert!(
            told.starts_with("merged 4 adapted layers into BertForSequenceClassification"),
            "{told}"
        );
        let files = files(&path.join(&output));
        assert!(files.contains_key(Path::new("tokenizer.json")));
        for (name, bytes) in files {
            assert!(model[&name] == bytes, "{source}: {}", name.display());
        }
    }

    // Training's evaluation, of the adapters, and that of whatever folder is the merged model.
    for model in ["run", "merged-1"] {
        let scores = kiln(
            path,
            &format!("evaluate classify --model {model} --data train.csv --json"),
        );
        assert_eq!(scores.json()["scores"], done["scores"], "{model}");
    }
}

#[test]
fn what_can_not_be_adapted_or_merged_is_refused_by_name() {
    let folder = folder();
    let path = folder.path();
    let refused = |flags: &str| {
        let command = format!("{} {flags}", RUN.replace("--lora 2 --lora-dropout 0.2", ""));
        let refused = kiln(path, &command).late_error(2);
        assert!(!path.join("run").exists());
        refused
    };
    assert!(refused("--lora 0").contains("lora.rank = 0"));
    assert!(refused("--lora 2 --lora-alpha 0").contains("lora.alpha = 0"));
    assert!(refused("--lora 2 --lora-dropout 1").contains("lora.dropout = 1"));
    let wrong = refused("--lora 2 --lora-targets query,queries");
    let expected = "queries: the model has no such layer; its layers have dense, key, query, value";
    assert!(wrong.ends_with(expected), "{wrong}");
    let table = refused("--lora 2 --lora-targets word_embeddings");
    let expected =
        "word_embeddings is no linear layer of the encoder, which has dense, key, query, value";
    assert!(table.ends_with(expected), "{table}");

    let refused = |command: &str| kiln(path, command).error(1);
    let none = refused("merge --model first --output merged");
    assert!(
        none.contains("holds no adapter (adapter_config.json)"),
        "{none}"
    );

    kiln(path, RUN).ok();
    let adapter = path.join("run/checkpoints/step-00000008/adapter");
    let config = adapter.join("adapter_config.json");
    let text = fs::read_to_string(&config).unwrap();
    let merge =
        "merge --model run/base --adapter run/checkpoints/step-00000008/adapter --output merged";
    for (from, to, told) in [
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora"),
        ("\"LORA\"", "\"IA3\"", "peft_type"),
        ("\"r\": 2", "\"r\": 3", "has shape [2, 16], [3, 16]"),
        ("SEQ_CLS", "TOKEN_CLS", "pooler"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&config, text.replace(from, to)).unwrap();
        let refused = refused(merge);
        assert!(refused.contains(told), "{refused}");
        assert!(!path.join("merged").exists());
    }
    // Away from its run, an adapter says where its model was.
    fs::write(&config, text.replace("run/base", "gone")).unwrap();
    fs::rename(&adapter, path.join("alone")).unwrap();
    let refused = refused("merge --model alone --output merged");
    assert!(
        refused.contains("gone, which is no folder here"),
        "{refused}"
    );
}
