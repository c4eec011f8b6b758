//! Files and modules together: round trips on every device, damage, and folders cut short.

mod damage;
mod folders;
mod model;
mod pytorch;
mod reading;
mod round_trip;
