//! One row of a batch: text from a lane, what is predicted of it, and who sees whom.

use std::ops::Range;
use std::sync::Arc;

use super::PermutedSettings;
use super::lanes::{EpochLanes, Lanes};
use super::ranks::{self, Role};
use super::settings::FUNCTIONAL_TOKENS;
use super::spans::{SpanLaw, Spans};
use super::split::split;
use crate::rng::{Purpose, Rng};
use crate::{HostBatch, TextError, Vocabulary};

/// Builds the rows of batches.
pub(super) struct PermutedRows {
    pub(super) lanes: Lanes,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) settings: PermutedSettings,
}

/// The text that a row shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowText {
    pub(super) lane: u64,
    pub(super) is_backward: bool,
}

/// Buffers of a row, and its memory of work.
struct Row {
    input_ids: Vec<u32>,
    /// Where B begins, where `<cls>` stands.
    bounds: [usize; 2],
    is_target: Vec<bool>,
    ranks: Vec<i32>,
    spans: Spans,
}

impl PermutedRows {
    /// Steps that lanes give in an epoch.
    pub(super) fn steps_per_epoch(&self) -> u64 {
        let settings = &self.settings;
        let beyond = self.lanes.len().saturating_sub(settings.seq_len as u64);
        beyond / settings.reuse_len as u64 + 1
    }

    /// One batch; `source` says what each row shows, none: it is filling.
    pub(super) fn batch(
        &self,
        epoch: u64,
        step: u64,
        source: impl Fn(usize) -> Option<RowText>,
    ) -> Result<HostBatch, TextError> {
        let settings = &self.settings;
        let (rows, seq_len, slots) = (settings.batch_size, settings.seq_len, settings.num_predict);
        let all_tokens = rows * seq_len;
        let mut input_ids = vec![self.vocabulary.pad as i32; all_tokens];
        let mut token_type_ids = vec![0; all_tokens];
        // Filling: all ordinary, so that each sees all. Over nothing softmax has no meaning.
        let (query, key) = ranks::query_and_key(Role::Ordinary, 0, None);
        let mut query_ranks = vec![query; all_tokens];
        let mut key_ranks = vec![key; all_tokens];
        let mut positions = vec![0; rows * slots];
        let mut labels = vec![0; rows * slots];
        let mut weights = vec![0.0; rows * slots];
        let mut real_tokens = 0;

        self.lanes.with_epoch(epoch, |lanes| {
            let mut built = Row::new(settings);
            for row in 0..rows {
                let Some(source) = source(row) else {
                    continue;
                };
                self.build(lanes, epoch, step, source, &mut built)?;
                let start = row * seq_len;
                for (slot, &id) in input_ids[start..].iter_mut().zip(&built.input_ids) {
                    *slot = id as i32;
                }
                let [b, cls] = built.bounds;
                token_type_ids[start + b..start + cls].fill(1);
                token_type_ids[start + cls] = 2;
                for position in 0..seq_len {
                    let (query, key) = self.query_and_key(&built, position);
                    query_ranks[start + position] = query;
                    key_ranks[start + position] = key;
                }
                let targets = (0..seq_len).filter(|&position| built.is_target[position]);
                for (slot, position) in (row * slots..).zip(targets) {
                    positions[slot] = position as i32;
                    labels[slot] = built.input_ids[position] as i32;
                    weights[slot] = 1.0;
                }
                real_tokens += seq_len;
            }
            Ok::<(), TextError>(())
        })?;

        let mut batch = HostBatch {
            real_tokens,
            all_tokens,
            ..HostBatch::default()
        };
        batch.insert_ints("input_ids", input_ids, &[rows, seq_len]);
        batch.insert_ints("token_type_ids", token_type_ids, &[rows, seq_len]);
        batch.insert_ints("query_ranks", query_ranks, &[rows, seq_len]);
        batch.insert_ints("key_ranks", key_ranks, &[rows, seq_len]);
        batch.insert_ints("positions", positions, &[rows, slots]);
        batch.insert_ints("labels", labels, &[rows, slots]);
        batch.insert_floats("weights", weights, &[rows, slots]);
        Ok(batch)
    }

