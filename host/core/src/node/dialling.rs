//! Getting links: sightings, interfaces, dials and their back-off.
//!
//! Every pair of a peer's address and a local interface that can reach it is worth a link
//! of its own, until the peer has as many as the config allows. Interfaces come before
//! protocols: a second way is worth more than a second name for the first.
//!
//! Where more peers want a dial than there may be at once, those that stand better come first.
//! Discouraged ones come last, wait longer between tries, and never take more than a share.

use super::Node;
use super::greeting::Ending;
use super::reaching::{host, reach};
use super::timers::Timer;
use crate::frame::ByeCode;
use crate::id::{DialId, LinkId, PeerId, PeerNumber, Time, UplinkId};
use crate::input::{Address, DialFailure, Protocol, Source, Uplink};
use crate::limits::{
    ADDRESSES_PER_PEER_MAX, DIALS_MAX, DISCOURAGED_DIALS_MAX, PEERS_MAX, UPLINKS_MAX,
};
use crate::links::{Link, saturate};
use crate::output::{CloseReason, Event, Output};
use crate::peers::{Attempt, Peer};
use crate::reputation::Level;
use pointsman_sdk::failover::{self, Dialable};
use pointsman_sdk::{Transport, UNKNOWN};

/// A way to dial a peer.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) address: Address,
    pub(super) uplink: UplinkId,
    pub(super) row: Dialable,
    next_try: Time,
}

/// Back-off doubles at most so often: the config's maximum ends it earlier.
const DOUBLINGS_MAX: u32 = 16;

/// A discouraged peer is waited for so many times as long.
const DISCOURAGED_WAIT: u64 = 4;

/// A link that lived for so many microseconds was worth its dial: back-off begins anew.
const PROVEN_US: u64 = 10_000_000;

/// What setting up a link is guessed to take before it was measured, in milliseconds.
const SETUP_GUESS_MS: u32 = 100;

impl Node {
    pub(super) fn uplink_changed(&mut self, uplink: Uplink) {
        let id = uplink.id;
        if !self.uplinks.contains_key(&id) && self.uplinks.len() >= UPLINKS_MAX {
            self.counters.uplinks_refused += 1;
            return;
        }
        let before = self.uplinks.get(&id).and_then(|uplink| uplink.radio);
        match uplink.radio {
            Some(traits) if before != Some(traits) => {
                self.neighbours.radio_up(self.now, id, traits);
            }
            Some(_) => {}
            None => self.neighbours.radio_down(self.now, id),
        }
        self.uplinks.insert(id, uplink);
        self.tell(Event::UplinkChanged(id));
        for number in self.peers.numbers() {
            self.forgive(number, id);
            self.tell_uplink_changed(number, id);
            self.consider_dials(number);
        }
    }

    /// An interface that changed deserves a fresh try.
    fn forgive(&mut self, number: PeerNumber, uplink: UplinkId) {
        let Some(peer) = self.peers.get_mut(number) else { return };
        for place in peer.places.values_mut() {
            if let Some(attempt) = place.attempts.get_mut(&uplink) {
                attempt.failures = 0;
                attempt.next_try = self.now;
            }
        }
    }

    fn tell_uplink_changed(&mut self, number: PeerNumber, uplink: UplinkId) {
        let Some(peer) = self.peers.get(number) else { return };
        let on_it = |id: &&LinkId| self.links.get(id).is_some_and(|l| l.new.uplink == uplink);
        let links: Vec<LinkId> = peer.links.iter().filter(on_it).copied().collect();
        for link in links {
            self.probe(link);
            self.ask_failover(number, failover::Event::UplinkChanged, Some(link));
            self.paths_changed(number);
        }
    }

    pub(super) fn uplink_gone(&mut self, id: UplinkId) {
        if self.uplinks.remove(&id).is_none() {
            return;
        }
        self.neighbours.radio_down(self.now, id);
        self.tell(Event::UplinkGone(id));
        let links = self.links.values().filter(|link| link.new.uplink == id);
        let links: Vec<LinkId> = links.map(Link::id).collect();
        for link in links {
            self.close(link, CloseReason::UplinkGone);
        }
    }

    pub(super) fn sighted(&mut self, id: PeerId, address: Address, source: Source) {
        if id == self.me {
            return;
        }
        let Some(peer) = self.peers.meet(self.now, id, PEERS_MAX) else {
            self.counters.sightings_refused += 1;
            return;
        };
        let number = peer.number;
        if !peer.places.contains_key(&address) && peer.places.len() >= ADDRESSES_PER_PEER_MAX {
            let spare = peer.places.iter().find(|(_, place)| {
                !place.sources.contains(&Source::Config)
                    && place.attempts.values().all(|attempt| attempt.dialling.is_none())
            });
            let Some(spare) = spare.filter(|_| source == Source::Config).map(|(a, _)| a.clone())
            else {
                self.counters.sightings_refused += 1;
                return;
            };
            peer.places.remove(&spare);
        }
        peer.places.entry(address).or_default().sources.insert(source);
        peer.useful_at = self.now;
        self.consider_dials(number);
    }

