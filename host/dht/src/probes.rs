//! Peers that are to be asked whether they are where they are said to be.
//!
//! Who speaks to us is not yet somebody that others can reach: he is dialled first, at the
//! addresses that he tells. So many wait at most, and nobody is tried twice within a while.

use std::collections::{BTreeMap, VecDeque};

use pointsman_core::dht::contact::Contact;
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;

/// Nobody is tried again before that, in microseconds.
const AGAIN_US: u64 = 60_000_000;

/// Under way at once.
const PARALLEL_MAX: usize = 8;

/// The queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    waiting: VecDeque<Contact>,
    tried: BTreeMap<PeerId, Time>,
    under_way: usize,
}

impl Probes {
    /// Lines a peer up; one that waits or was tried lately is left out.
    pub(crate) fn push(&mut self, now: Time, contact: Contact) {
        let was_tried =
            self.tried.get(&contact.peer).is_some_and(|&tried| now.since(tried) < AGAIN_US);
        let waits = self.waiting.iter().any(|other| other.peer == contact.peer);
        let is_full = self.waiting.len() >= limits::DHT_PROBES_MAX;
        if !(was_tried || waits || is_full || contact.addresses.is_empty()) {
            self.waiting.push_back(contact);
        }
    }

    /// The next to ask, if it is time.
    pub(crate) fn next(&mut self, now: Time) -> Option<Contact> {
        if self.under_way >= PARALLEL_MAX {
            return None;
        }
        let contact = self.waiting.pop_front()?;
        if self.tried.len() >= limits::DHT_PROBES_MAX {
            self.tried.retain(|_, tried| now.since(*tried) < AGAIN_US);
        }
        if self.tried.len() >= limits::DHT_PROBES_MAX {
            self.tried.pop_first();
        }
        self.tried.insert(contact.peer, now);
        self.under_way += 1;
        Some(contact)
    }

    /// One that was asked answered, or not.
    pub(crate) fn done(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(number: u8) -> Contact {
        Contact { peer: PeerId([number; 32]), addresses: vec!["/ip4/20.0.0.1/tcp/1".to_owned()] }
    }

    #[test]
    fn nobody_is_tried_twice_within_a_while() {
        let mut probes = Probes::default();
        for _ in 0..3 {
            probes.push(Time(0), contact(1));
        }
        assert_eq!((probes.next(Time(0)), probes.next(Time(0))), (Some(contact(1)), None));
        probes.push(Time(AGAIN_US - 1), contact(1));
        assert_eq!(probes.next(Time(AGAIN_US - 1)), None);
        probes.push(Time(AGAIN_US), contact(1));
        assert_eq!(probes.next(Time(AGAIN_US)), Some(contact(1)));
    }

    #[test]
    fn only_so_many_are_under_way() {
        let mut probes = Probes::default();
        for number in 0..20 {
            probes.push(Time(0), contact(number));
        }
        let begun = std::iter::from_fn(|| probes.next(Time(0))).count();
        assert_eq!(begun, PARALLEL_MAX);
        probes.done();
        assert!(probes.next(Time(0)).is_some() && probes.next(Time(0)).is_none());
    }
}
