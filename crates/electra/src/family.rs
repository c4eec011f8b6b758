//! What sets ELECTRA apart from the other architectures on BERT's encoder: names, classes, defaults.

use kiln_bert::{EncoderConfig, Kind};
use kiln_tasks::family::FileNames;
use kiln_tasks::fine_tuning::NoBeam;
use kiln_tasks::forward::ClassEntry;

use crate::config::ElectraKind;
use crate::names::{LOAD_OPTIONS, NAMES};
use crate::{
    ElectraConfig, ElectraForMaskedLm, ElectraForMultipleChoice, ElectraForPreTraining,
    ElectraForQuestionAnswering, ElectraForSequenceClassification, ElectraForTokenClassification,
    ElectraModel,
};

impl Kind for ElectraKind {
    const MODEL_TYPE: &'static str = "electra";
    const TITLE: &'static str = "ELECTRA";
    const HAS_EMBEDDING_SIZE: bool = true;
    const HAS_POOLER: bool = false;
    const HAS_SUMMARY: bool = true;
    const FILE_NAMES: FileNames = FileNames {
        names: &NAMES,
        options: &LOAD_OPTIONS,
    };
    const CLASSES: &'static [ClassEntry<ElectraConfig>] = &[
        ClassEntry::of::<ElectraModel>(),
        ClassEntry::of::<ElectraForPreTraining>(),
        ClassEntry::of::<ElectraForMaskedLm>(),
        ClassEntry::of::<ElectraForSequenceClassification>(),
        ClassEntry::of::<ElectraForTokenClassification>(),
        ClassEntry::of::<ElectraForQuestionAnswering>(),
        ClassEntry::of::<ElectraForMultipleChoice>(),
    ];

    /// ELECTRA-small's discriminator.
    fn defaults() -> ElectraConfig {
        EncoderConfig {
            embedding_size: Some(128),
            hidden_size: 256,
            num_attention_heads: 4,
            intermediate_size: 1_024,
            ..EncoderConfig::of_bert_base()
        }
    }

    type Sequence = ElectraForSequenceClassification;
    type Tokens = ElectraForTokenClassification;
    type Spans = ElectraForQuestionAnswering;
    type Choices = ElectraForMultipleChoice;
    type Beam = NoBeam<ElectraModel>;
}
