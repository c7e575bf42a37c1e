//! Links that falter: noticing it, and asking the failover policy.
//!
//! A link is suspect when an acknowledgement is overdue. From then on it has no room, so
//! that what is new goes elsewhere by itself, and the failover policy is asked: at once, and
//! on a tick for as long as it lasts; `obeying` does what it says. The first acknowledgement
//! ends the suspicion.

use super::Node;
use super::obeying::Occasion;
use super::timers::Timer;
use crate::id::{LinkId, PeerNumber, Time};
use crate::links::{Acked, Link, saturate};
use crate::output::{CloseReason, Event};
use crate::policy::question::FailoverQuestion;
use crate::policy::{Role, Strike};
use crate::reputation::Cause;
use crate::snapshot::LinkState;
use pointsman_sdk::UNKNOWN;
use pointsman_sdk::failover::{self, Dialable};

/// While something is wrong the failover policy is asked so often, in microseconds: a tenth
/// of the 200 ms for which radios commonly pause.
const TICK_US: u64 = 20_000;

/// The same while links are only masked, and wait to be let in again, in microseconds.
const MASKED_TICK_US: u64 = 250_000;

/// Expired messages are looked for at most so often, in microseconds.
const EXPIRY_STEP_US: u64 = 5_000;

/// A miss is counted after the timeout, then after twice as long, up to so many doublings.
const DOUBLINGS_MAX: u32 = 4;

/// How long the loop's lateness excuses an acknowledgement, in microseconds: those that
/// arrived meanwhile have been handled by then.
const LAG_COUNTS_US: u64 = 100_000;

impl Node {
    /// How late the loop ran just now, in microseconds.
    fn lag_us(&self) -> u64 {
        let (lag_us, at) = self.lag;
        if self.now.since(at) <= LAG_COUNTS_US { lag_us } else { 0 }
    }

    /// When a link must be looked at next.
    pub(super) fn next_check(&self, id: LinkId) -> Time {
        let Some(link) = self.links.get(&id) else { return Time(u64::MAX) };
        let floor_us = self.config.suspect_min_us;
        let heartbeat = link.sent_at.after(self.config.heartbeat_us);
        let next = match link.state {
            LinkState::Greeting => Self::greeting_ends(link),
            LinkState::Up => match link.overdue_at(floor_us) {
                Some(at) => at.after(self.lag_us()),
                None => heartbeat,
            },
            LinkState::Suspect => link.next_miss.min(heartbeat),
            LinkState::Closing => return Time(u64::MAX),
        };
        let result = link.probed_at.map(|at| at.after(link.timeout_us(floor_us)));
        result.map_or(next, |due| due.after(self.lag_us()).min(next))
    }

    pub(super) fn check_link(&mut self, id: LinkId) {
        let is_spare = self.is_relay_spare(id);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.judge(self.now);
        let silent_us = self.now.since(link.heard_at);
        match link.state {
            LinkState::Closing => return,
            LinkState::Greeting => {
                if Self::greeting_ends(link) <= self.now {
                    return self.close(id, CloseReason::Dead);
                }
            }
            LinkState::Up | LinkState::Suspect if is_spare => {
                return self.close(id, CloseReason::Spare);
            }
            LinkState::Up | LinkState::Suspect if silent_us > self.config.dead_us => {
                return self.close(id, CloseReason::Dead);
            }
            LinkState::Up => self.check_up(id),
            LinkState::Suspect => self.check_suspect(id),
        }
        self.check_probe(id);
        let next = self.next_check(id).max(self.now.after(1));
        if next < Time(u64::MAX) {
            self.timers.by(Timer::Link(id), next);
        }
    }

    fn check_up(&mut self, id: LinkId) {
        let floor_us = self.config.suspect_min_us;
        let lag_us = self.lag_us();
        let heartbeat_us = self.config.heartbeat_us;
        let Some(link) = self.links.get_mut(&id) else { return };
        match link.overdue_at(floor_us) {
            Some(at) if self.now >= at.after(lag_us) => {
                let sent_at = link.oldest_unacked_at().unwrap_or(self.now);
                let overdue_us = self.now.since(sent_at);
                link.state = LinkState::Suspect;
                link.suspect_since = self.now;
                link.misses = 1;
                link.others_progressed = 0;
                link.next_miss = self.now.after(2 * link.timeout_us(floor_us));
                let number = link.peer;
                self.counters.suspicions += 1;
                self.observe(number, Cause::AckedLate, 1);
                self.tell(Event::Suspect(id, overdue_us));
                self.paths_changed(number);
                self.ask_failover(number, failover::Event::Suspect, Some(id));
                self.probe(id);
            }
            Some(_) => {}
            None if self.now.since(link.sent_at) >= heartbeat_us => self.probe(id),
            None => {}
        }
    }

