//! Any bytes into any reader: `Ok` or `Err`, never a panic, and damage is seen where it can be.

use std::path::Path;

use kiln_checkpoint::{ConfigFile, ModelFile, NamedTensor, OpenError, verify, write_safetensors};
use proptest::prelude::*;
use safetensors::tensor::Dtype;

use crate::model::{f32_bytes, write_raw};

fn small_file(path: &Path) -> Vec<u8> {
    let tensor = |name: &str, shape: &[usize]| NamedTensor {
        name: name.into(),
        shape: shape.to_vec(),
        data: vec![1.5; shape.iter().product()],
    };
    write_safetensors(path, &[tensor("a", &[2, 3]), tensor("b", &[4])]).unwrap();
    std::fs::read(path).unwrap()
}

/// Reads all there is; whether everything could be read.
fn read_all(path: &Path) -> bool {
    let Ok(file) = ModelFile::open(path) else {
        return false;
    };
    let names: Vec<String> = file.names().map(ToOwned::to_owned).collect();
    // Every tensor, even behind a faulty one.
    let read = names.iter().map(|name| file.read(name).is_ok());
    read.fold(true, |all, one| all & one)
}

#[test]
fn a_truncated_file_is_an_error_at_every_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let bytes = small_file(&path);
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = ModelFile::open(&path).unwrap_err();
        assert!(
            matches!(error, OpenError::Malformed { .. }),
            "{length}: {error}"
        );
        assert!(error.to_string().contains("model.safetensors"));
    }
    std::fs::write(&path, [bytes.as_slice(), b"x"].concat()).unwrap();
    assert!(matches!(
        ModelFile::open(&path),
        Err(OpenError::Malformed { .. })
    ));
}

#[test]
fn a_file_that_shrinks_after_opening_is_an_error_when_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let bytes = small_file(&path);
    let file = ModelFile::open(&path).unwrap();
    let shrinking = std::fs::File::options().write(true).open(&path).unwrap();
    shrinking.set_len(bytes.len() as u64 - 1).unwrap();
    assert!(matches!(file.read("b"), Err(OpenError::Malformed { .. })));
    assert!(file.read("a").is_ok());
}

#[test]
fn flipped_bits_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let bytes = small_file(&path);
    let mut refused = 0;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).unwrap();
        refused += usize::from(!read_all(&path));
    }
    // The length alone has 64 bits of which each makes the header another.
    assert!(refused > 64, "{refused}");
}

#[test]
fn overlapping_and_gaping_byte_ranges_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for second in ["[4,12]", "[12,20]", "[8,12]"] {
        let header = format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{second}}}}}"#
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.extend([0; 16]);
        std::fs::write(&path, bytes).unwrap();
        let error = ModelFile::open(&path).unwrap_err();
        assert!(
            matches!(error, OpenError::Malformed { .. }),
            "{second}: {error}"
        );
    }
}

#[test]
fn a_header_that_claims_more_than_the_file_has_costs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for claim in [u64::MAX, 99_000_000, 8] {
        let mut bytes = claim.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(
            ModelFile::open(&path),
            Err(OpenError::Malformed { .. })
        ));
    }
}

#[test]
fn empty_and_scalar_tensors_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_raw(
        &path,
        &[
            ("empty", Dtype::F32, &[0, 3], vec![]),
            ("scalar", Dtype::F32, &[], f32_bytes(&[2.5])),
        ],
    );
    let file = ModelFile::open(&path).unwrap();
    assert_eq!(file.read("empty").unwrap(), Vec::<f32>::new());
    assert_eq!(file.read("scalar").unwrap(), [2.5]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_a_file_or_an_error(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        start in proptest::sample::select(vec![
            "", "PK\x03\x04", "{\"weight_map\": {", "(dp0\nS'a'\n", "\x10\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"",
        ]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = [start.as_bytes(), &bytes].concat();
        for name in ["a.safetensors", "a.bin", "a.index.json"] {
            let path = folder.path().join(name);
            std::fs::write(&path, &bytes).unwrap();
            read_all(&path);
        }
        let config = folder.path().join("config.json");
        std::fs::write(&config, &bytes).unwrap();
        let _ = ConfigFile::open(&config);
        std::fs::create_dir(folder.path().join("training")).unwrap();
        std::fs::write(folder.path().join(kiln_checkpoint::MANIFEST), &bytes).unwrap();
        prop_assert!(verify(folder.path()).is_err());
    }

    #[test]
    fn torch_files_with_changed_bytes_never_panic(
        legacy in any::<bool>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let name = if legacy { "legacy.bin" } else { "zip.bin" };
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let mut bytes = std::fs::read(fixture).unwrap();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        std::fs::write(&path, bytes).unwrap();
        read_all(&path);
    }
}
