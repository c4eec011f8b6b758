//! XLNet (Yang et al. 2019): two-stream attention over permutations, memory across segments, heads,
//! Hugging Face's files.
//!
//! ```text
//! ids ---> content stream -> layer -> layer -> ...     every position knows its token
//!             |  keys and values of both    \--> memory for the segment after
//! mask_emb -> query stream -> layer -> layer -> words  predicted positions, which do not
//! ```
//!
//! | file | holds |
//! | --- | --- |
//! | `config.rs` | [`XlnetConfig`]: config.json, and what of it is refused |
//! | `presets.rs` | the published sizes |
//! | `positions.rs` | [`RelativePositions`]: vectors of distances, and which row stands for which |
//! | `segments.rs` | the score's term for whether two tokens share a segment |
//! | `visibility.rs` | [`Visibility`]: who may see whom |
//! | `attention.rs`, `layer.rs`, `model.rs` | [`XlnetModel`] |
//! | `memory.rs`, `kept.rs` | [`Memory`] between segments, and its file; how much is kept |
//! | `lm_head.rs` | [`XlnetLmHeadModel`] |
//! | `heads.rs`, `beam.rs` | the heads of fine-tuning; that for answers with a beam |
//! | `names.rs`, `family.rs`, `shared_biases.rs` | Hugging Face's names, classes and files |
//! | `pretraining.rs` | [`XlnetPretraining`]: permutation language modelling |
//! | `data.rs` | the batches of a run |
//! | `arguments.rs`, `fill_mask.rs` | what it reads of given tensors, and of texts |
//! | `architecture.rs` | [`Xlnet`]: what the command line lists |

mod architecture;
mod arguments;
mod attention;
mod beam;
mod config;
mod data;
mod family;
mod fill_mask;
mod heads;
mod kept;
mod layer;
mod lm_head;
mod memory;
mod model;
pub mod names;
mod positions;
pub mod presets;
mod pretraining;
mod segments;
mod shared_biases;
mod visibility;

pub use architecture::Xlnet;
pub use attention::{QueryBiases, RelativeAttention};
pub use beam::XlnetForQuestionAnswering;
pub use config::{AttentionType, XlnetConfig};
pub use heads::{
    XlnetForMultipleChoice, XlnetForQuestionAnsweringSimple, XlnetForSequenceClassification,
    XlnetForTokenClassification,
};
pub use kiln_tasks::ConfigError;
pub use kiln_tasks::summary::{SequenceSummary, Summary, SummaryType};
pub use layer::{FeedForward, XlnetLayer};
pub use lm_head::XlnetLmHeadModel;
pub use memory::Memory;
pub use model::{Targets, XlnetInputs, XlnetModel, XlnetOutputs};
pub use positions::{PositionTable, QueryChunk, RelativePositions};
pub use presets::Preset;
pub use pretraining::{PermutedBatch, XlnetPretraining};
pub use shared_biases::check_shared;
pub use visibility::Visibility;
