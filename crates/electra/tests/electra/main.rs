//! ELECTRA held against its references, and what must hold of its pair.

mod common;
mod fine_tuning;
mod golden_head;
mod joint;
mod parity;
mod properties;
mod texts;
