//! Policies that come and go in the slots, and whether a new one is as good as the one before.
//!
//! A swap exchanges a pointer; what it touches beside that are verdicts that still hold. While
//! a policy is on probation the one before is asked the same questions, after the packets of
//! the turn have gone out, and outcomes are watched. A strike, questions that cost too much,
//! or outcomes that are worse where the other would have done better bring the other back.

use std::collections::{BTreeSet, VecDeque};

use super::Node;
use super::timers::Timer;
use crate::id::{LinkId, PeerNumber, Time};
use crate::limits::SHADOW_QUESTIONS_MAX;
use crate::links::PieceId;
use crate::output::Event;
use crate::policy::slot::shadow::{Outlook, Stance};
use crate::policy::slot::watch::{Comparison, Stall, Watch};
use crate::policy::{
    Failover, FailoverQuestion, Misconduct, Role, Selector, SelectorQuestion, Strike, Swap,
};
use crate::snapshot::LinkState;
use pointsman_sdk::failover;
use pointsman_sdk::selector::{Class, Mode, Verdict};

/// Whoever is on probation is judged so often, in microseconds.
const JUDGE_US: u64 = 100_000;

/// The warm policy is asked one question for so many microseconds, and
const SHADOW_US: u64 = 250;
/// so many at once after a pause.
const SHADOW_BURST: u64 = 16;

/// A packet that is held for so much longer than the warm policy would have taken to have it
/// acknowledged is stalled, in microseconds.
const STALLED_US: u64 = 100_000;
/// The same for packets in flight on a link that fell silent: radios pause for 200 ms.
const ABANDONED_US: u64 = 300_000;

/// A failover policy finds the mask of the one before, and has so long to make it its own, in
/// microseconds: four ticks.
const INHERITED_US: u64 = 1_000_000;

/// A question that the warm policy is to be asked too.
#[derive(Debug)]
enum Shadowed {
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
    shadowed: VecDeque<Shadowed>,
    /// When the warm policy may be asked again, as a budget in microseconds.
    shadow_us: u64,
    refilled_at: Time,
    /// The links that were masked before a failover policy came on probation.
    masked: BTreeSet<LinkId>,
}

impl Proving {
    /// Whether the warm policy may be asked once more.
    fn may_shadow(&mut self, now: Time) -> bool {
        let gained_us = now.since(self.refilled_at);
        self.refilled_at = now;
        self.shadow_us = (self.shadow_us + gained_us).min(SHADOW_BURST * SHADOW_US);
        let may = self.shadow_us >= SHADOW_US && self.shadowed.len() < SHADOW_QUESTIONS_MAX;
        if may {
            self.shadow_us -= SHADOW_US;
        }
        may
    }

    fn forget(&mut self, role: Role) {
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
        self.proving.selector.swapped(self.now, on_probation);
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
        self.proving.failover.swapped(self.now, on_probation);
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
        let began = match role {
            Role::Selector => self.selector.trial().map(|trial| trial.began),
            Role::Failover => self.failover.trial().map(|trial| trial.began),
            Role::Reputation | Role::Anomaly => None,
        };
        let returned = match role {
            Role::Selector => self.selector.roll_back(),
            Role::Failover => self.failover.roll_back(),
            Role::Reputation | Role::Anomaly => None,
        };
        let (Some((generation, to)), Some(began)) = (returned, began) else { return };
        self.proving.forget(role);
        if role == Role::Selector {
            self.proving.selector.rolled_back(self.now);
            self.verdicts_end();
        } else {
            self.proving.failover.rolled_back(self.now);
            self.restore_masks(began);
        }
        self.counters.rollbacks += 1;
        self.tell(Event::RolledBack { role, generation, to, because });
    }

