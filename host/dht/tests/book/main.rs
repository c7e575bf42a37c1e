//! Phone books that talk to each other, and to those who mean them ill.

#![expect(clippy::unwrap_used, reason = "whatever is missing fails the test")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one event among many")]

mod asking;
mod crawling;
mod finding;
mod flooding;
mod hostility;
mod joining;
mod net;
mod records;
mod serving;
