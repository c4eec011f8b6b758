//! XLNet's stack: words, layers, memory (Yang et al. 2019, section 2).

use burn::module::{Module, Param};
use burn::nn::Embedding;
use burn::tensor::{Int, Tensor, assert_shape};
use kiln_nn::{Dropout, Init, embed_words, like};
use kiln_tasks::class::{Encoded, Encoder};

use crate::attention::QueryContext;
use crate::config::{AttentionType, XlnetConfig};
use crate::kept::Kept;
use crate::layer::{LayerContext, Streams, XlnetLayer};
use crate::memory::Memory;
use crate::positions::{PositionTable, RelativePositions};
use crate::segments::Segments;
use crate::visibility::{Causal, PassLengths, Visibility};

/// Positions to predict.
#[derive(Debug, Clone)]
pub struct Targets {
    /// `[batch, num_predictions]`, each in `0..seq_len`.
    pub positions: Tensor<2, Int>,
    /// `[batch, num_predictions]`, 0 in an empty slot, which then attends to nothing; `None`: what
    /// stands in an empty slot is never read.
    pub is_present: Option<Tensor<2>>,
}

/// What XLNet reads.
#[derive(Debug, Clone)]
pub struct XlnetInputs {
    /// `[batch, seq_len]`
    pub input_ids: Tensor<2, Int>,
    /// `[batch, seq_len]`, each below [`Self::segment_columns`]; `None`: no term of segments.
    pub token_type_ids: Option<Tensor<2, Int>>,
    /// One above the highest segment id.
    pub segment_columns: usize,
    /// Who may see whom.
    pub visibility: Visibility,
    /// The query stream; `None`: the content stream alone, as in fine-tuning.
    pub targets: Option<Targets>,
    /// The segments before.
    pub memory: Option<Memory>,
    /// `[batch, seq_len]`, 1 where no answer can be; the stack does not read it.
    pub p_mask: Option<Tensor<2>>,
    /// `[batch]`, the position of `<cls>`; none: the last one. The stack does not read it.
    pub cls_index: Option<Tensor<1, Int>>,
    /// `[batch, seq_len]`, 1 = token, 0 = padding, for heads that sum sequences up; the stack reads
    /// [`Self::visibility`].
    pub attention_mask: Option<Tensor<2, Int>>,
}

impl XlnetInputs {
    /// A text by itself, as in fine-tuning: the content stream alone, nothing hidden, neither
    /// segments nor memory.
    ///
    /// # Shapes
    /// - `input_ids`: `[batch, seq_len]`
    pub fn new(input_ids: Tensor<2, Int>) -> Self {
        Self {
            input_ids,
            token_type_ids: None,
            segment_columns: 0,
            visibility: Visibility::All,
            targets: None,
            memory: None,
            p_mask: None,
            cls_index: None,
            attention_mask: None,
        }
    }
}

/// What a pass of XLNet gives.
#[derive(Debug, Clone)]
pub struct XlnetOutputs {
    /// `[batch, num_predictions, d_model]` of the query stream, or without one
    /// `[batch, seq_len, d_model]` of the content stream.
    pub hidden_states: Tensor<3>,
    /// What to hand to the next segment: the last `mem_len` of the memory before and of this pass's
    /// first `reuse_len` positions.
    pub memory: Memory,
}

/// The stack of layers without a head; Hugging Face `XLNetModel`.
#[derive(Module, Debug)]
#[doc(alias = "XLNetModel")]
pub struct XlnetModel {
    /// The word table, which the language model head shares.
    pub word_embedding: Embedding,
    /// `[1, 1, d_model]`: what the query stream begins with, whatever stands there.
    pub mask_emb: Param<Tensor<3>>,
    layer: Vec<XlnetLayer>,
    dropout: Dropout,
    #[module(skip)]
    positions: RelativePositions,
    #[module(skip)]
    rules: PassRules,
}

/// What of a configuration decides about a pass.
#[derive(Debug, Clone)]
struct PassRules {
    attn_type: AttentionType,
    same_length: bool,
    kept: Kept,
    reuse_len: Option<usize>,
    use_mems_eval: bool,
}

