//! DeBERTa held against its references, its folders, and what must hold of its objectives.

mod common;
mod fine_tuning;
mod folders;
mod golden_head;
mod joint;
mod objective_checkpoints;
mod objective_properties;
mod objectives;
mod parity;
mod properties;
mod sift;
mod trajectory;
