//! RoBERTa (Liu et al. 2019): BERT's encoder, pretrained on masked words in full sequences alone.
//!
//! ```text
//! ids -> embeddings, positions behind the id of padding -> BERT's layers -> pooler     RobertaModel
//!                                                              |
//!                                                 masked language model head
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `config.rs`, `presets.rs` | [`RobertaConfig`]: config.json; the published sizes and their recipe |
//! | `model.rs` | [`RobertaModel`], and the heads of fine-tuning |
//! | `masked_lm.rs` | [`RobertaForMaskedLm`], and the objective that it is pretrained with |
//! | `names.rs`, `family.rs` | Hugging Face's names and classes |
//! | `architecture.rs` | [`Roberta`]: what the command line lists |

mod architecture;
mod config;
mod family;
mod masked_lm;
mod model;
pub mod names;
pub mod presets;

pub use architecture::Roberta;
pub use config::{RobertaConfig, RobertaKind};
pub use masked_lm::{RobertaForMaskedLm, RobertaPretraining};
pub use model::{
    RobertaForMultipleChoice, RobertaForQuestionAnswering, RobertaForSequenceClassification,
    RobertaForTokenClassification, RobertaModel,
};
pub use presets::Preset;
