//! Questions and verdicts as text: case files, records, and what is made of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case_errors;
mod case_files;
mod records;
mod replaying;
mod samples;
mod shadowing;
