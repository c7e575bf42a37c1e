//! The real client libraries, on a BlueZ of our own.

#![cfg(target_os = "linux")]

mod absence;
mod links;
mod rig;
