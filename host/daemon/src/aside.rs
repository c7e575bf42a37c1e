//! What is asked off the loop: the reputation and the anomaly policy, and those that learn.
//!
//! One thread owns these policies. The loop hands it questions and what became of decisions,
//! over a queue that drops rather than makes the loop wait, and counts what it dropped; the
//! answers come back as facts. It begins with the node and ends after the loop, when what was
//! learned is on disk.
//!
//! A policy that fails costs nothing but its own answer: the builtin gives another one to the
//! same question. Nothing here decides what an answer is good for.

mod checkpoint;
mod inbox;
mod learning;
mod native;
mod pupil;
mod slot;
mod wasm;
mod worker;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pointsman_core::limits::ASIDE_FACTS_MAX;
use pointsman_core::output::Event;
use pointsman_core::policy::{
    Anomaly, AnomalyQuestion, Decision, Policy, Probation, Reputation, ReputationQuestion, Role,
    Swap,
};
use pointsman_core::reputation::Subject;
use pointsman_core::snapshot::SlotSnapshot;
use pointsman_sdk::Outcome;
use pointsman_sdk::anomaly::Finding;
use pointsman_sdk::reputation::Standing;
use tokio::sync::{mpsc, oneshot};

use crate::decision_log::DecisionLog;

pub use checkpoint::Learned;
use inbox::{Inbox, Lesson, Order};
use learning::Shelf;
pub use pupil::{Learner, LearnerSeat, Remake};

/// What comes into a slot off the loop.
#[derive(Debug)]
pub enum Seat {
    /// A reputation policy, or the builtin.
    Reputation(Swap<dyn Reputation>),
    /// An anomaly policy, or the builtin.
    Anomaly(Swap<dyn Anomaly>),
    /// What learns for a selector or a failover policy that came into its slot.
    Learner {
        /// What learns.
        seat: Box<LearnerSeat>,
        /// Whether the one before may come back.
        on_probation: bool,
    },
    /// What came into the slot of this role learns nothing.
    NoLearner {
        /// Of the selector or of the failover policy.
        role: Role,
        /// Its generation.
        generation: u64,
        /// Whether the one before may come back.
        on_probation: bool,
    },
}

/// What the thread tells the loop.
#[derive(Debug)]
pub enum AsideFact {
    /// Where a peer or a subnet stands now.
    Stood {
        /// Whose.
        about: Subject,
        /// Vetted.
        standing: Standing,
    },
    /// All that is out of the ordinary now, vetted.
    Found(Vec<Finding>),
    /// An answer with its question, while somebody compares. Its number counts answers of the
    /// thread.
    Answered(Box<Decision>),
    /// Something happened in the slot of reputation or anomaly: the same events as of the
    /// slots of the Node.
    Happened(Event),
    /// A policy in a slot of the Node, made anew with what it learned.
    Learned {
        /// Of the role that learned.
        policy: Policy,
        /// Of which generation.
        generation: u64,
    },
    /// A policy failed to learn.
    LearnFailed {
        /// Of which role.
        role: Role,
        /// Of which generation.
        generation: u64,
        /// Why, and what comes of it.
        why: String,
    },
}

/// What the thread counted since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsideReport {
    /// The slot of the reputation policy.
    pub reputation: SlotSnapshot,
    /// The slot of the anomaly policy.
    pub anomaly: SlotSnapshot,
    /// The newest generations that came into these two slots: one that was handed over a moment
    /// ago may still wait.
    pub newest: [u64; 2],
    /// Questions and outcomes that were dropped because the thread had too much to do.
    pub dropped: u64,
    /// Questions that nobody answered.
    pub unanswered: u64,
    /// Times that a policy learned.
    pub lessons: u64,
    /// Outcomes that it learned from.
    pub outcomes_learned: u64,
    /// Outcomes of decisions that are not known any more, or of another generation.
    pub outcomes_unknown: u64,
    /// Times that a policy failed to learn.
    pub learn_failures: u64,
    /// Times that what was learned was written to disk.
    pub checkpoints: u64,
}

/// What the thread begins with.
#[derive(Debug, Default)]
pub struct AsideSetup {
    /// Where what was learned is kept; `None`: nowhere.
    pub folder: Option<PathBuf>,
    /// Who answers where the reputation policy does not.
    pub reputation: Option<Box<dyn Reputation>>,
    /// Who answers where the anomaly policy does not.
    pub anomaly: Option<Box<dyn Anomaly>>,
    /// Where answers are recorded; `None`: nowhere.
    pub log: Option<DecisionLog>,
}

/// The way to the thread, which ends when the last one is dropped. Cheap to clone; no call
/// waits for a policy.
#[derive(Clone, Debug)]
pub struct AsideHandle {
    shared: Arc<Closing>,
}

/// Closes the inbox when nobody is left who could put something in.
#[derive(Debug)]
struct Closing(Arc<Shared>);

impl core::ops::Deref for Closing {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.inbox.close();
    }
}