impl XlnetModel {
    /// Draws all weights, in the order of the forward pass.
    pub fn new(config: &XlnetConfig, init: &mut Init) -> Self {
        Self {
            word_embedding: init.embedding(config.vocab_size, config.d_model),
            mask_emb: init.parameter([1, 1, config.d_model]),
            layer: (0..config.n_layer)
                .map(|layer| XlnetLayer::new(config, layer == 0 || !config.ties_biases(), init))
                .collect(),
            dropout: Dropout::new(config.dropout),
            positions: RelativePositions::new(config),
            rules: PassRules {
                attn_type: config.attn_type,
                same_length: config.same_length,
                kept: Kept::of(config.mem_len),
                reuse_len: config.reuse_len(),
                use_mems_eval: config.use_mems_eval,
            },
        }
    }

    /// The word table `[vocab_size, d_model]`, to be handed to the language model head.
    pub fn word_embeddings(&self) -> Tensor<2> {
        self.word_embedding.weight.val()
    }

    /// The words' vectors `[batch, seq_len, d_model]`, before dropout.
    pub fn embed(&self, input_ids: Tensor<2, Int>) -> Tensor<3> {
        embed_words(self.word_embeddings(), input_ids, None)
    }

    /// Hidden states, and the memory for the segment after.
    ///
    /// # Panics
    /// If the inputs' shapes do not fit each other, or `bi_data` meets an odd batch: the caller's
    /// mistake.
    pub fn forward(&self, inputs: XlnetInputs) -> XlnetOutputs {
        let embedded = self.embed(inputs.input_ids.clone());
        self.forward_embedded(embedded, inputs)
    }

    /// Runs all layers as [`Self::forward`] does, from given words' vectors, such as disturbed ones;
    /// `input_ids` are not read.
    ///
    /// # Shapes
    /// - `embedded`: `[batch, seq_len, d_model]`
    ///
    /// # Panics
    /// As [`Self::forward`].
    pub fn forward_embedded(&self, embedded: Tensor<3>, inputs: XlnetInputs) -> XlnetOutputs {
        let [batch, seq_len, d_model] = embedded.dims();
        assert!(
            !self.positions.has_two_directions() || batch % 2 == 0,
            "a batch of {batch} has no two halves"
        );
        // The type of the layers' parameters, which the table does not have.
        let parameter = self.mask_emb.val();
        let before = inputs.memory.clone().map(|memory| memory.like(&parameter));
        if let Some(memory) = &before {
            assert_eq!(memory.states.len(), self.layer.len(), "layers of memory");
        }
        let lengths = PassLengths {
            seq_len,
            mem_len: before.as_ref().map_or(0, Memory::len),
        };
        let context = self.context(&inputs, lengths, &parameter);
        let mut streams = Streams {
            content: self.dropout.forward(like(embedded, &parameter)),
            queries: inputs.targets.as_ref().map(|targets| {
                let [_, count] = targets.positions.dims();
                let masked = parameter.clone().expand([batch, count, d_model]);
                self.dropout.forward(masked)
            }),
        };
        let mut biases = None;
        let mut kept = Vec::with_capacity(self.layer.len());
        for (number, layer) in self.layer.iter().enumerate() {
            let memory = before.as_ref().and_then(|memory| memory.states.get(number));
            kept.extend(self.keep(memory, &streams.content));
            let memory = memory.cloned().filter(|_| lengths.mem_len > 0);
            let is_last = number + 1 == self.layer.len();
            // The first layer has its own; another one has, or shares those before it.
            biases = layer.biases().or(biases);
            if let Some(biases) = biases {
                streams = layer.forward(streams, biases, memory, &context, is_last);
            }
        }
        let Streams { content, queries } = streams;
        XlnetOutputs {
            hidden_states: self.dropout.forward(queries.unwrap_or(content)),
            memory: Memory { states: kept },
        }
    }

