//! Relays that are known, and when each is worth a try.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use pointsman_core::limits::RELAYS_KNOWN_MAX;
use tokio::time::Instant;

/// The first wait after a relay failed; it doubles with each failure in a row.
const RETRY_MIN: Duration = Duration::from_secs(2);

/// The longest one.
const RETRY_MAX: Duration = Duration::from_secs(600);

/// Addresses that are kept of a relay.
const ADDRESSES_MAX: usize = 4;

/// The relays, those of the config first, then the newest.
#[derive(Debug)]
pub(super) struct Known(Vec<Relay>);

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
        let mut known = Self(Vec::new());
        for (peer, address) in fixed {
            known.add(peer, address, true);
        }
        known
    }

    /// A peer that is connected at this address relays.
    pub(super) fn met(&mut self, peer: PeerId, address: Multiaddr) {
        self.add(peer, address, false);
    }

    fn add(&mut self, peer: PeerId, address: Multiaddr, is_fixed: bool) {
        if let Some(relay) = self.0.iter_mut().find(|relay| relay.peer == peer) {
            if !relay.addresses.contains(&address) && relay.addresses.len() < ADDRESSES_MAX {
                relay.addresses.push(address);
            }
            return;
        }
        if self.0.len() >= RELAYS_KNOWN_MAX {
            match self.0.iter().rposition(|relay| !relay.is_fixed) {
                Some(oldest) => drop(self.0.remove(oldest)),
                None => return,
            }
        }
        let addresses = vec![address];
        let relay = Relay { peer, addresses, is_fixed, failures: 0, next_try: None };
        let at = if is_fixed { self.0.len() } else { self.0.iter().filter(|r| r.is_fixed).count() };
        self.0.insert(at, relay);
    }

    /// The best one that is due and not taken.
    pub(super) fn next(&self, now: Instant, taken: impl Fn(&PeerId) -> bool) -> Option<&Relay> {
        let is_due = |relay: &&Relay| relay.next_try.is_none_or(|at| at <= now);
        self.0.iter().filter(is_due).find(|relay| !taken(&relay.peer))
    }

    /// When the next one is due that is not yet.
    pub(super) fn next_try(&self, now: Instant) -> Option<Instant> {
        self.0.iter().filter_map(|relay| relay.next_try).filter(|at| *at > now).min()
    }

    pub(super) fn failed(&mut self, peer: &PeerId, now: Instant) {
        if let Some(relay) = self.0.iter_mut().find(|relay| relay.peer == *peer) {
            let wait = RETRY_MIN.saturating_mul(1 << relay.failures.min(16)).min(RETRY_MAX);
            relay.failures += 1;
            relay.next_try = Some(now + wait);
        }
    }

    pub(super) fn worked(&mut self, peer: &PeerId) {
        if let Some(relay) = self.0.iter_mut().find(|relay| relay.peer == *peer) {
            relay.failures = 0;
            relay.next_try = None;
        }
    }

    /// Another network may reach what this one did not.
    pub(super) fn forgive(&mut self) {
        for relay in &mut self.0 {
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
        assert_eq!(known.0.len(), RELAYS_KNOWN_MAX);
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
}
