//! How much memory a run needs, estimated from sizes alone: before anything is made.
//!
//! ```text
//! process + 4 bytes x (parameters x copies + factor x what the forward pass keeps) + batches
//! ```
//!
//! What the forward pass keeps for the backward pass, in numbers a token and layer of width H,
//! feed-forward width I, A heads and K keys a query: 8 H (inputs, queries, keys, values, context, both
//! normalised sums), 2 I (before and after the activation), 2 A K (probabilities, and what dropout left
//! of them) and what relative positions add; besides, 4 E a token for embeddings of width E, and three
//! rows of the vocabulary a prediction. The factor stands for what the backward pass makes meanwhile
//! and for gaps in the allocator's pages.
//!
//! The constants are fitted to the highest resident size of runs on flex: 4 architectures, sizes tiny,
//! small and base, 256 to 8,192 tokens a batch, sequences of 64 to 512. There the estimate was 0.8 to
//! 1.4 times what was measured. Fine-tuning was measured by itself (`crates/cli/src/finetune/memory.rs`):
//! its classes score no words, its batches are as long as their longest row, and what stays as it is has no
//! gradients and no moments. Other backends on the processor keep the same tensors; on a GPU it is
//! the memory of the device that is meant.

use crate::settings::RunSettings;

/// Bytes of a number.
const FLOAT: f64 = 4.0;

/// The process by itself, its code and buffers.
const PROCESS: f64 = 80e6;

/// Weights, gradients and both moments, and what an update and a checkpoint take for a moment.
const COPIES: f64 = 5.5;

/// [`COPIES`] where the two parts of a model have their gradients in turns.
const COPIES_IN_TURNS: f64 = 4.5;

/// [`COPIES`] of parameters that stay as they are: the weights, and what a checkpoint takes for a moment.
const COPIES_AT_REST: f64 = 2.0;

/// Over what the forward pass keeps.
const BACKWARD: f64 = 1.35;

/// The sizes of one model that memory depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ModelSize {
    /// Layers of the encoder.
    pub layers: usize,
    /// Width of the encoder.
    pub hidden: usize,
    /// Width of the feed-forward blocks.
    pub inner: usize,
    /// Heads of a layer.
    pub heads: usize,
    /// Width of the embeddings.
    pub embedding: usize,
    /// Rows of its table of words.
    pub words: usize,
    /// Whether another model owns that table.
    pub shares_words: bool,
    /// Whether another model owns its layers.
    pub shares_layers: bool,
    /// Whether its head has a matrix of its own beside that table.
    pub own_head: bool,
    /// Rows of its other tables: positions, types.
    pub other_rows: usize,
    /// Tokens that a query looks at: those of the sequence, and of a memory.
    pub keys: usize,
    /// Numbers by relative position that are kept for each query and head.
    pub relative: usize,
    /// Matrices of a layer, as wide as it is, beside those of queries, keys, values and output.
    pub more_projections: usize,
    /// Whether it predicts words.
    pub predicts_words: bool,
    /// Layers that run once more for the predicted positions alone.
    pub query_layers: usize,
}

/// The models that a run trains.
#[derive(Debug, Clone, PartialEq)]
pub struct Footprint {
    /// One, or a generator and a discriminator.
    pub models: Vec<ModelSize>,
    /// Whether they step in turns, so that only one's activations exist at a time.
    pub in_turns: bool,
}

/// What a step reads, whatever it learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSize {
    /// Sequences of a micro-batch.
    pub rows: usize,
    /// Tokens of the longest of them.
    pub seq_len: usize,
    /// Predictions of a sequence.
    pub predictions: usize,
    /// Micro-batches of a step on each device.
    pub accumulate: usize,
    /// Batches built ahead.
    pub data_ahead: usize,
    /// Devices, each with a replica.
    pub devices: usize,
}

/// What of a model stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AtRest {
    /// The embeddings.
    pub embeddings: bool,
    /// So many layers, from the lowest on.
    pub layers: usize,
    /// All of the encoder, beside which low-rank adapters of this rank are trained.
    pub adapters: Option<usize>,
}

/// An estimate, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MemoryEstimate {
    /// The process by itself, and batches built ahead: in main memory, whatever the device.
    pub host: f64,
    /// Parameters, gradients and the optimizer's moments.
    pub state: f64,
    /// What a batch needs on its way forth and back.
    pub activations: f64,
}

impl MemoryEstimate {
    /// Bytes in all.
    pub fn total(&self) -> f64 {
        self.host + self.state + self.activations
    }
}

impl ModelSize {
    /// About as many parameters as a layer has.
    fn layer_parameters(&self) -> f64 {
        let [hidden, inner] = [self.hidden, self.inner].map(float);
        let projections = float(4 + self.more_projections);
        projections * hidden * hidden + 2.0 * hidden * inner + inner + 13.0 * hidden
    }

    /// About as many parameters as stay as they are.
    fn parameters_at_rest(&self, at_rest: AtRest) -> f64 {
        if at_rest.adapters.is_some() {
            // All but the head, which is as wide as the encoder twice at most.
            let head = float(self.hidden) * float(self.embedding);
            return self.parameters() - head;
        }
        let layers = float(at_rest.layers.min(self.layers)) * self.layer_parameters();
        let rows = float(self.words) + float(self.other_rows);
        let embeddings = f64::from(u8::from(at_rest.embeddings)) * rows * float(self.embedding);
        layers + embeddings
    }

