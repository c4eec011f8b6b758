//! BERT held against its references: outputs, gradients, thirty steps, fine-tuning, SiFT.

mod fine_tuning;
mod forward;
mod frozen;
mod golden_head;
mod parity;
mod sift;
mod trajectory;
