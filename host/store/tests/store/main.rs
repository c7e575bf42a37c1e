//! The store through its public API.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one notice")]

mod crash;
mod damage;
mod file;
mod samples;
mod scale;
mod tables;
mod writer;
