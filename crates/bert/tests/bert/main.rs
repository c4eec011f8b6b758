//! BERT held against its references: outputs, gradients, thirty steps, fine-tuning, SiFT, LoRA.

mod fine_tuning;
mod forward;
mod frozen;
mod golden_head;
mod layer_by_layer;
mod lora;
mod parity;
mod sift;
mod trajectory;
