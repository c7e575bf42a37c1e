//! What the Node sees of peers and of itself, and the questions that it has off the loop.
//!
//! Traffic is noted where it is handled, by [`Node::observe`]. Once a step the measures are
//! sampled and the questions handed out that are due, to the reputation and to the anomaly
//! policy; their answers are no hurry.

use super::Node;
use super::timers::Timer;
use crate::frame::ByeCode;
use crate::id::{LinkId, PeerId, PeerNumber};
use crate::input::{Address, DialFailure, Source};
use crate::limits::{FOLDS_PER_STEP_MAX, SUBNET_FOLDS_PER_STEP_MAX};
use crate::links::{Acked, Link};
use crate::monitor::{Measure, Monitor, PEER_METRICS};
use crate::output::{Output, Violation};
use crate::peers::Peer;
use crate::policy::vet_standing;
use crate::reputation::{Cause, Subject};
use pointsman_sdk::reputation::Standing;

impl Node {
    /// Who has this number; `None` where it makes room for another by now.
    pub fn peer(&self, number: PeerNumber) -> Option<PeerId> {
        self.peers.get(number).map(|peer| peer.id)
    }

    /// Notes something that a peer did.
    pub(super) fn observe(&mut self, number: PeerNumber, cause: Cause, weight: u32) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(number) {
            peer.record.note(now, cause, weight);
        }
    }

    /// Packets were acknowledged, some of them late.
    pub(super) fn observe_acks(&mut self, number: PeerNumber, acked: &Acked) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(number) {
            peer.record.note(now, Cause::Acked, acked.packets - acked.late);
            peer.record.note(now, Cause::AckedLate, acked.late);
        }
    }

    /// A peer broke the protocol.
    pub(super) fn observe_violation(&mut self, id: LinkId, violation: Violation) {
        let Some(number) = self.links.get(&id).map(|link| link.peer) else { return };
        let cause = match violation {
            Violation::OverCredit => Cause::OverCredit,
            Violation::Malformed => Cause::Malformed,
            Violation::FalseAck => Cause::FalseAck,
            Violation::HelloOrder => Cause::HelloOrder,
            Violation::WrongChannel => Cause::WrongChannel,
            Violation::BadPiece => Cause::BadPiece,
        };
        self.observe(number, cause, 1);
    }

    /// A dial came to nothing. That says something of the peer only where the address is in
    /// the config, or led to it before: anybody may claim in its name that it is somewhere.
    pub(super) fn observe_dial_failed(
        &mut self,
        number: PeerNumber,
        address: &Address,
        failure: DialFailure,
        has_led_there: bool,
    ) {
        let place = self.peers.get(number).and_then(|peer| peer.places.get(address));
        let is_fixed = place.is_some_and(|place| place.sources.contains(&Source::Config));
        if failure == DialFailure::Refused && (is_fixed || has_led_there) {
            self.observe(number, Cause::DialRefused, 1);
        }
    }

    /// A peer ended a link: it may not want us.
    pub(super) fn observe_bye(&mut self, id: LinkId, code: ByeCode) {
        let Some(number) = self.links.get(&id).map(|link| link.peer) else { return };
        match code {
            ByeCode::NotAllowed | ByeCode::Limited => self.observe(number, Cause::Unwelcome, 1),
            ByeCode::Done
            | ByeCode::Duplicate
            | ByeCode::Violation
            | ByeCode::Version
            | ByeCode::Network => {}
        }
    }

    /// A link greeted: where this side asked for it, the peer answered.
    pub(super) fn observe_greeting(&mut self, id: LinkId) {
        let dialled = self.links.get(&id).filter(|link| link.new.dial.is_some());
        if let Some(number) = dialled.map(|link| link.peer) {
            self.observe(number, Cause::Greeted, 1);
        }
    }

    /// Steps are counted from the first fact on.
    pub(super) fn begin_steps(&mut self) {
        if self.monitor.is_none() {
            let monitor = Monitor::new(self.now);
            self.timers.by(Timer::Step, monitor.next_step());
            self.monitor = Some(monitor);
        }
    }

    /// A step has passed.
    pub(super) fn step(&mut self) {
        let Some(mut monitor) = self.monitor.take() else { return };
        if monitor.step(self.now) {
            self.sample(&mut monitor);
            self.fold();
            self.fold_subnets();
            self.gossip();
            self.find_bridges();
            self.weigh_all();
            if let Some(question) = monitor.question(self.now) {
                self.orders.push_back(Output::Inspect(question));
            }
        }
        self.timers.by(Timer::Step, monitor.next_step());
        self.monitor = Some(monitor);
    }

    fn sample(&self, monitor: &mut Monitor) {
        let counters = &self.counters;
        monitor.sample_node([
            counters.messages_expired,
            counters.messages_refused,
            counters.frames_malformed,
            counters.strikes,
            counters.duplicate_bytes_sent,
        ]);
        let in_use = self.peers.iter().filter(|peer| is_in_use(peer));
        monitor.watch(in_use.map(|peer| (peer.number, messages(peer))).collect());
        for number in monitor.watched() {
            let measures = self.peers.get(number).map(|peer| self.measures(peer));
            monitor.sample_peer(number, measures);
        }
    }

    /// In the order of [`PEER_METRICS`].
    fn measures(&self, peer: &Peer) -> [Measure; PEER_METRICS.len()] {
        let links = || peer.links.iter().filter_map(|link| self.links.get(link));
        let sound = links().filter(|link| link.is_sound());
        let srtt_us = sound.filter_map(Link::srtt_us).min();
        let in_use = links().filter(|link| link.is_live() && !link.masked);
        let late_ppm = in_use.map(|link| u64::from(link.late_ppm())).max();
        let lanes = || peer.lanes.iter().map(|lane| &lane.outbox);
        [
            Measure::Level(srtt_us),
            Measure::Level(late_ppm),
            Measure::Level(Some(lanes().map(|outbox| outbox.bytes()).sum())),
            Measure::Total(lanes().map(|outbox| outbox.delivered).sum()),
            Measure::Total(peer.moves_total),
        ]
    }

    /// Hands out the questions about peers that are due, some each step, in turn.
    fn fold(&mut self) {
        let now = self.now;
        let (after, mut asked) = (self.folded, 0);
        for round in [true, false] {
            for peer in self.peers.iter_mut().filter(|peer| (Some(peer.number) > after) == round) {
                if asked == FOLDS_PER_STEP_MAX {
                    return;
                }
                let Some(question) = peer.record.ask(now) else { continue };
                let about = Subject::Peer(peer.id);
                self.orders.push_back(Output::Fold { about, question });
                self.folded = Some(peer.number);
                asked += 1;
            }
        }
    }

    fn fold_subnets(&mut self) {
        for (subnet, question) in self.subnets.ask(self.now, SUBNET_FOLDS_PER_STEP_MAX) {
            let about = Subject::Subnet(subnet);
            self.orders.push_back(Output::Fold { about, question });
        }
    }

    /// The reputation policy's answer. The shell vets it too; one that is none leaves whoever it
    /// is about as it stood.
    pub(super) fn stood(&mut self, about: Subject, standing: Standing) {
        let taken = vet_standing(standing).is_ok_and(|standing| match about {
            Subject::Peer(id) => self.peer_stood(id, standing),
            Subject::Subnet(subnet) => self.subnets.stood(subnet, standing),
        });
        if !taken {
            self.counters.standings_unclaimed += 1;
        }
    }

    /// What was folded counts for the subnets that the peer came from, too.
    fn peer_stood(&mut self, id: PeerId, standing: Standing) -> bool {
        let Some(number) = self.peers.number(&id) else { return false };
        let Some(peer) = self.peers.get_mut(number) else { return false };
        let Some(evidence) = peer.record.stood(standing) else { return false };
        for &subnet in &peer.subnets {
            self.subnets.note(subnet, &evidence);
        }
        self.weigh(number);
        true
    }
}

/// Whether something is going on with a peer.
fn is_in_use(peer: &Peer) -> bool {
    !peer.links.is_empty() || peer.lanes.iter().any(|lane| lane.outbox.bytes() > 0)
}

/// Messages to and from a peer since the start.
fn messages(peer: &Peer) -> u64 {
    peer.lanes.iter().map(|lane| lane.outbox.delivered + lane.inbox.delivered).sum()
}
