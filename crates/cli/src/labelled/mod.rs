//! What `finetune`, `evaluate` and `predict` share: labelled files, and models with a head.
//!
//! | file | what |
//! | --- | --- |
//! | `data_args.rs` | the flags that say where in a file everything stands |
//! | `asking.rs` | a model opened for a task, asked example by example |
//! | `dev_scores.rs` | predictions and scores as files beside a run |
//! | `showing.rs` | scores and predictions for people |

pub(crate) mod asking;
pub(crate) mod data_args;
pub(crate) mod dev_scores;
pub(crate) mod showing;
