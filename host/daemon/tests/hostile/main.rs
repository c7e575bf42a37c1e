//! A real node under attack, while an honest one goes on exchanging messages with it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that goes wrong")]
#![expect(clippy::print_stderr, reason = "measured times are for people")]

mod blackholes;
mod floods;
#[path = "../../../engine/tests/modules/guests.rs"]
#[allow(dead_code, reason = "the engine's own tests use all of it")]
mod guests;
mod killed;
mod modules;
mod peers;
#[path = "../process/mod.rs"]
mod process;
mod siege;
mod stranger;
