//! Classes opened and asked, whatever the architecture.

mod class_loss;
mod fill_mask;
mod forward;
mod summary;
