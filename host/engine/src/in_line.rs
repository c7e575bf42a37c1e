//! The roles that the Node asks in line: selector and failover. A question costs no
//! allocation on this side but what the failover's verdict needs.

use core::fmt;

use crate::bindings::failover::FailoverRole;
use crate::bindings::failover::exports::pointsman::policy::failover as wit;
use crate::bindings::selector::SelectorRole;
use crate::calls::Chooser;
use crate::guest::Guest;
use crate::warm::Warm;
use pointsman_core::policy::{Failover, FailoverQuestion, Selector, SelectorQuestion, Strike};
use pointsman_sdk::failover::{Event, Resend, Verdict};
use wasmtime::Store;

/// A selector in WebAssembly.
pub struct WasmSelector(pub(crate) Warm<Chooser>);

impl fmt::Debug for WasmSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = f.debug_struct("WasmSelector");
        told.field("name", &self.0.name()).field("is_bare", &self.0.is_bare()).finish()
    }
}

impl Selector for WasmSelector {
    fn choose(&mut self, question: &SelectorQuestion) -> Result<u64, Strike> {
        self.0.ask(question.now_us, |chooser, store| match chooser {
            Chooser::Bare(selector) => selector.choose(store, question),
            Chooser::Component(role) => choose(role, store, question),
        })
    }

    fn mean_cost_ns(&self) -> Option<u32> {
        self.0.mean_cost_ns()
    }
}

fn choose(
    role: &SelectorRole,
    store: &mut Store<Guest>,
    q: &SelectorQuestion,
) -> wasmtime::Result<u64> {
    role.pointsman_policy_selector().call_choose(
        store,
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
        &q.paths,
    )
}

/// A failover policy in WebAssembly.
pub struct WasmFailover(pub(crate) Warm<FailoverRole>);

impl fmt::Debug for WasmFailover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WasmFailover").field(&self.0.name()).finish()
    }
}

impl Failover for WasmFailover {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<Verdict, Strike> {
        let asked = asked(question);
        let verdict = self.0.ask(question.now_us, |role, store| {
            role.pointsman_policy_failover().call_decide(store, asked)
        })?;
        Ok(answered(verdict))
    }

    fn mean_cost_ns(&self) -> Option<u32> {
        self.0.mean_cost_ns()
    }
}

fn asked(question: &FailoverQuestion) -> wit::Question<'_> {
    let [realtime, interactive, bulk] = question.unacked_bytes;
    wit::Question {
        now_us: question.now_us,
        seed: question.seed,
        peer: question.peer,
        what: match question.event {
            Event::Suspect => wit::Event::Suspect,
            Event::Lost => wit::Event::Lost,
            Event::Fading => wit::Event::Fading,
            Event::Recovered => wit::Event::Recovered,
            Event::Appeared => wit::Event::Appeared,
            Event::UplinkChanged => wit::Event::UplinkChanged,
            Event::DialFailed => wit::Event::DialFailed,
            Event::ProbeResult => wit::Event::ProbeResult,
            Event::Tick => wit::Event::Tick,
        },
        at: question.at,
        oldest_unacked_us: question.oldest_unacked_us,
        unacked_bytes: wit::ByClass { realtime, interactive, bulk },
        misses: question.misses,
        others_progressed: question.others_progressed,
        loop_lag_us: question.loop_lag_us,
        moves_last_60s: question.moves_last_60s,
        since_move_ms: question.since_move_ms,
        deadline_min_us: question.deadline_min_us,
        hedge_budget_bytes: question.hedge_budget_bytes,
        store_left_kib: question.store_left_kib,
        paths: &question.paths,
        dialables: &question.dialables,
    }
}

fn answered(verdict: wit::Verdict) -> Verdict {
    match verdict {
        wit::Verdict::Stay(reason) => Verdict::Stay { reason },
        wit::Verdict::Hedge(wit::Hedge { onto, budget_bytes, reason }) => {
            Verdict::Hedge { onto, budget_bytes, reason }
        }
        wit::Verdict::Move(wit::Move { onto, resend, reason }) => {
            let resend = match resend {
                wit::Resend::None => Resend::None,
                wit::Resend::Unacked => Resend::Unacked,
                wit::Resend::Urgent => Resend::Urgent,
            };
            Verdict::Move { onto, resend, reason }
        }
        wit::Verdict::Probe(wit::Probe { paths, reason }) => Verdict::Probe { paths, reason },
        wit::Verdict::Dial(id) => Verdict::Dial(id),
        wit::Verdict::Close(position) => Verdict::Close(position),
        wit::Verdict::Store => Verdict::Store,
        wit::Verdict::Abstain => Verdict::Abstain,
    }
}
