//! What DeBERTa's classes share: Hugging Face's files, tables, and the list of the classes.

use kiln_checkpoint::ModelFile;
use kiln_nn::EncoderInputs;
use kiln_tasks::ConfigError;
use kiln_tasks::family::{Family, FileNames, Sizes};
use kiln_tasks::fine_tuning::{FineTuned, NoBeam};
use kiln_tasks::forward::{ClassEntry, Classes};
use kiln_tasks::memory::ModelSize;
use kiln_tasks::model_config::num_labels;

use crate::names::{LOAD_OPTIONS, NAMES, names_of};
use crate::{
    DebertaConfig, DebertaForMaskedLm, DebertaForMultipleChoice, DebertaForPreTraining,
    DebertaForQuestionAnswering, DebertaForSequenceClassification, DebertaForTokenClassification,
    DebertaModel, DebertaVersion,
};

impl Classes for DebertaConfig {
    const CLASSES: &'static [ClassEntry<Self>] = &[
        ClassEntry::of::<DebertaModel>(),
        ClassEntry::of::<DebertaForPreTraining>(),
        ClassEntry::of::<DebertaForMaskedLm>(),
        ClassEntry::of::<DebertaForSequenceClassification>(),
        ClassEntry::of::<DebertaForTokenClassification>(),
        ClassEntry::of::<DebertaForQuestionAnswering>(),
        ClassEntry::of::<DebertaForMultipleChoice>(),
    ];
}

impl Family for DebertaConfig {
    type Inputs = EncoderInputs;

    const NAME: &'static str = "deberta";
    const FILE_NAMES: FileNames = FileNames {
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };

    fn validate(&self) -> Result<(), ConfigError> {
        self.validate()
    }

    fn architectures(&self) -> Option<&[String]> {
        self.architectures.as_deref()
    }

    fn problem_type(&self) -> Option<&str> {
        self.problem_type.as_deref()
    }

    /// Without a segment table types are read by nobody, and without a position table sequences may
    /// have any length.
    fn sizes(&self) -> Sizes {
        let any = i32::MAX as usize;
        Sizes {
            vocab_size: self.vocab_size,
            type_vocab_size: match self.type_vocab_size {
                0 => any,
                rows => rows,
            },
            max_position_embeddings: if self.position_biased_input {
                self.max_position_embeddings
            } else {
                any
            },
            first_position: 0,
        }
    }

    fn size_tensors(&self) -> Vec<(String, [usize; 2])> {
        let (embedding_size, hidden_size) = (self.embedding_size(), self.hidden_size);
        let last = self.num_hidden_layers.saturating_sub(1);
        let table =
            |name: &str, rows| (format!("embeddings.{name}.weight"), [rows, embedding_size]);
        let mut tensors = vec![
            table("word_embeddings", self.vocab_size),
            (
                format!("encoder.layer.{last}.intermediate.dense.weight"),
                [self.intermediate_size, hidden_size],
            ),
        ];
        if self.position_biased_input {
            tensors.push(table("position_embeddings", self.max_position_embeddings));
        }
        if self.type_vocab_size > 0 {
            tensors.push(table("token_type_embeddings", self.type_vocab_size));
        }
        if self.has_projection() {
            let projection = "embeddings.embed_proj.weight".to_owned();
            tensors.push((projection, [hidden_size, embedding_size]));
        }
        if self.relative_attention {
            let relative = "encoder.rel_embeddings.weight".to_owned();
            tensors.push((relative, [2 * self.span(), hidden_size]));
        }
        tensors
    }

    fn for_inference(&self) -> Self {
        self.without_dropout()
    }

    fn with_dropout(&self, rate: f64) -> Self {
        self.with_dropout(rate)
    }

    fn num_layers(&self) -> usize {
        self.num_hidden_layers
    }

    fn model_size(&self, seq_len: usize) -> ModelSize {
        let terms = [self.content_to_position(), self.position_to_content()];
        let terms = terms.into_iter().filter(|&has_term| has_term).count();
        // Of the table's rows no more are used than there are distances.
        let span = self.position_buckets();
        let span = span.unwrap_or_else(|| self.max_relative_positions());
        let own_keys = if self.share_att_key == Some(true) {
            0
        } else {
            terms
        };
        ModelSize {
            layers: self.num_hidden_layers,
            hidden: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            embedding: self.embedding_size(),
            words: self.vocab_size,
            other_rows: self.max_position_embeddings,
            keys: seq_len,
            relative: terms.saturating_mul(span.min(seq_len)),
            more_projections: own_keys,
            ..ModelSize::default()
        }
    }

    fn num_labels(&self) -> usize {
        num_labels(self.id2label.as_ref(), &self.other)
    }

    /// v1 has one matrix for query, key and value.
    fn lora_targets(&self) -> &'static [&'static str] {
        match self.version() {
            DebertaVersion::V1 => &["in_proj"],
            DebertaVersion::V2 => &["query_proj", "value_proj"],
        }
    }

    fn model_type(&self) -> &'static str {
        self.version().model_type()
    }

    /// v1's classes have the first of two names, those of v2 and v3 the other.
    fn class_name(&self, names: &'static [&'static str]) -> &'static str {
        let name = match self.version() {
            DebertaVersion::V1 => names.first(),
            DebertaVersion::V2 => names.last(),
        };
        name.copied().unwrap_or_default()
    }

    fn names_of(file: &ModelFile) -> FileNames {
        names_of(file)
    }
}
impl FineTuned for DebertaConfig {
    type Sequence = DebertaForSequenceClassification;
    type Tokens = DebertaForTokenClassification;
    type Spans = DebertaForQuestionAnswering;
    type Choices = DebertaForMultipleChoice;
    type Beam = NoBeam<DebertaModel>;
}
