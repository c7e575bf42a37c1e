//! Policies that come into the slots and go again.
//!
//! A swap exchanges a pointer; what it touches beside that are verdicts that still hold. What
//! a policy on probation must not do is a matter of `judging`; here it comes and goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Node;
use super::timers::Timer;
use crate::id::{LinkId, PeerNumber, Time};
use crate::limits::SHADOW_QUESTIONS_MAX;
use crate::links::PieceId;
use crate::output::Event;
use crate::policy::slot::heads::Heads;
use crate::policy::slot::watch::Watch;
use crate::policy::{
    Failover, FailoverQuestion, Misconduct, Role, Selector, SelectorQuestion, Strike, Swap,
};
use crate::snapshot::LinkState;
use pointsman_sdk::failover;
use pointsman_sdk::selector::Verdict;

/// Whoever is on probation is judged so often, in microseconds.
pub(super) const JUDGE_US: u64 = 100_000;

/// The warm policy is asked one question for so many microseconds, and
const SHADOW_US: u64 = 250;
/// so many at once after a pause.
const SHADOW_BURST: u64 = 16;

/// A policy that fails at every question is told of once in so many microseconds, with its count.
const STRUCK_US: u64 = 1_000_000;

/// A failover policy finds the mask of the one before, and has so long to make it its own, in
/// microseconds: four ticks.
const INHERITED_US: u64 = 1_000_000;

/// A question that the warm policy is to be asked too.
#[derive(Debug)]
pub(super) enum Shadowed {
    Selector {
        at: (PeerNumber, PieceId),
        question: SelectorQuestion,
        verdict: Verdict,
    },
    Failover {
        at: (PeerNumber, Option<LinkId>),
        question: FailoverQuestion,
        verdict: failover::Verdict,
        /// Bytes of the copies that the verdict made.
        copied_bytes: u64,
    },
}

/// What is known of policies on probation.
#[derive(Debug, Default)]
pub(super) struct Proving {
    pub(super) selector: Watch<(PeerNumber, u8), PieceId>,
    pub(super) failover: Watch<(PeerNumber, LinkId), ()>,
    /// The packets that both selectors were asked about last.
    pub(super) heads: Heads,
    pub(super) shadowed: VecDeque<Shadowed>,
    /// When the warm policy may be asked again, as a budget in microseconds.
    shadow_us: u64,
    refilled_at: Time,
    /// The links that were masked before a failover policy came on probation.
    masked: BTreeSet<LinkId>,
    /// When a failure of who is in a slot was told last.
    struck_at: BTreeMap<Role, Time>,
}

impl Proving {
    /// Whether the warm policy may be asked once more.
    pub(super) fn may_shadow(&mut self, now: Time) -> bool {
        let gained_us = now.since(self.refilled_at);
        self.refilled_at = now;
        self.shadow_us = (self.shadow_us + gained_us).min(SHADOW_BURST * SHADOW_US);
        let may = self.shadow_us >= SHADOW_US && self.shadowed.len() < SHADOW_QUESTIONS_MAX;
        if may {
            self.shadow_us -= SHADOW_US;
        }
        may
    }

    /// Whether a failure is told now.
    pub(super) fn may_tell_strike(&mut self, role: Role, now: Time) -> bool {
        let is_due = self.struck_at.get(&role).is_none_or(|&at| now.since(at) >= STRUCK_US);
        if is_due {
            self.struck_at.insert(role, now);
        }
        is_due
    }

    fn forget(&mut self, role: Role) {
        self.struck_at.remove(&role);
        if role == Role::Selector {
            self.heads.clear();
        }
        self.shadowed.retain(|shadowed| match shadowed {
            Shadowed::Selector { .. } => role != Role::Selector,
            Shadowed::Failover { .. } => role != Role::Failover,
        });
    }
}

impl Node {
    pub(super) fn selector_swapped(&mut self, swap: Swap<dyn Selector>) {
        let on_probation = swap.probation.is_some();
        self.proving.forget(Role::Selector);
        self.proving.selector.swapped(self.now, swap.probation.as_ref());
        self.selector.install(self.now, swap);
        self.verdicts_end();
        self.was_swapped(Role::Selector, self.selector.generation(), on_probation);
    }

