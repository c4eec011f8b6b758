//! Batches of a trajectory case as a run reads them.

use kiln_text::{BatchSource, HostBatch, TextError};

use crate::Fixture;

/// A masked language model's batches, stacked `[steps, rows, seq_len]`: labels of -100 are no
/// predictions. The rows of a step are cut into batches of `batch_size`.
#[derive(Debug)]
pub(crate) struct LabelledBatches {
    fixture: Fixture,
    batch_size: usize,
    seq_len: usize,
    slots: usize,
}

impl LabelledBatches {
    /// The batches of `fixture`, `batch_size` rows at a time.
    ///
    /// # Panics
    /// If its labels have another shape.
    pub(crate) fn new(fixture: Fixture, batch_size: usize) -> Self {
        let labels = fixture.input("labels");
        let [_, _, seq_len] = labels.shape[..] else {
            panic!("labels are [steps, batch, seq_len]")
        };
        let chosen = |row: &[i32]| row.iter().filter(|label| **label >= 0).count();
        let slots = labels.ints().chunks(seq_len).map(chosen).max();
        Self {
            slots: slots.unwrap_or_default(),
            fixture,
            batch_size,
            seq_len,
        }
    }
}

impl BatchSource for LabelledBatches {
    fn batch(&self, index: u64) -> Result<HostBatch, TextError> {
        let (rows, seq_len) = (self.batch_size, self.seq_len);
        // What is built ahead of the last step begins again.
        let all = self.fixture.input("labels").ints().len() / seq_len;
        let start = index as usize * rows % all;
        // Without the argument there is one segment, as in transformers.
        let slice = |name: &str, width: usize| match self.fixture.inputs.get(name) {
            Some(tensor) => tensor.ints()[start * width..(start + rows) * width].to_vec(),
            None => vec![0; rows * width],
        };
        let (mut positions, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for row in slice("labels", seq_len).chunks(seq_len) {
            let chosen = row.iter().enumerate().filter(|(_, label)| **label >= 0);
            let mut slots: Vec<_> = chosen.map(|(at, label)| (at as i32, *label, 1.0)).collect();
            slots.resize(self.slots, (0, 0, 0.0));
            for (position, label, weight) in slots {
                positions.push(position);
                labels.push(label);
                weights.push(weight);
            }
        }
        let mut batch = HostBatch::default();
        for name in ["input_ids", "attention_mask", "token_type_ids"] {
            batch.insert_ints(name, slice(name, seq_len), &[rows, seq_len]);
        }
        batch.insert_ints("positions", positions, &[rows, self.slots]);
        batch.insert_ints("labels", labels, &[rows, self.slots]);
        batch.insert_floats("weights", weights, &[rows, self.slots]);
        let next_sentence = "next_sentence_label";
        batch.insert_ints(next_sentence, slice(next_sentence, 1), &[rows]);
        batch.insert_floats("example_weight", vec![1.0; rows], &[rows]);
        Ok(batch)
    }
}
