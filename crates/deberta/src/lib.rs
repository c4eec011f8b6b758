//! DeBERTa v1 (He et al. 2021), v2 and v3 (He et al. 2023): disentangled attention in all published
//! variations, the enhanced mask decoder, heads, Hugging Face's files.
//!
//! ```text
//! ids -> embeddings -> layer x (n - 1) -> layer ------------------> fine-tuning heads, discriminator
//!                                    \--> layer, twice, with absolute positions -> words
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `config.rs`, `pos_att_type.rs`, `validate.rs` | [`DebertaConfig`]: config.json, and what of it is refused |
//! | `presets.rs` | the published sizes |
//! | `buckets.rs` | [`RelativePositions`]: which relative embedding stands for a distance |
//! | `projections.rs`, `attention.rs` | disentangled attention, in v1's layout and in v2's |
//! | `embeddings.rs`, `layer.rs`, `conv.rs`, `encoder.rs`, `model.rs` | [`DebertaModel`], from the ids upwards |
//! | `mask_decoder.rs`, `masked_lm.rs` | [`DebertaForMaskedLm`], with the enhanced mask decoder or without |
//! | `masked_lm_form.rs` | [`MaskedLmForm`]: which of them a file holds |
//! | `discriminator.rs` | [`DebertaForPreTraining`]: v3's discriminator |
//! | `heads.rs` | the heads of fine-tuning |
//! | `names.rs`, `family.rs`, `open.rs` | Hugging Face's names and classes, folders of masked language models |
//! | `pretraining.rs` | [`DebertaPretraining`]: masked language modelling |
//! | `pair_config.rs` | [`PairConfig`]: both models' configs, from the settings |
//! | `pair.rs` | [`DebertaPair`]: v3's generator and discriminator, their folders |
//! | `start.rs` | first weights from other models |
//! | `own_objective.rs` | which objective a folder's model has learned |
//! | `architecture.rs` | [`Deberta`]: what the command line lists |

mod architecture;
mod attention;
mod buckets;
mod config;
mod conv;
mod discriminator;
mod embeddings;
mod encoder;
mod family;
mod heads;
mod layer;
mod mask_decoder;
mod masked_lm;
mod masked_lm_form;
mod model;
pub mod names;
mod open;
mod own_objective;
mod pair;
mod pair_config;
mod pos_att_type;
pub mod presets;
mod pretraining;
mod projections;
mod start;
mod validate;

pub use architecture::Deberta;
pub use attention::{
    AttentionContext, DebertaAttention, DisentangledSelfAttention, Padding, RelativeTable,
};
pub use buckets::RelativePositions;
pub use config::{DebertaConfig, DebertaVersion};
pub use conv::ConvLayer;
pub use discriminator::{DebertaForPreTraining, MaskPredictions};
pub use embeddings::{DebertaEmbeddings, EmbeddingBlock};
pub use encoder::DebertaEncoder;
pub use heads::{
    ContextPooler, DebertaForMultipleChoice, DebertaForQuestionAnswering,
    DebertaForSequenceClassification, DebertaForTokenClassification,
};
pub use kiln_tasks::ConfigError;
pub use layer::DebertaLayer;
pub use masked_lm::{DebertaForMaskedLm, NamedHead};
pub use masked_lm_form::{MaskedLmForm, masked_lm_form};
pub use model::DebertaModel;
pub use open::write_masked_lm;
pub use pair::{DebertaPair, PairedDiscriminator};
pub use pair_config::PairConfig;
pub use pos_att_type::PosAttType;
pub use presets::Preset;
pub use pretraining::DebertaPretraining;
pub use projections::{FusedProjections, KeysValues, Projections, SeparateProjections};

/// v3's replaced token detection (He et al. 2023, section 3).
pub type DebertaReplacedTokens = kiln_tasks::replaced_tokens::ReplacedTokens<DebertaPair>;