    pub(super) fn unsighted(&mut self, id: PeerId, address: &Address, source: Source) {
        let Some(number) = self.peers.number(&id) else { return };
        let Some(peer) = self.peers.get_mut(number) else { return };
        if let Some(place) = peer.places.get_mut(address) {
            place.sources.remove(&source);
            if place.sources.is_empty() {
                peer.places.remove(address);
            }
        }
    }

    /// Dials what is due, as long as the peer has fewer links than it should and there is room.
    pub(super) fn consider_dials(&mut self, number: PeerNumber) {
        self.wanting.insert(number);
        if self.wanting.len() > PEERS_MAX {
            let Self { wanting, peers, .. } = self;
            wanting.retain(|&number| peers.get(number).is_some());
        }
        self.dial_wanting();
        self.consider_seeking(number);
    }

    /// Dials for those who wait for it, as long as there is room.
    pub(super) fn dial_wanting(&mut self) {
        while !self.wanting.is_empty() && self.dials_under_way() < DIALS_MAX {
            let Some(number) = self.most_wanted() else { return };
            if !self.dial_next(number) {
                self.wanting.remove(&number);
            }
        }
    }

    /// Who waits for a dial and stands best.
    fn most_wanted(&self) -> Option<PeerNumber> {
        if self.wanting.len() == 1 && self.dials.is_empty() {
            return self.wanting.first().copied();
        }
        let discouraged = |number: &PeerNumber| self.peers.get(*number).is_some_and(is_reluctant);
        let dials = self.dials.values().filter(|(to, ..)| discouraged(to)).count();
        let is_free = |number: &&PeerNumber| dials < DISCOURAGED_DIALS_MAX || !discouraged(number);
        let rank = |number: &&PeerNumber| {
            let trust = self.peers.get(**number).map(|peer| &peer.trust);
            trust.map(|trust| (trust.rank(), core::cmp::Reverse(trust.score.effective())))
        };
        self.wanting.iter().filter(is_free).min_by_key(rank).copied()
    }

    /// Dials the most useful way to a peer that is due; false where there is nothing to dial
    /// now.
    fn dial_next(&mut self, number: PeerNumber) -> bool {
        if !self.wants_links(number) {
            return false;
        }
        let candidates = self.dial_candidates(number);
        let due = candidates.iter().find(|candidate| candidate.next_try <= self.now);
        if let Some(candidate) = due.cloned() {
            self.dial(number, candidate);
            return true;
        }
        let next = candidates.iter().map(|candidate| candidate.next_try).min();
        if let Some(next) = next {
            self.timers.by(Timer::Peer(number), next.max(self.now.after(1)));
        }
        false
    }

    fn wants_links(&self, number: PeerNumber) -> bool {
        let Some(peer) = self.peers.get(number) else { return false };
        let dialling = self.dials.values().filter(|(to, ..)| *to == number).count();
        // Through a relay is a makeshift, which keeps no other link out.
        let links = self.links_of(number).filter(|link| !link.is_relayed()).count();
        self.is_allowed(&peer.id)
            && peer.trust.level != Level::Shunned
            && links + dialling < usize::from(self.config.links_per_peer)
    }

    /// Ways to dial a peer that are neither in use nor under way, the most useful first.
    fn dial_candidates(&self, number: PeerNumber) -> Vec<Candidate> {
        let Some(peer) = self.peers.get(number) else { return Vec::new() };
        let relay_due = self.relay_due(number);
        let mut ranked = Vec::new();
        for (address, place) in &peer.places {
            let relayed_by = self.relayed_by(address);
            for uplink in self.uplinks.values() {
                let Some(transport) = reach(uplink, address) else { continue };
                let attempt = place.attempts.get(&uplink.id).cloned().unwrap_or_default();
                let used = self.links_over(number, uplink.id, address.protocol);
                let is_circuit = address.protocol == Protocol::Circuit;
                let is_linked = if is_circuit {
                    relay_due.is_none()
                        || relayed_by == Level::Shunned
                        || self.is_relayed(number, uplink.id)
                } else {
                    self.is_linked(number, address, uplink.id, &attempt)
                };
                if attempt.dialling.is_some() || is_linked {
                    continue;
                }
                let relay_due = relay_due.filter(|_| is_circuit).unwrap_or_default();
                let next_try = attempt.next_try.max(relay_due);
                let failures = attempt.failures;
                let is_due = next_try <= self.now;
                let rank = (!is_due, is_circuit, relayed_by, used, address.protocol, failures);
                let row = dialable(transport, uplink, &attempt);
                let address = address.clone();
                ranked.push((rank, Candidate { address, uplink: uplink.id, row, next_try }));
            }
        }
        ranked.sort_by_key(|(a, _)| *a);
        // A policy to which some are the same takes the one with the smallest number.
        let number = |(id, (_, mut candidate)): (usize, (_, Candidate))| {
            candidate.row.id = id as u32;
            candidate
        };
        ranked.into_iter().enumerate().map(number).collect()
    }

