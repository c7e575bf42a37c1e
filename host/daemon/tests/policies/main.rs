//! Policies that come and go on real nodes: swapped, refused, rolled back, watched, shadowed.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that goes wrong")]

#[path = "../../../engine/tests/modules/guests.rs"]
#[allow(dead_code, reason = "the engine's own tests use all of it")]
mod guests;
mod learning;
mod misconduct;
#[path = "../process/mod.rs"]
mod process;
mod proving;
mod recording;
mod refusing;
mod scene;
mod shadowing;
mod signing;
mod standing;
mod swapping;
mod watching;
