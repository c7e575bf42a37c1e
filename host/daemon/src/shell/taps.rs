//! Where decisions go beside the packets that they are about.
//!
//! Each tap has a bounded queue of its own and never makes the loop wait: what it has no time
//! for it drops, and counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman_core::policy::{Decision, Role};
use pointsman_engine::shadow::Shadow;
use pointsman_sdk::Outcome;

use crate::decision_log::DecisionLog;

/// Who hears of decisions.
#[derive(Debug, Default)]
pub(super) struct Taps {
    log: Option<DecisionLog>,
    shadows: BTreeMap<Role, Arc<Shadow>>,
}

impl Taps {
    /// Records decisions and outcomes from now on.
    pub(super) fn record(&mut self, log: DecisionLog) {
        self.log = Some(log);
    }

    /// Puts a candidate beside the live policy of a role, or takes it away.
    pub(super) fn shadow(&mut self, role: Role, shadow: Option<Arc<Shadow>>) {
        match shadow {
            Some(shadow) => self.shadows.insert(role, shadow),
            None => self.shadows.remove(&role),
        };
    }

    /// An answer that was given, and recorded, off the loop.
    pub(super) fn answered(&self, decision: Decision) {
        if let Some(shadow) = self.shadows.get(&decision.question.role()) {
            shadow.offer(decision);
        }
    }

    /// A decision of the Node.
    pub(super) fn decided(&self, decision: Decision) {
        if let Some(shadow) = self.shadows.get(&decision.question.role()) {
            shadow.offer(decision.clone());
        }
        if let Some(log) = &self.log {
            log.decided(decision);
        }
    }

    pub(super) fn outcome(&self, outcome: Outcome) {
        if let Some(log) = &self.log {
            log.outcome(outcome);
        }
    }
}
