//! Peers to begin with: from the config, from an earlier life, from the local network.
//!
//! They are rumours. They are asked while the table is small, those of the local network always:
//! whoever fills our table with his own can't keep us from a neighbour that the cable shows.

use std::collections::BTreeMap;

use pointsman_core::dht::contact::Contact;
use pointsman_core::id::PeerId;
use pointsman_core::limits;

/// Who told of a seed, the most lasting first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The config. Never forgotten.
    Config,
    /// The local network.
    Lan,
    /// An earlier life, or a table that it was in.
    Cache,
}

#[derive(Clone, Debug)]
struct Seed {
    contact: Contact,
    source: Source,
    failures: u32,
}

/// The seeds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seeds {
    seeds: BTreeMap<PeerId, Seed>,
    turn: u64,
}

impl Seeds {
    /// Takes one in; a better source wins, and its addresses.
    pub(crate) fn take(&mut self, contact: Contact, source: Source) {
        if contact.addresses.is_empty() {
            return;
        }
        if let Some(seed) = self.seeds.get_mut(&contact.peer) {
            if source <= seed.source {
                *seed = Seed { contact, source, failures: 0 };
            }
            return;
        }
        if self.seeds.len() >= limits::DHT_SEEDS_MAX && !self.make_room() {
            return;
        }
        self.seeds.insert(contact.peer, Seed { contact, source, failures: 0 });
    }

    /// The one that failed most goes, but none of the config.
    fn make_room(&mut self) -> bool {
        let others = self.seeds.iter().filter(|(_, seed)| seed.source != Source::Config);
        let worst = others.max_by_key(|(_, seed)| (seed.failures, seed.source));
        let Some(worst) = worst.map(|(peer, _)| *peer) else { return false };
        self.seeds.remove(&worst).is_some()
    }

    /// A peer answered, or not.
    pub(crate) fn note(&mut self, peer: &PeerId, answered: bool) {
        if let Some(seed) = self.seeds.get_mut(peer) {
            seed.failures = if answered { 0 } else { seed.failures.saturating_add(1) };
        }
    }

    /// Some to ask: those that failed least, each time others of these.
    pub(crate) fn pick(&mut self, count: usize) -> Vec<Contact> {
        self.turn = self.turn.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let turn = self.turn;
        let mut seeds: Vec<&Seed> = self.seeds.values().collect();
        let lot = |peer: &PeerId| peer.0[..8].iter().fold(turn, |lot, &byte| {
            (lot ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        seeds.sort_by_key(|seed| (seed.failures, lot(&seed.contact.peer)));
        seeds.into_iter().take(count).map(|seed| seed.contact.clone()).collect()
    }

    /// Those of the local network.
    pub(crate) fn neighbours(&self, count: usize) -> Vec<Contact> {
        let near = self.seeds.values().filter(|seed| seed.source == Source::Lan);
        let mut near: Vec<&Seed> = near.collect();
        near.sort_by_key(|seed| seed.failures);
        near.into_iter().take(count).map(|seed| seed.contact.clone()).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.seeds.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(number: u32) -> Contact {
        let [a, b, c, d] = number.to_be_bytes();
        let peer = PeerId(core::array::from_fn(|at| [a, b, c, d, 1][at.min(4)]));
        Contact { peer, addresses: vec![format!("/ip4/20.0.0.1/tcp/{}", number % 60_000 + 1)] }
    }

    #[test]
    fn of_too_many_those_of_the_config_stay() {
        let mut seeds = Seeds::default();
        for number in 0..5 {
            seeds.take(contact(number), Source::Config);
        }
        for number in 10..3_000 {
            seeds.take(contact(number), Source::Cache);
        }
        assert_eq!(seeds.len(), limits::DHT_SEEDS_MAX);
        let all = seeds.pick(limits::DHT_SEEDS_MAX);
        assert!((0..5).all(|number| all.contains(&contact(number))));
    }

    #[test]
    fn those_that_answer_come_before_those_that_do_not() {
        let mut seeds = Seeds::default();
        for number in 0..10 {
            seeds.take(contact(number), Source::Cache);
            seeds.note(&contact(number).peer, number == 7);
        }
        for _ in 0..5 {
            assert_eq!(seeds.pick(1), [contact(7)]);
        }
    }

    #[test]
    fn each_time_others_are_picked() {
        let mut seeds = Seeds::default();
        for number in 0..40 {
            seeds.take(contact(number), Source::Cache);
        }
        let firsts: Vec<_> = (0..20).map(|_| seeds.pick(1)[0].peer).collect();
        assert!(firsts.iter().any(|peer| *peer != firsts[0]));
    }
}
