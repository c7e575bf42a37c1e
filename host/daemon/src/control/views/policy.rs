//! The slots: what is in them, what waits beside them, and what a change of them did.

use std::time::Duration;

use pointsman_core::policy::Role;
use pointsman_core::snapshot::SlotSnapshot;
use serde::{Deserialize, Serialize};

use crate::handle::Swapped;
use crate::policies::{Live, Now, Seated, Step, Steps};
use crate::shell::Report;

pub use crate::policies::history::Entry as HistoryView;

/// A slot and the policy in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// `selector`, `failover`, `reputation` or `anomaly`.
    pub role: String,
    /// As it was named: `builtin:NAME`, `embedded:NAME` or a path.
    pub module: String,
    /// What runs: `builtin`, `embedded` or `file`.
    pub kind: String,
    /// The policy's own name.
    pub name: String,
    /// Its version; empty for a builtin.
    pub version: String,
    /// Digest of the module, in hexadecimal; `null` for a builtin.
    pub digest: Option<String>,
    /// What an operator should know about it; `null` where nothing.
    pub note: Option<String>,
    /// Its number in the slot: grows with every swap, over restarts too.
    pub generation: u64,
    /// What brought it: `start`, `command`, `config`, `file`, `promote` or `rollback`.
    pub from: String,
    /// Since when it is live, in milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: u64,
    /// What `config.toml` names for the slot.
    pub configured: String,
    /// Whether it still must prove itself.
    pub on_probation: bool,
    /// What comes back if it does not; `null` unless it is on probation.
    pub warm: Option<SeatView>,
    /// Questions asked.
    pub asked: u64,
    /// Questions that the builtin answered in a module's stead.
    pub answered_by_builtin: u64,
    /// Answers that did not count.
    pub strikes: u64,
    /// Why the last of them did not.
    pub last_strike: Option<String>,
    /// What a question costs on average, in nanoseconds; `null` where it is not measured.
    pub mean_cost_ns: Option<u32>,
    /// The candidate that answers beside it; `null` without one.
    pub shadow: Option<SeatView>,
}

/// A policy that is or was in a slot, or may come there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    /// Its number in the slot; `null` where it is not there yet.
    pub generation: Option<u64>,
    /// As it was named.
    pub module: String,
    /// Its own name.
    pub name: String,
    /// Its version; empty for a builtin.
    pub version: String,
    /// Digest of the module, in hexadecimal; `null` for a builtin.
    pub digest: Option<String>,
}

/// What came of a swap, a promotion or a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwapView {
    /// Which slot.
    pub role: String,
    /// Whether anything changed; false where the very same policy is live already.
    pub changed: bool,
    /// What is live now.
    pub live: SeatView,
    /// What stays warm, or was live before where nothing does; `null` where nothing changed.
    pub before: Option<SeatView>,
    /// For how long it must prove itself, in milliseconds; `null`: it need not.
    pub probation_ms: Option<u64>,
    /// The steps that were made, in their order.
    pub steps: Vec<StepView>,
    /// What an operator should know; `null` where nothing.
    pub note: Option<String>,
}

/// A step on the way into a slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// `read`, `admit`, `trust`, `compile`, `configure`, `trial` or `swap`.
    pub step: String,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// The slots, in the order of [`Role::ALL`].
pub(crate) fn policies(slots: &[Now], report: &Report) -> Vec<PolicyView> {
    slots.iter().map(|slot| policy(slot, asked(report, slot.live.seated.role))).collect()
}

fn asked(report: &Report, role: Role) -> &SlotSnapshot {
    match role {
        Role::Selector => &report.node.selector,
        Role::Failover => &report.node.failover,
        Role::Reputation => &report.aside.reputation,
        Role::Anomaly => &report.aside.anomaly,
    }
}

fn policy(now: &Now, slot: &SlotSnapshot) -> PolicyView {
    let Seated { role, module, kind, name, version, digest, note } = now.live.seated.clone();
    PolicyView {
        role: role.name().to_owned(),
        module,
        kind: kind.name().to_owned(),
        name,
        version,
        digest,
        note: note.or_else(|| now.note.clone()),
        generation: now.live.generation,
        from: now.live.from.name().to_owned(),
        since_unix_ms: now.live.since_unix_ms,
        configured: now.configured.clone(),
        on_probation: now.before.is_some(),
        warm: now.before.as_ref().map(|one| seat(&one.seated, Some(one.generation))),
        asked: slot.asked,
        answered_by_builtin: slot.answered_by_builtin,
        strikes: slot.strikes,
        last_strike: slot.last_strike.map(|strike| strike.to_string()),
        mean_cost_ns: slot.mean_cost_ns,
        shadow: now.shadow.as_ref().map(|one| seat(one, None)),
    }
}

/// What came of a change.
pub(crate) fn swapped(done: &Swapped) -> SwapView {
    let Swapped { live, before, probation_us, steps, note } = done;
    let view = |live: &Live| seat(&live.seated, Some(live.generation));
    SwapView {
        role: live.seated.role.name().to_owned(),
        changed: before.is_some(),
        live: view(live),
        before: before.as_ref().map(view),
        probation_ms: probation_us.map(|us| us / 1000),
        steps: step_views(steps),
        note: note.clone(),
    }
}

pub(super) fn step_views(steps: &Steps) -> Vec<StepView> {
    let view = |&(step, span): &(Step, Duration)| StepView {
        step: step.name().to_owned(),
        ms: span.as_secs_f64() * 1000.0,
    };
    steps.0.iter().map(view).collect()
}

pub(super) fn seat(seated: &Seated, generation: Option<u64>) -> SeatView {
    SeatView {
        generation,
        module: seated.module.clone(),
        name: seated.name.clone(),
        version: seated.version.clone(),
        digest: seated.digest.clone(),
    }
}
