//! A module that passed every check: compiled, and ready to be made a policy of, again and
//! again, with other settings and beside itself.
//!
//! It lives as long as its last clone and the last policy that was made of it. Nothing here may
//! run on the loop: to make a policy starts and configures an instance.

use std::sync::{Arc, Weak};

use pointsman_core::policy::{Policy, Role};
use pointsman_sdk::{Fault, Manifest, Settings, State};

use crate::aside::{WasmAnomaly, WasmLearner, WasmReputation};
use crate::bindings::anomaly::AnomalyRole;
use crate::bindings::common;
use crate::bindings::failover::FailoverRole;
use crate::bindings::reputation::ReputationRole;
use crate::calls::{Calls, Chooser};
use crate::compiled::{Allowance, Compiled, StartError, settings_into, state_into};
use crate::compiler::Forged;
use crate::error::{InspectError, LoadError};
use crate::file::Facts;
use crate::in_line::{WasmFailover, WasmSelector};
use crate::limits::STATE_BYTES_MAX;
use crate::manifest::checked;
use crate::pace::give_way;
use crate::schema::Schema;
use crate::warm::{Blueprint, Warm};

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

/// On which terms a policy is made of a module.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Held against the module's description of them, and handed to it.
    pub settings: &'a Settings,
    /// What it learned before, or a version that it reads; read-only for it.
    pub learned: Option<&'a State>,
    /// How long one answer may take, in microseconds, at least one tick of
    /// [`Limits::tick_us`](crate::Limits::tick_us). A guest is stopped at most two ticks later.
    pub call_us: u32,
    /// Linear memory, in bytes; [`Limits::memory_bytes`](crate::Limits::memory_bytes) at most.
    pub memory_bytes: usize,
}

/// A module, compiled. Cheap to clone.
#[derive(Clone)]
pub struct Module {
    compiled: Arc<Compiled>,
    about: Arc<About>,
    was_compiled: bool,
}

/// What was found out about a module.
#[derive(Debug)]
struct About {
    inspection: Inspection,
    schema: Schema,
}

/// A module whose code lives as long as someone else uses it.
pub(crate) struct WeakModule {
    compiled: Weak<Compiled>,
    about: Arc<About>,
}

impl core::fmt::Debug for WeakModule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("WeakModule").field(&self.about).finish()
    }
}

impl WeakModule {
    /// The module as one that was there already.
    pub(crate) fn upgrade(&self) -> Option<Module> {
        let about = Arc::clone(&self.about);
        Some(Module { compiled: self.compiled.upgrade()?, about, was_compiled: false })
    }
}

impl core::fmt::Debug for Module {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Module").field(&self.about.inspection).finish()
    }
}

impl Module {
    /// Checks the types of compiled code, and asks it who it is.
    pub(crate) fn open(
        mut compiled: Compiled,
        forged: Forged,
        size: usize,
    ) -> Result<Self, InspectError> {
        let Forged { facts: Facts { role, version, imports }, digest, was_compiled, .. } = forged;
        let (manifest, core) = match role {
            Role::Selector => described::<Chooser>(&compiled)?,
            Role::Failover => described::<FailoverRole>(&compiled)?,
            Role::Reputation => described::<ReputationRole>(&compiled)?,
            Role::Anomaly => described::<AnomalyRole>(&compiled)?,
        };
        if let Some(core) = core {
            compiled.strip(&core, &version);
        }
        let (manifest, schema) = checked(manifest)?;
        let inspection = Inspection { role, version, digest, size, imports, manifest };
        let about = About { inspection, schema };
        Ok(Self { compiled: Arc::new(compiled), about: Arc::new(about), was_compiled })
    }

    /// See [`WeakModule::upgrade`].
    pub(crate) fn downgrade(&self) -> WeakModule {
        WeakModule { compiled: Arc::downgrade(&self.compiled), about: Arc::clone(&self.about) }
    }

    /// What it is.
    pub fn inspection(&self) -> &Inspection {
        &self.about.inspection
    }

    /// Which settings it takes.
    pub fn schema(&self) -> &Schema {
        &self.about.schema
    }

    /// Whether it was compiled for this; or else it was in the engine's cache, or in use.
    pub fn was_compiled(&self) -> bool {
        self.was_compiled
    }

    /// A selector of it.
    pub fn selector(&self, terms: &Terms<'_>) -> Result<WasmSelector, LoadError> {
        self.is_for(Role::Selector)?;
        Ok(WasmSelector(self.warm(terms)?))
    }

    /// A failover policy of it.
    pub fn failover(&self, terms: &Terms<'_>) -> Result<WasmFailover, LoadError> {
        self.is_for(Role::Failover)?;
        Ok(WasmFailover(self.warm(terms)?))
    }

    /// A reputation policy of it.
    pub fn reputation(&self, terms: &Terms<'_>) -> Result<WasmReputation, LoadError> {
        self.is_for(Role::Reputation)?;
        Ok(WasmReputation(self.warm(terms)?))
    }