    /// What all layers share, in the float type of `parameter`.
    fn context(
        &self,
        inputs: &XlnetInputs,
        lengths: PassLengths,
        parameter: &Tensor<3>,
    ) -> LayerContext {
        let device = inputs.input_ids.device();
        let PositionTable {
            vectors,
            chunks,
            index,
        } = self
            .positions
            .table(lengths.seq_len, lengths.mem_len, &device);
        let [_, rows, _] = vectors.dims();
        let causal = match self.rules.attn_type {
            AttentionType::Bi => None,
            AttentionType::Uni => Some(Causal::new(lengths, self.rules.same_length, &device)),
        };
        let segments = inputs
            .token_type_ids
            .clone()
            .map(|ids| Segments::new(ids, inputs.segment_columns).like(parameter));
        let visibility = &inputs.visibility;
        let content = chunks.into_iter().map(|chunk| QueryContext {
            rows: chunk.rows,
            index: chunk.index,
            segments: segments
                .as_ref()
                .map(|segments| segments.within(chunk.queries.clone())),
            is_hidden: visibility.of_content(chunk.queries, lengths, causal.as_ref()),
        });
        let content = content.collect();
        let queries = inputs.targets.as_ref().map(|targets| {
            let positions = targets.positions.clone();
            QueryContext {
                rows: 0..rows,
                // Keys of the memory stand before the sequence's own.
                index: index.at(positions.clone().add_scalar(lengths.mem_len as i64)),
                segments: segments
                    .as_ref()
                    .map(|segments| segments.at(positions.clone())),
                is_hidden: visibility.of_queries(&positions, lengths, causal.as_ref()),
            }
        });
        let is_present = inputs.targets.as_ref().and_then(|targets| {
            let is_present = targets.is_present.clone()?;
            Some(is_present.unsqueeze_dim::<3>(2))
        });
        LayerContext {
            // Drawn once for the whole batch. The original draws for each of its sequences, and so has
            // to project the vectors once for each.
            positions: self.dropout.forward(like(vectors, parameter)),
            segments: segments.map(|segments| segments.behind_memory(lengths.mem_len)),
            content,
            queries,
            is_present,
        }
    }

    /// What `mem_len` says of the memory before and the first `reuse_len` of the hidden states,
    /// without a gradient; none where nothing is left.
    fn keep(&self, before: Option<&Tensor<3>>, content: &Tensor<3>) -> Option<Tensor<3>> {
        let [batch, seq_len, d_model] = content.dims();
        let reused = self.rules.reuse_len.unwrap_or(seq_len).min(seq_len);
        let content = content.clone().detach().narrow(1, 0, reused);
        let all = match before {
            Some(before) => {
                assert_shape!(before, [batch, _, d_model]);
                Tensor::cat(vec![before.clone(), content], 1)
            }
            None => content,
        };
        let [_, len, _] = all.dims();
        let kept = self.rules.kept.count(len);
        (kept > 0).then(|| all.narrow(1, len - kept, kept))
    }
}

impl Encoder for XlnetModel {
    type Config = XlnetConfig;

    const NAMES: &'static [&'static str] = &["XLNetModel"];
    const TOKEN_CLASSIFICATION: &'static [&'static str] = &["XLNetForTokenClassification"];
    const QUESTION_ANSWERING: &'static [&'static str] = &["XLNetForQuestionAnsweringSimple"];
    const NORMALISES_EMBEDDINGS: bool = false;

    fn width(config: &XlnetConfig) -> usize {
        config.d_model
    }

    /// None, as in Hugging Face.
    fn dropout(_: &XlnetConfig) -> f64 {
        0.0
    }

    fn draw(config: &XlnetConfig, init: &mut Init) -> Self {
        Self::new(config, init)
    }

    /// The words' vectors: XLNet's embeddings have neither other tables nor a LayerNorm.
    fn sum(&self, inputs: &XlnetInputs) -> Tensor<3> {
        self.embed(inputs.input_ids.clone())
    }

    fn encoded_from(&self, sum: Tensor<3>, inputs: XlnetInputs) -> Encoded {
        // States of predicted positions stand for no tokens of the sequence.
        let attention_mask = match inputs.targets {
            Some(_) => None,
            None => inputs.attention_mask.clone(),
        };
        let outputs = self.forward_embedded(sum, inputs);
        let mut memory = outputs.memory.states;
        if !self.rules.use_mems_eval {
            memory.clear();
        }
        let memory = memory.into_iter().map(|state| state.swap_dims(0, 1));
        Encoded {
            memory: memory.collect(),
            attention_mask,
            ..Encoded::new(outputs.hidden_states)
        }
    }
}