    fn build(
        &self,
        lanes: &EpochLanes,
        epoch: u64,
        step: u64,
        source: RowText,
        into: &mut Row,
    ) -> Result<(), TextError> {
        // Where rows stand and in which micro-batch changes nothing in what they draw.
        let place = (step * self.lanes.count() + source.lane) * 2 + u64::from(source.is_backward);
        self.write_text(lanes, step, place, epoch, source, into)?;
        let mut rng = Rng::at(self.settings.seed, Purpose::Masking, epoch, place);
        into.is_target.fill(false);
        for (part, goal) in self.parts().into_iter().zip(self.settings.goals()) {
            self.choose(part.clone(), goal, source.is_backward, &mut rng, into);
            ranks::draw(self.settings.perm_size, &mut rng, &mut into.ranks[part]);
        }
        Ok(())
    }

    /// What is remembered, then A `<sep>` B `<sep>` `<cls>`.
    fn write_text(
        &self,
        lanes: &EpochLanes,
        step: u64,
        place: u64,
        epoch: u64,
        source: RowText,
        into: &mut Row,
    ) -> Result<(), TextError> {
        let settings = &self.settings;
        let lane = lanes.lane(source.lane, source.is_backward);
        let mut rng = Rng::at(settings.seed, Purpose::Examples, epoch, place);
        let start = step * settings.reuse_len as u64;
        let begin = start + settings.reuse_len as u64;
        let (a, b) = split(&lane, begin, settings.room() as u64, &mut rng);

        let ids = &mut into.input_ids;
        ids.clear();
        lane.read(start..begin, ids)?;
        lane.read(a, ids)?;
        ids.push(self.vocabulary.sep);
        into.bounds = [ids.len(), settings.seq_len - 1];
        lane.read(b, ids)?;
        ids.extend([self.vocabulary.sep, self.vocabulary.cls]);
        Ok(())
    }

    /// The two parts of an example: what is remembered, and the rest.
    fn parts(&self) -> [Range<usize>; 2] {
        let PermutedSettings {
            seq_len, reuse_len, ..
        } = self.settings;
        [0..reuse_len, reuse_len..seq_len]
    }

    /// Marks the targets of one part.
    ///
    /// Of text that stands backwards they are drawn as it was written, so that spans begin where
    /// words do.
    fn choose(
        &self,
        part: Range<usize>,
        goal: usize,
        is_backward: bool,
        rng: &mut Rng,
        into: &mut Row,
    ) {
        let law = SpanLaw {
            max_gram: self.settings.max_gram,
            alpha: self.settings.alpha,
            beta: self.settings.beta,
        };
        let ids = &mut into.input_ids[part.clone()];
        let is_target = &mut into.is_target[part];
        if is_backward {
            ids.reverse();
        }
        into.spans
            .choose(ids, &self.vocabulary, law, goal, rng, is_target);
        if is_backward {
            ids.reverse();
            is_target.reverse();
        }
    }

    fn query_and_key(&self, row: &Row, position: usize) -> (i32, i32) {
        let id = row.input_ids[position];
        let role = if id == self.vocabulary.sep || id == self.vocabulary.cls {
            Role::Functional
        } else if row.is_target[position] {
            Role::Target
        } else {
            Role::Ordinary
        };
        let reuse_len = self.settings.reuse_len;
        let before = (position >= reuse_len).then_some(reuse_len);
        ranks::query_and_key(role, row.ranks[position], before)
    }
}

impl Row {
    fn new(settings: &PermutedSettings) -> Self {
        Self {
            input_ids: Vec::with_capacity(settings.seq_len + FUNCTIONAL_TOKENS),
            bounds: [0; 2],
            is_target: vec![false; settings.seq_len],
            ranks: vec![0; settings.seq_len],
            spans: Spans::default(),
        }
    }
}
