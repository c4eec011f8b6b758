//! Batches of rows, and the orders of training, evaluation and prediction.

use std::sync::Arc;

use super::*;
use crate::features::Padding;
use crate::{Feature, FeatureStore, Problem, RowTarget, StoreWriter, TokenMap};

mod batches;
mod orders;

const RIGHT: Padding = Padding {
    left: false,
    id: 0,
    type_id: 0,
};

/// XLNet's.
const LEFT: Padding = Padding {
    left: true,
    id: 5,
    type_id: 3,
};

fn settings(problem: Problem, padding: Padding) -> BatchSettings {
    BatchSettings {
        problem,
        num_labels: 3,
        padding,
        pad_to: PadTo::default(),
        max_len: 64,
    }
}

fn batcher(problem: Problem, padding: Padding) -> Batcher {
    Batcher::new(settings(problem, padding)).unwrap()
}

/// A row of so many tokens; its ids tell which example's they are.
fn row(example: u64, tokens: usize, target: RowTarget) -> Feature {
    let ids = (0..tokens).map(|at| 100 * (example as u32 + 1) + at as u32);
    Feature {
        example,
        ids: vec![ids.collect()],
        type_ids: vec![(0..tokens).map(|at| u8::from(at > 1)).collect()],
        target,
        map: TokenMap::Whole,
    }
}

fn store(rows: &[Feature]) -> Arc<FeatureStore> {
    let mut writer = StoreWriter::new().unwrap();
    for row in rows {
        writer.push(row).unwrap();
    }
    Arc::new(writer.finish().unwrap())
}
