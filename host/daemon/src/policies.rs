//! Policies from a name to a slot: where code comes from, the way that every candidate goes,
//! what is live, what was, and what must stay out.
//!
//! A module is a file, one of those that [`embedded`] lists, or a native builtin. A candidate is
//! read, trusted, compiled, configured and tried off the loop, and handed over ready to be asked
//! (`candidate`). What is in the slots, and what the config, operators and the loop do to them,
//! is kept by `slots`; `book` tells it to everybody else. Files in the state folder: the history
//! (`policy-history.jsonl`), the quarantine (`policy-quarantine.json`), and a copy of the last
//! policy of each role that has proven itself (`policies/`).
//!
//! Nothing here decides about traffic, and nothing that blocks runs on the loop.

mod book;
mod candidate;
pub mod history;
mod kept;
mod quarantine;
mod seat;
mod slots;
mod source;
mod start;
mod state;
mod tenancy;
pub mod trust;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pointsman_core::config::PolicyConfig;
use pointsman_core::policy::Role;
use pointsman_engine::{Compiler, Engine, EngineError, InspectError, Module, Setup};

use crate::places;

pub use book::{Book, Live, Now};
pub(crate) use candidate::{Candidate, Wish};
pub use quarantine::Held;
pub use seat::{Kind, SeatError, Seated, Step, Steps};
pub(crate) use slots::{Found, Leaving, RolledBack, Slots};
pub(crate) use source::embedded_bytes;
pub use source::{NATIVE_BUILTINS, ReadError, embedded, module_text, natives, read};
pub(crate) use start::{Filled, fill};
use trust::Trust;

/// The command of this program that compiles a module, where the process runs this program.
static COMPILE: OnceLock<&str> = OnceLock::new();

/// From now on modules are compiled in children, which run this program with this command. For
/// `pointsman` itself: the program around a library has no such command.
pub(crate) fn compile_in_children(command: &'static str) {
    COMPILE.get_or_init(|| command);
}

/// Starts an engine that keeps what it compiles. A cache that can't be used is no reason to
/// have no policies.
fn start_engine() -> Result<Engine, EngineError> {
    let compiler = match COMPILE.get() {
        // This very program, even if its file was replaced meanwhile.
        Some(&command) if cfg!(target_os = "linux") => Compiler::Child {
            program: PathBuf::from("/proc/self/exe"),
            arguments: vec![command.into()],
        },
        Some(_) | None => Compiler::InProcess,
    };
    let setup = Setup { cache: Some(places::compiled_folder()), compiler, ..Setup::default() };
    match Engine::new(setup.clone()) {
        Err(error @ EngineError::Cache { .. }) => {
            tracing::warn!("{error}; policies are compiled at every start");
            Engine::new(Setup { cache: None, ..setup })
        }
        started => started,
    }
}

/// Compiles modules. The engine starts with the first one.
#[derive(Debug, Default)]
pub struct Policies {
    engine: OnceLock<Engine>,
}

/// Why bytes are no policy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no engine to look at them.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// They are no policy that can run here.
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

impl Policies {
    /// Checks and compiles a module.
    pub fn open(&self, bytes: &[u8]) -> Result<Module, OpenError> {
        Ok(self.engine()?.open(bytes)?)
    }

    /// Goes the whole way with what a config names for a slot, without a node: file paths start
    /// from `folder`, `trust` says what is demanded.
    pub fn check(
        &self,
        role: Role,
        config: &PolicyConfig,
        folder: &Path,
        trust: &Trust,
    ) -> Result<Seated, SeatError> {
        candidate::check(self, role, config, folder, trust)
    }

    fn engine(&self) -> Result<&Engine, EngineError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = start_engine()?;
        Ok(self.engine.get_or_init(|| engine))
    }
}
