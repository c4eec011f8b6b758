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
//! | `pair_config.rs` | [`PairConfig`]: both models' configs, from the settings |
//! | `pair.rs` | [`ElectraPair`]: both models, what they share, their folders |
//! | `names.rs`, `family.rs` | Hugging Face's names and classes |
//! | `start.rs` | first weights from other models |
//! | `architecture.rs` | [`Electra`]: what the command line lists |

mod architecture;
mod config;
mod discriminator;
mod family;
mod generator;
mod heads;
mod model;
pub mod names;
mod pair;
mod pair_config;
pub mod presets;
mod start;

pub use architecture::Electra;
pub use config::{ElectraConfig, ElectraKind, generator_of};
pub use discriminator::{DiscriminatorPredictions, ElectraForPreTraining};
pub use generator::{ElectraForMaskedLm, GeneratorHead};
pub use heads::{
    ElectraForMultipleChoice, ElectraForQuestionAnswering, ElectraForSequenceClassification,
    ElectraForTokenClassification,
};
pub use kiln_bert::ConfigError;
pub use kiln_tasks::token_heads::ClassificationHead;
pub use model::{ElectraBody, ElectraModel};
pub use pair::{ElectraPair, PairedGenerator};
pub use pair_config::PairConfig;
pub use presets::Preset;

/// ELECTRA's replaced token detection (Clark et al. 2020, section 2); published are the weights λ_G = 1
/// and λ_D = 50.
pub type ElectraPretraining = kiln_tasks::replaced_tokens::ReplacedTokens<ElectraPair>;
