//! Shadow: a candidate answers the live questions beside the live policy, before it is let
//! into the slot.
//!
//! It has a thread of its own behind a bounded queue. When it is slower than the questions
//! come, or never answers at all, questions are dropped and counted: the live policy never
//! waits. The thread ends when the [`Shadow`] is gone and the candidate has answered what it
//! is at.

mod predict;
mod thresholds;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use pointsman_core::policy::{Decision, Policy, Role};

use crate::replay::{Comparer, Replay, ask};

pub use predict::Predicted;
pub use thresholds::Thresholds;

/// A candidate on trial beside the live policy.
#[derive(Debug)]
pub struct Shadow {
    role: Role,
    questions: SyncSender<Decision>,
    dropped: AtomicU64,
    found: Arc<Mutex<Found>>,
}

/// What was found so far.
#[derive(Debug)]
struct Found {
    comparer: Comparer,
    predicted: Predicted,
}

/// How a candidate compares with the live policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowReport {
    /// How its verdicts differ, and what they cost.
    pub compared: Replay,
    /// Questions that it had no time for.
    pub dropped: u64,
    /// What its choices would come to, beside the live ones.
    pub predicted: Predicted,
}

impl Shadow {
    /// Starts the candidate's thread, with a queue of so many questions.
    pub fn start(policy: Policy, queue: usize) -> io::Result<Self> {
        let role = policy.role();
        let (questions, asked) = sync_channel(queue.max(1));
        let comparer = Comparer::new(role);
        let found = Arc::new(Mutex::new(Found { comparer, predicted: Predicted::default() }));
        let shared = Arc::clone(&found);
        std::thread::Builder::new()
            .name(format!("shadow-{}", role.name()))
            .spawn(move || answer_all(policy, &asked, &shared))?;
        Ok(Self { role, questions, dropped: AtomicU64::new(0), found })
    }

    /// What the candidate decides.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Hands a live decision to the candidate, if it has time for it: never waits. A decision
    /// of another role is none of its business.
    pub fn offer(&self, decision: Decision) {
        if decision.question.role() == self.role && self.questions.try_send(decision).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was found so far.
    pub fn report(&self) -> ShadowReport {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        ShadowReport {
            compared: found.comparer.report(),
            dropped: self.dropped.load(Ordering::Relaxed),
            predicted: found.predicted,
        }
    }
}

/// Answers until nobody asks any more. What was found is locked only to count it, never while
/// the candidate thinks.
fn answer_all(mut policy: Policy, asked: &Receiver<Decision>, found: &Mutex<Found>) {
    while let Ok(decision) = asked.recv() {
        let answer = ask(&mut policy, &decision.question);
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = found.comparer.take(answer, &decision) {
            found.predicted.add(&decision, &verdict);
        }
    }
}
