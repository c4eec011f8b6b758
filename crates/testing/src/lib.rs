//! What tests share: devices, reference tensors, numeric bounds with their reasons, reports.
//!
//! Not published, and never a dependency of anything but tests.
//!
//! | file | holds |
//! | --- | --- |
//! | `device.rs` | [`devices`]: every backend of this build that answers; [`lock_generator`] |
//! | `fixture.rs` | [`Fixture`]: one folder of reference tensors; [`cases`], [`fixtures_dir`] |
//! | `bound.rs` | [`Bound`]: how far two results may lie apart, and why |
//! | `closeness.rs` | [`assert_close`], [`Report`] |
//! | `batches.rs` | the batches of a masked language model's trajectory |
//! | `parity.rs` | [`check_parity`]: every single-pass case of an architecture |
//! | `ranks.rs` | [`ranks()`]: processes of a run as threads |
//! | `replaced_tokens.rs` | [`SampledBatches`], [`check_joint_step`]: a pair's step with given samples |
//! | `texts.rs` | [`check_fill_mask`], [`check_replaced_tokens`], [`check_embed`]: texts in padded batches |
//! | `fine_tuning.rs` | [`check_fine_tuning`], [`check_adapted_fine_tuning`]: a class fine-tuned as the reference does |
//! | `golden_head.rs` | [`with_golden_head`]: a head with weights from a formula |
//! | `trajectory.rs` | [`check_trajectory`], [`check_curves`]: a training run against the reference's |
//!
//! A test body is written once and runs over fixtures × devices:
//! ```no_run
//! use kiln_testing::{Bound, Fixture, Report, cases, devices};
//!
//! let mut report = Report::new("bert parity");
//! for folder in cases("bert", env!("CARGO_MANIFEST_DIR")) {
//!     let fixture = Fixture::open(&folder);
//!     for (name, device) in devices() {
//!         let input_ids = fixture.input("input_ids").int_tensor::<2>(&device);
//!         let logits = vec![0.0; 12]; // what the model makes of them
//!         let expected = fixture.output("logits").floats();
//!         report.check(&format!("{} logits", fixture.name), &name, &logits, expected, Bound::Output);
//!     }
//! }
//! report.finish();
//! ```

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this crate speaks to whoever runs the tests, and fails them"
)]

mod batches;
mod bound;
mod closeness;
mod device;
mod fine_tuning;
mod fixture;
mod golden_head;
mod moved;
mod parity;
mod ranks;
mod replaced_tokens;
mod texts;
mod trajectory;

pub use bound::Bound;
pub use closeness::{Closeness, Report, assert_close};
pub use device::{BACKENDS_VARIABLE, devices, lock_generator};
pub use fine_tuning::{adapted, check_adapted_fine_tuning, check_fine_tuning, layer_by_layer};
pub use fixture::{FIXTURES_VARIABLE, Fixture, FixtureTensor, Values, cases, fixtures_dir};
pub use golden_head::{
    check_golden, check_golden_classifier, golden_hidden_states, with_golden_head,
};
pub use moved::{Trained, moved, three_steps, ways};
pub use parity::{Named, check_parity, named, request};
pub use ranks::{Rank, ranks};
pub use replaced_tokens::{SampledBatches, check_joint_step, open_pair};
pub use texts::{check_embed, check_fill_mask, check_replaced_tokens};
pub use trajectory::{check_curves, check_trajectory, training_settings};