    /// Those of them whose back-off is over.
    pub(super) fn dials_due(&self, number: PeerNumber) -> Vec<Candidate> {
        let candidates = self.dial_candidates(number).into_iter();
        candidates.filter(|candidate| candidate.next_try <= self.now).collect()
    }

    pub(super) fn links_of(&self, number: PeerNumber) -> impl Iterator<Item = &Link> {
        let links = self.peers.get(number).map(|peer| peer.links.as_slice()).unwrap_or_default();
        links.iter().filter_map(|link| self.links.get(link))
    }

    /// Links and dials of a peer over an interface: with any protocol, and with this one.
    fn links_over(&self, number: PeerNumber, over: UplinkId, protocol: Protocol) -> (usize, usize) {
        let links = self.links_of(number).filter(|link| link.new.uplink == over);
        let dials = self.dials.values().filter(|(to, _, uplink)| *to == number && *uplink == over);
        let protocols = links.map(|l| l.new.protocol).chain(dials.map(|(_, a, _)| a.protocol));
        let (mut all, mut same) = (0, 0);
        for used in protocols {
            all += 1;
            same += usize::from(used == protocol);
        }
        (all, same)
    }

    /// Whether a dial could only give a link that is there already: over this interface with
    /// this protocol, to this host or to the interface that the address led to before.
    fn is_linked(
        &self,
        number: PeerNumber,
        address: &Address,
        over: UplinkId,
        attempt: &Attempt,
    ) -> bool {
        self.links_of(number).any(|link| {
            let theirs = link.hello.as_ref().map(|hello| &hello.uplink);
            link.new.uplink == over
                && link.new.protocol == address.protocol
                && (host(&link.new.remote) == host(&address.text)
                    || (theirs.is_some() && theirs == attempt.reached.as_ref()))
        })
    }

