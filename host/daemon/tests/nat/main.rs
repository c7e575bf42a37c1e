//! Nodes behind NATs, as real processes in namespaces: linked through a relay, directly where a
//! hole can be punched or a router lets others in, and found again without whoever introduced
//! them.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod holes;
mod probes;
#[path = "../process/mod.rs"]
mod process;
mod relays;
mod remembered;
mod router;
mod scene;
