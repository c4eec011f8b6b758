//! BERT (Devlin et al. 2019): model, pretraining, fine-tuning heads, Hugging Face's files.
//!
//! ```text
//! ids -> embeddings -> layer (attention, feed-forward) x n -> pooler     BertModel
//!                                         |                     |
//!                            masked language model head   next sentence head
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `config.rs`, `presets.rs` | [`BertConfig`], [`EncoderConfig`]: config.json; the published sizes |
//! | `embeddings.rs`, `attention.rs`, `layer.rs`, `model.rs` | [`BertModel`], from the ids upwards |
//! | `masked_lm.rs`, `for_pretraining.rs` | the heads of pretraining, with the encoder |
//! | `heads.rs` | the heads of fine-tuning |
//! | `names.rs`, `family.rs` | Hugging Face's names and classes |
//! | `pretraining.rs` | [`BertPretraining`]: the objective |
//! | `architecture.rs` | [`Bert`]: what the command line lists |

mod architecture;
mod attention;
mod config;
mod embeddings;
mod family;
mod for_pretraining;
mod heads;
mod layer;
mod masked_lm;
mod model;
pub mod names;
pub mod presets;
mod pretraining;

pub use architecture::Bert;
pub use attention::{BertAttention, BertSelfAttention};
pub use config::{BertConfig, BertKind, EncoderConfig, Kind};
pub use embeddings::BertEmbeddings;
pub use for_pretraining::{BertForPreTraining, BertPreTrainingHeads, PreTrainingLogits};
pub use heads::{
    BertForMultipleChoice, BertForNextSentencePrediction, BertForQuestionAnswering,
    BertForSequenceClassification, BertForTokenClassification, NextSentenceHead,
};
pub use kiln_nn::EncoderInputs as BertInputs;
pub use kiln_tasks::ConfigError;
pub use kiln_tasks::forward::InputError;
pub use layer::BertLayer;
pub use masked_lm::{BertForMaskedLm, MaskedLmHead, OnlyMaskedLmHead};
pub use model::{BertEncoder, BertModel, BertPooler};
pub use presets::Preset;
pub use pretraining::{BertPretraining, NextSentenceBatch, PretrainingBatch};
