//! What the export macros expand to: the generated WIT bindings and the glue between them and
//! the SDK's traits. Not part of the SDK's interface; exists on wasm32 only.
//!
//! A module holds one policy, made when it is first needed and replaced whole when it is
//! configured, so that settings that are refused leave no trace.

use core::marker::PhantomData;
use std::sync::Mutex;

use crate::{Fault, Manifest, Outcome, Paths, Settings, State, Value, failover, selector};

pub use wit_bindgen::rt;

/// What every policy has. The roles are separate, because an interface can be generated once
/// per crate; the parts of a world are put together again when the module is made a component.
#[expect(missing_docs, reason = "generated from the WIT")]
pub mod common {
    wit_bindgen::generate!({
        path: "wit",
        world: "pointsman:policy/policy",
        pub_export_macro: true,
        export_macro_name: "__export_common",
        default_bindings_module: "::pointsman_sdk::bindings::common",
        runtime_path: "::pointsman_sdk::bindings::rt",
    });
}

/// The selector's own part.
#[expect(missing_docs, reason = "generated from the WIT")]
pub mod selector_role {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package pointsman:sdk; world selector-role { export pointsman:policy/selector@0.1.0; }",
        world: "pointsman:sdk/selector-role",
        pub_export_macro: true,
        export_macro_name: "__export_selector_role",
        default_bindings_module: "::pointsman_sdk::bindings::selector_role",
        runtime_path: "::pointsman_sdk::bindings::rt",
    });
}

/// The failover policy's own part.
#[expect(missing_docs, reason = "generated from the WIT")]
pub mod failover_role {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package pointsman:sdk; world failover-role { export pointsman:policy/failover@0.1.0; }",
        world: "pointsman:sdk/failover-role",
        pub_export_macro: true,
        export_macro_name: "__export_failover_role",
        default_bindings_module: "::pointsman_sdk::bindings::failover_role",
        runtime_path: "::pointsman_sdk::bindings::rt",
    });
}

/// The reputation policy's own part.
#[expect(missing_docs, reason = "generated from the WIT")]
pub mod reputation_role {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package pointsman:sdk; world reputation-role { export pointsman:policy/reputation@0.1.0; }",
        world: "pointsman:sdk/reputation-role",
        pub_export_macro: true,
        export_macro_name: "__export_reputation_role",
        default_bindings_module: "::pointsman_sdk::bindings::reputation_role",
        runtime_path: "::pointsman_sdk::bindings::rt",
    });
}

/// The anomaly policy's own part.
#[expect(missing_docs, reason = "generated from the WIT")]
pub mod anomaly_role {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package pointsman:sdk; world anomaly-role { export pointsman:policy/anomaly@0.1.0; }",
        world: "pointsman:sdk/anomaly-role",
        pub_export_macro: true,
        export_macro_name: "__export_anomaly_role",
        default_bindings_module: "::pointsman_sdk::bindings::anomaly_role",
        runtime_path: "::pointsman_sdk::bindings::rt",
    });
}

mod aside;

use common::exports::pointsman::policy::{learner, lifecycle};
pub use common::pointsman::policy::host_log::emit;
use common::pointsman::policy::types;
use failover_role::exports::pointsman::policy::failover as wit;
use selector_role::exports::pointsman::policy::selector as wit_selector;

/// Where the module's one policy lives.
#[derive(Debug)]
pub struct Slot<P>(Mutex<Option<P>>);

impl<P: Default> Slot<P> {
    /// Empty: a policy with its defaults is made when it is first asked.
    #[expect(clippy::new_without_default, reason = "made in a static only")]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn ask<A>(&self, question: impl FnOnce(&P) -> A) -> A {
        let mut slot = self.0.lock().expect("a panic aborts, so the lock is never poisoned");
        question(slot.get_or_insert_with(P::default))
    }

    fn configure(
        &self,
        apply: impl FnOnce(&mut P) -> Result<(), Fault>,
    ) -> Result<(), types::Fault> {
        let mut policy = P::default();
        apply(&mut policy).map_err(fault_into)?;
        *self.0.lock().expect("a panic aborts, so the lock is never poisoned") = Some(policy);
        Ok(())
    }
}

/// What the export macros implement for a policy: where it lives, and its role's own say in
/// what all roles have in common.
pub trait Held {
    /// The policy.
    type Policy: Default + Send + 'static;

    /// Where it lives.
    fn slot() -> &'static Slot<Self::Policy>;

    /// Its manifest.
    fn manifest() -> Manifest;

    /// Hands it its settings.
    fn configure(policy: &mut Self::Policy, settings: &Settings) -> Result<(), Fault>;

    /// Hands it what was learned so far, of a schema that its manifest names.
    fn restore(policy: &mut Self::Policy, learned: &State) -> Result<(), Fault>;

    /// What it makes of outcomes.
    fn learn(before: Option<State>, seen: &[Outcome]) -> Option<State>;
}

/// Speaks the WIT on behalf of the policy that `H` holds.
#[derive(Debug)]
pub struct Export<H>(PhantomData<H>);

impl<H: Held> lifecycle::Guest for Export<H> {
    fn describe() -> types::Manifest {
        manifest_into(H::manifest())
    }

    fn configure(
        settings: Vec<types::Setting>,
        learned: Option<types::State>,
    ) -> Result<(), types::Fault> {
        H::slot().configure(|policy| {
            H::configure(policy, &settings_from(settings))?;
            match learned.map(state_from) {
                None => Ok(()),
                Some(state) if H::manifest().reads(state.schema) => H::restore(policy, &state),
                Some(state) => Err(Fault::BadState(state.schema)),
            }
        })
    }
}

