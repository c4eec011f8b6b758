//! The many ways a Hugging Face folder may hold one model.

use kiln_checkpoint::{
    LoadOptions, ModelFile, NamedTensor, OpenError, load_module, module_tensors, write_model,
    write_safetensors,
};
use kiln_testing::devices;
use safetensors::tensor::Dtype;

use crate::model::{
    NAMES, OPTIONS, PreTraining, VOCAB, f32_bytes, filled, renamed, sorted, write_raw,
};

/// A module, its filled tensors, and a folder to put files in.
fn setting() -> (PreTraining, Vec<NamedTensor>, tempfile::TempDir) {
    let (_, device) = devices().remove(0);
    let module = PreTraining::new(&device);
    let tensors = filled(&module);
    (module, tensors, tempfile::tempdir().unwrap())
}

fn opened(folder: &tempfile::TempDir, tensors: &[NamedTensor]) -> ModelFile {
    write_safetensors(&folder.path().join("model.safetensors"), tensors).unwrap();
    ModelFile::open(folder.path()).unwrap()
}

#[test]
fn legacy_gamma_and_beta_are_weight_and_bias() {
    let (module, tensors, folder) = setting();
    let legacy = renamed(&tensors, |name| {
        name.replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta")
    });
    let file = opened(&folder, &legacy);
    let (module, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
    report.require_complete(file.path()).unwrap();
    assert_eq!(sorted(module_tensors(&module, &NAMES).unwrap()), tensors);
}

#[test]
fn a_bare_model_loads_into_one_with_heads_and_the_heads_are_named_as_missing() {
    let (module, tensors, folder) = setting();
    let bare: Vec<_> = tensors
        .iter()
        .filter(|tensor| tensor.name.starts_with("bert."))
        .cloned()
        .collect();
    let bare = renamed(&bare, |name| name["bert.".len()..].to_owned());
    let file = opened(&folder, &bare);
    let heads = module_tensors(&module.cls, &NAMES).unwrap();
    let (module, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
    assert_eq!(report.missing.len(), 7);
    assert!(report.missing.iter().all(|name| name.starts_with("cls.")));
    assert!(report.unused.is_empty());
    assert_eq!(module_tensors(&module.cls, &NAMES).unwrap(), heads);
    let error = report
        .require_complete(file.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("7 parameters are not in the file (cls."),
        "{error}"
    );
}

#[test]
fn a_model_with_heads_loads_into_a_bare_one_and_the_heads_are_named_as_unused() {
    let (module, tensors, folder) = setting();
    let file = opened(&folder, &tensors);
    // The bare model's parameters have no prefix; those of the file have.
    let (bare, report) = load_module(module.bert, &NAMES, &file, &OPTIONS).unwrap();
    assert!(report.missing.is_empty());
    assert_eq!(report.unused.len(), 7);
    assert!(report.unused.iter().all(|name| name.starts_with("cls.")));
    let loaded = renamed(&module_tensors(&bare, &NAMES).unwrap(), |name| {
        format!("bert.{name}")
    });
    assert_eq!(sorted(loaded), tensors[..39]);
}

#[test]
fn equal_copies_of_tied_tensors_are_ignored_and_different_ones_refused() {
    let (module, mut tensors, folder) = setting();
    let words = "bert.embeddings.word_embeddings.weight";
    let words = tensors.iter().find(|tensor| tensor.name == words).unwrap();
    let mut copy = words.clone();
    copy.name = "cls.predictions.decoder.weight".into();
    tensors.push(copy);
    let file = opened(&folder, &tensors);
    let (module, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
    assert_eq!(report.ignored, ["cls.predictions.decoder.weight"]);
    report.require_complete(file.path()).unwrap();

    // One bit in one element.
    let last = tensors.last_mut().unwrap();
    last.data[17] = f32::from_bits(last.data[17].to_bits() ^ 1);
    let file = opened(&folder, &tensors);
    let error = load_module(module, &NAMES, &file, &OPTIONS).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Untied { copy, owner, .. }
            if copy == "cls.predictions.decoder.weight"
                && owner == "bert.embeddings.word_embeddings.weight"
    ));
}

#[test]
fn the_remedy_for_copies_that_differ_names_what_both_heads_need() {
    let (module, mut tensors, folder) = setting();
    let bias = "cls.predictions.bias";
    let owner = tensors.iter().find(|tensor| tensor.name == bias);
    let mut copy = owner.unwrap().clone();
    copy.name = "cls.predictions.decoder.bias".into();
    copy.data[0] += 1.0;
    tensors.push(copy);
    let file = opened(&folder, &tensors);
    let error = load_module(module, &NAMES, &file, &OPTIONS).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains(
            "set tie_word_embeddings to false in config.json, store \
             bert.embeddings.word_embeddings.weight as cls.predictions.decoder.weight as well, to \
             go on with both"
        ),
        "{error}"
    );
}

