//! RoBERTa held against its references, and what must hold of its positions.

mod fine_tuning;
mod parity;
mod properties;