impl<H: Held> learner::Guest for Export<H> {
    fn learn(before: Option<types::State>, seen: Vec<learner::Outcome>) -> Option<types::State> {
        let seen: Vec<_> = seen.into_iter().map(outcome_from).collect();
        let after = H::learn(before.map(state_from), &seen);
        after.map(|state| types::State { schema: state.schema, bytes: state.bytes })
    }
}

fn state_from(state: types::State) -> State {
    State { schema: state.schema, bytes: state.bytes }
}

fn outcome_from(seen: learner::Outcome) -> Outcome {
    Outcome {
        decision: seen.decision,
        path: seen.path,
        bytes: seen.bytes,
        queue_us: seen.queue_us,
        ack_us: seen.ack_us,
        late: seen.late,
        duplicate_won: seen.duplicate_won,
    }
}

impl<H: Held> wit_selector::Guest for Export<H>
where
    H::Policy: selector::Selector,
{
    fn choose(
        now_us: u64,
        seed: u64,
        peer: u32,
        class: u32,
        flags: u32,
        head_bytes: u32,
        head_age_us: u32,
        deadline_left_us: u32,
        backlog_bytes: u32,
        backlog_above_bytes: u32,
        duplicate_budget_bytes: u32,
        tried_paths: u32,
        standing: i32,
        battery_permille: u32,
        paths: Vec<u32>,
    ) -> u64 {
        let question = selector::Question {
            now_us,
            seed,
            peer,
            class,
            flags,
            head_bytes,
            head_age_us,
            deadline_left_us,
            backlog_bytes,
            backlog_above_bytes,
            duplicate_budget_bytes,
            tried_paths,
            standing,
            battery_permille,
            paths: Paths::new(&paths),
        };
        choose::<H>(&question)
    }
}

/// The packed verdict of the policy that `H` holds.
#[inline]
pub fn choose<H: Held>(question: &selector::Question<'_>) -> u64
where
    H::Policy: selector::Selector,
{
    H::slot().ask(|policy| selector::Selector::choose(policy, question)).pack()
}

impl<H: Held> wit::Guest for Export<H>
where
    H::Policy: failover::Failover,
{
    fn decide(asked: wit::Question) -> wit::Verdict {
        let question = failover::Question {
            now_us: asked.now_us,
            seed: asked.seed,
            peer: asked.peer,
            event: failover::Event::ALL[asked.what as usize],
            at: asked.at,
            oldest_unacked_us: asked.oldest_unacked_us,
            unacked_bytes: {
                let wit::ByClass { realtime, interactive, bulk } = asked.unacked_bytes;
                [realtime, interactive, bulk]
            },
            misses: asked.misses,
            others_progressed: asked.others_progressed,
            loop_lag_us: asked.loop_lag_us,
            moves_last_60s: asked.moves_last_60s,
            since_move_ms: asked.since_move_ms,
            deadline_min_us: asked.deadline_min_us,
            hedge_budget_bytes: asked.hedge_budget_bytes,
            store_left_kib: asked.store_left_kib,
            paths: Paths::new(&asked.paths),
            dialables: &asked.dialables,
        };
        verdict_into(H::slot().ask(|policy| failover::Failover::decide(policy, &question)))
    }
}

fn verdict_into(verdict: failover::Verdict) -> wit::Verdict {
    use failover::{Resend, Verdict};
    match verdict {
        Verdict::Stay { reason } => wit::Verdict::Stay(reason),
        Verdict::Hedge { onto, budget_bytes, reason } => {
            wit::Verdict::Hedge(wit::Hedge { onto, budget_bytes, reason })
        }
        Verdict::Move { onto, resend, reason } => {
            let resend = match resend {
                Resend::None => wit::Resend::None,
                Resend::Unacked => wit::Resend::Unacked,
                Resend::Urgent => wit::Resend::Urgent,
            };
            wit::Verdict::Move(wit::Move { onto, resend, reason })
        }
        Verdict::Probe { paths, reason } => wit::Verdict::Probe(wit::Probe { paths, reason }),
        Verdict::Dial(id) => wit::Verdict::Dial(id),
        Verdict::Close(position) => wit::Verdict::Close(position),
        Verdict::Store => wit::Verdict::Store,
        Verdict::Abstain => wit::Verdict::Abstain,
    }
}

fn settings_from(settings: Vec<types::Setting>) -> Settings {
    let value = |value| match value {
        types::Value::Boolean(flag) => Value::Boolean(flag),
        types::Value::Integer(number) => Value::Integer(number),
        types::Value::Text(text) => Value::Text(text),
        types::Value::Integers(numbers) => Value::Integers(numbers),
        types::Value::Texts(texts) => Value::Texts(texts),
    };
    Settings::new(settings.into_iter().map(|entry| (entry.key, value(entry.val))).collect())
}

fn fault_into(fault: Fault) -> types::Fault {
    match fault {
        Fault::BadSetting { key, why } => types::Fault::BadSetting(types::BadSetting { key, why }),
        Fault::BadState(schema) => types::Fault::BadState(schema),
        Fault::Other(text) => types::Fault::Other(text),
    }
}

fn manifest_into(manifest: Manifest) -> types::Manifest {
    types::Manifest {
        name: manifest.name,
        version: manifest.version,
        state_schema: manifest.state_schema,
        reads_schemas: manifest.reads_schemas,
        max_state_bytes: manifest.max_state_bytes,
        settings_schema: manifest.settings_schema,
    }
}
