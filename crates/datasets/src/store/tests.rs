//! Features written and read again, and bytes that are not what was written.

use proptest::prelude::*;

use super::*;
use crate::{RowTarget, TokenMap};

fn stored(features: &[Feature]) -> FeatureStore {
    let mut writer = StoreWriter::new().unwrap();
    for feature in features {
        writer.push(feature).unwrap();
    }
    writer.finish().unwrap()
}

fn sample(example: u64) -> Feature {
    Feature {
        example,
        ids: vec![vec![2, 70_000, 3], vec![2, 3]],
        type_ids: vec![vec![0, 1, 1], vec![0, 2]],
        target: RowTarget::Numbers(vec![0.1, -0.0]),
        map: TokenMap::Words(vec![(0, 1)]),
    }
}

fn target() -> impl Strategy<Value = RowTarget> {
    prop_oneof![
        Just(RowTarget::None),
        any::<u32>().prop_map(RowTarget::Class),
        proptest::collection::vec(-1e30_f32..1e30, 0..5).prop_map(RowTarget::Numbers),
        proptest::collection::vec(-100_i32..100, 0..9).prop_map(RowTarget::Tokens),
        any::<(u32, u32)>().prop_map(|(start, end)| RowTarget::Span { start, end }),
    ]
}

fn map() -> impl Strategy<Value = TokenMap> {
    let characters = proptest::collection::vec(any::<Option<(u32, u32)>>(), 0..9);
    prop_oneof![
        Just(TokenMap::Whole),
        proptest::collection::vec(any::<(u32, u32)>(), 0..9).prop_map(TokenMap::Words),
        (characters, any::<(u32, u32)>(), any::<u32>()).prop_map(
            |(characters, (start, end), no_answer)| TokenMap::Context {
                characters,
                starts: start..end,
                no_answer,
            }
        ),
    ]
}

fn any_feature() -> impl Strategy<Value = Feature> {
    let ids = proptest::collection::vec(proptest::collection::vec(any::<u32>(), 0..9), 0..4);
    let type_ids = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..4);
    (any::<u64>(), ids, type_ids, target(), map()).prop_map(
        |(example, ids, type_ids, target, map)| Feature {
            example,
            ids,
            type_ids,
            target,
            map,
        },
    )
}

/// A store's files with some bytes changed.
fn changed(store: &FeatureStore, change: impl Fn(&mut [u8], &mut [u8])) -> FeatureStore {
    let mut features = store.features.as_deref().unwrap().to_vec();
    let mut index = store.index.as_deref().unwrap().to_vec();
    change(&mut features, &mut index);
    let file = |bytes: &[u8]| {
        let mut file = BufWriter::new(tempfile::tempfile().unwrap());
        file.write_all(bytes).unwrap();
        map_of(file, bytes.len())
    };
    FeatureStore {
        features: file(&features),
        index: file(&index),
    }
}

fn map_of(file: BufWriter<File>, bytes: usize) -> Option<Mmap> {
    super::map(file, bytes as u64).unwrap()
}

#[test]
fn an_empty_store_has_nothing() {
    let store = stored(&[]);
    assert!(store.is_empty());
    assert_eq!(
        (store.length(0), store.sequences(0), store.example(0)),
        (0, 0, None)
    );
    let error = store.get(0).unwrap_err();
    assert_eq!(error.to_string(), "row 0: there are 0, numbered from 0");
}

#[test]
fn lengths_and_examples_are_known_without_reading_a_feature() {
    let store = stored(&[sample(0), sample(9)]);
    assert_eq!(store.len(), 2);
    assert_eq!((store.length(1), store.sequences(1)), (3, 2));
    assert_eq!((store.example(0), store.example(1)), (Some(0), Some(9)));
    assert!(store.get(2).is_err());
}

#[test]
fn a_store_that_is_not_what_was_written_is_told_in_one_line() {
    let store = stored(&[sample(0), sample(1), sample(2)]);
    let damaged = changed(&store, |features, _| features[100] ^= 1);
    let broken: Vec<usize> = (0..3).filter(|&row| damaged.get(row).is_err()).collect();
    assert_eq!(broken, [1]);
    let message = damaged.get(1).unwrap_err().to_string();
    let folder = env::temp_dir();
    assert_eq!(
        message,
        format!(
            "{}: row 2 of 3 is not what was written there; the disk has a fault: check it, or name a \
             folder on another one in TMPDIR, and start again",
            folder.display()
        )
    );
    assert_eq!(damaged.get(0).unwrap(), sample(0));
}

#[test]
fn a_file_that_lost_its_end_is_no_store() {
    let mut file = BufWriter::new(tempfile::tempfile().unwrap());
    file.write_all(b"half").unwrap();
    let error = super::map(file, 8).unwrap_err();
    assert_eq!(error.to_string(), "a file has 4 bytes in place of 8");
}

proptest! {
    #[test]
    fn features_come_back_as_they_were(features in proptest::collection::vec(any_feature(), 0..12)) {
        let store = stored(&features);
        prop_assert_eq!(store.len(), features.len());
        for (number, feature) in features.iter().enumerate().rev() {
            prop_assert_eq!(&store.get(number).unwrap(), feature);
            prop_assert_eq!(store.example(number), Some(feature.example));
            prop_assert_eq!(store.sequences(number), feature.ids.len());
            let longest = feature.ids.iter().map(Vec::len).max();
            prop_assert_eq!(store.length(number), longest.unwrap_or(0));
        }
    }

    #[test]
    fn no_changed_byte_goes_unseen(
        features in proptest::collection::vec(any_feature(), 1..6),
        at in any::<proptest::sample::Index>(),
        flip in 1_u8..=255,
        in_index in any::<bool>(),
    ) {
        let store = stored(&features);
        let damaged = changed(&store, |features, index| {
            let bytes = if in_index { index } else { features };
            bytes[at.index(bytes.len())] ^= flip;
        });
        let wrong = (0..features.len()).filter(|&number| damaged.get(number).is_err());
        prop_assert!(wrong.count() > 0);
        for (number, feature) in features.iter().enumerate() {
            if let Ok(found) = damaged.get(number) {
                prop_assert_eq!(&found, feature);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_feature_or_none(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        feature in any_feature(),
        at in any::<proptest::sample::Index>(),
        byte in 0_u8..4,
    ) {
        let with_checksum = |bytes: &[u8]| [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat();
        let mut nearly = Vec::new();
        record::write(&feature, &mut nearly).unwrap();
        nearly.truncate(nearly.len() - 4);
        let at = at.index(nearly.len());
        nearly[at] = byte;
        for bytes in [bytes.clone(), with_checksum(&bytes), with_checksum(&nearly)] {
            if let Some(feature) = record::read(&bytes) {
                let mut written = Vec::new();
                record::write(&feature, &mut written).unwrap();
                prop_assert_eq!(written, bytes);
            }
        }
    }
}