#[test]
fn what_stands_beside_the_key_of_a_state_dict_is_named_as_unused() {
    let (module, tensors, folder) = setting();
    let mut wrapped = renamed(&tensors, |name| format!("state_dict.{name}"));
    for name in ["ema.bert.pooler.dense.bias", "optimizer.state.0.exp_avg"] {
        let mut beside = tensors[0].clone();
        beside.name = name.into();
        wrapped.push(beside);
    }
    let file = opened(&folder, &wrapped);
    let (module, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
    assert_eq!(report.unused, ["ema.bert.pooler.dense.bias"]);
    assert!(report.missing.is_empty());
    assert_eq!(sorted(module_tensors(&module, &NAMES).unwrap()), tensors);
}

#[test]
fn a_copy_that_no_head_reads_may_be_anything() {
    let (module, mut tensors, folder) = setting();
    let mut copy = tensors[0].clone();
    copy.name = "cls.predictions.decoder.weight".into();
    tensors.push(copy);
    let file = opened(&folder, &tensors);
    let (_, report) = load_module(module.bert, &NAMES, &file, &OPTIONS).unwrap();
    assert!(
        report
            .ignored
            .contains(&"cls.predictions.decoder.weight".into())
    );
}

#[test]
fn copies_are_apart_where_the_config_or_their_values_say_so() {
    let (_, mut tensors, folder) = setting();
    let copies = [
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    ];
    let file = opened(&folder, &tensors);
    assert!(OPTIONS.apart(&file, true).unwrap().is_empty());
    assert_eq!(OPTIONS.apart(&file, false).unwrap(), copies);
    let words = "bert.embeddings.word_embeddings.weight";
    let words = tensors.iter().find(|tensor| tensor.name == words).unwrap();
    let mut copy = words.clone();
    copy.name = copies[0].into();
    tensors.push(copy);
    let file = opened(&folder, &tensors);
    assert!(OPTIONS.apart(&file, true).unwrap().is_empty());
    tensors.last_mut().unwrap().data[3] += 1.0;
    let file = opened(&folder, &tensors);
    assert_eq!(OPTIONS.apart(&file, true).unwrap(), copies[..1]);
}

#[test]
fn the_copy_of_a_tied_tensor_serves_where_the_owner_is_absent() {
    let (module, tensors, folder) = setting();
    let file = opened(
        &folder,
        &renamed(&tensors, |name| match name {
            "cls.predictions.bias" => "cls.predictions.decoder.bias".into(),
            name => name.into(),
        }),
    );
    let (module, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
    report.require_complete(file.path()).unwrap();
    assert_eq!(sorted(module_tensors(&module, &NAMES).unwrap()), tensors);
}

#[test]
fn integers_declared_ignorable_are_left_aside_and_others_are_reported() {
    let (module, _, folder) = setting();
    let path = folder.path().join("model.safetensors");
    let ids = vec![0; 8 * 8];
    write_raw(
        &path,
        &[
            (
                "bert.embeddings.position_ids",
                Dtype::I64,
                &[1, 8],
                ids.clone(),
            ),
            ("global_step", Dtype::I64, &[8], ids),
        ],
    );
    let file = ModelFile::open(&path).unwrap();
    let (_, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
    assert_eq!(report.ignored, ["bert.embeddings.position_ids"]);
    assert_eq!(report.unused, ["global_step"]);
}

#[test]
fn half_brain_and_double_floats_are_cast_to_float32() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let values = [0.0_f32, -1.5, 0.335_937_5, 65_504.0];
    let half = values
        .iter()
        .flat_map(|x| half::f16::from_f32(*x).to_le_bytes());
    let brain = values
        .iter()
        .flat_map(|x| half::bf16::from_f32(*x).to_le_bytes());
    let double = values
        .iter()
        .flat_map(|x| (f64::from(*x) + 1e-12).to_le_bytes());
    write_raw(
        &path,
        &[
            ("half", Dtype::F16, &[4], half.collect()),
            ("brain", Dtype::BF16, &[4], brain.collect()),
            ("double", Dtype::F64, &[2, 2], double.collect()),
        ],
    );
    let file = ModelFile::open(&path).unwrap();
    assert_eq!(file.read("half").unwrap(), values);
    // 8 bits of significand: 65504 is rounded to the next power of two.
    assert_eq!(
        file.read("brain").unwrap(),
        [0.0, -1.5, 0.335_937_5, 65_536.0]
    );
    assert_eq!(
        file.read("double").unwrap(),
        [1e-12, -1.5, 0.335_937_5, 65_504.0]
    );
    assert_eq!(file.info("double").unwrap().shape, [2, 2]);
}

#[test]
fn an_integer_parameter_is_refused_by_name_and_type() {
    let (module, _, folder) = setting();
    let path = folder.path().join("model.safetensors");
    write_raw(
        &path,
        &[(
            "cls.predictions.bias",
            Dtype::I32,
            &[VOCAB],
            vec![0; VOCAB * 4],
        )],
    );
    let file = ModelFile::open(&path).unwrap();
    let error = load_module(module, &NAMES, &file, &OPTIONS)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cls.predictions.bias has elements of type I32"),
        "{error}"
    );
    assert!(matches!(
        file.read("cls.predictions.bias"),
        Err(OpenError::Dtype { .. })
    ));
    assert!(matches!(
        file.read("absent"),
        Err(OpenError::NoTensor { .. })
    ));
}

#[test]
fn another_shape_is_refused_with_both_shapes() {
    let (module, _, folder) = setting();
    let path = folder.path().join("model.safetensors");
    // Transposed: the same number of elements, so only the shape can tell.
    let bytes = f32_bytes(&[0.0; 24]);
    let name = "bert.encoder.layer.0.intermediate.dense.weight";
    write_raw(&path, &[(name, Dtype::F32, &[4, 6], bytes)]);
    let file = ModelFile::open(&path).unwrap();
    let error = load_module(module, &NAMES, &file, &OPTIONS).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: {name} has shape [4, 6], [6, 4] follows from config.json; is this another model's config?",
            path.display()
        )
    );
}

