//! Runs policies compiled to WebAssembly, within budgets.
//!
//! The only room of the house that knows wasmtime. An [`Engine`] inspects a module, loads it,
//! and gives back a [`WasmSelector`] or a [`WasmFailover`] that the Node asks like any other
//! policy. A module may be a component, or a core module with the WIT metadata that
//! `wit-bindgen` leaves in it.
//!
//! What a module does can't harm the host: it is checked before it is compiled, gets nothing
//! to call but a log, and every call of it is bounded in time, memory, stack and in what it
//! copies. A call that fails is a [`Strike`](pointsman_core::policy::Strike); the slot's
//! builtin answers in its stead, and a fresh instance is made.
//!
//! Loading compiles, which takes tens of milliseconds for a policy of ordinary size and can't
//! be interrupted: never load on the loop. Asking happens in line.

mod bindings;
mod compiled;
mod error;
mod file;
mod guest;
mod limits;
mod policy;
mod ticker;
mod trial;
mod warm;

use std::sync::Arc;

use pointsman_core::policy::Role;
use pointsman_sdk::{Manifest, Settings};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::common::Policy;
use crate::bindings::failover::FailoverRole;
use crate::bindings::selector::SelectorRole;
use crate::compiled::{Calls, Compiled, StartError, checked, settings_into};
use crate::file::File;
use crate::guest::Guest;
use crate::ticker::Ticker;
use crate::warm::{Blueprint, Warm};

pub use error::{EngineError, InspectError, LoadError, Step};
pub use limits::Limits;
pub use policy::{WasmFailover, WasmSelector};
pub use trial::{LearnFault, Run, Trial, TrialError};

/// Compiles and runs modules. Cheap to clone; its thread ends with the last clone and the last
/// policy that it loaded.
#[derive(Clone)]
pub struct Engine {
    linker: Arc<Linker<Guest>>,
    ticker: Arc<Ticker>,
    limits: Limits,
}

impl core::fmt::Debug for Engine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// How long one answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In microseconds, at least one tick of [`Limits::tick_us`]. A guest is stopped at most
    /// two ticks later.
    pub call_us: u32,
}

/// What a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What it decides.
    pub role: Role,
    /// The version of `pointsman:policy` that it speaks.
    pub version: String,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub digest: String,
    /// Size of the file in bytes.
    pub size: usize,
    /// What it may call of the host.
    pub imports: Vec<String>,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// A policy that is configured and ready to be asked.
#[derive(Debug)]
pub struct Loaded<P> {
    /// The policy.
    pub policy: P,
    /// What it is.
    pub inspection: Inspection,
}

impl Engine {
    /// Starts the engine and the thread that keeps its policies within their time.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        let unsupported = |error: wasmtime::Error| EngineError::Unsupported(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&config(&limits)).map_err(unsupported)?;
        let mut linker = Linker::new(&engine);
        Policy::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest).map_err(unsupported)?;
        let ticker = Ticker::start(&engine, limits.tick_us)?;
        Ok(Self { linker: Arc::new(linker), ticker: Arc::new(ticker), limits })
    }

    /// Checks a module without settings: all that loading it checks but those.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Inspection, InspectError> {
        let file = File::read(bytes)?;
        Ok(match file.role {
            Role::Selector => self.open::<SelectorRole>(file)?.2,
            Role::Failover => self.open::<FailoverRole>(file)?.2,
            Role::Reputation | Role::Anomaly => {
                return Err(InspectError::NoRole { exports: file.role.name().to_owned() });
            }
        })
    }

    /// Loads a selector.
    pub fn selector(
        &self,
        bytes: &[u8],
        settings: &Settings,
        budget: Budget,
    ) -> Result<Loaded<WasmSelector>, LoadError> {
        let (warm, inspection) = self.load(Role::Selector, bytes, settings, budget)?;
        Ok(Loaded { policy: WasmSelector(warm), inspection })
    }

    /// Loads a failover policy.
    pub fn failover(
        &self,
        bytes: &[u8],
        settings: &Settings,
        budget: Budget,
    ) -> Result<Loaded<WasmFailover>, LoadError> {
        let (warm, inspection) = self.load(Role::Failover, bytes, settings, budget)?;
        Ok(Loaded { policy: WasmFailover(warm), inspection })
    }

    fn load<C: Calls>(
        &self,
        wanted: Role,
        bytes: &[u8],
        settings: &Settings,
        budget: Budget,
    ) -> Result<(Warm<C>, Inspection), LoadError> {
        let file = File::read(bytes)?;
        if file.role != wanted {
            return Err(LoadError::WrongRole { found: file.role, wanted });
        }
        let (compiled, indices, inspection) = self.open::<C>(file)?;
        let name = inspection.manifest.name.clone();
        let settings = settings_into(settings);
        let load_us = self.limits.load_us;
        let blueprint = Blueprint { compiled, indices, name, settings, load_us };
        let live = blueprint.build(load_us).map_err(|error| match error {
            StartError::Failed(step, strike) => InspectError::Failed { step, strike }.into(),
            StartError::Refused(why) => LoadError::Refused { name: blueprint.name.clone(), why },
        })?;
        Ok((Warm::new(blueprint, live, budget.call_us), inspection))
    }

    /// Compiles a module, checks its types, and asks it who it is.
    fn open<C: Calls>(
        &self,
        file: File,
    ) -> Result<(Compiled, C::Indices, Inspection), InspectError> {
        let ticker = Arc::clone(&self.ticker);
        let compiled = Compiled::new(&file.component, &self.linker, ticker, self.limits)?;
        let indices = compiled.indices::<C>()?;
        let failed = |error| match error {
            StartError::Failed(step, strike) => InspectError::Failed { step, strike },
            StartError::Refused(why) => InspectError::BadManifest(why),
        };
        let mut started = compiled.start("unnamed", self.limits.load_us).map_err(failed)?;
        started.check_types::<C>(&indices)?;
        let deadline = self.ticker.deadline(self.limits.load_us);
        let manifest = started.describe(deadline).map_err(failed)?;
        let File { role, version, imports, digest, size, .. } = file;
        let manifest = checked(manifest)?;
        let inspection = Inspection { role, version, digest, size, imports, manifest };
        Ok((compiled, indices, inspection))
    }
}

/// Deterministic, interruptible, and modest in address space: memories are reserved at the size
/// that they may have, so that they never move and small machines can hold several.
fn config(limits: &Limits) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes)
        .memory_reservation(limits.memory_bytes as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(64 << 10)
        .guard_before_linear_memory(false)
        .cranelift_nan_canonicalization(true)
        .wasm_backtrace_max_frames(None)
        .wasm_threads(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false);
    config
}