    pub(super) fn failover_swapped(&mut self, swap: Swap<dyn Failover>) {
        let on_probation = swap.probation.is_some();
        if self.failover.trial().is_none() {
            let masked = self.links.values().filter(|link| link.masked);
            self.proving.masked = masked.map(|link| link.id()).collect();
        }
        self.proving.forget(Role::Failover);
        self.proving.failover.swapped(self.now, swap.probation.as_ref());
        self.failover.install(self.now, swap);
        self.ask_about_the_ill(Some(self.now.after(INHERITED_US)));
        self.was_swapped(Role::Failover, self.failover.generation(), on_probation);
    }

    fn was_swapped(&mut self, role: Role, generation: u64, on_probation: bool) {
        self.counters.swaps += 1;
        self.tell(Event::Swapped { role, generation });
        if on_probation {
            self.timers.by(Timer::Judge, self.now.after(JUDGE_US));
        }
    }

    /// What a selector said before holds no more. Only those who have such a verdict notice.
    fn verdicts_end(&mut self) {
        for number in self.peers.numbers() {
            let Some(peer) = self.peers.get_mut(number) else { continue };
            let held = |until: Time| until > self.now;
            if peer.lanes.iter().any(|lane| lane.lease.is_some() || held(lane.held_until)) {
                peer.paths_changed();
                self.unsettled.insert(number);
            }
        }
    }

    /// Has the failover policy look at once at every peer with a link that is suspect or
    /// masked. A mask that it did not make itself lasts until then.
    fn ask_about_the_ill(&mut self, inherited: Option<Time>) {
        let ill = |link: &&crate::links::Link| link.masked || link.state == LinkState::Suspect;
        let peers: BTreeSet<PeerNumber> =
            self.links.values().filter(ill).map(|link| link.peer).collect();
        for number in peers {
            if let Some(peer) = self.peers.get_mut(number) {
                peer.inherited_until = inherited;
                peer.next_tick = Some(self.now);
                self.timers.by(Timer::Peer(number), self.now);
            }
        }
    }

    /// A mask that another policy left and this one did not make its own ends.
    pub(super) fn disinherit(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        if peer.inherited_until.is_none_or(|until| until > self.now) {
            return;
        }
        peer.inherited_until = None;
        for id in peer.links.clone() {
            if let Some(link) = self.links.get_mut(&id) {
                link.masked = false;
            }
        }
        self.paths_changed(number);
    }

    pub(super) fn roll_back(&mut self, role: Role, because: Misconduct) {
        let since = self.failover.trial().map_or(self.now, |trial| trial.unproven_since);
        let returned = match role {
            Role::Selector => self.selector.roll_back(),
            Role::Failover => self.failover.roll_back(),
            Role::Reputation | Role::Anomaly => None,
        };
        let Some((generation, to)) = returned else { return };
        self.proving.forget(role);
        if role == Role::Selector {
            self.proving.selector.rolled_back(self.now);
            self.verdicts_end();
        } else {
            self.proving.failover.rolled_back(self.now);
            self.restore_masks(since);
        }
        self.counters.rollbacks += 1;
        self.tell(Event::RolledBack { role, generation, to, because });
    }

    /// Masks and moves of a policy that is gone go with it.
    fn restore_masks(&mut self, since: Time) {
        for link in self.links.values_mut() {
            link.masked = self.proving.masked.contains(&link.id());
        }
        for number in self.peers.numbers() {
            self.unmask_if_alone(number);
            let Some(peer) = self.peers.get_mut(number) else { continue };
            peer.moves.retain(|&at| at < since);
            self.paths_changed(number);
        }
        self.ask_about_the_ill(None);
    }

    /// A failure, of a policy on probation, is one too many.
    pub(super) fn struck(&mut self, role: Role, strike: Strike) {
        let because = match role {
            Role::Selector => self.selector.trial().and_then(|trial| trial.verdict_on(strike)),
            Role::Failover => self.failover.trial().and_then(|trial| trial.verdict_on(strike)),
            Role::Reputation | Role::Anomaly => None,
        };
        if let Some(because) = because {
            self.roll_back(role, because);
        }
    }
}
