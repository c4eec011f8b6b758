//! What XLNet's classes share: Hugging Face's files, tables, and the list of the classes.

use kiln_checkpoint::NamedTensor;
use kiln_learner::ParameterGroup;
use kiln_tasks::ConfigError;
use kiln_tasks::family::{Family, FileNames, Sizes};
use kiln_tasks::fine_tuning::{FineTuned, HeadKind};
use kiln_tasks::forward::{ClassEntry, Classes};
use kiln_tasks::memory::ModelSize;
use kiln_tasks::model_config::num_labels;

use crate::names::{LOAD_OPTIONS, NAMES, QUERY_BIASES};
use crate::shared_biases::copies;
use crate::{
    XlnetConfig, XlnetForMultipleChoice, XlnetForQuestionAnswering,
    XlnetForQuestionAnsweringSimple, XlnetForSequenceClassification, XlnetForTokenClassification,
    XlnetInputs, XlnetLmHeadModel, XlnetModel,
};

impl Classes for XlnetConfig {
    const CLASSES: &'static [ClassEntry<Self>] = &[
        ClassEntry::of::<XlnetModel>(),
        ClassEntry::of::<XlnetLmHeadModel>(),
        ClassEntry::of::<XlnetForSequenceClassification>(),
        ClassEntry::of::<XlnetForTokenClassification>(),
        ClassEntry::of::<XlnetForQuestionAnsweringSimple>(),
        ClassEntry::of::<XlnetForQuestionAnswering>(),
        ClassEntry::of::<XlnetForMultipleChoice>(),
    ];
}

impl Family for XlnetConfig {
    type Inputs = XlnetInputs;

    const NAME: &'static str = "xlnet";
    const FILE_NAMES: FileNames = FileNames {
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("n_token", "vocab_size"),
        ("hidden_size", "d_model"),
        ("num_attention_heads", "n_head"),
        ("num_hidden_layers", "n_layer"),
    ];
    const ARGUMENTS: &'static [&'static str] =
        &["input_mask", "perm_mask", "target_mapping", "mems."];

    fn validate(&self) -> Result<(), ConfigError> {
        self.validate()
    }

    fn architectures(&self) -> Option<&[String]> {
        self.architectures.as_deref()
    }

    fn problem_type(&self) -> Option<&str> {
        self.problem_type.as_deref()
    }

    /// Segments and lengths have no table.
    fn sizes(&self) -> Sizes {
        let any = i32::MAX as usize;
        Sizes {
            vocab_size: self.vocab_size,
            type_vocab_size: any,
            max_position_embeddings: any,
            first_position: 0,
        }
    }

    fn size_tensors(&self) -> Vec<(String, [usize; 2])> {
        let last = self.n_layer.saturating_sub(1);
        vec![
            (
                "word_embedding.weight".to_owned(),
                [self.vocab_size, self.d_model],
            ),
            (
                format!("layer.{last}.ff.layer_1.weight"),
                [self.d_inner, self.d_model],
            ),
            (
                format!("layer.{last}.rel_attn.r_w_bias"),
                [self.n_head, self.head_size()],
            ),
        ]
    }

    /// Each layer's vectors as the file has them.
    fn for_inference(&self) -> Self {
        self.without_dropout().with_own_biases()
    }

    /// One text is read, and forwards.
    fn for_texts(&self) -> Self {
        Self {
            bi_data: false,
            ..self.for_inference()
        }
    }

    fn with_dropout(&self, rate: f64) -> Self {
        self.with_dropout(rate)
    }

    fn num_layers(&self) -> usize {
        self.n_layer
    }

    fn model_size(&self, seq_len: usize) -> ModelSize {
        ModelSize {
            layers: self.n_layer,
            hidden: self.d_model,
            inner: self.d_inner,
            heads: self.n_head,
            embedding: self.d_model,
            words: self.vocab_size,
            keys: seq_len,
            // That of the positions.
            more_projections: 1,
            ..ModelSize::default()
        }
    }

    fn num_labels(&self) -> usize {
        num_labels(self.id2label.as_ref(), &self.other)
    }

    /// PEFT has none for XLNet, whose attention has no linear layers: its matrices are parameters of three
    /// axes. The feed-forward layers are what can be adapted.
    fn lora_targets(&self) -> &'static [&'static str] {
        &["layer_1", "layer_2"]
    }

    /// The vectors that are added to queries: biases by name, weights to the original code, which lets
    /// weight decay pull at them.
    fn parameter_group(&self, path: &str) -> ParameterGroup {
        let mut group = ParameterGroup::by_name(path);
        group.decays |= QUERY_BIASES.iter().any(|name| path.contains(name));
        group
    }

    /// The vectors that all layers share, for each of the others.
    fn copies(&self, tensors: &[NamedTensor]) -> Vec<NamedTensor> {
        if self.ties_biases() {
            copies(tensors, self.n_layer)
        } else {
            Vec::new()
        }
    }
}
impl FineTuned for XlnetConfig {
    type Sequence = XlnetForSequenceClassification;
    type Tokens = XlnetForTokenClassification;
    type Spans = XlnetForQuestionAnsweringSimple;
    type Choices = XlnetForMultipleChoice;
    type Beam = XlnetForQuestionAnswering;

    const SUMS_UP: &'static [HeadKind] = &[HeadKind::Sequence, HeadKind::Choices];
}
