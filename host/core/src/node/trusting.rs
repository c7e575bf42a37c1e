//! What a peer is worth and what follows from it: levels, who is shunned, who makes room.
//!
//! A peer is weighed when the reputation policy has answered, when a link of it comes up, and
//! once a second. Discouraged comes before shunned, and lasts a while: that is the grace of
//! its links. Nobody is shunned who is a bridge, nor as long as too few others are left: a bad
//! way into the network is better than none.

use super::Node;
use crate::id::{LinkId, PeerId, PeerNumber};
use crate::limits::{LINKS_MAX, PEERS_MAX, RECOLLECTIONS_MAX, REPLACED_LINKS_MAX};
use crate::links::Link;
use crate::output::{CloseReason, Output};
use crate::peers::Peer;
use crate::policy::vet_standing;
use crate::reputation::{Cause, Level, Recollection, Record, Score, Subject, effective};

/// So many other peers must have a link before one is shunned.
const OTHERS_MIN: usize = 2;

/// A peer is discouraged for so long before it is shunned, in microseconds.
const GRACE_US: u64 = 10_000_000;

/// A score is told when it is so far from what was last told.
const TELL_APART: u32 = 50;

impl Node {
    /// How a peer is treated; that of a stranger is unknown.
    pub fn level(&self, id: &PeerId) -> Level {
        let number = self.peers.number(id);
        match number.and_then(|number| self.peers.get(number)) {
            Some(peer) => peer.trust.level,
            None => self.peers.memory.get(id).map(Record::level).unwrap_or_default(),
        }
    }

    /// What is known of peers and subnets and changed since this was last asked, to be stored:
    /// a bounded part of it, so ask until there is none. What was seen and is not judged yet,
    /// seconds of it, is not in it.
    pub fn standings(&mut self) -> Vec<Recollection> {
        let now = self.now;
        let peers = self.peers.iter_mut();
        let mut changed: Vec<Recollection> = peers
            .filter_map(|peer| peer.record.export(now, Subject::Peer(peer.id)))
            .take(RECOLLECTIONS_MAX)
            .collect();
        let left = RECOLLECTIONS_MAX - changed.len();
        changed.extend(self.peers.memory.export(now, left));
        let left = RECOLLECTIONS_MAX - changed.len();
        changed.extend(self.subnets.export(now, left));
        changed
    }

    /// What was stored is true of whom nothing was folded yet in this run.
    pub(super) fn recalled(&mut self, stored: Vec<Recollection>) {
        for stored in stored {
            let about = stored.about;
            let is_valid = vet_standing(stored.standing).is_ok();
            let record = Record::recalled(self.now, stored).filter(|_| is_valid);
            let Some(record) = record else {
                self.counters.standings_unclaimed += 1;
                continue;
            };
            match about {
                Subject::Peer(id) if id == self.me => {}
                Subject::Peer(id) => self.peer_recalled(id, record),
                Subject::Subnet(subnet) => self.subnets.recall(subnet, record),
            }
        }
    }

    fn peer_recalled(&mut self, id: PeerId, record: Record) {
        let Some(number) = self.peers.number(&id) else {
            let (score, level) = (record.standing().score, record.level());
            self.peers.memory.keep(id, record);
            // It may relay, or be in the phone book, before it is anything here.
            if level != Level::default() || score.unsigned_abs() >= TELL_APART {
                let order = Output::StandingChanged { peer: id, score, level, was: level };
                self.orders.push_back(order);
            }
            return;
        };
        if let Some(peer) = self.peers.get_mut(number) {
            peer.record.recall(record);
        }
        self.weigh(number);
    }

    /// The shell saw a peer do something.
    pub(super) fn observed(&mut self, id: PeerId, because: Cause, weight: u32) {
        if id == self.me {
            return;
        }
        match self.peers.meet(self.now, id, PEERS_MAX) {
            Some(peer) => peer.record.note(self.now, because, weight),
            None => self.counters.observations_refused += 1,
        }
    }

    fn first_hand(&self, number: PeerNumber) -> i32 {
        self.peers.get(number).map_or(0, |peer| peer.record.standing().score)
    }

    /// What others say of a peer: the median, and how many they are.
    pub(super) fn said(&self, peer: &Peer) -> Option<(i32, usize)> {
        if peer.hearsay.is_empty() {
            return None;
        }
        peer.hearsay.median(self.now, |from| self.first_hand(from))
    }

    fn score(&self, peer: &Peer) -> Score {
        let subnet = peer.subnets.iter().map(|&subnet| self.subnets.score(subnet)).min();
        let said = self.said(peer).map(|(median, _)| median);
        let deeds = peer.record.seen().iter().fold(0, |sum: u64, &seen| sum.saturating_add(seen));
        effective(peer.record.standing().score, deeds, subnet.unwrap_or(0), said)
    }

