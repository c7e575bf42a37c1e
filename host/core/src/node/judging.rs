//! Whether a policy on probation is as good as the one before.
//!
//! The one before is asked the same questions, after the packets of the turn have gone out,
//! and outcomes are watched. Questions that cost too much, or outcomes that are worse where the
//! other would have done better, bring the other back. Nothing here delays a packet.

use super::Node;
use super::proving::{JUDGE_US, Shadowed};
use super::timers::Timer;
use crate::id::{LinkId, PeerNumber, Time};
use crate::links::{Carried, PieceId};
use crate::output::Event;
use crate::policy::slot::shadow::{Outlook, Stance};
use crate::policy::slot::watch::{Comparison, Stall};
use crate::policy::{FailoverQuestion, Misconduct, Role, SelectorQuestion};
use crate::snapshot::LinkState;
use pointsman_sdk::failover;
use pointsman_sdk::selector::{Class, Mode, Verdict};

/// A packet that is held for so much longer than the warm policy would have taken to have it
/// acknowledged is stalled, in microseconds.
const STALLED_US: u64 = 100_000;
/// The same for packets in flight on a link that fell silent: radios pause for 200 ms.
const ABANDONED_US: u64 = 300_000;

impl Node {
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
        let now = Time(question.now_us);
        let queued_at = Time(now.0.saturating_sub(u64::from(question.head_age_us)));
        let known = self.proving.heads.compare(now, (number, piece, queued_at), &live, &warm);
        let comparison = Comparison {
            again: known.again,
            worse: known.worse,
            held: known.kept && live.holds,
            age_us: u64::from(question.head_age_us),
            expected_us: warm.us,
            needless: live.copies > warm.copies.max(1),
        };
        self.proving.selector.compared(self.now, comparison);
        if known.keeps {
            let (at, until) = ((number, piece.class), now.after(warm.us + STALLED_US));
            self.proving.selector.stalled(at, Stall { what: piece, since: now, until });
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
        if self.selector.trial().is_some() {
            let because = self.selector.misconduct_of_cost(self.now);
            let because = because.or_else(|| self.proving.selector.misconduct());
            if let Some(because) = because.or_else(|| self.selector_stalled()) {
                self.roll_back(Role::Selector, because);
            } else if let Some(generation) =
                self.selector.prove(self.now, self.proving.selector.first)
            {
                self.proving.selector.proven();
                self.tell(Event::Proven { role: Role::Selector, generation });
            }
        }
        if self.failover.trial().is_some() {
            let because = self.failover.misconduct_of_cost(self.now);
            let because = because.or_else(|| self.proving.failover.misconduct());
            if let Some(because) = because.or_else(|| self.failover_stalled()) {
                self.roll_back(Role::Failover, because);
            } else if let Some(generation) =
                self.failover.prove(self.now, self.proving.failover.first)
            {
                self.proving.failover.proven();
                self.tell(Event::Proven { role: Role::Failover, generation });
            }
        }
        let ends = [
            self.selector.trial().map(|trial| trial.ends()),
            self.failover.trial().map(|trial| trial.ends()),
        ];
        if ends.iter().any(Option::is_some) {
            let soon = self.now.after(JUDGE_US);
            let next = ends.into_iter().flatten().filter(|&ends| ends > self.now).min();
            self.timers.by(Timer::Judge, next.map_or(soon, |ends| ends.min(soon)));
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
                let Carried::Piece(piece) = sent.carried else { return false };
                let lane = &peer.lanes[usize::from(piece.class)];
                sent.at <= since && sent.copied_to.is_none() && lane.outbox.waits_for(piece)
            })
    }
}
