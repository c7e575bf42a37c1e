//! A module's code, and how an instance of it comes to life: start, describe, configure.
//!
//! Code is compiled once and outlives its instances. An instance has a store of its own,
//! because a trap makes a whole store unusable, and it is never used again after one.

use std::sync::Arc;

use pointsman_core::policy::Strike;
use pointsman_sdk::{Fault, Manifest, Settings, State, Value};
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Module, Store, Trap};

use crate::bare::BareCode;
use crate::bindings::common::pointsman::policy::types;
use crate::bindings::common::{Policy, PolicyIndices};
use crate::calls::Calls;
use crate::error::{InspectError, Step};
use crate::file::CORE_MODULE;
use crate::guest::{Guest, Lines};
use crate::limits::{HANDLES_MAX, Limits};
use crate::ticker::Ticker;

/// Compiled code with the functions that every policy has.
pub(crate) struct Compiled {
    pre: InstancePre<Guest>,
    common: PolicyIndices,
    /// How a selector's instances are made, where its component is not needed for it.
    bare: Option<BareCode>,
    pub(crate) ticker: Arc<Ticker>,
    limits: Limits,
}

/// What an instance may use up.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    /// Linear memory, in bytes.
    pub(crate) memory_bytes: usize,
    /// What a call may copy from guest to host, in bytes.
    pub(crate) copied_bytes: usize,
}

/// An instance that has started, and nothing else.
pub(crate) struct Started {
    pub(crate) store: Store<Guest>,
    pub(crate) instance: Instance,
    common: Policy,
}

/// Why an instance did not get ready.
#[derive(Debug)]
pub(crate) enum StartError {
    /// It failed.
    Failed(Step, Strike),
    /// It refuses its settings or its state.
    Refused(Fault),
}

impl Compiled {
    pub(crate) fn new(
        component: &Component,
        linker: &Linker<Guest>,
        ticker: Arc<Ticker>,
        limits: Limits,
    ) -> Result<Self, InspectError> {
        let pre = linker.instantiate_pre(component).map_err(wrong_type)?;
        let common = PolicyIndices::new(&pre).map_err(wrong_type)?;
        Ok(Self { pre, common, bare: None, ticker, limits })
    }

    /// Where a role's functions are.
    pub(crate) fn indices<C: Calls>(&self) -> Result<C::Indices, InspectError> {
        C::indices(&self.pre).map_err(wrong_type)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Has selectors of this core module, which speaks this version, do without their component.
    pub(crate) fn strip(&mut self, module: &Module, version: &str) {
        self.bare = BareCode::new(module, version);
    }

    /// See [`Self::strip`].
    pub(crate) fn bare(&self) -> Option<&BareCode> {
        self.bare.as_ref()
    }

    /// A store for one instance, which is given so much time to start.
    pub(crate) fn store(
        &self,
        name: &str,
        allowance: Allowance,
        budget_us: u32,
        lines: Arc<Lines>,
    ) -> Store<Guest> {
        let guest = Guest::new(name, allowance, self.limits.table_elements, lines);
        let mut store = Store::new(self.pre.engine(), guest);
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(allowance.copied_bytes);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(self.ticker.deadline(budget_us));
        store
    }

    /// Makes an instance; its start functions run within the budget.
    pub(crate) fn start(
        &self,
        name: &str,
        allowance: Allowance,
        budget_us: u32,
        lines: Arc<Lines>,
    ) -> Result<Started, StartError> {
        let mut store = self.store(name, allowance, budget_us, lines);
        let failed = |error, store: &Store<Guest>| {
            StartError::Failed(Step::Start, strike(&error, store.data()))
        };
        let instance = match self.pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => return Err(failed(error, &store)),
        };
        match self.common.load(&mut store, &instance) {
            Ok(common) => Ok(Started { store, instance, common }),
            Err(error) => Err(failed(error, &store)),
        }
    }
}

impl Started {
    /// Whether the role's functions have the types of the contract.
    pub(crate) fn check_types<C: Calls>(
        &mut self,
        indices: &C::Indices,
    ) -> Result<(), InspectError> {
        C::load(indices, &mut self.store, &self.instance).map(drop).map_err(wrong_type)
    }

    /// The core module that the component exports, where it may be run without it.
    pub(crate) fn core_module(&mut self) -> Option<Module> {
        self.instance.get_module(&mut self.store, CORE_MODULE)
    }

    /// Who it says that it is.
    pub(crate) fn describe(&mut self, deadline: u64) -> Result<Manifest, StartError> {
        self.store.set_epoch_deadline(deadline);
        let manifest =
            self.common.pointsman_policy_lifecycle().call_describe(&mut self.store).map_err(
                |error| StartError::Failed(Step::Describe, strike(&error, self.store.data())),
            )?;
        Ok(Manifest {
            name: manifest.name,
            version: manifest.version,
            state_schema: manifest.state_schema,
            reads_schemas: manifest.reads_schemas,
            max_state_bytes: manifest.max_state_bytes,
            settings_schema: manifest.settings_schema,
        })
    }

    /// Hands it its settings, and what was learned so far.
    pub(crate) fn configure(
        &mut self,
        deadline: u64,
        settings: &[types::Setting],
        learned: Option<&types::State>,
    ) -> Result<(), StartError> {
        self.store.set_epoch_deadline(deadline);
        let answer = self
            .common
            .pointsman_policy_lifecycle()
            .call_configure(&mut self.store, settings, learned)
            .map_err(|error| {
                StartError::Failed(Step::Configure, strike(&error, self.store.data()))
            })?;
        answer.map_err(|fault| StartError::Refused(fault_from(fault)))
    }
}

/// How a call failed, as the Node counts it.
#[cold]
pub(crate) fn strike(error: &wasmtime::Error, guest: &Guest) -> Strike {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Strike::TimedOut,
        Some(Trap::StackOverflow | Trap::AllocationTooLarge) => Strike::Exhausted,
        _ if guest.was_refused => Strike::Exhausted,
        _ => Strike::Trapped,
    }
}

/// The settings in the form of the interface.
pub(crate) fn settings_into(settings: &Settings) -> Vec<types::Setting> {
    let value = |value: &Value| match value {
        Value::Boolean(flag) => types::Value::Boolean(*flag),
        Value::Integer(number) => types::Value::Integer(*number),
        Value::Text(text) => types::Value::Text(text.clone()),
        Value::Integers(numbers) => types::Value::Integers(numbers.clone()),
        Value::Texts(texts) => types::Value::Texts(texts.clone()),
    };
    let entries = settings.iter();
    entries.map(|(key, val)| types::Setting { key: key.to_owned(), val: value(val) }).collect()
}

/// What was learned in the form of the interface.
pub(crate) fn state_into(state: &State) -> types::State {
    types::State { schema: state.schema, bytes: state.bytes.clone() }
}

fn fault_from(fault: types::Fault) -> Fault {
    match fault {
        types::Fault::BadSetting(types::BadSetting { key, why }) => Fault::BadSetting { key, why },
        types::Fault::BadState(schema) => Fault::BadState(schema),
        types::Fault::Other(text) => Fault::Other(text),
    }
}

pub(crate) fn wrong_type(error: wasmtime::Error) -> InspectError {
    InspectError::WrongType(format!("{error:#}"))
}
