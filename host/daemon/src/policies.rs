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
pub mod trust;

use std::path::Path;
use std::sync::OnceLock;

use pointsman_core::config::PolicyConfig;
use pointsman_core::policy::Role;
use pointsman_engine::{Engine, EngineError, InspectError, Module, Setup};

pub use book::{Book, Live, Now};
pub(crate) use candidate::{Candidate, Wish};
pub use quarantine::Held;
pub use seat::{Kind, SeatError, Seated, Step, Steps};
pub(crate) use slots::{Found, Leaving, RolledBack, Slots, off_loop};
use trust::Trust;
pub(crate) use source::embedded_bytes;
pub use source::{NATIVE_BUILTINS, ReadError, embedded, module_text, natives, read};
pub(crate) use start::{Filled, fill};

/// Compiles modules. The engine starts with the first one.
#[derive(Debug)]
pub struct Policies {
    setup: Setup,
    engine: OnceLock<Engine>,
}

impl Default for Policies {
    /// Compiles in this process, without a cache.
    fn default() -> Self {
        Self::new(Setup::default())
    }
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
    /// Compiles as the setup says.
    pub fn new(setup: Setup) -> Self {
        Self { setup, engine: OnceLock::new() }
    }

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
        let engine = Engine::new(self.setup.clone())?;
        Ok(self.engine.get_or_init(|| engine))
    }
}
