//! What the loop does to the slots by itself, entered where operators see it.
//!
//! A task follows the journal: a policy that has proven itself is kept for later starts, one
//! that was rolled back is quarantined, and the log says what to do. It ends with the journal,
//! and keeps no node alive.

use std::sync::{Arc, Weak};

use pointsman_core::output::Event;
use pointsman_core::policy::{Misconduct, Role};
use pointsman_core::snapshot::SlotSnapshot;

use super::{Inner, Pointsman};
use crate::policies::{RolledBack, Wish};
use crate::shell::journal::{Followed, Follower, Happening, Quarantined};

/// Follows a node's journal, after trying again what must prove itself.
pub(crate) async fn keep(node: Weak<Inner>, mut events: Follower, later: Vec<Wish>) {
    for wish in later {
        let Some(node) = alive(&node) else { return };
        node.try_again(wish).await;
    }
    while let Some(next) = events.next().await {
        let Some(node) = alive(&node) else { return };
        match next {
            Followed::Record(record) => {
                if let Happening::Node { event, .. } = &record.what {
                    node.heard(event).await;
                }
            }
            Followed::Missed(missed) => node.look_again(missed).await,
        }
    }
}

fn alive(node: &Weak<Inner>) -> Option<Pointsman> {
    node.upgrade().map(|inner| Pointsman { inner })
}

impl Pointsman {
    /// A weak handle: does not keep the node alive.
    pub(crate) fn weak(&self) -> Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    async fn try_again(&self, wish: Wish) {
        let role = wish.role.name();
        let mut setup = self.inner.setup.lock().await;
        match self.swap(&mut setup, wish).await {
            Ok(swapped) => tracing::info!("{}", swapped.sentence()),
            Err(error) => tracing::warn!(role, %error, "the configured policy stays out"),
        }
    }

    async fn heard(&self, event: &Event) {
        match event {
            Event::Proven { role, generation } => {
                self.inner.setup.lock().await.slots.proven(*role, *generation).await;
            }
            // What an operator asked for is entered by whoever asked.
            Event::RolledBack { because: Misconduct::Ordered, .. } => {}
            Event::RolledBack { role, generation, to, because } => {
                let why = because.to_string();
                self.failed(*role, *generation, *to, &why).await;
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
            | Event::Resumed(_) => {}
        }
    }

    /// Enters a policy that did not prove itself, and says so where operators look.
    pub(super) async fn failed(&self, role: Role, generation: u64, to: u64, why: &str) {
        let mut setup = self.inner.setup.lock().await;
        let done = setup.slots.rolled_back(role, generation, to, why, true).await;
        let Some(RolledBack { gone, back, held }) = done else { return };
        self.inner.journal.write(Happening::Quarantined(Quarantined {
            role,
            policy: gone.seated.title(),
            module: gone.seated.module,
            back: back.map(|back| back.seated.title()),
            because: why.to_owned(),
            left_s: held.unwrap_or_default().as_secs(),
        }));
    }

    /// Events were lost: compares what is shown with what is.
    async fn look_again(&self, missed: u64) {
        tracing::warn!(missed, "events of policies may have been missed; looking at the slots");
        let mut setup = self.inner.setup.lock().await;
        let Ok(report) = self.report().await else { return };
        let [reputation, anomaly] = report.aside.newest;
        for (role, slot, newest) in [
            (Role::Selector, &report.node.selector, u64::MAX),
            (Role::Failover, &report.node.failover, u64::MAX),
            (Role::Reputation, &report.aside.reputation, reputation),
            (Role::Anomaly, &report.aside.anomaly, anomaly),
        ] {
            let Some(shown) = setup.slots.live(role).map(|record| record.live.generation) else {
                continue;
            };
            // Whoever ordered a return enters it.
            if self.returning().contains(&role) {
                continue;
            }
            let is_on_trial = setup.slots.on_probation(role);
            match missed_end(slot, newest, shown, is_on_trial) {
                Some(End::Failed) => {
                    let why = "its end was not seen: events came too fast";
                    setup.slots.rolled_back(role, shown, slot.generation, why, true).await;
                }
                Some(End::Proven) => setup.slots.proven(role, shown).await,
                None => {}
            }
        }
    }
}

/// How a probation ended that nobody told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Failed,
    Proven,
}

/// What became of the generation that is shown as live, from the slot itself and the newest
/// generation that came into it. One that was handed over and not taken yet has no end.
fn missed_end(slot: &SlotSnapshot, newest: u64, shown: u64, is_on_trial: bool) -> Option<End> {
    if newest < shown {
        None
    } else if slot.generation < shown {
        Some(End::Failed)
    } else {
        (is_on_trial && !slot.on_probation).then_some(End::Proven)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(generation: u64, on_probation: bool) -> SlotSnapshot {
        SlotSnapshot { generation, on_probation, ..SlotSnapshot::default() }
    }

    #[test]
    fn an_end_that_was_missed_is_seen_in_the_slot() {
        assert_eq!(missed_end(&slot(1, false), 2, 2, true), Some(End::Failed));
        assert_eq!(missed_end(&slot(2, false), 2, 2, true), Some(End::Proven));
        assert_eq!(missed_end(&slot(2, true), 2, 2, true), None);
        assert_eq!(missed_end(&slot(2, false), 2, 2, false), None);
    }

    #[test]
    fn a_policy_that_still_waits_for_its_slot_has_not_failed() {
        assert_eq!(missed_end(&slot(1, false), 1, 2, true), None);
    }
}
