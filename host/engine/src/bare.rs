//! The selector's question without the component around it.
//!
//! A policy in Rust or C is a core module, which is made a component to be checked, compiled and
//! asked who it is. Most of what a question to a component costs is wasmtime's way to its
//! functions; so where the component is nothing but that module, its instances are made of the
//! module alone, and the canonical ABI of the two functions that remain, `configure` and
//! `choose`, is spoken here: the same code gets the same bytes and gives the same answers. What
//! is a component by itself, or is in any way unlike what is known here, goes the long way.
//!
//! A list that is an argument belongs to the callee, who frees it: for each question room is
//! asked for, which is a second call. A module may therefore export `choose-lent` beside
//! `choose`, of the same type and meaning but for the list of paths, which is only lent to it.
//! Then room is asked for once, for as long as the instance lives. The SDK's modules export it.
//!
//! Code lives as long as its component; an instance is one of a store like any other.

mod canonical;

use pointsman_core::policy::SelectorQuestion;
use pointsman_sdk::estimate::PATHS_MAX;
use pointsman_sdk::{Fault, PathRow};
use wasmtime::{Caller, Extern, FuncType, InstancePre, Linker, Module, Store, TypedFunc};

use crate::bindings::common::pointsman::policy::types;
use crate::file::{self, PACKAGE};
use crate::guest::Guest;
use canonical::Memory;

/// The flat parameters of `choose`.
type Choose = (u64, u64, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, i32, u32, u32, u32);

/// The flat parameters of `configure`: the list of settings, whether there is a state, its schema
/// and its bytes.
type Configure = (u32, u32, u32, u32, u32, u32);

/// Words of a list that is lent: all the paths that a verdict can name. A longer one is given.
const LENT_WORDS: usize = 1 + PATHS_MAX * PathRow::STRIDE;

/// A selector's module that can do without its component.
pub(crate) struct BareCode {
    pre: InstancePre<Guest>,
    names: Names,
}

/// What its functions are called.
struct Names {
    choose: String,
    choose_lent: Option<String>,
    configure: String,
    after_configure: Option<String>,
    initialize: Option<&'static str>,
}

impl BareCode {
    /// Of the core module of a component that speaks this version; `None` where it needs more
    /// than is done here.
    pub(crate) fn new(module: &Module, version: &str) -> Option<Self> {
        let names = Names::of(module, version)?;
        let mut linker = Linker::new(module.engine());
        for import in module.imports() {
            let (interface, _) = file::interface(import.module())?;
            if (interface, import.name()) != ("host-log", "emit") {
                return None;
            }
            linker.func_wrap(import.module(), import.name(), emit).ok()?;
        }
        let pre = linker.instantiate_pre(module).ok()?;
        Some(Self { pre, names })
    }

    /// Makes an instance in a store; its start functions run.
    pub(crate) fn start(&self, store: &mut Store<Guest>) -> wasmtime::Result<BareSelector> {
        let Names { choose, choose_lent, configure, after_configure, initialize } = &self.names;
        let instance = self.pre.instantiate(&mut *store)?;
        if let Some(initialize) = initialize {
            instance.get_typed_func::<(), ()>(&mut *store, initialize)?.call(&mut *store, ())?;
        }
        let after_configure = after_configure.as_ref();
        let after_configure =
            after_configure.map(|name| instance.get_typed_func(&mut *store, name));
        let memory = Memory::of(&instance, store)?;
        let lent = match choose_lent {
            None => None,
            Some(name) => Some(Lent {
                at: memory.room(store, 4, LENT_WORDS * 4)?,
                choose: instance.get_typed_func(&mut *store, name)?,
            }),
        };
        Ok(BareSelector {
            memory,
            lent,
            choose: instance.get_typed_func(&mut *store, choose)?,
            configure: instance.get_typed_func(&mut *store, configure)?,
            after_configure: after_configure.transpose()?,
        })
    }
}

