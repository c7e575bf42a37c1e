//! The thread: waits for something to do, does all of it, tells the loop.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use pointsman_core::output::Event;
use pointsman_core::policy::{
    Anomaly, Answerer, Decision, Misconduct, Question, Reputation, Role, Verdict,
};
use tokio::sync::mpsc;

use super::inbox::{Batch, Order};
use super::learning::Learning;
use super::slot::Slot;
use super::{AsideFact, AsideReport, AsideSetup, Seat, Shared};
use crate::decision_log::DecisionLog;

/// While somebody learns the thread looks so often at what became of decisions: they don't
/// wake it one by one.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// Its decisions are numbered from here on, so that none has the number of one of the Node's:
/// half of what a number in JSON holds.
const NUMBERS_FROM: u64 = 1 << 52;

/// What the thread owns.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    facts: mpsc::Sender<AsideFact>,
    reputation: Slot<dyn Reputation>,
    anomaly: Slot<dyn Anomaly>,
    learning: Learning,
    log: Option<DecisionLog>,
    unanswered: u64,
    answers: u64,
}

impl Worker {
    /// Loads what was learned, so that it is there for the policies that come first.
    pub(super) fn new(
        setup: AsideSetup,
        shared: Arc<Shared>,
        facts: mpsc::Sender<AsideFact>,
    ) -> Self {
        let mut worker = Self {
            shared,
            facts,
            reputation: Slot::new(Role::Reputation, setup.reputation),
            anomaly: Slot::new(Role::Anomaly, setup.anomaly),
            learning: Learning::new(setup.folder),
            log: setup.log,
            unanswered: 0,
            answers: 0,
        };
        worker.publish();
        worker
    }

    /// Until the inbox is closed, or nobody is left to be told.
    pub(super) fn run(mut self) {
        loop {
            let batch = self.shared.inbox.take(self.patience(Instant::now()));
            let closed = batch.closed;
            let facts = self.turn(Instant::now(), batch);
            self.publish();
            for fact in facts {
                if self.facts.blocking_send(fact).is_err() {
                    return self.end();
                }
            }
            if closed {
                return self.end();
            }
        }
    }

    fn end(mut self) {
        self.learning.finish(Instant::now());
        self.publish();
    }

    fn patience(&self, now: Instant) -> Option<Duration> {
        let look = self.learning.is_on().then(|| now + LOOK_TIME);
        let due = self.learning.due(now).into_iter();
        let due = due.chain(self.reputation.due()).chain(self.anomaly.due()).chain(look).min();
        due.map(|due| due.saturating_duration_since(now))
    }

    /// Does what came and what is due.
    pub(super) fn turn(&mut self, now: Instant, batch: Batch) -> Vec<AsideFact> {
        let (mut facts, mut told) = (Vec::new(), Vec::new());
        let Batch { orders, folds, inspect, lessons, .. } = batch;
        for order in orders {
            self.order(now, order, &mut told);
        }
        for (about, question) in folds {
            match self.reputation.ask(&question, &mut told) {
                Some((standing, by)) => {
                    facts.push(AsideFact::Stood { about, standing });
                    let (question, verdict) =
                        (Question::Reputation(question), Verdict::Reputation(standing));
                    let generation = self.reputation.snapshot().generation;
                    self.answered(generation, question, verdict, by, &mut facts);
                }
                None => self.unanswered += 1,
            }
        }
        if let Some(question) = inspect {
            match self.anomaly.ask(&question, &mut told) {
                Some((findings, by)) => {
                    facts.push(AsideFact::Found(findings.clone()));
                    let (question, verdict) =
                        (Question::Anomaly(question), Verdict::Anomaly(findings));
                    let generation = self.anomaly.snapshot().generation;
                    self.answered(generation, question, verdict, by, &mut facts);
                }
                None => self.unanswered += 1,
            }
        }
        for lesson in lessons {
            self.learning.take(now, lesson);
            if self.learning.is_full() {
                self.learning.work(now, &mut facts);
            }
        }
        self.reputation.check(now, &mut told);
        self.anomaly.check(now, &mut told);
        self.learning.work(now, &mut facts);
        facts.extend(told.into_iter().map(AsideFact::Happened));
        facts
    }

    fn order(&mut self, now: Instant, order: Order, told: &mut Vec<Event>) {
        match order {
            Order::Seat(Seat::Reputation(swap)) => self.reputation.swap(now, swap, told),
            Order::Seat(Seat::Anomaly(swap)) => self.anomaly.swap(now, swap, told),
            Order::Seat(Seat::Learner { seat, on_probation }) => {
                self.learning.seat(seat.role, seat.generation, Some(*seat), on_probation);
            }
            Order::Seat(Seat::NoLearner { role, generation, on_probation }) => {
                self.learning.seat(role, generation, None, on_probation);
            }
            Order::RollBack(role, reply) => {
                let back = match role {
                    Role::Reputation => self.reputation.roll_back(Misconduct::Ordered, told),
                    Role::Anomaly => self.anomaly.roll_back(Misconduct::Ordered, told),
                    // These slots are the Node's.
                    Role::Selector | Role::Failover => None,
                };
                let _ = reply.send(back);
            }
            Order::Proven { role, generation } => self.learning.proven(role, generation),
            Order::RolledBack { role, generation, to } => {
                self.learning.rolled_back(now, role, generation, to);
            }
        }
    }

    /// Records an answer with its question, and tells it while somebody compares. Nothing
    /// becomes of it that could be recorded later.
    fn answered(
        &mut self,
        generation: u64,
        question: Question,
        verdict: Verdict,
        by: Answerer,
        facts: &mut Vec<AsideFact>,
    ) {
        self.answers += 1;
        let number = NUMBERS_FROM + self.answers;
        let is_compared = self.shared.compared.load(Ordering::Relaxed);
        let log = self.log.as_ref().filter(|log| log.wants(number));
        if !is_compared && log.is_none() {
            return;
        }
        let decision = Decision { number, generation, question, verdict, by };
        if let Some(log) = log {
            log.decided(decision.clone());
        }
        if is_compared {
            facts.push(AsideFact::Answered(Box::new(decision)));
        }
    }

    /// Lets the handles see what is known.
    fn publish(&mut self) {
        let tally = self.learning.tally;
        let report = AsideReport {
            reputation: self.reputation.snapshot(),
            anomaly: self.anomaly.snapshot(),
            newest: [self.reputation.newest(), self.anomaly.newest()],
            dropped: 0,
            unanswered: self.unanswered,
            lessons: tally.lessons,
            outcomes_learned: tally.learned,
            outcomes_unknown: tally.unknown,
            learn_failures: tally.failures,
            checkpoints: tally.checkpoints,
        };
        *self.shared.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
        self.learning.fill(&self.shared.shelf);
        self.shared.learns.store(self.learning.is_on(), Ordering::Relaxed);
    }
}
