//! LoRA (Hu et al. 2021): the model stays as it is, and low-rank corrections of some of its matrices are
//! learned beside the head.
//!
//! ```text
//! W' = W + scale · A B        A [in, rank], B [rank, out], scale = alpha / rank
//! ```
//!
//! A is drawn and B is zero, so training begins with the model as it was. A pass computes W' and goes
//! through the layers as ever. What is merged is this same sum, so a merged model gives the same bits as
//! the adapted one. With dropout before A, PEFT's `lora_dropout`, a pass of training has products of its
//! own beside those with W ([`kiln_nn::project`]).
//!
//! | file | what |
//! | --- | --- |
//! | `settings.rs` | [`LoraSettings`]: rank, alpha, which layers |
//! | `attach.rs` | adapters beside the layers that are meant |
//! | `peft_config.rs` | [`PeftConfig`]: adapter_config.json |
//! | `files.rs` | `adapter/` in PEFT's layout, written and read |

mod attach;
mod files;
mod peft_config;
mod settings;

pub use attach::Adapters;
pub(super) use attach::{Among, attach, is_adapter};
pub use files::AdapterFile;
pub(super) use files::{load, make_folder, write};
pub use peft_config::{AdapterTask, PeftConfig};
pub use settings::{LoraScale, LoraSettings};