impl Names {
    fn of(module: &Module, version: &str) -> Option<Self> {
        let has = |name: &str| module.get_export(name).is_some();
        let name = |interface: &str, function: &str| {
            let name = format!("{PACKAGE}{interface}@{version}#{function}");
            has(&name).then_some(name)
        };
        let after = |name: &str| Some(format!("cabi_post_{name}")).filter(|name| has(name));
        let (choose, configure) = (name("selector", "choose")?, name("lifecycle", "configure")?);
        let type_of = |name: &str| module.get_export(name)?.func().cloned();
        let is_alike = |lent: &String| {
            let types = type_of(lent).zip(type_of(&choose));
            types.is_some_and(|(lent, given)| FuncType::eq(&lent, &given))
        };
        let choose_lent = name("selector", "choose-lent").filter(is_alike);
        // A verdict is a number, so nothing of it can be given back.
        if after(&choose).is_some() {
            return None;
        }
        let after_configure = after(&configure);
        let initialize = Some("_initialize").filter(|name| has(name));
        Some(Self { choose, choose_lent, configure, after_configure, initialize })
    }
}

/// An instance of such a module.
pub(crate) struct BareSelector {
    memory: Memory,
    lent: Option<Lent>,
    choose: TypedFunc<Choose, u64>,
    configure: TypedFunc<Configure, u32>,
    after_configure: Option<TypedFunc<u32, ()>>,
}

/// Room for the list of a question, and who reads it there.
struct Lent {
    at: u32,
    choose: TypedFunc<Choose, u64>,
}

impl BareSelector {
    /// Hands it its settings, and what was learned so far.
    pub(crate) fn configure(
        &self,
        store: &mut Store<Guest>,
        settings: &[types::Setting],
        learned: Option<&types::State>,
    ) -> wasmtime::Result<Result<(), Fault>> {
        let (list, length) = self.memory.lower_settings(store, settings)?;
        let (is_some, schema, (bytes, size)) = match learned {
            None => (0, 0, (0, 0)),
            Some(state) => (1, state.schema, self.memory.lower_bytes(store, &state.bytes)?),
        };
        let arguments = (list, length, is_some, schema, bytes, size);
        let result = self.configure.call(&mut *store, arguments)?;
        let answer = self.memory.lift_answer(store, result)?;
        if let Some(after) = &self.after_configure {
            canonical::without_imports(store, |store| after.call(store, result))?;
        }
        Ok(answer)
    }

    /// The packed verdict.
    #[inline]
    pub(crate) fn choose(
        &self,
        store: &mut Store<Guest>,
        q: &SelectorQuestion,
    ) -> wasmtime::Result<u64> {
        let lent = self.lent.as_ref().filter(|_| q.paths.len() <= LENT_WORDS);
        let (choose, (list, length)) = match lent {
            Some(lent) => (&lent.choose, self.memory.write_numbers(store, lent.at, &q.paths)?),
            None => (&self.choose, self.memory.lower_numbers(store, &q.paths)?),
        };
        let arguments = (
            q.now_us,
            q.seed,
            q.peer,
            q.class,
            q.flags,
            q.head_bytes,
            q.head_age_us,
            q.deadline_left_us,
            q.backlog_bytes,
            q.backlog_above_bytes,
            q.duplicate_budget_bytes,
            q.tried_paths,
            q.standing,
            q.battery_permille,
            list,
            length,
        );
        choose.call(store, arguments)
    }
}

/// The only import: a line for the log.
fn emit(mut caller: Caller<'_, Guest>, level: u32, text: u32, length: u32) -> wasmtime::Result<()> {
    let Some(Extern::Memory(memory)) = caller.get_export(canonical::MEMORY) else {
        wasmtime::bail!("there is no memory");
    };
    let (bytes, guest) = memory.data_and_store_mut(&mut caller);
    guest.ensure_may_call()?;
    let text = canonical::text(bytes, text, length, guest.copied_bytes())?;
    guest.log((level & 0xff) as u8, text);
    Ok(())
}