    fn check_suspect(&mut self, id: LinkId) {
        let floor_us = self.config.suspect_min_us;
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.next_miss <= self.now {
            link.misses = link.misses.saturating_add(1);
            let timeout_us = link.timeout_us(floor_us) << link.misses.min(DOUBLINGS_MAX);
            link.next_miss = self.now.after(timeout_us);
            let number = link.peer;
            self.observe(number, Cause::AckedLate, 1);
            self.probe(id);
        } else if self.now.since(link.sent_at) >= self.config.heartbeat_us {
            self.probe(id);
        }
    }

    /// A probe that the policy asked for was not answered in time: it is told so.
    fn check_probe(&mut self, id: LinkId) {
        let (floor_us, lag_us) = (self.config.suspect_min_us, self.lag_us());
        let Some(link) = self.links.get_mut(&id) else { return };
        let due = link.probed_at.map(|at| at.after(link.timeout_us(floor_us) + lag_us));
        if due.is_some_and(|due| due <= self.now) {
            self.tell_result(id);
        }
    }

    /// The policy hears what came of the probe that it asked for, if it did.
    fn tell_result(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let number = link.peer;
        if link.probed_at.take().is_some() {
            self.ask_failover(number, failover::Event::ProbeResult, Some(id));
        }
    }

    /// Links other than this one delivered packets: those that are suspect take note.
    pub(super) fn others_progress(&mut self, id: LinkId, number: PeerNumber, acked: &Acked) {
        let Some(peer) = self.peers.get(number) else { return };
        let Some(sent_at) = acked.newest_sent_at else { return };
        for other in peer.links.iter().filter(|&&other| other != id) {
            if let Some(other) = self.links.get_mut(other) {
                let behind = other.oldest_unacked_at().is_some_and(|at| at < sent_at);
                if other.state == LinkState::Suspect && behind {
                    other.others_progressed = other.others_progressed.saturating_add(acked.packets);
                }
            }
        }
    }

