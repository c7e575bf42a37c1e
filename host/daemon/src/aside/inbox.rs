//! What waits for the thread. Nobody who puts something in ever waits for it to be taken.
//!
//! Questions and outcomes have their bounds; at the bound the new one is dropped and counted.
//! Orders are few: of two that concern the same seat the later one counts. Those who learn are
//! all seated, one after the other, as any of them may be the one that comes back.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pointsman_core::limits::{ASIDE_FOLDS_MAX, ASIDE_LESSONS_MAX, OUTCOMES_PER_LESSON_MAX};
use pointsman_core::policy::{AnomalyQuestion, ReputationQuestion, Role};
use pointsman_core::reputation::Subject;
use pointsman_sdk::Outcome;
use tokio::sync::oneshot;

use super::Seat;

/// What must not get lost.
#[derive(Debug)]
pub(super) enum Order {
    Seat(Seat),
    RollBack(Role, oneshot::Sender<Option<(u64, u64)>>),
    Proven { role: Role, generation: u64 },
    RolledBack { role: Role, generation: u64, to: u64 },
}

impl Order {
    /// Two orders with the same key: the later one makes the earlier one void.
    fn key(&self) -> Option<(u8, Role)> {
        match self {
            Self::Seat(Seat::Reputation(_)) => Some((0, Role::Reputation)),
            Self::Seat(Seat::Anomaly(_)) => Some((0, Role::Anomaly)),
            Self::Seat(Seat::Learner { .. } | Seat::NoLearner { .. }) => None,
            Self::RollBack(role, _) => Some((1, *role)),
            Self::Proven { role, .. } => Some((2, *role)),
            Self::RolledBack { role, .. } => Some((3, *role)),
        }
    }
}

/// A part of what is learned from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lesson {
    Decided { number: u64, role: Role, generation: u64 },
    Outcome(Outcome),
}

/// All that waited.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) orders: VecDeque<Order>,
    pub(super) folds: VecDeque<(Subject, ReputationQuestion)>,
    pub(super) inspect: Option<AnomalyQuestion>,
    pub(super) lessons: VecDeque<Lesson>,
    /// Nothing comes after this.
    pub(super) closed: bool,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.orders.is_empty()
            && self.folds.is_empty()
            && self.inspect.is_none()
            && self.lessons.len() < OUTCOMES_PER_LESSON_MAX
            && !self.closed
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<(Batch, u64)>,
    arrived: Condvar,
}

impl Inbox {
    pub(super) fn order(&self, order: Order) {
        self.put(|batch| {
            let key = order.key();
            batch.orders.retain(|other| key.is_none() || other.key() != key);
            batch.orders.push_back(order);
            0
        });
    }

    pub(super) fn fold(&self, about: Subject, question: ReputationQuestion) {
        self.put(|batch| {
            if batch.folds.len() >= ASIDE_FOLDS_MAX {
                return 1;
            }
            batch.folds.push_back((about, question));
            0
        });
    }

    pub(super) fn inspect(&self, question: AnomalyQuestion) {
        self.put(|batch| u64::from(batch.inspect.replace(question).is_some()));
    }

    /// Does not wake the thread before there is a whole batch: it looks once a second.
    pub(super) fn lesson(&self, lesson: Lesson) {
        self.put(|batch| {
            if batch.lessons.len() >= ASIDE_LESSONS_MAX {
                return 1;
            }
            batch.lessons.push_back(lesson);
            0
        });
    }

    pub(super) fn close(&self) {
        self.put(|batch| {
            batch.closed = true;
            0
        });
    }

    /// How many were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().1
    }

    /// Waits until there is something to do, but no longer than this, and takes all of it.
    pub(super) fn take(&self, patience: Option<Duration>) -> Batch {
        let state = self.lock();
        let idle = |(batch, _): &mut (Batch, u64)| batch.is_empty();
        let mut state = match patience {
            None => self.arrived.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.arrived.wait_timeout_while(state, patience, idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let closed = state.0.closed;
        Batch { closed, ..std::mem::take(&mut state.0) }
    }

    /// Puts something in; `put` tells how many were dropped for it.
    fn put(&self, put: impl FnOnce(&mut Batch) -> u64) {
        let mut state = self.lock();
        let dropped = put(&mut state.0);
        state.1 += dropped;
        if !state.0.is_empty() {
            self.arrived.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Batch, u64)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use pointsman_core::policy::Swap;

    use pointsman_core::id::PeerId;

    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let inbox = Inbox::default();
        for n in 0..ASIDE_FOLDS_MAX as u32 + 3 {
            let about = Subject::Peer(PeerId([n as u8; 32]));
            inbox.fold(about, ReputationQuestion::default());
        }
        inbox.inspect(AnomalyQuestion::default());
        inbox.inspect(AnomalyQuestion { now_ms: 7, ..AnomalyQuestion::default() });
        assert_eq!(inbox.dropped(), 4);
        let batch = inbox.take(None);
        assert_eq!(batch.folds.len(), ASIDE_FOLDS_MAX);
        assert_eq!(batch.inspect.map(|question| question.now_ms), Some(7));
    }

    #[test]
    fn of_two_orders_for_one_seat_the_later_one_counts() {
        let inbox = Inbox::default();
        for generation in [1, 2] {
            let swap = Swap { module: None, generation, probation: None };
            inbox.order(Order::Seat(Seat::Reputation(swap)));
            let swap = Swap { module: None, generation, probation: None };
            inbox.order(Order::Seat(Seat::Anomaly(swap)));
        }
        assert_eq!(generations(&inbox), [2, 2]);
    }

    #[test]
    fn those_who_learn_are_all_seated_in_their_order() {
        let inbox = Inbox::default();
        for generation in 1..=3 {
            let (role, on_probation) = (Role::Selector, generation > 1);
            inbox.order(Order::Seat(Seat::NoLearner { role, generation, on_probation }));
        }
        assert_eq!(generations(&inbox), [1, 2, 3]);
    }

    fn generations(inbox: &Inbox) -> Vec<u64> {
        let orders = inbox.take(None).orders;
        let generations = orders.iter().map(|order| match order {
            Order::Seat(Seat::Reputation(swap)) => swap.generation,
            Order::Seat(Seat::Anomaly(swap)) => swap.generation,
            Order::Seat(Seat::NoLearner { generation, .. }) => *generation,
            Order::Seat(Seat::Learner { seat, .. }) => seat.generation,
            Order::RollBack(..) | Order::Proven { .. } | Order::RolledBack { .. } => 0,
        });
        generations.collect()
    }

    #[test]
    fn outcomes_alone_wake_nobody_before_there_are_many() {
        let inbox = Inbox::default();
        inbox.lesson(Lesson::Outcome(Outcome::default()));
        assert!(inbox.lock().0.is_empty());
        for _ in 1..OUTCOMES_PER_LESSON_MAX {
            inbox.lesson(Lesson::Outcome(Outcome::default()));
        }
        assert_eq!(inbox.take(None).lessons.len(), OUTCOMES_PER_LESSON_MAX);
    }
}
