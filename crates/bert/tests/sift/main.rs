//! Scale-invariant fine-tuning of BERT's classifier against PyTorch: one pass with all that stands
//! between, and thirty steps through the learner.

#[cfg(test)]
mod parity;
#[cfg(test)]
mod passes;
#[cfg(test)]
mod properties;
