//! `pointsman compile-module`: the limited process that compiles modules for a node. It is no
//! command for people, and not in the help.

use std::ffi::OsString;
use std::process::ExitCode;

use pointsman_engine::Compiler;

/// Its name on the command line.
pub(super) const NAME: &str = "compile-module";

/// How a node starts it; where this program can't find itself, the node compiles by itself.
pub(super) fn compiler() -> Compiler {
    match std::env::current_exe() {
        Ok(program) => Compiler::Child { program, arguments: vec![OsString::from(NAME)] },
        Err(error) => {
            tracing::warn!(%error, "modules are compiled in this process");
            Compiler::InProcess
        }
    }
}

/// Reads a module, and writes what became of it.
pub(super) fn run() -> ExitCode {
    pointsman_engine::compile_child_main()
}