    /// An anomaly policy of it.
    pub fn anomaly(&self, terms: &Terms<'_>) -> Result<WasmAnomaly, LoadError> {
        self.is_for(Role::Anomaly)?;
        Ok(WasmAnomaly(self.warm(terms)?))
    }

    /// A policy of whichever role it has.
    pub fn policy(&self, terms: &Terms<'_>) -> Result<Policy, LoadError> {
        Ok(match self.about.inspection.role {
            Role::Selector => Policy::Selector(Box::new(self.selector(terms)?)),
            Role::Failover => Policy::Failover(Box::new(self.failover(terms)?)),
            Role::Reputation => Policy::Reputation(Box::new(self.reputation(terms)?)),
            Role::Anomaly => Policy::Anomaly(Box::new(self.anomaly(terms)?)),
        })
    }

    /// The part of it that learns, whichever role it has.
    pub fn learner(&self, terms: &Terms<'_>) -> Result<WasmLearner, LoadError> {
        let warm = self.warm::<common::Policy>(terms)?;
        Ok(WasmLearner::new(warm, self.about.inspection.manifest.clone()))
    }

    fn is_for(&self, wanted: Role) -> Result<(), LoadError> {
        let found = self.about.inspection.role;
        if found == wanted { Ok(()) } else { Err(LoadError::WrongRole { found, wanted }) }
    }

    /// An instance that is configured, and all that it takes to make it again.
    fn warm<C: Calls>(&self, terms: &Terms<'_>) -> Result<Warm<C>, LoadError> {
        self.takes(terms)?;
        give_way();
        let compiled = &self.compiled;
        // What a policy learned is all that may be large; it comes back from the learner.
        let copied_bytes = compiled.limits().copied_bytes.max(STATE_BYTES_MAX + (16 << 10));
        let blueprint = Blueprint {
            compiled: Arc::clone(compiled),
            indices: compiled.indices::<C>()?,
            name: self.about.inspection.manifest.name.clone(),
            settings: settings_into(terms.settings),
            learned: terms.learned.map(state_into),
            lines: Arc::default(),
            allowance: Allowance {
                memory_bytes: terms.memory_bytes.min(compiled.limits().memory_bytes),
                copied_bytes,
            },
        };
        let live = blueprint.build_at_leisure().map_err(|error| self.unready(error))?;
        Ok(Warm::new(blueprint, live, terms.call_us))
    }

    /// Whether settings and state are such that the policy can be handed them.
    fn takes(&self, terms: &Terms<'_>) -> Result<(), LoadError> {
        let wrong = self.about.schema.check(terms.settings);
        if !wrong.is_empty() {
            return Err(LoadError::Settings { name: self.name(), wrong });
        }
        let manifest = &self.about.inspection.manifest;
        match terms.learned {
            Some(state) if !manifest.reads(state.schema) => Err(self.unread(state.schema)),
            Some(state) if state.bytes.len() > STATE_BYTES_MAX => {
                Err(LoadError::StateTooLarge { name: self.name(), bytes: state.bytes.len() })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn unready(&self, error: StartError) -> LoadError {
        let name = self.name();
        match error {
            StartError::Failed(step, strike) => InspectError::Failed { step, strike }.into(),
            StartError::Refused(Fault::BadSetting { key, why }) => {
                LoadError::Settings { name, wrong: vec![(key, why)] }
            }
            StartError::Refused(Fault::BadState(schema)) => self.unread(schema),
            StartError::Refused(Fault::Other(why)) => LoadError::Refused { name, why },
        }
    }

    fn unread(&self, schema: u32) -> LoadError {
        let manifest = &self.about.inspection.manifest;
        LoadError::State {
            name: manifest.name.clone(),
            schema,
            own: manifest.state_schema,
            reads: manifest.reads_schemas.clone(),
        }
    }

    fn name(&self) -> String {
        self.about.inspection.manifest.name.clone()
    }
}

/// Starts an instance, only to look at it: who it is, and its core module where that can be run
/// by itself.
fn described<C: Calls>(
    compiled: &Compiled,
) -> Result<(Manifest, Option<wasmtime::Module>), InspectError> {
    let limits = *compiled.limits();
    let indices = compiled.indices::<C>()?;
    let failed = |error| match error {
        StartError::Failed(step, strike) => InspectError::Failed { step, strike },
        StartError::Refused(fault) => InspectError::BadManifest(format!("{fault:?}")),
    };
    let allowance =
        Allowance { memory_bytes: limits.memory_bytes, copied_bytes: limits.copied_bytes };
    let mut started =
        compiled.start("unnamed", allowance, limits.load_us, Arc::default()).map_err(failed)?;
    give_way();
    started.check_types::<C>(&indices)?;
    let core = started.core_module();
    let deadline = compiled.ticker.deadline(limits.load_us);
    Ok((started.describe(deadline).map_err(failed)?, core))
}
