//! The roles that are asked off the loop: reputation, anomaly, and learning.

use core::fmt;

use pointsman_core::policy::{Anomaly, AnomalyQuestion, Reputation, ReputationQuestion, Strike};
use pointsman_sdk::anomaly::{Finding, Remedy, Series, Severity};
use pointsman_sdk::reputation::{Kind, Observation, Standing};
use pointsman_sdk::{Manifest, Outcome, State};

use crate::bindings::anomaly::AnomalyRole;
use crate::bindings::anomaly::exports::pointsman::policy::anomaly as wit_anomaly;
use crate::bindings::common::Policy;
use crate::bindings::common::exports::pointsman::policy::learner as wit_learner;
use crate::bindings::reputation::ReputationRole;
use crate::bindings::reputation::exports::pointsman::policy::reputation as wit_reputation;
use crate::compiled::state_into;
use crate::warm::Warm;

/// A reputation policy in WebAssembly.
pub struct WasmReputation(pub(crate) Warm<ReputationRole>);

impl fmt::Debug for WasmReputation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WasmReputation").field(&self.0.name()).finish()
    }
}

impl Reputation for WasmReputation {
    fn fold(&mut self, question: &ReputationQuestion) -> Result<Standing, Strike> {
        let seen: Vec<_> = question.seen.iter().map(observation).collect();
        let Standing { score, a, b, c, updated_ms } = question.was;
        let was = wit_reputation::Standing { score, a, b, c, updated_ms };
        let now_us = question.now_ms.saturating_mul(1_000);
        let folded = self.0.ask(now_us, |role, store| {
            role.pointsman_policy_reputation().call_fold(store, question.now_ms, was, &seen)
        })?;
        let wit_reputation::Standing { score, a, b, c, updated_ms } = folded;
        Ok(Standing { score, a, b, c, updated_ms })
    }
}

fn observation(seen: &Observation) -> wit_reputation::Observation {
    let kind = match seen.kind {
        Kind::Ack => wit_reputation::Kind::Ack,
        Kind::Timeout => wit_reputation::Kind::Timeout,
        Kind::Invalid => wit_reputation::Kind::Invalid,
        Kind::Refused => wit_reputation::Kind::Refused,
        Kind::Served => wit_reputation::Kind::Served,
        Kind::Relayed => wit_reputation::Kind::Relayed,
        Kind::Spam => wit_reputation::Kind::Spam,
    };
    wit_reputation::Observation { kind, weight: seen.weight, at_ms: seen.at_ms }
}

/// An anomaly policy in WebAssembly.
pub struct WasmAnomaly(pub(crate) Warm<AnomalyRole>);

impl fmt::Debug for WasmAnomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WasmAnomaly").field(&self.0.name()).finish()
    }
}

impl Anomaly for WasmAnomaly {
    fn inspect(&mut self, question: &AnomalyQuestion) -> Result<Vec<Finding>, Strike> {
        let window: Vec<_> = question.window.iter().map(asked).collect();
        let now_us = question.now_ms.saturating_mul(1_000);
        let findings = self.0.ask(now_us, |role, store| {
            role.pointsman_policy_anomaly().call_inspect(store, question.now_ms, &window)
        })?;
        Ok(findings.iter().map(finding).collect())
    }
}

fn asked(series: &Series) -> wit_anomaly::Series<'_> {
    let Series { metric, subject, step_ms, samples } = series;
    let (metric, subject, step_ms) = (*metric, *subject, *step_ms);
    wit_anomaly::Series { metric, subject, step_ms, samples }
}

fn finding(found: &wit_anomaly::Finding) -> Finding {
    Finding {
        rule: found.rule,
        severity: match found.severity {
            wit_anomaly::Severity::Note => Severity::Note,
            wit_anomaly::Severity::Warn => Severity::Warn,
            wit_anomaly::Severity::Critical => Severity::Critical,
        },
        metric: found.metric,
        subject: found.subject,
        evidence: found.evidence,
        remedy: match found.remedy {
            wit_anomaly::Remedy::None => Remedy::None,
            wit_anomaly::Remedy::Probe => Remedy::Probe,
            wit_anomaly::Remedy::Dial => Remedy::Dial,
            wit_anomaly::Remedy::Shed => Remedy::Shed,
            wit_anomaly::Remedy::Inspect => Remedy::Inspect,
        },
    }
}

/// The part of a policy that learns, in an instance of its own.
pub struct WasmLearner {
    warm: Warm<Policy>,
    manifest: Manifest,
    calls: u64,
}

impl fmt::Debug for WasmLearner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WasmLearner").field(&self.warm.name()).finish()
    }
}

impl WasmLearner {
    pub(crate) fn new(warm: Warm<Policy>, manifest: Manifest) -> Self {
        Self { warm, manifest, calls: 0 }
    }

    /// The state after these outcomes. A policy that learns nothing gives back what it got.
    /// What is larger, or of another schema, than the policy's manifest says is
    /// [`Strike::Invalid`]; the state of before is then still the one to keep.
    pub fn learn(
        &mut self,
        before: Option<State>,
        seen: &[Outcome],
    ) -> Result<Option<State>, Strike> {
        let seen: Vec<_> = seen.iter().map(outcome).collect();
        let given = before.as_ref().map(state_into);
        // Outcomes have no time. What is counted by the second, such as lines of log, is counted
        // by the call here.
        self.calls += 1;
        let after = self.warm.ask(self.calls.saturating_mul(1_000_000), |policy, store| {
            policy.pointsman_policy_learner().call_learn(store, given.as_ref(), &seen)
        })?;
        let after = after.map(|state| State { schema: state.schema, bytes: state.bytes });
        let is_sound = after.as_ref().is_none_or(|state| {
            let fits = state.bytes.len() <= self.manifest.max_state_bytes as usize;
            state.schema == self.manifest.state_schema && fits
        });
        if is_sound || after == before { Ok(after) } else { Err(Strike::Invalid) }
    }
}

fn outcome(seen: &Outcome) -> wit_learner::Outcome {
    wit_learner::Outcome {
        decision: seen.decision,
        path: seen.path,
        bytes: seen.bytes,
        queue_us: seen.queue_us,
        ack_us: seen.ack_us,
        late: seen.late,
        duplicate_won: seen.duplicate_won,
    }
}
