//! What the classes of BERT, and of the architectures on its encoder, share: Hugging Face's files,
//! tables, and the list of the classes.

use kiln_nn::EncoderInputs;
use kiln_tasks::ConfigError;
use kiln_tasks::family::{Family, FileNames, Sizes};
use kiln_tasks::fine_tuning::{FineTuned, HeadKind, NoBeam};
use kiln_tasks::forward::{ClassEntry, Classes};
use kiln_tasks::memory::ModelSize;
use kiln_tasks::model_config::num_labels;

use crate::config::{BertKind, EncoderConfig, Kind};
use crate::names::{LOAD_OPTIONS, NAMES};
use crate::{
    BertConfig, BertForMaskedLm, BertForMultipleChoice, BertForNextSentencePrediction,
    BertForPreTraining, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification, BertModel,
};

impl Kind for BertKind {
    const MODEL_TYPE: &'static str = "bert";
    const TITLE: &'static str = "BERT";
    const FILE_NAMES: FileNames = FileNames {
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    const CLASSES: &'static [ClassEntry<BertConfig>] = &[
        ClassEntry::of::<BertModel>(),
        ClassEntry::of::<BertForPreTraining>(),
        ClassEntry::of::<BertForMaskedLm>(),
        ClassEntry::of::<BertForNextSentencePrediction>(),
        ClassEntry::of::<BertForSequenceClassification>(),
        ClassEntry::of::<BertForTokenClassification>(),
        ClassEntry::of::<BertForQuestionAnswering>(),
        ClassEntry::of::<BertForMultipleChoice>(),
    ];

    type Sequence = BertForSequenceClassification;
    type Tokens = BertForTokenClassification;
    type Spans = BertForQuestionAnswering;
    type Choices = BertForMultipleChoice;
    type Beam = NoBeam<BertModel>;
}

impl<K: Kind> Classes for EncoderConfig<K> {
    const CLASSES: &'static [ClassEntry<Self>] = K::CLASSES;
}

impl<K: Kind> FineTuned for EncoderConfig<K> {
    type Sequence = K::Sequence;
    type Tokens = K::Tokens;
    type Spans = K::Spans;
    type Choices = K::Choices;
    type Beam = K::Beam;

    const SUMS_UP: &'static [HeadKind] = if K::HAS_SUMMARY {
        &[HeadKind::Choices]
    } else {
        &[]
    };
}

impl<K: Kind> Family for EncoderConfig<K> {
    type Inputs = EncoderInputs;

    const NAME: &'static str = K::MODEL_TYPE;
    const FILE_NAMES: FileNames = K::FILE_NAMES;

    fn validate(&self) -> Result<(), ConfigError> {
        self.validate()
    }

    fn architectures(&self) -> Option<&[String]> {
        self.architectures.as_deref()
    }

    fn problem_type(&self) -> Option<&str> {
        self.problem_type.as_deref()
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            vocab_size: self.vocab_size,
            type_vocab_size: self.type_vocab_size,
            max_position_embeddings: self.max_position_embeddings,
            first_position: self.first_position(),
        }
    }

    fn size_tensors(&self) -> Vec<(String, [usize; 2])> {
        let (embedding_size, hidden_size) = (self.embedding_size(), self.hidden_size);
        let last = self.num_hidden_layers.saturating_sub(1);
        let table =
            |name: &str, rows| (format!("embeddings.{name}.weight"), [rows, embedding_size]);
        let mut tensors = vec![
            table("word_embeddings", self.vocab_size),
            table("position_embeddings", self.max_position_embeddings),
            table("token_type_embeddings", self.type_vocab_size),
            (
                format!("encoder.layer.{last}.intermediate.dense.weight"),
                [self.intermediate_size, hidden_size],
            ),
        ];
        if self.has_projection() {
            let projection = "embeddings_project.weight".to_owned();
            tensors.push((projection, [hidden_size, embedding_size]));
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
        ModelSize {
            layers: self.num_hidden_layers,
            hidden: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            embedding: self.embedding_size(),
            words: self.vocab_size,
            other_rows: self
                .max_position_embeddings
                .saturating_add(self.type_vocab_size),
            keys: seq_len,
            ..ModelSize::default()
        }
    }

    fn num_labels(&self) -> usize {
        num_labels(self.id2label.as_ref(), &self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_either_name() {
        let known = ClassEntry::known(&BertConfig::default());
        assert_eq!(known.split(", ").count(), 8, "{known}");
        for both in known.split(", ") {
            let (task, name) = both.split_once(" (").unwrap();
            let name = name.trim_end_matches(')');
            let found = [task, name].map(|name| ClassEntry::<BertConfig>::from_name(name).unwrap());
            assert!(std::ptr::eq(found[0], found[1]), "{both}");
        }
        assert!(ClassEntry::<BertConfig>::from_name("BertLMHeadModel").is_none());
    }
}