#[test]
fn shards_hold_the_same_model_and_their_bytes_repeat() {
    let (module, tensors, folder) = setting();
    write_model(folder.path(), &tensors, Some(600)).unwrap();
    let index =
        std::fs::read_to_string(folder.path().join("model.safetensors.index.json")).unwrap();
    let count: usize = index.split("-of-").nth(1).unwrap()[..5].parse().unwrap();
    assert!(count > 2, "{index}");
    for number in 1..=count {
        let shard = folder
            .path()
            .join(format!("model-{number:05}-of-{count:05}.safetensors"));
        let elements: usize = {
            let shard = ModelFile::open(shard).unwrap();
            let names: Vec<_> = shard.names().map(ToOwned::to_owned).collect();
            names
                .iter()
                .map(|name| shard.read(name).unwrap().len())
                .sum()
        };
        assert!(elements * 4 <= 600);
    }
    let file = ModelFile::open(folder.path()).unwrap();
    let (module, report) = load_module(module, &NAMES, &file, &OPTIONS).unwrap();
    report.require_complete(file.path()).unwrap();
    assert_eq!(sorted(module_tensors(&module, &NAMES).unwrap()), tensors);

    let again = tempfile::tempdir().unwrap();
    write_model(again.path(), &tensors, Some(600)).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let other = again.path().join(path.file_name().unwrap());
        assert!(std::fs::read(path).unwrap() == std::fs::read(other).unwrap());
    }
}

