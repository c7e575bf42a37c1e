//! Relays that are known, and when each is worth a try.
//!
//! Those that stand better are tried first. One of the config counts as trusted until it does
//! what speaks against it; one that is shunned is not tried.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use pointsman_core::limits::{RELAYS_KNOWN_MAX, STANDINGS_MAX};
use pointsman_core::reputation::Level;
use tokio::time::Instant;

/// The first wait after a relay failed; it doubles with each failure in a row.
const RETRY_MIN: Duration = Duration::from_secs(2);

/// The longest one.
const RETRY_MAX: Duration = Duration::from_secs(600);

/// Addresses that are kept of a relay.
const ADDRESSES_MAX: usize = 4;

/// The relays, those of the config first, then the newest.
#[derive(Debug)]
pub(super) struct Known {
    relays: Vec<Relay>,
    /// How peers are treated of whom something is known: any of them may turn out to relay.
    levels: BTreeMap<PeerId, Level>,
}

/// A relay.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) peer: PeerId,
    /// Without uplink and peer; never empty.
    pub(super) addresses: Vec<Multiaddr>,
    is_fixed: bool,
    failures: u32,
    /// `None`: at once.
    next_try: Option<Instant>,
}

impl Known {
    pub(super) fn new(fixed: Vec<(PeerId, Multiaddr)>) -> Self {
        let mut known = Self { relays: Vec::new(), levels: BTreeMap::new() };
        for (peer, address) in fixed {
            known.add(peer, address, true);
        }
        known
    }

    /// A peer that is connected at this address relays.
    pub(super) fn met(&mut self, peer: PeerId, address: Multiaddr) {
        self.add(peer, address, false);
    }

    /// A peer is treated so from now on, whether or not it relays.
    pub(super) fn stood(&mut self, peer: PeerId, level: Level) {
        self.levels.remove(&peer);
        if level == Level::default() {
            return;
        }
        if self.levels.len() >= STANDINGS_MAX {
            let best = self.levels.iter().min_by_key(|(_, level)| **level);
            match best.map(|(peer, level)| (*peer, *level)) {
                Some((best, known)) if known <= level => drop(self.levels.remove(&best)),
                Some(_) | None => return,
            }
        }
        self.levels.insert(peer, level);
    }

    pub(super) fn is_shunned(&self, peer: &PeerId) -> bool {
        self.levels.get(peer) == Some(&Level::Shunned)
    }

    fn level(&self, relay: &Relay) -> Level {
        match self.levels.get(&relay.peer) {
            Some(level) => *level,
            None if relay.is_fixed => Level::Trusted,
            None => Level::default(),
        }
    }