    /// About as many parameters as it has.
    fn parameters(&self) -> f64 {
        let [hidden, embedding] = [self.hidden, self.embedding].map(float);
        let layer = self.layer_parameters();
        let tables = u8::from(!self.shares_words) + u8::from(self.own_head);
        let words = f64::from(tables) * float(self.words);
        let layers = if self.shares_layers { 0 } else { self.layers };
        let between = if self.embedding == self.hidden {
            0.0
        } else {
            embedding * hidden
        };
        let head = hidden * embedding + float(self.words);
        embedding * (words + float(self.other_rows)) + between + float(layers) * layer + head
    }

    /// Numbers that the forward pass keeps, for so many tokens and predictions.
    fn kept(&self, tokens: f64, predictions: f64) -> f64 {
        let of_attention = float(self.heads) * float(2 * self.keys + self.relative);
        let layer = 8.0 * float(self.hidden) + 2.0 * float(self.inner) + of_attention;
        let rows = if self.predicts_words {
            3.0 * float(self.words) + 4.0 * float(self.hidden)
        } else {
            0.0
        };
        tokens * (float(self.layers) * layer + 4.0 * float(self.embedding))
            + predictions * (rows + float(self.query_layers) * layer)
    }
}

impl Footprint {
    /// One model's.
    pub fn of(model: ModelSize) -> Self {
        Self {
            models: vec![model],
            in_turns: false,
        }
    }

    /// The estimate for a run with these settings.
    pub fn estimate(&self, settings: &RunSettings) -> MemoryEstimate {
        let training = &settings.training;
        self.estimate_of(&StepSize {
            rows: training.batch_size,
            seq_len: settings.data.seq_len,
            predictions: settings.objective.max_predictions(),
            accumulate: training.accumulate,
            data_ahead: training.data_ahead,
            devices: settings.devices.len(),
        })
    }

    /// The estimate for steps of this size.
    fn estimate_of(&self, step: &StepSize) -> MemoryEstimate {
        let (rows, seq_len) = (float(step.rows), float(step.seq_len));
        let tokens = rows * seq_len;
        let predictions = rows * float(step.predictions);
        let kept = self
            .models
            .iter()
            .map(|model| model.kept(tokens, predictions));
        let (kept, copies) = if self.in_turns {
            (kept.fold(0.0, f64::max), COPIES_IN_TURNS)
        } else {
            (kept.sum(), COPIES)
        };
        let parameters: f64 = self.models.iter().map(ModelSize::parameters).sum();
        let devices = float(step.devices.max(1));
        let micro_batches = devices * float(step.accumulate);
        // Three buffers of the tokens' size and three of the predictions', for those built ahead and
        // for a step's own, which are on the host and on the device.
        let batch = FLOAT * 3.0 * (tokens + predictions);
        MemoryEstimate {
            host: PROCESS + batch * (float(step.data_ahead) + 2.0 * micro_batches),
            // Each further device has a replica and its gradients.
            state: FLOAT * parameters * (copies + 2.0 * (devices - 1.0)),
            activations: FLOAT * BACKWARD * kept,
        }
    }
}

impl MemoryEstimate {
    /// That of fine-tuning a model of this size, of which something stays `at_rest`, by steps of this size,
    /// with so many passes forth that wait for their way back together.
    pub fn of_tuning(size: &ModelSize, at_rest: AtRest, step: &StepSize, passes: usize) -> Self {
        // Below the lowest layer that learns nothing is kept for the way back.
        let asleep = if at_rest.embeddings && at_rest.adapters.is_none() {
            at_rest.layers.min(size.layers)
        } else {
            0
        };
        let whole = Footprint::of(*size).estimate_of(step);
        let awake = ModelSize {
            layers: size.layers - asleep,
            ..*size
        };
        let activations = Footprint::of(awake).estimate_of(step).activations;
        let saved = size.parameters_at_rest(at_rest) * (COPIES - COPIES_AT_REST);
        // Two factors for each of the matrices of a layer at most, and what the pass makes of them.
        let adapters = match at_rest.adapters {
            Some(rank) => {
                let wide = float(size.hidden) * 2.0 * 4.0 + float(size.hidden + size.inner) * 2.0;
                float(size.layers) * float(rank) * wide * COPIES
            }
            None => 0.0,
        };
        Self {
            host: whole.host,
            state: whole.state + FLOAT * (adapters - saved),
            activations: activations * float(passes),
        }
    }
}

fn float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ModelSize = ModelSize {
        layers: 3,
        hidden: 8,
        inner: 32,
        heads: 2,
        embedding: 4,
        words: 1_000,
        shares_words: false,
        shares_layers: false,
        own_head: false,
        other_rows: 10,
        keys: 16,
        relative: 0,
        more_projections: 0,
        predicts_words: true,
        query_layers: 0,
    };

    #[test]
    fn a_table_of_the_heads_own_is_counted_and_what_another_model_owns_is_not() {
        let parameters = SIZE.parameters();
        let change = |size: ModelSize| size.parameters() - parameters;
        let own_head = ModelSize {
            own_head: true,
            ..SIZE
        };
        assert_eq!(change(own_head), 4_000.0);
        let shares_words = ModelSize {
            shares_words: true,
            ..SIZE
        };
        assert_eq!(change(shares_words), -4_000.0);
        let one_layer = ModelSize { layers: 2, ..SIZE };
        let shares_layers = ModelSize {
            shares_layers: true,
            ..SIZE
        };
        assert_eq!(change(shares_layers), 3.0 * change(one_layer));
    }
}
