//! Runs policies compiled to WebAssembly, within budgets.
//!
//! The only room of the house that knows wasmtime. An [`Engine`] opens a module: checks it,
//! compiles it, and asks it who it is. The [`Module`] then makes policies that the Node asks
//! like any other, as many as are wanted, each in an instance of its own. A module may be a
//! component, or a core module with the WIT metadata that `wit-bindgen` leaves in it.
//!
//! What a module does can't harm the host: it is checked before it is compiled, gets nothing
//! to call but a log, and every call of it is bounded in time, memory, stack and in what it
//! copies. A call that fails is a [`Strike`](pointsman_core::policy::Strike); the slot's
//! builtin answers in its stead, and a fresh instance is made.
//!
//! Opening compiles, which takes tens of milliseconds for a policy of ordinary size and seconds
//! for an interpreter: never on the loop. Asking selectors and failover policies happens in
//! line; the other roles, and learning, are asked aside.

#[macro_use]
pub mod forms;

mod aside;
mod bare;
mod bindings;
mod cache;
mod calls;
pub mod cases;
mod code;
mod compiled;
mod compiler;
mod cost;
mod costs;
mod error;
mod file;
mod guest;
mod in_line;
mod limits;
mod manifest;
mod module;
mod opened;
mod pace;
pub mod record;
pub mod replay;
pub mod schema;
pub mod shadow;
mod ticker;
mod trial;
mod warm;

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::common::Policy;
use crate::cache::Cache;
use crate::compiled::Compiled;
use crate::compiler::Forge;
use crate::guest::Guest;
use crate::opened::Opened;
use crate::ticker::Ticker;

pub use aside::{WasmAnomaly, WasmLearner, WasmReputation};
pub use compiler::{Compiler, compile_child_main};
pub use cost::MeanCost;
pub use costs::{Cost, Costs};
pub use error::{EngineError, InspectError, LoadError, Step};
pub use in_line::{WasmFailover, WasmSelector};
pub use limits::{Limits, STATE_BYTES_MAX};
pub use module::{Inspection, Module, Terms};
pub use trial::{LearnFault, Run, Trial, TrialError};

/// How an engine is set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// What policies may use up.
    pub limits: Limits,
    /// A folder for compiled modules, which nobody else may enter; made where it is missing.
    /// Without one, every module is compiled when it is opened.
    pub cache: Option<PathBuf>,
    /// Where modules are compiled.
    pub compiler: Compiler,
}

/// Opens modules. Cheap to clone; its thread ends with the last clone, the last module and the
/// last policy that came of it.
#[derive(Clone)]
pub struct Engine {
    linker: Arc<Linker<Guest>>,
    ticker: Arc<Ticker>,
    forge: Arc<Forge>,
    opened: Arc<Opened>,
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine").field("forge", &self.forge).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the engine and the thread that keeps its policies within their time.
    pub fn new(setup: Setup) -> Result<Self, EngineError> {
        let Setup { limits, cache, compiler } = setup;
        let unsupported = |error: wasmtime::Error| EngineError::Unsupported(format!("{error:#}"));
        let (engine, reserve) = code::engine(&limits).map_err(unsupported)?;
        let cache = cache.map(|folder| Cache::open(&folder, &engine, limits.cache_bytes));
        let forge = Forge { compiler, cache: cache.transpose()?, limits, reserve };
        let mut linker = Linker::new(&engine);
        Policy::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest).map_err(unsupported)?;
        let ticker = Ticker::start(&engine, limits.tick_us)?;
        Ok(Self {
            linker: Arc::new(linker),
            ticker: Arc::new(ticker),
            forge: Arc::new(forge),
            opened: Arc::default(),
        })
    }

    /// Opens a module: every check that needs no settings, compiled or taken from the cache,
    /// started and asked who it is. One that is in use did all that before.
    pub fn open(&self, bytes: &[u8]) -> Result<Module, InspectError> {
        let digest = file::digest(bytes)?;
        if let Some(module) = self.opened.find(&digest) {
            return Ok(module);
        }
        let forged = self.forge.make(self.linker.engine(), bytes, digest)?;
        pace::give_way();
        let ticker = Arc::clone(&self.ticker);
        let compiled = Compiled::new(&forged.component, &self.linker, ticker, self.forge.limits)?;
        let module = Module::open(compiled, forged, bytes.len())?;
        self.opened.note(&module);
        Ok(module)
    }
}
