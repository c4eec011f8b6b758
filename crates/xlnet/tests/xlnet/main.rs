//! XLNet held against its references, its memory, folders and arguments.

mod arguments;
mod beam;
mod fill_mask;
mod fine_tuning;
mod folders;
mod golden;
mod golden_head;
mod parity;
mod properties;
mod sift;
mod trajectory;
