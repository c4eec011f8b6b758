//! ELECTRA (Clark et al. 2020): generator, discriminator, replaced token detection, fine-tuning
//! heads, Hugging Face's files.
//!
//! ```text
//! masked ids -> generator -> samples -> original ids with samples -> discriminator -> replaced?
//!                   \________ embeddings, shared ________________________/
//! ```
//!
//! The encoder is BERT's, on embeddings that may be narrower than it.
//!
//! | file | holds |
//! | --- | --- |
//! | `config.rs`, `presets.rs` | [`ElectraConfig`]: config.json; the published sizes |
//! | `model.rs` | [`ElectraModel`] |
//! | `generator.rs`, `discriminator.rs` | the heads of pretraining |
//! | `heads.rs` | the heads of fine-tuning |
//! | `pair.rs` | [`ElectraPair`]: both models, what they share, their folders |
//! | `pretraining.rs` | [`ElectraPretraining`]: the objective |
//! | `names.rs`, `class.rs`, `open.rs` | Hugging Face's names, classes and folders |
//! | `start.rs` | first weights from other models |
//! | `forward.rs`, `fill_mask.rs`, `replaced_tokens.rs` | a model run on given tensors, and on texts |
//! | `architecture.rs` | [`Electra`]: what the command line lists |

mod architecture;
mod class;
mod config;
mod discriminator;
mod fill_mask;
mod forward;
mod generator;
mod heads;
mod model;
pub mod names;
mod open;
mod pair;
pub mod presets;
mod pretraining;
mod replaced_tokens;
mod start;

pub use architecture::Electra;
pub use class::ElectraClass;
pub use config::ElectraConfig;
pub use discriminator::{DiscriminatorPredictions, ElectraForPreTraining};
pub use fill_mask::MaskFiller;
pub use forward::forward;
pub use generator::{ElectraForMaskedLm, GeneratorHead, GeneratorLmHead, GeneratorPredictions};
pub use heads::{
    ClassificationHead, ElectraForQuestionAnswering, ElectraForSequenceClassification,
    ElectraForTokenClassification,
};
pub use kiln_bert::ConfigError;
pub use model::{ElectraBody, ElectraModel};
pub use open::{check_sizes, open_config, open_weights, write_folder};
pub use pair::{ElectraPair, PairConfig, PairedGenerator};
pub use presets::Preset;
pub use pretraining::ElectraPretraining;
pub use replaced_tokens::ReplacedTokenDetector;
