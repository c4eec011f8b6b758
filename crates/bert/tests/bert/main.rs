//! BERT held against its references: outputs, gradients, thirty steps, fine-tuning, SiFT.

mod fine_tuning;
mod forward;
mod parity;
mod sift;
mod trajectory;
