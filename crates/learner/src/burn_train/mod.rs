//! Kiln's loop as burn-train sees it.
//!
//! | file | what |
//! | --- | --- |
//! | `trainee.rs` | [`trainee::Trainee`]: an objective and its model as a module to train |
//! | `loader.rs` | a batch source as a data loader |
//! | `metric.rs` | a run's values as metrics |
//! | `renderer.rs` | no dashboard |
//! | `strategy.rs`, `strategy/saving.rs` | the loop, as a strategy; when it saves |

pub(crate) mod loader;
pub(crate) mod metric;
pub(crate) mod renderer;
pub(crate) mod strategy;
pub(crate) mod trainee;
