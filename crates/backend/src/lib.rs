//! Cargo features to devices: what is compiled in, what answers, seeding
