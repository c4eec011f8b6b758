//! Classes opened and asked, whatever the architecture.

mod fill_mask;
mod forward;
