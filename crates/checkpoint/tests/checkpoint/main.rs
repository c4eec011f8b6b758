//! Files and modules together: round trips on every device, damage, and folders cut short.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its case has failed"
)]

mod damage;
mod folders;
mod model;
mod pytorch;
mod reading;
mod round_trip;