    fn dial(&mut self, number: PeerNumber, candidate: Candidate) {
        let Candidate { address, uplink, .. } = candidate;
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number) else { return };
        let Some(place) = peer.places.get_mut(&address) else { return };
        let attempt = place.attempts.entry(uplink).or_default();
        attempt.dialling = Some(dial);
        attempt.dialled_at = now;
        let peer = peer.id;
        self.dials.insert(dial, (number, address.clone(), uplink));
        self.counters.dials += 1;
        self.orders.push_back(Output::Dial { dial, peer, address, uplink });
    }

    /// The failover policy wants one of the dialables.
    pub(super) fn dial_dialable(&mut self, number: PeerNumber, id: u32) {
        let candidate = self.dials_due(number).into_iter().find(|due| due.row.id == id);
        let shuns = self.peers.get(number).is_none_or(|peer| peer.trust.level == Level::Shunned);
        if let Some(candidate) = candidate.filter(|_| !shuns && self.dials_under_way() < DIALS_MAX)
        {
            self.dial(number, candidate);
        }
    }

    fn attempt(&mut self, dial: DialId) -> Option<(PeerNumber, Address, &mut Attempt)> {
        let (number, address, uplink) = self.dials.remove(&dial)?;
        let peer = self.peers.get_mut(number)?;
        let attempt = peer.places.get_mut(&address)?.attempts.get_mut(&uplink)?;
        attempt.dialling = None;
        Some((number, address, attempt))
    }

    /// A dial came to a link; gives the address that was dialled. A link that is refused at
    /// once is not dialled again at once.
    pub(super) fn dial_succeeded(&mut self, dial: DialId) -> Option<Address> {
        let (now, later) = (self.now, self.now.after(self.config.retry_max_us));
        let (_, address, attempt) = self.attempt(dial)?;
        attempt.setup_us = Some(now.since(attempt.dialled_at));
        attempt.next_try = later;
        Some(address)
    }

    pub(super) fn dial_failed(&mut self, dial: DialId, failure: DialFailure) {
        self.counters.dials_failed += 1;
        if self.approach_failed(dial, failure) {
            return;
        }
        let jitter = self.draw();
        let to = self.dials.get(&dial).map(|(number, ..)| *number);
        let (now, (min_us, max_us)) = (self.now, self.retry_us(to));
        let Some((number, address, attempt)) = self.attempt(dial) else { return };
        attempt.last_failure = Some(failure);
        attempt.postpone(now, jitter, min_us, max_us);
        let (retry, has_led_there) = (attempt.next_try, attempt.reached.is_some());
        self.observe_dial_failed(number, &address, failure, has_led_there);
        let Some(peer) = self.peers.get(number).map(|peer| peer.id) else { return };
        self.tell(Event::DialFailed { peer, address, failure, retry });
        self.ask_failover(number, failover::Event::DialFailed, None);
        self.consider_dials(number);
    }

    /// The least and the most time between two tries, in microseconds.
    fn retry_us(&self, number: Option<PeerNumber>) -> (u64, u64) {
        let peer = number.and_then(|number| self.peers.get(number));
        let times = if peer.is_some_and(is_reluctant) { DISCOURAGED_WAIT } else { 1 };
        let (min_us, max_us) = (self.config.retry_min_us, self.config.retry_max_us);
        (min_us.saturating_mul(times), max_us.saturating_mul(times))
    }

    fn attempt_of(&mut self, link: LinkId) -> Option<&mut Attempt> {
        let link = self.links.get(&link)?;
        let address = link.dialled.as_ref()?;
        let place = self.peers.get_mut(link.peer)?.places.get_mut(address)?;
        Some(place.attempts.entry(link.new.uplink).or_default())
    }

    /// A link greeted: its address leads to the interface that the hello names.
    pub(super) fn note_reached(&mut self, id: LinkId) {
        let Some(hello) = self.links.get(&id).and_then(|link| link.hello.as_ref()) else { return };
        let reached = hello.uplink.clone();
        if let Some(attempt) = self.attempt_of(id) {
            attempt.reached = Some(reached);
        }
    }

    /// A link ends: when its address is dialled again depends on how it ended and how long it
    /// lived.
    pub(super) fn back_off(&mut self, id: LinkId, ending: Ending) {
        let jitter = self.draw();
        let Some(link) = self.links.get(&id) else { return };
        let (now, (min_us, max_us)) = (self.now, self.retry_us(Some(link.peer)));
        let proved_itself = link.hello.is_some() && now.since(link.since) >= PROVEN_US;
        let Some(attempt) = self.attempt_of(id) else { return };
        if is_unwanted(ending) {
            attempt.next_try = now.after(max_us);
        } else {
            attempt.failures = if proved_itself { 0 } else { attempt.failures };
            attempt.postpone(now, jitter, min_us, max_us);
        }
    }
}

/// Whether a peer is dialled last.
fn is_reluctant(peer: &Peer) -> bool {
    peer.trust.rank() >= Level::Discouraged
}

impl Attempt {
    /// Sets the next try: twice as far off as the last time, give or take a quarter.
    fn postpone(&mut self, now: Time, jitter: u64, min_us: u64, max_us: u64) {
        let doubled = min_us.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX));
        let wait_us = doubled.min(max_us);
        self.next_try = now.after(wait_us * 3 / 4 + jitter % (wait_us / 2 + 1));
        self.failures = self.failures.saturating_add(1);
    }
}

/// Whether a link ended because it is not wanted, by us or by the peer: trying again soon
/// would end the same way.
fn is_unwanted(ending: Ending) -> bool {
    match ending {
        Ending::Ours(reason) => match reason {
            CloseReason::Duplicate
            | CloseReason::NotAllowed
            | CloseReason::Limited
            | CloseReason::Violation(_)
            | CloseReason::Incompatible
            | CloseReason::OtherNetwork
            | CloseReason::Shunned
            | CloseReason::Evicted
            | CloseReason::Policy => true,
            CloseReason::UplinkGone
            | CloseReason::OutOfSight
            | CloseReason::Faded
            | CloseReason::Spare
            | CloseReason::Dead
            | CloseReason::ByPeer => false,
        },
        Ending::Bye(code) => code != ByeCode::Done,
        Ending::Down => false,
    }
}

fn dialable(transport: Transport, uplink: &Uplink, attempt: &Attempt) -> Dialable {
    Dialable {
        id: 0,
        transport: transport as u32,
        uplink: uplink.id.0,
        setup_ms: attempt.setup_us.map_or(SETUP_GUESS_MS, |us| saturate(us / 1000)),
        success_ppm: if attempt.last_failure.is_none() {
            UNKNOWN
        } else {
            1_000_000 >> attempt.failures.min(20)
        },
        price_per_mib: uplink.price_per_mib,
    }
}
