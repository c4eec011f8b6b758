//! What RoBERTa's classes share: Hugging Face's files, tables, and the list of the classes.

use kiln_bert::BertInputs;
use kiln_tasks::ConfigError;
use kiln_tasks::class::ClassEntry;
use kiln_tasks::family::{Family, FileNames, Sizes};
use kiln_tasks::model_config::{check_model_type, refuse};
use serde_json::Value;

use crate::names::{LOAD_OPTIONS, NAMES};
use crate::{
    RobertaConfig, RobertaForMaskedLm, RobertaForQuestionAnswering,
    RobertaForSequenceClassification, RobertaForTokenClassification, RobertaModel,
};

impl Family for RobertaConfig {
    type Inputs = BertInputs;

    const NAME: &'static str = "roberta";
    const FILE_NAMES: FileNames = FileNames {
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    const CLASSES: &'static [ClassEntry<Self>] = &[
        ClassEntry::of::<RobertaModel>(),
        ClassEntry::of::<RobertaForMaskedLm>(),
        ClassEntry::of::<RobertaForSequenceClassification>(),
        ClassEntry::of::<RobertaForTokenClassification>(),
        ClassEntry::of::<RobertaForQuestionAnswering>(),
    ];

    fn validate(&self) -> Result<(), ConfigError> {
        let config = &self.encoder;
        check_model_type(&config.model_type, Self::NAME, "RoBERTa")?;
        config.validate_encoder()?;
        let rows = config.max_position_embeddings;
        match config.pad_token_id {
            None => refuse(
                "pad_token_id",
                Value::Null,
                "choose an id: positions begin behind it",
            ),
            Some(padding) if padding + 1 >= rows => {
                let remedy =
                    format!("positions begin behind pad_token_id ({padding}); choose more");
                refuse("max_position_embeddings", rows, remedy)
            }
            Some(_) => Ok(()),
        }
    }

    fn defaults() -> Vec<(&'static str, Value)> {
        let default = Self::default().encoder;
        vec![
            ("model_type", default.model_type.into()),
            ("vocab_size", default.vocab_size.into()),
            ("pad_token_id", default.pad_token_id.into()),
        ]
    }

    fn architectures(&self) -> Option<&[String]> {
        self.encoder.architectures()
    }

    fn problem_type(&self) -> Option<&str> {
        self.encoder.problem_type()
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            first_position: self.encoder.pad_token_id.map_or(0, |padding| padding + 1),
            ..self.encoder.sizes()
        }
    }

    fn size_tensors(&self) -> Vec<(String, [usize; 2])> {
        self.encoder.size_tensors()
    }

    fn for_inference(&self) -> Self {
        Self {
            encoder: self.encoder.without_dropout(),
        }
    }

    fn num_layers(&self) -> usize {
        self.encoder.num_hidden_layers
    }

    fn num_labels(&self) -> usize {
        self.encoder.num_labels()
    }
}
