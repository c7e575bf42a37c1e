//! The real client libraries on the BlueZ of this crate: what they are told is what BlueZ tells.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod faults;
mod life;
mod links;
mod rig;
mod scans;
