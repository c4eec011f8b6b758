//! What is learned and what is asked, whatever the architecture: all that stands between the loop
//! (`kiln-learner`) and the models.
//!
//! | file | what |
//! | --- | --- |
//! | `architecture.rs` | [`Architecture`]: what the command line asks of an architecture |
//! | `settings.rs` | [`RunSettings`]: everything that repeats a run; [`settings::ObjectiveSettings`] |
//! | `change.rs`, `record_changes.rs` | what was changed of a run after it had begun |
//! | `start.rs` | first weights of a run, from another folder |
//! | `tokenizer.rs` | the tokenizer of a run |
//! | `documents.rs` | corpora on disk, and what of them is held out |
//! | `masked_lm_data.rs` | their masked batches |
//! | `run_context.rs` | [`architecture::RunContext`]: where a run trains, and who is told |
//! | `run_data.rs` | [`RunData`]: batches to train on and to evaluate on |
//! | `masked_lm.rs` | [`masked_lm::MaskedLmBatch`]: masked words on a device, and their loss |
//! | `model_files.rs` | a single model's files in a checkpoint |
//! | `masked_lm_pretraining.rs` | [`masked_lm_pretraining::MaskedLmPretraining`]: the objective of masked words alone |
//! | `sift.rs` | [`sift::CleanPass`]: a classifier's predictions under disturbed embeddings |
//! | `memory.rs` | [`memory::Footprint`]: what a run needs, estimated beforehand |
//! | `model_config.rs` | [`ConfigError`]: a model's config.json, opened and checked |
//! | `tying.rs` | whether a head shares its matrix with the word table |
//! | `replaced_tokens/` | replaced token detection: objective, batch, losses, measures, a pair's folder |
//! | `family.rs` | [`Family`]: a config.json, and what the classes of its architecture share |
//! | `class.rs` | [`Class`]: a Hugging Face class as a type: an encoder and a head |
//! | `arguments.rs`, `labels.rs`, `sizes.rs` | what a pass is given, checked; labels; the sizes that they are checked against |
//! | `heads/` | [`heads::Head`]: what heads give, their labels, their losses as sums and weights |
//! | `fine_tuning.rs`, `fine_tuning/` | [`fine_tuning::FineTuning`]: a class trained on its own head's loss |
//! | `labelled/` | [`labelled::FineTuneSettings`]: runs on labelled files, their evaluation, predictions |
//! | `token_heads.rs` | the heads over tokens and over the first one, on any encoder |
//! | `choice.rs`, `summary.rs` | the head that scores continuations, on any encoder; one vector for a sequence |
//! | `beam.rs` | [`beam::SpanBeam`]: XLNet's head for spans: ends for each start, whether there is an answer |
//! | `class_loss.rs` | the cross-entropy of classes with a weight for each, and smoothed labels |
//! | `forward/` | [`forward::forward`]: a checkpoint run on given tensors, as one of an architecture's classes |
//! | `embedding.rs` | [`embedding::TextEmbedder`]: what is asked of an encoder, vectors of texts |
//! | `predict/` | [`Predictor`]: a model opened once that fills masks, tells replaced tokens, gives vectors |

pub mod architecture;
pub mod beam;
pub mod change;
pub mod choice;
pub mod class;
pub mod documents;
pub mod embedding;
pub mod family;
pub mod fine_tuning;
pub mod forward;
pub mod heads;
pub mod labelled;
pub mod masked_lm;
pub mod masked_lm_data;
pub mod masked_lm_pretraining;
pub mod memory;
pub mod model_config;
pub mod model_files;
pub mod predict;
pub mod replaced_tokens;
pub mod settings;
pub mod sift;
pub mod start;
pub mod summary;
pub mod token_heads;
pub mod tokenizer;
pub mod tying;

mod arguments;
mod class_loss;
mod labels;
mod record_changes;
mod run_context;
mod run_data;
mod sizes;

pub use architecture::Architecture;
pub use class::{Class, Encoded, Encoder, Outputs};
pub use family::Family;
pub use model_config::ConfigError;
pub use predict::Predictor;
pub use run_data::RunData;
pub use settings::RunSettings;
