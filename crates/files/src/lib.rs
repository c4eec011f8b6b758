//! Files and folders that appear under their names whole or not at all.
//!
//! Each is written under a temporary name beside its final one, synced, and renamed; what a killed
//! writer leaves is told from a living writer's by a lock, and removed.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `file.rs` | [`WholeFile`], [`write()`] |
//! | `folder.rs` | [`WholeFolder`] |
//! | `temporary.rs` | temporary names and their locks |
//! | `leftover.rs` | [`clean_stale`], [`Leftover`]: what killed writers leave, of earlier versions too |
//! | `sync.rs` | [`create_folders`], [`sync_name`] |

mod error;
mod file;
mod folder;
mod leftover;
mod sync;
mod temporary;

pub use error::FileError;
pub use file::{WholeFile, write};
pub use folder::WholeFolder;
pub use leftover::{Leftover, clean_stale};
pub use sync::{create_folders, sync_name};
