//! What is learned and what is asked, whatever the architecture: all that stands between the loop
//! (`kiln-learner`) and the models.
//!
//! | file | what |
//! | --- | --- |
//! | `architecture.rs` | [`Architecture`]: what the command line asks of an architecture |
//! | `settings.rs` | [`RunSettings`]: everything that repeats a run; [`settings::ObjectiveSettings`] |
//! | `change.rs`, `record_changes.rs` | what was changed of a run after it had begun |
//! | `start.rs` | tokenizer and first weights of a run |
//! | `documents.rs` | corpora on disk, and what of them is held out |
//! | `masked_lm_data.rs` | their masked batches |
//! | `masked_lm.rs` | [`masked_lm::MaskedLmBatch`]: masked words on a device, and their loss |
//! | `sift.rs` | [`sift::CleanPass`]: a classifier's predictions under disturbed embeddings |
//! | `memory.rs` | [`memory::Footprint`]: what a run needs, estimated beforehand |
//! | `model_config.rs` | [`ConfigError`]: a model's config.json, opened and checked |
//! | `tying.rs` | whether a head shares its matrix with the word table |
//! | `forward/` | [`forward::Call`]: a checkpoint run on given tensors; arguments, losses, gradients |
//! | `fill_mask.rs` | [`fill_mask::TextFiller`]: masks of a text, and tokens for them |
//! | `replaced_tokens/` | replaced token detection: batch, losses, a pair's folder, the tokens of a text |
//! | `one_text.rs`, `table.rs` | a text as a batch of its own, and whether a model's tables hold it |

pub mod architecture;
pub mod change;
pub mod documents;
pub mod fill_mask;
pub mod forward;
pub mod masked_lm;
pub mod masked_lm_data;
pub mod memory;
pub mod model_config;
pub mod one_text;
pub mod replaced_tokens;
pub mod settings;
pub mod sift;
pub mod start;
pub mod tying;

mod record_changes;
mod table;

pub use architecture::Architecture;
pub use model_config::ConfigError;
pub use settings::RunSettings;
