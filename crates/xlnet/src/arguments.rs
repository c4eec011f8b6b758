//! The arguments of a forward pass by Hugging Face's names, as what XLNet reads.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_learner::LearnError;
use kiln_learner::upload::{floats, ints};
use kiln_tasks::family::ReadInputs;
use kiln_tasks::forward::{InputError, Inputs};
use kiln_text::HostBatch;

use crate::config::XlnetConfig;
use crate::memory::Memory;
use crate::model::{Targets, XlnetInputs};
use crate::visibility::Visibility;

/// Segments of a text to be fine-tuned on: two texts, `<cls>`, padding.
const FINE_TUNING_SEGMENTS: usize = 4;

impl ReadInputs<XlnetConfig> for XlnetInputs {
    fn read(inputs: &Inputs<'_>, config: &XlnetConfig) -> Result<Self, LearnError> {
        read(inputs, config)
    }

    /// A text by itself, padded on the left; padding may have a segment id of its own.
    fn upload(batch: &HostBatch, device: &Device) -> Self {
        let types = batch.ints.get("token_type_ids");
        let highest = types.and_then(|types| types.data.iter().copied().max());
        let attention_mask: Tensor<2, Int> = ints(batch, "attention_mask", device);
        Self {
            token_type_ids: Some(ints(batch, "token_type_ids", device)),
            // As many from batch to batch, so that shapes stay.
            segment_columns: FINE_TUNING_SEGMENTS.max(highest.unwrap_or(0) as usize + 1),
            visibility: Visibility::padding(attention_mask.clone()),
            attention_mask: Some(attention_mask),
            p_mask: (batch.floats.contains_key("p_mask")).then(|| floats(batch, "p_mask", device)),
            cls_index: (batch.ints.contains_key("cls_index"))
                .then(|| ints(batch, "cls_index", device)),
            ..Self::new(ints(batch, "input_ids", device))
        }
    }
}

fn read(inputs: &Inputs<'_>, config: &XlnetConfig) -> Result<XlnetInputs, LearnError> {
    let (batch, seq_len) = (inputs.batch, inputs.seq_len);
    if config.bi_data && batch % 2 != 0 {
        return Err(LearnError::Batch(format!(
            "input_ids: {batch} sequences, but bi_data is true: half of them read backwards; give \
             an even number"
        )));
    }
    let shape = [batch, seq_len];
    let ids = inputs.whole_numbers("input_ids", &shape, config.vocab_size)?;
    let input_ids = ids.unwrap_or_default();
    let (token_type_ids, segment_columns) = segments(inputs)?;
    let (visibility, attention_mask) = visibility(inputs)?;
    Ok(XlnetInputs {
        input_ids: matrix(input_ids, shape, inputs),
        token_type_ids,
        segment_columns,
        visibility,
        attention_mask,
        targets: targets(inputs)?,
        memory: memory(inputs, config)?,
        p_mask: p_mask(inputs)?,
        cls_index: cls_index(inputs)?,
    })
}

/// Segment ids without gaps in each row, 0 as it was: only whether two of a row are equal matters, and
/// memory has 0.
fn segments(inputs: &Inputs<'_>) -> Result<(Option<Tensor<2, Int>>, usize), LearnError> {
    let shape = [inputs.batch, inputs.seq_len];
    let ids = inputs.whole_numbers("token_type_ids", &shape, i32::MAX as usize)?;
    let Some(ids) = ids else {
        return Ok((None, 0));
    };
    let mut dense = Vec::with_capacity(ids.len());
    let mut most = 1;
    for row in ids.chunks(inputs.seq_len) {
        let mut columns = BTreeMap::from([(0, 0)]);
        for &id in row {
            let next = columns.len() as i32;
            dense.push(*columns.entry(id).or_insert(next));
        }
        most = most.max(columns.len());
    }
    Ok((Some(matrix(dense, shape, inputs)), most))
}

/// Who may see whom, and where tokens are, if anything says so.
fn visibility(inputs: &Inputs<'_>) -> Result<(Visibility, Option<Tensor<2, Int>>), LearnError> {
    let (batch, seq_len) = (inputs.batch, inputs.seq_len);
    let shape = [batch, seq_len];
    let numbers = |name: &str, shape: &[usize]| inputs.zeros_and_ones(name, shape);
    let padding = match (
        numbers("attention_mask", &shape)?,
        numbers("input_mask", &shape)?,
    ) {
        (Some(_), Some(_)) => {
            return Err(LearnError::Batch(
                "input_mask: it says 1 for padding, attention_mask 0; pass one of them".into(),
            ));
        }
        (Some(mask), None) => Some(mask.into_iter().map(|value| 1 - value).collect()),
        (None, padding) => padding,
    };
    let permutation = numbers("perm_mask", &[batch, seq_len, seq_len])?;
    let tokens = padding.as_ref().map(|padding: &Vec<i32>| {
        let tokens: Vec<i32> = padding.iter().map(|value| 1 - value).collect();
        matrix(tokens, shape, inputs)
    });
    let visibility = match (permutation, padding) {
        (None, _) => tokens.clone().map_or(Visibility::All, Visibility::padding),
        (Some(mut hidden), padding) => {
            if let Some(padding) = padding {
                let of_rows = hidden.chunks_mut(seq_len * seq_len);
                for (rows, padding) in of_rows.zip(padding.chunks(seq_len)) {
                    for row in rows.chunks_mut(seq_len) {
                        for (hidden, padding) in row.iter_mut().zip(padding) {
                            *hidden = (*hidden).max(*padding);
                        }
                    }
                }
            }
            let shape = [batch, seq_len, seq_len];
            let hidden = TensorData::new(hidden, shape);
            Visibility::Mask(Tensor::from_data(hidden, inputs.device()))
        }
    };
    Ok((visibility, tokens))
}