    /// Something was acknowledged on a link: it is not suspect any more, and that answers the
    /// policy's probe. An acknowledgement that came by another link counts only for what was
    /// sent since: of earlier packets it may tell that they had arrived before the link failed.
    pub(super) fn heard_again(&mut self, id: LinkId, by: LinkId, acked: &Acked) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let is_since = |since| by == id || acked.newest_sent_at.is_some_and(|at| at >= since);
        if link.state != LinkState::Suspect {
            if link.probed_at.is_some_and(is_since) {
                self.tell_result(id);
            }
            return;
        }
        if !is_since(link.suspect_since) {
            return;
        }
        link.probed_at = None;
        link.judge(self.now);
        link.state = LinkState::Up;
        link.misses = 0;
        let (number, after_us) = (link.peer, self.now.since(link.suspect_since));
        self.tell(Event::Recovered(id, after_us));
        self.paths_changed(number);
        self.ask_failover(number, failover::Event::Recovered, Some(id));
    }

    /// The machine slept: nothing that was due meanwhile says anything about a link.
    pub(super) fn resumed(&mut self, asleep_us: u64) {
        self.tell(Event::Resumed(asleep_us));
        self.lag = (self.config.suspect_min_us, self.now);
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else { continue };
            link.heard_at = self.now;
            link.restart_clock(self.now);
            if link.is_live() {
                self.probe(id);
            }
        }
    }

    /// Looks at a peer when time has passed.
    pub(super) fn check_peer(&mut self, number: PeerNumber) {
        self.expire(number);
        self.tick_failover(number);
        self.consider_dials(number);
        self.unsettled.insert(number);
        let Some(peer) = self.peers.get(number) else { return };
        let held = peer.lanes.iter().map(|lane| lane.held_until);
        let held = held.filter(|&at| at > self.now && at < Time(u64::MAX));
        let expiries = peer.lanes.iter().filter_map(|lane| lane.outbox.earliest_deadline());
        let expiries = expiries.map(|at| at.max(self.now.after(EXPIRY_STEP_US)));
        let next = held.chain(expiries).chain(peer.next_tick).min();
        if let Some(next) = next {
            self.timers.by(Timer::Peer(number), next.max(self.now.after(1)));
        }
    }

    fn tick_failover(&mut self, number: PeerNumber) {
        self.disinherit(number);
        let Some(peer) = self.peers.get_mut(number) else { return };
        if peer.next_tick.is_none_or(|at| at > self.now) {
            return;
        }
        peer.next_tick = None;
        let ill = |link: &&LinkId| {
            self.links
                .get(link)
                .is_some_and(|l| l.is_live() && (l.state == LinkState::Suspect || l.masked))
        };
        let ids: Vec<LinkId> = peer.links.iter().filter(ill).copied().collect();
        for id in ids {
            self.ask_failover(number, failover::Event::Tick, Some(id));
        }
    }

    /// Asks the failover policy, and does what it says. The `at` of an event that concerns no
    /// living link is `None`.
    pub(super) fn ask_failover(
        &mut self,
        number: PeerNumber,
        event: failover::Event,
        at: Option<LinkId>,
    ) {
        let offered = self.offered(number);
        self.ask_about(number, event, at, &offered, 0);
    }

    /// The same over paths that were offered before the event; `resent` packets were sent
    /// again because of it.
    pub(super) fn ask_about(
        &mut self,
        number: PeerNumber,
        event: failover::Event,
        at: Option<LinkId>,
        offered: &[LinkId],
        resent: u32,
    ) {
        let Some(question) = self.failover_question(number, event, at, offered) else { return };
        let generation = self.failover.generation();
        let answer = self.failover.ask(&question);
        self.decided_failover((number, at), &question, answer, generation);
        self.report_strike(Role::Failover, answer.strike);
        let occasion = Occasion { number, event, at, resent };
        let copied = self.counters.duplicate_bytes_sent;
        self.obey(occasion, offered, answer.verdict);
        let copied = self.counters.duplicate_bytes_sent - copied;
        self.shadow_failover((number, at), question, answer.verdict, copied);
        self.keep_asking(number);
    }

    /// While a link of the peer is suspect or masked, time alone is a reason to ask.
    fn keep_asking(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        let live = || peer.links.iter().filter_map(|id| self.links.get(id)).filter(|l| l.is_live());
        let is_suspect = live().any(|link| link.state == LinkState::Suspect && !link.masked);
        let is_masked = live().any(|link| link.masked);
        if (is_suspect || is_masked) && peer.next_tick.is_none() {
            let at = self.now.after(if is_suspect { TICK_US } else { MASKED_TICK_US });
            peer.next_tick = Some(at);
            self.timers.by(Timer::Peer(number), at);
        }
    }

    fn failover_question(
        &mut self,
        number: PeerNumber,
        event: failover::Event,
        at: Option<LinkId>,
        offered: &[LinkId],
    ) -> Option<FailoverQuestion> {
        let seed = self.draw();
        let paths = self.rows(offered);
        let dialables = self.dialables(number);
        let now = self.now;
        let loop_lag_us = saturate(self.lag_us());
        let peer = self.peers.get_mut(number)?;
        peer.refill_duplicates(now);
        let deadline = peer.lanes.iter().filter_map(|l| l.outbox.earliest_deadline()).min();
        let since_move = peer.moves.last().map(|&at| saturate(now.since(at) / 1000));
        let link = at.and_then(|at| self.links.get(&at));
        let oldest = link.and_then(Link::oldest_unacked_at);
        let position = at.and_then(|at| offered.iter().position(|&link| link == at));
        Some(FailoverQuestion {
            now_us: now.0,
            seed,
            peer: number.0,
            event,
            at: position.map_or(UNKNOWN, |position| position as u32),
            oldest_unacked_us: oldest.map_or(0, |at| saturate(now.since(at))),
            unacked_bytes: link.map(Link::unacked_bytes).unwrap_or_default(),
            misses: link.map_or(0, |link| link.misses),
            others_progressed: link.map_or(0, |link| link.others_progressed),
            loop_lag_us,
            moves_last_60s: peer.moves_last_60s(now),
            since_move_ms: since_move.unwrap_or(UNKNOWN),
            deadline_min_us: deadline.map_or(UNKNOWN, |at| saturate(at.since(now))),
            hedge_budget_bytes: saturate(peer.duplicate_bytes),
            store_left_kib: 0,
            paths,
            dialables,
        })
    }

    pub(super) fn report_strike(&mut self, role: Role, strike: Option<Strike>) {
        let Some(strike) = strike else { return };
        self.counters.strikes += 1;
        let strikes = match role {
            Role::Selector => self.selector.snapshot().strikes,
            Role::Failover => self.failover.snapshot().strikes,
            Role::Reputation | Role::Anomaly => return,
        };
        if self.proving.may_tell_strike(role, self.now) {
            self.tell(Event::Struck { role, strike, strikes });
        }
        self.struck(role, strike);
    }

    fn expire(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        let mut expired = 0;
        for lane in &mut peer.lanes {
            let before = lane.outbox.bytes();
            let tokens = lane.outbox.expire(self.now);
            self.queued_bytes -= before - lane.outbox.bytes();
            expired += tokens.len() as u64;
            for token in tokens {
                self.counters.messages_expired += 1;
                let fate = crate::output::Fate::Expired;
                self.orders.push_back(crate::output::Output::Fate { token, fate });
            }
        }
        if expired > 0 {
            self.note_given_up(number, expired);
        }
    }

    /// What could be dialled for a peer now, as rows: a policy can't overrule the back-off.
    fn dialables(&self, number: PeerNumber) -> Vec<u32> {
        let mut rows = vec![Dialable::STRIDE as u32];
        for dialable in self.dials_due(number) {
            dialable.row.write(&mut rows);
        }
        rows
    }
}
