//! Memory does not grow with the data: a process of its own, so that no other test allocates in it.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot write its rows has failed"
)]

use std::fs;
use std::sync::Arc;

use kiln_datasets::batching::{BatchSettings, Batcher, PadTo, Rows, TrainOrder, TrainSource};
use kiln_datasets::features::Padding;
use kiln_datasets::{Feature, Problem, RowTarget, StoreWriter, TokenMap};
use kiln_text::BatchSource;

const ROWS: u64 = 20_000;
const TOKENS: u32 = 500;

/// Memory of this process that no file stands behind, in bytes.
fn own_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse::<u64>().unwrap() * 1024
}

#[test]
fn rows_on_disk_take_no_memory() {
    let row = |example: u64| Feature {
        example,
        ids: vec![(0..TOKENS - example as u32 % 100).collect()],
        type_ids: vec![vec![0; (TOKENS - example as u32 % 100) as usize]],
        target: RowTarget::Class(0),
        map: TokenMap::Whole,
    };
    let before = own_memory();
    let mut writer = StoreWriter::new().unwrap();
    for example in 0..ROWS {
        writer.push(&row(example)).unwrap();
    }
    let store = Arc::new(writer.finish().unwrap());
    let rows = Rows::all(Arc::clone(&store)).unwrap();
    let batcher = Batcher::new(BatchSettings {
        problem: Problem::SingleLabel,
        num_labels: 1,
        padding: Padding {
            left: false,
            id: 0,
            type_id: 0,
        },
        pad_to: PadTo::default(),
        max_len: TOKENS as usize,
    })
    .unwrap();
    let order = TrainOrder {
        seed: 1,
        batch_size: 32,
        step_size: 32,
    };
    let other = TrainOrder { seed: 2, ..order };
    let sources =
        [order, other].map(|order| TrainSource::new(rows.clone(), batcher.clone(), order).unwrap());
    for index in (0..ROWS.div_ceil(32)).step_by(7) {
        for source in &sources {
            source.batch(index).unwrap();
        }
    }
    let grown = own_memory().saturating_sub(before);
    // At least 40 MB of ids and types were written and a seventh of them read; a batch and the orders are in memory.
    let written = ROWS * u64::from(TOKENS - 100) * 5;
    assert!(written >= 40_000_000);
    assert!(grown < 8_000_000, "{grown} bytes");
}
