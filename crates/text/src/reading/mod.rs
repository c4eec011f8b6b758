//! Text out of files, folders and pipes: what a corpus is made of and a tokenizer trained on.
//!
//! [`Inputs`] finds the files, `files` tells by their first bytes what they are and unpacks them,
//! `lines`, `values` and `record` cut the text out of them, `reader` hands it on by paragraphs.

mod digest;
mod files;
mod inputs;
mod left_out;
mod lines;
mod passed_over;
mod reader;
mod record;
mod tasks;
mod values;

pub(crate) use digest::file_digest;
pub use digest::{DataFile, InputFile, hex};
#[cfg(feature = "parquet")]
pub use files::Rows;
pub use files::{Content, Unpacked};
pub(crate) use inputs::TEXT_FIELD;
pub use inputs::{Counted, Inputs, OnInvalid, Reading};
pub use left_out::{LeftOut, LeftOutFiles};
pub(crate) use reader::{Block, Paragraph, Reader};
pub(crate) use tasks::{tasks, thread_pool};
