//! Pretrain BERT-family encoders in Rust, on any processor or GPU.
//!
//! This crate brings Kiln's parts together under one name. Each is a crate of its own:
//!
//! | module | what it does |
//! | --- | --- |
//! | [`backend`] | cargo features to devices |
//! | [`nn`] | layers, losses and fused operations that architectures share |
//! | [`text`] | tokenizers, corpora, examples, masking: text to batches |
//! | [`datasets`] | labelled data to batches, answers to predictions |
//! | [`metrics`] | predictions as they are written, and their scores |
//! | [`checkpoint`] | Hugging Face folders in and out |
//! | [`learner`] | the training loop, exact resume |
//! | [`tasks`] | what is learned and what is asked: settings, data, losses, forward passes, predictions |
//! | [`bert`] | BERT |
//! | [`deberta`] | DeBERTa v1, v2 and v3 |
//! | [`electra`] | ELECTRA |
//! | [`roberta`] | RoBERTa |
//! | [`xlnet`] | XLNet |
//!
//! The `kiln` command does all of it without a line of Rust; `examples/` shows the same from a
//! program of one's own.

pub use kiln_backend as backend;
pub use kiln_bert as bert;
pub use kiln_checkpoint as checkpoint;
pub use kiln_datasets as datasets;
pub use kiln_deberta as deberta;
pub use kiln_electra as electra;
pub use kiln_learner as learner;
pub use kiln_metrics as metrics;
pub use kiln_nn as nn;
pub use kiln_roberta as roberta;
pub use kiln_tasks as tasks;
pub use kiln_text as text;
pub use kiln_xlnet as xlnet;
