//! XLNet's permutation language modelling (Yang et al. 2019), as in the original's `data_utils.py`.
//!
//! ```text
//! Documents -> lanes (long texts read step by step) -> an example (what is remembered, A, B)
//!           -> spans (which tokens are predicted) -> ranks (who sees whom) -> HostBatch
//! ```
//!
//! There examples are written to files once, with their targets; here each is found by its index
//! alone, and its targets are drawn afresh at every epoch.

mod lanes;
mod ranks;
mod rows;
mod settings;
mod source;
mod spans;
mod split;

pub use settings::PermutedSettings;
pub use source::{PermutedEvaluation, PermutedSource};