    /// Masks and moves of a policy that is gone go with it.
    fn restore_masks(&mut self, began: Time) {
        for link in self.links.values_mut() {
            link.masked = self.proving.masked.contains(&link.id());
        }
        for number in self.peers.numbers() {
            self.unmask_if_alone(number);
            let Some(peer) = self.peers.get_mut(number) else { continue };
            peer.moves.retain(|&at| at < began);
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

    /// What can't be undone is not done on the word of a selector on probation alone: a packet
    /// that it gives up and the warm one would have sent goes as that one says.
    pub(super) fn unless_wasted(
        &mut self,
        question: &SelectorQuestion,
        verdict: Verdict,
    ) -> Verdict {
        if verdict.mode != Mode::Expire {
            return verdict;
        }
        let Some(other) = self.selector.ask_warm(question) else { return verdict };
        if !Outlook::of(question, verdict).wastes(&Outlook::of(question, other), question) {
            return verdict;
        }
        self.proving.selector.wasted_one(self.now);
        if let Some(because) = self.proving.selector.misconduct() {
            self.roll_back(Role::Selector, because);
        }
        other
    }

    /// A selector on probation answered so.
    pub(super) fn shadow_selector(
        &mut self,
        number: PeerNumber,
        piece: PieceId,
        question: SelectorQuestion,
        verdict: Verdict,
    ) {
        if self.selector.trial().is_some() && self.proving.may_shadow(self.now) {
            let at = (number, piece);
            self.proving.shadowed.push_back(Shadowed::Selector { at, question, verdict });
        }
    }

    /// A failover policy on probation answered so, and was obeyed.
    pub(super) fn shadow_failover(
        &mut self,
        at: (PeerNumber, Option<LinkId>),
        question: FailoverQuestion,
        verdict: failover::Verdict,
        copied_bytes: u64,
    ) {
        if self.failover.trial().is_some() && self.proving.may_shadow(self.now) {
            let shadowed = Shadowed::Failover { at, question, verdict, copied_bytes };
            self.proving.shadowed.push_back(shadowed);
        }
    }

    /// Puts one question to the warm policy, when packets have gone; tells whether there was one.
    pub(super) fn compare_next(&mut self) -> bool {
        match self.proving.shadowed.pop_front() {
            None => return false,
            Some(Shadowed::Selector { at, question, verdict }) => {
                if let Some(other) = self.selector.ask_warm(&question) {
                    self.compare_selectors(at, &question, verdict, other);
                }
            }
            Some(Shadowed::Failover { at, question, verdict, copied_bytes }) => {
                if let Some(other) = self.failover.ask_warm(&question) {
                    let stances = [verdict, other].map(|verdict| Stance::of(&question, verdict));
                    self.compare_failovers(at, &question, stances, copied_bytes);
                }
            }
        }
        true
    }

    fn compare_selectors(
        &mut self,
        (number, piece): (PeerNumber, PieceId),
        question: &SelectorQuestion,
        verdict: Verdict,
        other: Verdict,
    ) {
        let (live, warm) = (Outlook::of(question, verdict), Outlook::of(question, other));
        let worse = live.is_worse_than(&warm);
        // What it waited already may be the live one's own doing.
        let age_us = if worse { 0 } else { u64::from(question.head_age_us) };
        let comparison = Comparison {
            worse,
            expected_us: age_us + warm.us,
            needless: live.copies > warm.copies.max(1),
        };
        self.proving.selector.compared(self.now, comparison);
        if worse && warm.leaves && !live.leaves && !live.gives_up {
            let since = Time(question.now_us);
            let until = since.after(warm.us + STALLED_US);
            self.proving
                .selector
                .stalled((number, piece.class), Stall { what: piece, since, until });
            self.timers.by(Timer::Judge, until);
        }
    }

    fn compare_failovers(
        &mut self,
        (number, at): (PeerNumber, Option<LinkId>),
        question: &FailoverQuestion,
        [live, warm]: [Stance; 2],
        copied_bytes: u64,
    ) {
        let watch = &mut self.proving.failover;
        watch.misplace(self.now, number, live.is_worse_than(&warm));
        if live.moves_unlike(&warm) {
            watch.restless(self.now);
        }
        let copied_bytes = copied_bytes + live.resent_bytes;
        if copied_bytes > 0 && !warm.rescues && warm.resent_bytes == 0 {
            watch.copied_needlessly(self.now, copied_bytes);
        }
        let Some(link) = at else { return };
        let waits = question.unacked_bytes.iter().any(|&bytes| bytes > 0);
        if live.rescues {
            watch.stalls.remove(&(number, link));
        } else if warm.rescues && waits {
            let since = Time(question.now_us);
            let until = since.after(warm.best_us + ABANDONED_US);
            watch.stalled((number, link), Stall { what: (), since, until });
        }
    }

    /// Time passed: those on probation are judged, and have proven themselves when theirs is over.
    pub(super) fn judge(&mut self) {
        if let Some(trial) = self.selector.trial() {
            let because = trial.verdict_on_cost(self.selector.cost_ns());
            let because = because.or_else(|| self.proving.selector.misconduct());
            if let Some(because) = because.or_else(|| self.selector_stalled()) {
                self.roll_back(Role::Selector, because);
            } else if let Some(generation) = self.selector.prove(self.now) {
                self.proving.selector.proven();
                self.tell(Event::Proven { role: Role::Selector, generation });
            }
        }
        if let Some(trial) = self.failover.trial() {
            let because = trial.verdict_on_cost(self.failover.cost_ns());
            let because = because.or_else(|| self.proving.failover.misconduct());
            if let Some(because) = because.or_else(|| self.failover_stalled()) {
                self.roll_back(Role::Failover, because);
            } else if let Some(generation) = self.failover.prove(self.now) {
                self.proving.failover.proven();
                self.tell(Event::Proven { role: Role::Failover, generation });
            }
        }
        let ends = [
            self.selector.trial().map(|trial| trial.ends()),
            self.failover.trial().map(|trial| trial.ends()),
        ];
        if let Some(ends) = ends.into_iter().flatten().min() {
            let next = ends.min(self.now.after(JUDGE_US)).max(self.now.after(1));
            self.timers.by(Timer::Judge, next);
        }
    }

    /// Whether a packet still waits for which there is room, and which should be there by now.
    fn selector_stalled(&mut self) -> Option<Misconduct> {
        let due: Vec<_> =
            self.proving.selector.stalls.iter().map(|(&at, &stall)| (at, stall)).collect();
        for ((number, class), stall) in due {
            if stall.until > self.now {
                continue;
            }
            if self.waits_needlessly(number, class, stall.what) {
                let waited_us = self.now.since(stall.since);
                return Some(Misconduct::Stalled { waited_us });
            }
            self.proving.selector.stalls.remove(&(number, class));
        }
        None
    }

    fn waits_needlessly(&mut self, number: PeerNumber, class: u8, piece: PieceId) -> bool {
        let Some(class) = Class::from_number(u32::from(class)) else { return false };
        let Some(peer) = self.peers.get_mut(number) else { return false };
        let Some(head) = peer.lanes[class as usize].outbox.head() else { return false };
        head.piece == piece
            && self.offered(number).into_iter().any(|link| self.has_room(link, class, &head))
    }

    /// Whether packets are still left in flight on a link that is silent.
    fn failover_stalled(&mut self) -> Option<Misconduct> {
        let due: Vec<_> =
            self.proving.failover.stalls.iter().map(|(&at, &stall)| (at, stall)).collect();
        for ((number, link), stall) in due {
            if !self.is_left_behind(number, link, stall.since) {
                self.proving.failover.stalls.remove(&(number, link));
            } else if stall.until <= self.now {
                let waited_us = self.now.since(stall.since);
                return Some(Misconduct::Stalled { waited_us });
            }
        }
        None
    }

    fn is_left_behind(&mut self, number: PeerNumber, id: LinkId, since: Time) -> bool {
        let Some(peer) = self.peers.get(number) else { return false };
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.state == LinkState::Suspect
            && link.unacked().any(|sent| {
                let crate::links::Carried::Piece(piece) = sent.carried else { return false };
                let lane = &peer.lanes[usize::from(piece.class)];
                sent.at <= since && sent.copied_to.is_none() && lane.outbox.waits_for(piece)
            })
    }
}
