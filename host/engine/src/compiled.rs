//! A module's code, and how an instance of it comes to life: start, describe, configure.
//!
//! Code is compiled once and outlives its instances. An instance has a store of its own,
//! because a trap makes a whole store unusable, and it is never used again after one.

use std::sync::Arc;

use pointsman_core::policy::Strike;
use pointsman_sdk::{Manifest, Settings, Value};
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Store, Trap};

use crate::bindings::common::pointsman::policy::types;
use crate::bindings::common::{Policy, PolicyIndices};
use crate::error::{InspectError, Step};
use crate::guest::Guest;
use crate::limits::{HANDLES_MAX, Limits, NAME_CHARS_MAX};
use crate::ticker::Ticker;

/// The functions of a role.
pub(crate) trait Calls: Sized + Send + 'static {
    /// Where they are in a module.
    type Indices: Send + Sync + 'static;

    /// Finds them, and checks their types.
    fn indices(pre: &InstancePre<Guest>) -> wasmtime::Result<Self::Indices>;

    /// Those of an instance.
    fn load(
        indices: &Self::Indices,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Self>;
}

/// Compiled code with the functions that every policy has.
pub(crate) struct Compiled {
    pre: InstancePre<Guest>,
    common: PolicyIndices,
    pub(crate) ticker: Arc<Ticker>,
    limits: Limits,
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
    /// It refuses its settings.
    Refused(String),
}

impl Compiled {
    pub(crate) fn new(
        component: &[u8],
        linker: &Linker<Guest>,
        ticker: Arc<Ticker>,
        limits: Limits,
    ) -> Result<Self, InspectError> {
        let component = Component::from_binary(linker.engine(), component)
            .map_err(|error| InspectError::Uncompilable(format!("{error:#}")))?;
        let pre = linker.instantiate_pre(&component).map_err(wrong_type)?;
        let common = PolicyIndices::new(&pre).map_err(wrong_type)?;
        Ok(Self { pre, common, ticker, limits })
    }

    /// Where a role's functions are.
    pub(crate) fn indices<C: Calls>(&self) -> Result<C::Indices, InspectError> {
        C::indices(&self.pre).map_err(wrong_type)
    }

    /// Makes an instance; its start functions run within the budget.
    pub(crate) fn start(&self, name: &str, budget_us: u32) -> Result<Started, StartError> {
        let mut store = Store::new(self.pre.engine(), Guest::new(name, &self.limits));
        store.limiter(|guest| guest);
        store.set_hostcall_fuel(self.limits.copied_bytes);
        store.set_max_component_handles(HANDLES_MAX);
        store.set_epoch_deadline(self.ticker.deadline(budget_us));
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

    /// Hands it its settings.
    pub(crate) fn configure(
        &mut self,
        deadline: u64,
        settings: &[types::Setting],
    ) -> Result<(), StartError> {
        self.store.set_epoch_deadline(deadline);
        let answer = self
            .common
            .pointsman_policy_lifecycle()
            .call_configure(&mut self.store, settings, None)
            .map_err(|error| {
                StartError::Failed(Step::Configure, strike(&error, self.store.data()))
            })?;
        answer.map_err(|fault| StartError::Refused(why(fault)))
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

/// The manifest, if it can be shown to people and kept in a log.
pub(crate) fn checked(manifest: Manifest) -> Result<Manifest, InspectError> {
    let plain = |text: &str, others: &str| {
        let fits = !text.is_empty() && text.len() <= NAME_CHARS_MAX;
        fits && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    };
    if !plain(&manifest.name, "-_") {
        let name = manifest.name.escape_debug().take(NAME_CHARS_MAX).collect::<String>();
        return Err(InspectError::BadManifest(format!(
            "the name {name:?} must be 1 to {NAME_CHARS_MAX} letters, digits and `-`"
        )));
    }
    if !plain(&manifest.version, "-.+") {
        return Err(InspectError::BadManifest(format!(
            "the version of {} must be like 1.2.3",
            manifest.name
        )));
    }
    Ok(manifest)
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

fn why(fault: types::Fault) -> String {
    match fault {
        types::Fault::BadSetting(types::BadSetting { key, why }) => format!("{key}: {why}"),
        types::Fault::BadState(schema) => format!("it cannot read state of schema {schema}"),
        types::Fault::Other(text) => text,
    }
}

fn wrong_type(error: wasmtime::Error) -> InspectError {
    InspectError::WrongType(format!("{error:#}"))
}
