//! Scale-invariant fine-tuning of BERT's classifier against PyTorch: one pass with all that stands
//! between, and thirty steps through the learner.

mod parity;
mod passes;
mod properties;