    fn add(&mut self, peer: PeerId, address: Multiaddr, is_fixed: bool) {
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.peer == peer) {
            if !relay.addresses.contains(&address) && relay.addresses.len() < ADDRESSES_MAX {
                relay.addresses.push(address);
            }
            return;
        }
        if self.relays.len() >= RELAYS_KNOWN_MAX {
            match self.least() {
                Some(least) => drop(self.relays.remove(least)),
                None => return,
            }
        }
        let addresses = vec![address];
        let relay = Relay { peer, addresses, is_fixed, failures: 0, next_try: None };
        let at = if is_fixed {
            self.relays.len()
        } else {
            self.relays.iter().filter(|r| r.is_fixed).count()
        };
        self.relays.insert(at, relay);
    }

    /// Which makes room: the oldest of those that stand worst.
    fn least(&self) -> Option<usize> {
        let spare = self.relays.iter().enumerate().filter(|(_, relay)| !relay.is_fixed);
        spare.max_by_key(|(_, relay)| self.level(relay)).map(|(at, _)| at)
    }

    /// Those that may be used at all.
    fn usable(&self) -> impl Iterator<Item = &Relay> {
        self.relays.iter().filter(|relay| !self.is_shunned(&relay.peer))
    }

    /// The best one that is due and not taken.
    pub(super) fn next(&self, now: Instant, taken: impl Fn(&PeerId) -> bool) -> Option<&Relay> {
        let is_due = |relay: &&Relay| relay.next_try.is_none_or(|at| at <= now);
        let free = self.usable().filter(is_due).filter(|relay| !taken(&relay.peer));
        free.min_by_key(|relay| self.level(relay))
    }

    /// When the next one is due that is not yet.
    pub(super) fn next_try(&self, now: Instant) -> Option<Instant> {
        self.usable().filter_map(|relay| relay.next_try).filter(|at| *at > now).min()
    }

    pub(super) fn failed(&mut self, peer: &PeerId, now: Instant) {
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.peer == *peer) {
            let wait = RETRY_MIN.saturating_mul(1 << relay.failures.min(16)).min(RETRY_MAX);
            relay.failures += 1;
            relay.next_try = Some(now + wait);
        }
    }

    pub(super) fn worked(&mut self, peer: &PeerId) {
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.peer == *peer) {
            relay.failures = 0;
            relay.next_try = None;
        }
    }

    /// Another network may reach what this one did not.
    pub(super) fn forgive(&mut self) {
        for relay in &mut self.relays {
            relay.failures = 0;
            relay.next_try = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: usize) -> Multiaddr {
        format!("/ip4/192.0.2.{n}/tcp/1").parse().unwrap()
    }

    #[test]
    fn those_of_the_config_go_first_and_stay() {
        let fixed = PeerId::random();
        let mut known = Known::new(vec![(fixed, address(1))]);
        for n in 0..2 * RELAYS_KNOWN_MAX {
            known.met(PeerId::random(), address(n));
        }
        assert_eq!(known.relays.len(), RELAYS_KNOWN_MAX);
        assert_eq!(known.next(Instant::now(), |_| false).unwrap().peer, fixed);
    }

    #[test]
    fn one_that_fails_waits_longer_and_longer_while_another_is_tried() {
        let (first, second) = (PeerId::random(), PeerId::random());
        let mut known = Known::new(vec![(first, address(1)), (second, address(2))]);
        let now = Instant::now();
        known.failed(&first, now);
        known.failed(&first, now);
        assert_eq!(known.next(now, |_| false).unwrap().peer, second);
        assert_eq!(known.next_try(now), Some(now + 2 * RETRY_MIN));
        assert!(known.next(now, |peer| *peer == second).is_none());
        known.worked(&first);
        assert_eq!(known.next(now, |_| false).unwrap().peer, first);
    }

    #[test]
    fn the_wait_has_an_end() {
        let peer = PeerId::random();
        let mut known = Known::new(vec![(peer, address(1))]);
        let now = Instant::now();
        for _ in 0..100 {
            known.failed(&peer, now);
        }
        assert_eq!(known.next_try(now), Some(now + RETRY_MAX));
    }

    /// Relays met one after the other, the oldest first.
    fn met<const N: usize>(known: &mut Known) -> [PeerId; N] {
        std::array::from_fn(|n| {
            let peer = PeerId::random();
            known.met(peer, address(n));
            peer
        })
    }

    #[test]
    fn those_that_stand_better_go_first_and_a_shunned_one_never() {
        let mut known = Known::new(Vec::new());
        let [trusted, unknown, discouraged, shunned] = met(&mut known);
        known.stood(shunned, Level::Shunned);
        known.stood(discouraged, Level::Discouraged);
        known.stood(trusted, Level::Trusted);
        let mut order = Vec::new();
        while let Some(relay) = known.next(Instant::now(), |peer| order.contains(peer)) {
            order.push(relay.peer);
        }
        assert_eq!(order, [trusted, unknown, discouraged]);
        known.stood(shunned, Level::Unknown);
        assert!(known.next(Instant::now(), |peer| order.contains(peer)).is_some(), "pardoned");
    }

    #[test]
    fn one_of_the_config_goes_before_a_trusted_one_until_it_misbehaves() {
        let fixed = PeerId::random();
        let mut known = Known::new(vec![(fixed, address(9))]);
        let [other] = met(&mut known);
        known.stood(other, Level::Trusted);
        assert_eq!(known.next(Instant::now(), |_| false).unwrap().peer, fixed);
        known.stood(fixed, Level::Discouraged);
        assert_eq!(known.next(Instant::now(), |_| false).unwrap().peer, other);
    }

    #[test]
    fn a_standing_that_was_told_before_the_peer_was_known_to_relay_counts() {
        let mut known = Known::new(Vec::new());
        let shunned = PeerId::random();
        known.stood(shunned, Level::Shunned);
        known.met(shunned, address(1));
        assert!(known.next(Instant::now(), |_| false).is_none());
        known.failed(&shunned, Instant::now());
        assert_eq!(known.next_try(Instant::now()), None, "nobody waits for it");
    }

    #[test]
    fn those_that_stand_worst_make_room() {
        let mut known = Known::new(Vec::new());
        let [bad, good] = met(&mut known);
        known.stood(bad, Level::Discouraged);
        known.stood(good, Level::Trusted);
        let _others: [PeerId; RELAYS_KNOWN_MAX] = met(&mut known);
        let has = |peer| known.relays.iter().any(|relay| relay.peer == peer);
        assert!(has(good) && !has(bad));
    }

    #[test]
    fn standings_are_bounded_and_the_bad_ones_stay() {
        let mut known = Known::new(Vec::new());
        let shunned = PeerId::random();
        known.stood(shunned, Level::Shunned);
        for _ in 0..2 * STANDINGS_MAX {
            known.stood(PeerId::random(), Level::Trusted);
        }
        assert_eq!(known.levels.len(), STANDINGS_MAX);
        assert!(known.is_shunned(&shunned));
    }
}