#[test]
fn a_missing_shard_is_named() {
    let (_, tensors, folder) = setting();
    write_model(folder.path(), &tensors[..3], Some(16)).unwrap();
    let shard = "model-00002-of-00003.safetensors";
    std::fs::remove_file(folder.path().join(shard)).unwrap();
    let error = ModelFile::open(folder.path()).unwrap_err().to_string();
    let expected = format!("index.json: names {shard}, which is not in the same folder");
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn an_index_that_reaches_outside_its_folder_or_promises_what_is_not_there_is_refused() {
    let (_, tensors, folder) = setting();
    let path = folder.path().join("model.safetensors.index.json");
    let outside = folder.path().join("model.safetensors");
    write_safetensors(&outside, &tensors).unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let index = inner.join("model.safetensors.index.json");
    std::fs::write(&index, r#"{"weight_map": {"a": "../model.safetensors"}}"#).unwrap();
    assert!(matches!(
        ModelFile::open(&inner),
        Err(OpenError::MissingShard { .. })
    ));

    // What nobody needs may be missing.
    let name = "cls.predictions.bias";
    let index =
        format!(r#"{{"weight_map": {{"{name}": "model.safetensors", "x": "model.safetensors"}}}}"#);
    std::fs::write(&path, index).unwrap();
    let (module, all, _) = setting();
    let file = ModelFile::open(&path).unwrap();
    assert!(load_module(module, &NAMES, &file, &OPTIONS).is_ok());
    let without: Vec<_> = all
        .into_iter()
        .filter(|tensor| tensor.name != name)
        .collect();
    write_safetensors(&outside, &without).unwrap();
    let (module, ..) = setting();
    let file = ModelFile::open(&path).unwrap();
    let error = load_module(module, &NAMES, &file, &OPTIONS)
        .unwrap_err()
        .to_string();
    let expected = format!("says that model.safetensors holds {name}, which it does not");
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_folder_without_weights_is_told_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let error = ModelFile::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("pytorch_model.bin"), "{error}");
    let absent = folder.path().join("absent");
    assert!(matches!(
        ModelFile::open(absent),
        Err(OpenError::Read { .. })
    ));
}

#[test]
fn nothing_is_ignored_unless_declared() {
    let (module, mut tensors, folder) = setting();
    let mut copy = tensors[0].clone();
    copy.name = "embeddings.position_ids".into();
    tensors.push(copy);
    let file = opened(&folder, &tensors);
    let (_, report) = load_module(module, &NAMES, &file, &LoadOptions::default()).unwrap();
    assert_eq!(report.unused, ["embeddings.position_ids"]);
    assert!(report.require_complete(file.path()).is_err());
}

#[test]
fn a_prefix_is_taken_away_where_the_rest_is_nobodys_name() {
    let (_, mut tensors, folder) = setting();
    tensors.truncate(3);
    for (tensor, name) in tensors.iter_mut().zip(["p.a", "p.z", "z"]) {
        tensor.name = name.to_owned();
    }
    let mut file = opened(&folder, &tensors);
    file.strip_prefix("p.");
    assert_eq!(file.names().collect::<Vec<_>>(), ["a", "p.z", "z"]);
    assert_eq!(file.read("a").unwrap(), tensors[0].data);
    assert_eq!(file.read("z").unwrap(), tensors[2].data);
}