fn p_mask(inputs: &Inputs<'_>) -> Result<Option<Tensor<2>>, LearnError> {
    let shape = [inputs.batch, inputs.seq_len];
    let mask = inputs.zeros_and_ones("p_mask", &shape)?;
    Ok(mask.map(|mask| matrix(mask, shape, inputs).float()))
}

fn cls_index(inputs: &Inputs<'_>) -> Result<Option<Tensor<1, Int>>, LearnError> {
    let batch = inputs.batch;
    let places = inputs.whole_numbers("cls_index", &[batch], inputs.seq_len)?;
    Ok(places.map(|places| Tensor::from_data(TensorData::new(places, [batch]), inputs.device())))
}

/// `target_mapping` as positions: each row has one 1, or none in an empty slot.
fn targets(inputs: &Inputs<'_>) -> Result<Option<Targets>, LearnError> {
    const NAME: &str = "target_mapping";
    let (batch, seq_len) = (inputs.batch, inputs.seq_len);
    let Some(shape) = inputs.shape(NAME) else {
        return Ok(None);
    };
    let count = match *shape.as_slice() {
        [rows, count, columns] if rows == batch && columns == seq_len && count > 0 => count,
        _ => {
            return Err(InputError::Shape {
                name: NAME.to_owned(),
                found: shape,
                expected: format!("[{batch}, num_predict, {seq_len}]"),
            }
            .into());
        }
    };
    let values = inputs.zeros_and_ones(NAME, &[batch, count, seq_len])?;
    let values = values.unwrap_or_default();
    let mut positions = Vec::with_capacity(batch * count);
    let mut is_present = Vec::with_capacity(batch * count);
    for (row, sequence) in values.chunks(count * seq_len).enumerate() {
        let mut taken = vec![false; seq_len];
        for (slot, mapping) in sequence.chunks(seq_len).enumerate() {
            let mut ones = (0..seq_len).filter(|&at| mapping.get(at) == Some(&1));
            let first = ones.next();
            if ones.next().is_some() {
                return Err(LearnError::Batch(format!(
                    "{NAME}: slot {slot} of sequence {row} names several positions; name one"
                )));
            }
            if let Some(taken) = first.and_then(|at| taken.get_mut(at))
                && std::mem::replace(taken, true)
            {
                return Err(LearnError::Batch(format!(
                    "{NAME}: slot {slot} of sequence {row} names a position that another slot \
                     names; each is predicted once"
                )));
            }
            positions.push(first.unwrap_or(0) as i32);
            is_present.push(f32::from(u8::from(first.is_some())));
        }
    }
    let is_present = TensorData::new(is_present, [batch, count]);
    Ok(Some(Targets {
        positions: matrix(positions, [batch, count], inputs),
        is_present: Some(Tensor::from_data(is_present, inputs.device())),
    }))
}

/// `mems.0`, `mems.1`, …, one a layer, each `[mem_len, batch, d_model]`; all or none.
fn memory(inputs: &Inputs<'_>, config: &XlnetConfig) -> Result<Option<Memory>, LearnError> {
    let known: Vec<String> = (0..config.n_layer)
        .map(|layer| format!("mems.{layer}"))
        .collect();
    let given = inputs.beginning_with("mems.");
    if given.is_empty() {
        return Ok(None);
    }
    if let Some(name) = given.iter().find(|name| !known.contains(name)) {
        return Err(LearnError::Batch(format!(
            "{name}: the model has {} layers, mems.0 to mems.{}; leave it out",
            config.n_layer,
            config.n_layer - 1
        )));
    }
    if let Some(name) = known.iter().find(|name| !given.contains(name)) {
        return Err(LearnError::Batch(format!(
            "{name}: missing; the model has {} layers, and each needs its memory",
            config.n_layer
        )));
    }
    let first = inputs.shape("mems.0").unwrap_or_default();
    let mem_len = first.first().copied().unwrap_or(0);
    let shape = [mem_len, inputs.batch, config.d_model];
    let mut states = Vec::with_capacity(config.n_layer);
    for name in &known {
        let state = inputs.floats(name, &shape)?;
        if let Some(state) = state.filter(|_| mem_len > 0) {
            states.push(state.reshape(shape).swap_dims(0, 1));
        }
    }
    Ok((mem_len > 0).then_some(Memory { states }))
}

fn matrix(values: Vec<i32>, shape: [usize; 2], inputs: &Inputs<'_>) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(values, shape), inputs.device())
}
