//! What sets RoBERTa apart from the other architectures on BERT's encoder: names, classes, defaults, and
//! where positions begin.

use kiln_bert::{EncoderConfig, Kind};
use kiln_tasks::ConfigError;
use kiln_tasks::family::FileNames;
use kiln_tasks::fine_tuning::NoBeam;
use kiln_tasks::forward::ClassEntry;
use kiln_tasks::model_config::refuse;
use serde_json::Value;

use crate::config::RobertaKind;
use crate::names::{LOAD_OPTIONS, NAMES};
use crate::{
    RobertaConfig, RobertaForMaskedLm, RobertaForMultipleChoice, RobertaForQuestionAnswering,
    RobertaForSequenceClassification, RobertaForTokenClassification, RobertaModel,
};

impl Kind for RobertaKind {
    const MODEL_TYPE: &'static str = "roberta";
    const TITLE: &'static str = "RoBERTa";
    const POSITIONS_BEHIND_PADDING: bool = true;
    const FILE_NAMES: FileNames = FileNames {
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    const CLASSES: &'static [ClassEntry<RobertaConfig>] = &[
        ClassEntry::of::<RobertaModel>(),
        ClassEntry::of::<RobertaForMaskedLm>(),
        ClassEntry::of::<RobertaForSequenceClassification>(),
        ClassEntry::of::<RobertaForTokenClassification>(),
        ClassEntry::of::<RobertaForQuestionAnswering>(),
        ClassEntry::of::<RobertaForMultipleChoice>(),
    ];

    /// BERT-base's sizes with 50,265 words, padding's id 1.
    fn defaults() -> RobertaConfig {
        EncoderConfig {
            vocab_size: 50_265,
            pad_token_id: Some(1),
            ..EncoderConfig::of_bert_base()
        }
    }

    fn validate(config: &RobertaConfig) -> Result<(), ConfigError> {
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

    type Sequence = RobertaForSequenceClassification;
    type Tokens = RobertaForTokenClassification;
    type Spans = RobertaForQuestionAnswering;
    type Choices = RobertaForMultipleChoice;
    type Beam = NoBeam<RobertaModel>;
}
