//! `pointsman compile-policy`: what a node starts as a child of its own to compile a module,
//! because a process can be held to limits and stopped, and the compiler can't. Not for people.

use std::process::ExitCode;

use super::Failure;

/// The command.
pub(super) const NAME: &str = "compile-policy";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A node runs `pointsman compile-policy` by itself. To look at a module, type
  pointsman policy check mine.wasm"
)]
pub(super) struct Args {}

/// Answers on standard output itself; a failure is told there or on standard error already.
pub(super) fn run() -> Result<(), Failure> {
    if pointsman_engine::compile_child_main() == ExitCode::SUCCESS {
        Ok(())
    } else {
        Err(Failure::failed("no code was made"))
    }
}
