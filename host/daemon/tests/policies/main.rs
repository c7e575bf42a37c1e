//! Policies that come and go on real nodes: swapped, refused, rolled back, watched, shadowed.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that goes wrong")]

#[path = "../../../engine/tests/modules/guests.rs"]
#[allow(dead_code, reason = "the engine's own tests use all of it")]
mod guests;
mod learning;
#[path = "../process/mod.rs"]
mod process;
mod proving;
mod refusing;
mod scene;
mod shadowing;
mod standing;
mod swapping;
mod watching;