/// What the thread and its handles share.
#[derive(Debug, Default)]
struct Shared {
    inbox: Inbox,
    report: Mutex<AsideReport>,
    shelf: Mutex<Shelf>,
    /// Whether anybody learns: outcomes are not even queued otherwise.
    learns: AtomicBool,
    /// Whether somebody compares answers.
    compared: AtomicBool,
}

/// Starts the thread. Its facts must be taken; it ends when it is closed.
pub fn start(
    setup: AsideSetup,
) -> std::io::Result<(AsideHandle, mpsc::Receiver<AsideFact>, JoinHandle<()>)> {
    let shared = Arc::new(Shared::default());
    let (facts, told) = mpsc::channel(ASIDE_FACTS_MAX);
    let worker = worker::Worker::new(setup, Arc::clone(&shared), facts);
    let thread = std::thread::Builder::new().name("aside".to_owned());
    let thread = thread.spawn(move || worker.run())?;
    Ok((AsideHandle { shared: Arc::new(Closing(shared)) }, told, thread))
}

impl AsideHandle {
    /// Puts a policy into a slot off the loop, or a learner beside one of the Node's. Of policies
    /// that come faster than the thread takes them only the last of a slot gets in.
    pub fn seat(&self, seat: Seat) {
        self.shared.inbox.order(Order::Seat(seat));
    }

    /// Puts a policy into its slot if that is one of reputation or anomaly, and gives it back
    /// otherwise.
    pub fn place(
        &self,
        policy: Policy,
        generation: u64,
        probation: Option<Probation>,
    ) -> Option<Policy> {
        let seat = match policy {
            Policy::Reputation(policy) => {
                Seat::Reputation(Swap { module: Some(policy), generation, probation })
            }
            Policy::Anomaly(policy) => {
                Seat::Anomaly(Swap { module: Some(policy), generation, probation })
            }
            other @ (Policy::Selector(_) | Policy::Failover(_)) => return Some(other),
        };
        self.seat(seat);
        None
    }

    /// Brings back what was in the slot of reputation or anomaly before, if it is still warm:
    /// answers with the generation that went and the one that is back. `None` where nothing
    /// came back.
    pub async fn roll_back(&self, role: Role) -> Option<(u64, u64)> {
        let (reply, answer) = oneshot::channel();
        self.shared.inbox.order(Order::RollBack(role, reply));
        answer.await.ok().flatten()
    }

    /// What was learned in the slot so far. The next policy is configured with it where it
    /// [fits](Learned::fits).
    pub fn learned(&self, role: Role) -> Option<Learned> {
        self.shared.shelf.lock().unwrap_or_else(PoisonError::into_inner).get(&role).cloned()
    }

    /// Has every answer told with its question, or no longer.
    pub fn compare(&self, wanted: bool) {
        self.shared.compared.store(wanted, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn report(&self) -> AsideReport {
        let report = self.shared.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        AsideReport { dropped: self.shared.inbox.dropped(), ..report }
    }

    /// Asks the reputation policy.
    pub fn fold(&self, about: Subject, question: ReputationQuestion) {
        self.shared.inbox.fold(about, question);
    }

    /// Asks the anomaly policy. A question that still waits is dropped for this one.
    pub fn inspect(&self, question: AnomalyQuestion) {
        self.shared.inbox.inspect(question);
    }

    /// Notes a decision, so that its outcomes find their learner.
    pub fn decided(&self, decision: &Decision) {
        let (number, role) = (decision.number, decision.question.role());
        self.lesson(Lesson::Decided { number, role, generation: decision.generation });
    }

    /// Hands over what became of a decision.
    pub fn outcome(&self, outcome: Outcome) {
        self.lesson(Lesson::Outcome(outcome));
    }

    fn lesson(&self, lesson: Lesson) {
        if self.shared.learns.load(Ordering::Relaxed) {
            self.shared.inbox.lesson(lesson);
        }
    }

    /// Tells what happened in the Node: a policy that is brought back is so with what it had
    /// learned.
    pub fn happened(&self, event: &Event) {
        let order = match *event {
            Event::Proven { role, generation } => Order::Proven { role, generation },
            Event::RolledBack { role, generation, to, .. } => {
                Order::RolledBack { role, generation, to }
            }
            Event::LinkUp(_)
            | Event::LinkDown(..)
            | Event::Suspect(..)
            | Event::Recovered(..)
            | Event::Hedged { .. }
            | Event::Moved { .. }
            | Event::DialFailed { .. }
            | Event::Closed(..)
            | Event::UplinkChanged(_)
            | Event::UplinkGone(_)
            | Event::Struck { .. }
            | Event::Swapped { .. }
            | Event::ApproachFailed { .. }
            | Event::NeighbourFound { .. }
            | Event::RangeChanged { .. }
            | Event::NeighbourLost { .. }
            | Event::Fading(_)
            | Event::Steady(_)
            | Event::Resumed(_) => return,
        };
        self.shared.inbox.order(order);
    }

    /// Has the thread write down what was learned, and end.
    pub fn close(&self) {
        self.shared.inbox.close();
    }
}

#[cfg(test)]
mod tests;