    /// Sets a peer's score and level anew, and does what follows.
    pub(super) fn weigh(&mut self, number: PeerNumber) {
        let Some(peer) = self.peers.get(number) else { return };
        let (score, was) = (self.score(peer), peer.trust.level);
        let level = self.level_now(peer, score);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number) else { return };
        peer.trust.score = score;
        if level == was {
            return;
        }
        (peer.trust.level, peer.trust.since) = (level, now);
        let id = peer.id;
        self.counters.peers_discouraged += u64::from(was < level && level == Level::Discouraged);
        if level == Level::Shunned {
            self.counters.peers_shunned += 1;
            self.find_bridges();
        }
        self.neighbour_stood(number, level);
        self.consider_dials(number);
        if was == Level::Shunned || level == Level::Shunned {
            self.relay_judged(id);
        }
    }

    /// The level that a peer has earned; being shunned comes after a grace.
    fn level_due(&self, peer: &Peer, score: Score) -> Level {
        let was = peer.trust.level;
        let due = was.after(score.effective(), score.first_hand);
        let is_early = was != Level::Shunned && self.now.since(peer.trust.since) < GRACE_US;
        if due == Level::Shunned && is_early { Level::Discouraged } else { due }
    }

    /// The level that a peer gets.
    fn level_now(&self, peer: &Peer, score: Score) -> Level {
        let due = self.level_due(peer, score);
        if due == Level::Shunned && self.is_needed(peer) { Level::Discouraged } else { due }
    }

    /// Whether it would be shunned if it were not needed.
    pub(super) fn is_excused(&self, peer: &Peer) -> bool {
        self.level_due(peer, peer.trust.score) == Level::Shunned && self.is_needed(peer)
    }

    /// Whether it is a bridge, or too few others are linked.
    fn is_needed(&self, peer: &Peer) -> bool {
        self.is_bridge(peer.number) || !self.has_others(peer.number)
    }

    fn has_others(&self, number: PeerNumber) -> bool {
        let usable = self.links.values().filter(|link| link.is_live() && link.hello.is_some());
        let others = usable.map(|link| link.peer).filter(|&other| {
            let level = self.peers.get(other).map(|peer| peer.trust.level);
            other != number && level.is_some_and(|level| level != Level::Shunned)
        });
        let mut found: Vec<PeerNumber> = Vec::with_capacity(OTHERS_MIN);
        for other in others {
            if !found.contains(&other) {
                found.push(other);
            }
            if found.len() == OTHERS_MIN {
                return true;
            }
        }
        false
    }

    /// Once a second: all are weighed, links of the shunned closed, changes told.
    pub(super) fn weigh_all(&mut self) {
        for number in self.peers.numbers() {
            self.weigh(number);
            let Some(peer) = self.peers.get_mut(number) else { continue };
            let links =
                if peer.trust.level == Level::Shunned { peer.links.clone() } else { Vec::new() };
            let (score, level) = (peer.trust.score.effective(), peer.trust.level);
            let (told, was) = peer.trust.told;
            if level != was || score.abs_diff(told) >= TELL_APART {
                peer.trust.told = (score, level);
                let peer = peer.id;
                self.orders.push_back(Output::StandingChanged { peer, score, level, was });
            }
            for link in links {
                self.close(link, CloseReason::Shunned);
            }
        }
    }

    /// Whether there is room for a link to this peer. Where there is none, an idle link to a
    /// peer of a worse level makes some.
    pub(super) fn has_room_for(&mut self, number: PeerNumber) -> bool {
        if self.links.len() < LINKS_MAX {
            return true;
        }
        if self.links.len() >= LINKS_MAX + REPLACED_LINKS_MAX {
            return false;
        }
        let Some(least) = self.least_valuable(number) else { return false };
        self.counters.links_evicted += 1;
        self.close(least, CloseReason::Evicted);
        true
    }

    fn least_valuable(&self, newcomer: PeerNumber) -> Option<LinkId> {
        let rank = self.peers.get(newcomer)?.trust.rank();
        let idle = self.links.values().filter(|link| link.is_live() && link.inflight_bytes() == 0);
        let worse = idle.filter_map(|link| {
            let peer = self.peers.get(link.peer)?;
            let may_go = peer.trust.rank() > rank
                && peer.lanes.iter().all(|lane| lane.outbox.len() == 0)
                && !self.is_bridge(peer.number);
            may_go.then_some((peer, link))
        });
        let value = |(peer, link): &(&Peer, &Link)| {
            (core::cmp::Reverse(peer.trust.rank()), peer.trust.score.effective(), link.id())
        };
        worse.min_by_key(value).map(|(_, link)| link.id())
    }
}
