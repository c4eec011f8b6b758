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
//! | `config.rs`, `presets.rs` | [`BertConfig`]: config.json; the published sizes |
//! | `embeddings.rs`, `attention.rs`, `layer.rs`, `model.rs` | [`BertModel`], from the ids upwards |
//! | `masked_lm.rs`, `for_pretraining.rs` | the heads of pretraining |
//! | `heads.rs` | the heads of fine-tuning |
//! | `names.rs`, `class.rs`, `open.rs` | Hugging Face's names, classes and folders |
//! | `pretraining.rs` | [`BertPretraining`]: the objective |
//! | `forward.rs`, `fill_mask.rs` | a model run on given tensors, and on texts |
//! | `architecture.rs` | [`Bert`]: what the command line lists |

mod architecture;
mod attention;
mod class;
mod config;
mod embeddings;
mod fill_mask;
mod for_pretraining;
mod forward;
mod heads;
mod layer;
mod masked_lm;
mod model;
pub mod names;
mod open;
pub mod presets;
mod pretraining;

pub use architecture::Bert;
pub use attention::{BertAttention, BertSelfAttention, ResidualOutput};
pub use class::BertClass;
pub use config::BertConfig;
pub use embeddings::BertEmbeddings;
pub use fill_mask::MaskFiller;
pub use for_pretraining::{BertForPreTraining, BertPreTrainingHeads, PreTrainingLogits};
pub use forward::forward;
pub use heads::{
    BertForNextSentencePrediction, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification, NextSentenceHead,
};
pub use kiln_nn::EncoderInputs as BertInputs;
pub use kiln_tasks::ConfigError;
pub use kiln_tasks::forward::InputError;
pub use layer::{BertIntermediate, BertLayer};
pub use masked_lm::{HeadTransform, MaskedLmHead};
pub use model::{BertEncoder, BertModel, BertPooler};
pub use open::{check_sizes, open_config, open_weights, write_folder};
pub use presets::Preset;
pub use pretraining::{BertPretraining, NextSentenceBatch, PretrainingBatch};
