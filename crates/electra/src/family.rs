//! What ELECTRA's classes share: Hugging Face's files, tables, and the list of the classes.

use kiln_bert::BertInputs;
use kiln_tasks::ConfigError;
use kiln_tasks::class::ClassEntry;
use kiln_tasks::family::{Family, FileNames, Sizes};

use crate::names::{LOAD_OPTIONS, NAMES};
use crate::{
    ElectraConfig, ElectraForMaskedLm, ElectraForPreTraining, ElectraForQuestionAnswering,
    ElectraForSequenceClassification, ElectraForTokenClassification, ElectraModel,
};

impl Family for ElectraConfig {
    type Inputs = BertInputs;

    const NAME: &'static str = "electra";
    const FILE_NAMES: FileNames = FileNames {
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    const CLASSES: &'static [ClassEntry<Self>] = &[
        ClassEntry::of::<ElectraModel>(),
        ClassEntry::of::<ElectraForPreTraining>(),
        ClassEntry::of::<ElectraForMaskedLm>(),
        ClassEntry::of::<ElectraForSequenceClassification>(),
        ClassEntry::of::<ElectraForTokenClassification>(),
        ClassEntry::of::<ElectraForQuestionAnswering>(),
    ];

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
        self.encoder().sizes()
    }

    fn size_tensors(&self) -> Vec<(String, [usize; 2])> {
        let (embedding_size, hidden_size) = (self.embedding_size, self.hidden_size);
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

    fn num_layers(&self) -> usize {
        self.num_hidden_layers
    }

    fn num_labels(&self) -> usize {
        self.num_labels()
    }
}
