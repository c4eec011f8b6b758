//! Files as torch saves them (`scripts/make_bin_fixture.py`).

use std::path::{Path, PathBuf};

use kiln_checkpoint::{Dtype, ModelFile, OpenError};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Element i of tensor k, as the script makes it.
fn expected(k: usize, elements: usize) -> Vec<f32> {
    let value = |i| ((5 * k + i) % 64) as f32 / 8.0 - 4.0;
    (0..elements).map(value).collect()
}

#[test]
fn both_formats_of_torch_give_every_tensor_in_row_major_order() {
    for name in ["zip.bin", "legacy.bin"] {
        let file = ModelFile::open(fixture(name)).unwrap();
        assert_eq!(file.names().count(), 9, "{name}");
        let table: [(&str, usize, Dtype, &[usize]); 8] = [
            (
                "bert.embeddings.word_embeddings.weight",
                0,
                Dtype::F32,
                &[11, 4],
            ),
            ("cls.predictions.decoder.weight", 0, Dtype::F32, &[11, 4]),
            ("bert.embeddings.LayerNorm.gamma", 1, Dtype::F32, &[4]),
            ("bert.embeddings.LayerNorm.beta", 2, Dtype::F64, &[4]),
            ("bert.pooler.dense.weight", 3, Dtype::F32, &[4, 6]),
            ("bert.pooler.dense.bias", 4, Dtype::F32, &[4]),
            ("half", 5, Dtype::F16, &[2, 3]),
            ("brain", 6, Dtype::BF16, &[3, 2]),
        ];
        for (tensor, k, dtype, shape) in table {
            let info = file.info(tensor).unwrap();
            assert_eq!(
                (info.dtype, info.shape.as_slice()),
                (dtype, shape),
                "{name}: {tensor}"
            );
            let elements = shape.iter().product();
            assert_eq!(
                file.read(tensor).unwrap(),
                expected(k, elements),
                "{name}: {tensor}"
            );
        }
        assert!(matches!(
            file.read("bert.embeddings.position_ids"),
            Err(OpenError::Dtype { .. })
        ));
    }
}

#[test]
fn a_folder_with_nothing_but_a_bin_file_or_an_index_of_them_opens() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture("zip.bin"), folder.path().join("pytorch_model.bin")).unwrap();
    let file = ModelFile::open(folder.path()).unwrap();
    assert_eq!(file.read("half").unwrap(), expected(5, 6));

    let folder = tempfile::tempdir().unwrap();
    let shard = "pytorch_model-00001-of-00001.bin";
    std::fs::copy(fixture("legacy.bin"), folder.path().join(shard)).unwrap();
    let index = format!(r#"{{"metadata": {{}}, "weight_map": {{"half": "{shard}"}}}}"#);
    std::fs::write(folder.path().join("pytorch_model.bin.index.json"), index).unwrap();
    let file = ModelFile::open(folder.path()).unwrap();
    assert_eq!(file.read("half").unwrap(), expected(5, 6));
}

#[test]
fn a_model_beside_its_optimizer_is_found_under_its_key_and_behind_its_wrapper() {
    let file = ModelFile::open(fixture("nested.bin")).unwrap();
    let names: Vec<_> = file.names().collect();
    assert_eq!(names, ["bert.pooler.dense.bias", "half"]);
    assert_eq!(file.read("half").unwrap(), expected(5, 6));
    assert_eq!(file.read("bert.pooler.dense.bias").unwrap(), expected(4, 4));
}

#[test]
fn a_truncated_bin_file_is_an_error_at_every_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    for name in ["zip.bin", "legacy.bin"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let whole = ModelFile::open(&path).is_ok_and(|file| {
                let mut names = file.names().filter(|name| !name.ends_with("position_ids"));
                names.all(|name| file.read(name).is_ok())
            });
            assert!(
                !whole,
                "{name}: {length} of {} bytes pass for all",
                bytes.len()
            );
        }
    }
}
