//! Everyone that a lookup has heard of, on whatever path, and how far their word is worth.

use std::collections::BTreeMap;

use super::Stage;
use crate::dht::contact::Contact;
use crate::dht::key::{Distance, Key};
use crate::id::{PeerId, Time};
use crate::limits::{DHT_ADDRESSES_PER_CONTACT_MAX, DHT_BUCKET_MAX};
use crate::subnet::Subnet;

/// A peer is tried so often, if each time someone told of other addresses.
const TRIES_MAX: u8 = 3;

/// The same, of the one that is looked for: liars who tell of it at wrong addresses must not use
/// all tries up.
const TRIES_TARGET_MAX: u8 = 32;

/// Addresses that are taken of one teller for a peer that was known already.
const ADDRESSES_PER_TELLER_MAX: usize = 4;

/// Addresses that are dialled at once.
const ADDRESSES_PER_TRY_MAX: usize = 2 * DHT_ADDRESSES_PER_CONTACT_MAX;

/// Addresses that wait to be tried, and that are remembered because they led nowhere.
const ADDRESSES_MAX: usize = 64;

/// Of those whom a peer told of, so many have to fail until the rest are held back,
const DOUBT_AFTER: u32 = 3;

/// if that are more than so many times those that answered.
const DOUBT_RATIO: u32 = 3;

/// What became of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was not asked.
    Heard,
    /// It has a question, with the number of its step.
    Asked { stage: Stage, path: u8, due: Time, step: usize },
    /// The same, and its place was given to another.
    Late { path: u8, step: usize },
    /// It answered.
    Answered,
    /// It did not.
    Failed,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) contact: Contact,
    pub(super) subnets: Vec<Subnet>,
    pub(super) distance: Distance,
    /// With the target.
    pub(super) common_bits: u32,
    pub(super) state: State,
    /// The path that asked it.
    pub(super) path: u8,
    /// Who told the path that asked it.
    pub(super) told_by: Option<PeerId>,
    /// The levels of the sweep that it was asked about, a bit for each.
    pub(super) swept: u32,
    /// Whether it answered, whatever it has been asked since.
    pub(super) answered: bool,
    tries: u8,
    /// Addresses that wait to be tried; those under trial are the contact's.
    untried: Vec<String>,
    /// Addresses that led nowhere.
    wrong: Vec<String>,
}

impl Known {
    /// Whether it is out of the game, unless it answers late.
    pub(super) fn is_lost(&self) -> bool {
        !self.answered && matches!(self.state, State::Failed | State::Late { .. })
    }

    /// Takes addresses that were not known.
    fn add(&mut self, contact: Contact) {
        if self.answered {
            return;
        }
        let is_known = |text: &String| {
            let lists = [&self.contact.addresses, &self.untried, &self.wrong];
            lists.iter().any(|list| list.contains(text))
        };
        let mut new: Vec<String> =
            contact.addresses.into_iter().filter(|text| !is_known(text)).collect();
        new.truncate(ADDRESSES_PER_TELLER_MAX.min(ADDRESSES_MAX - self.untried.len()));
        self.untried.append(&mut new);
        if matches!(self.state, State::Heard | State::Failed) {
            self.reconsider();
        }
    }

    /// Whoever was not reached is heard of anew if there are addresses that were not tried.
    fn reconsider(&mut self) {
        let most = if self.distance == Distance::ZERO { TRIES_TARGET_MAX } else { TRIES_MAX };
        if self.state == State::Failed && (self.untried.is_empty() || self.tries >= most) {
            return;
        }
        if self.state == State::Failed {
            self.wrong.append(&mut self.contact.addresses);
            let surplus = self.wrong.len().saturating_sub(ADDRESSES_MAX);
            self.wrong.drain(..surplus);
            self.state = State::Heard;
        }
        let room = ADDRESSES_PER_TRY_MAX.saturating_sub(self.contact.addresses.len());
        let next = self.untried.drain(..room.min(self.untried.len()));
        self.contact.addresses.extend(next);
        self.subnets = self.contact.subnets();
    }
}

/// What became of those that a peer told of.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    answered: u32,
    failed: u32,
}

impl Word {
    fn is_doubted(self) -> bool {
        self.failed >= DOUBT_AFTER && self.failed > DOUBT_RATIO * self.answered
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct People {
    known: BTreeMap<PeerId, Known>,
    words: BTreeMap<PeerId, Word>,
    /// Those with a question whose time is not over.
    under_way: Vec<PeerId>,
}

impl People {
    pub(super) fn has(&self, peer: &PeerId) -> bool {
        self.known.contains_key(peer)
    }

    pub(super) fn get(&self, peer: &PeerId) -> Option<&Known> {
        self.known.get(peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Known)> {
        self.known.iter()
    }

    /// Takes one in, or what is new of one; how far it is.
    pub(super) fn hear(&mut self, target: &Key, contact: Contact) -> Distance {
        if let Some(known) = self.known.get_mut(&contact.peer) {
            known.add(contact);
            return known.distance;
        }
        let key = Key::of_peer(&contact.peer);
        let distance = target.distance(&key);
        let known = Known {
            subnets: contact.subnets(),
            distance,
            common_bits: target.common_bits(&key),
            state: State::Heard,
            path: 0,
            told_by: None,
            swept: 0,
            answered: false,
            tries: 0,
            untried: Vec::new(),
            wrong: Vec::new(),
            contact,
        };
        self.known.insert(known.contact.peer, known);
        distance
    }

    /// Drops one that no path knows any more.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.known.remove(peer);
    }

    pub(super) fn ask(&mut self, peer: &PeerId, asked: State) -> Option<&mut Known> {
        let known = self.known.get_mut(peer)?;
        if let State::Asked { path, .. } = asked {
            known.path = path;
        }
        known.state = asked;
        known.tries = known.tries.saturating_add(1);
        self.under_way.push(*peer);
        Some(known)
    }

    /// Those whose time is over by `now`, with the number of their step.
    pub(super) fn expire(&mut self, now: Time) -> Vec<(PeerId, usize)> {
        let mut late = Vec::new();
        let known = &mut self.known;
        self.under_way.retain(|peer| {
            let Some(known) = known.get_mut(peer) else { return false };
            let State::Asked { path, due, step, .. } = known.state else { return false };
            if due <= now {
                known.state = State::Late { path, step };
                late.push((*peer, step));
            }
            due > now
        });
        late
    }

    /// The path and step of a question that was answered; `None` if there was none.
    pub(super) fn answered(&mut self, peer: &PeerId) -> Option<(u8, usize)> {
        let known = self.known.get_mut(peer)?;
        let (State::Asked { path, step, .. } | State::Late { path, step }) = known.state else {
            return None;
        };
        known.state = State::Answered;
        known.answered = true;
        self.under_way.retain(|other| other != peer);
        Some((path, step))
    }

    /// The step of a question that was not answered, and whether it was late already.
    pub(super) fn failed(&mut self, peer: &PeerId) -> Option<(usize, bool)> {
        let known = self.known.get_mut(peer)?;
        let (step, was_late) = match known.state {
            State::Asked { step, .. } => (step, false),
            State::Late { step, .. } => (step, true),
            State::Heard | State::Answered | State::Failed => return None,
        };
        if known.answered {
            known.state = State::Answered;
        } else {
            known.state = State::Failed;
            known.reconsider();
        }
        self.under_way.retain(|other| other != peer);
        Some((step, was_late))
    }

    pub(super) fn credit(&mut self, teller: &PeerId) {
        self.words.entry(*teller).or_default().answered += 1;
    }

    pub(super) fn blame(&mut self, teller: &PeerId) {
        self.words.entry(*teller).or_default().failed += 1;
    }

    /// Whether hardly anyone answered whom this peer told of.
    pub(super) fn is_doubted(&self, teller: &PeerId) -> bool {
        self.words.get(teller).is_some_and(|word| word.is_doubted())
    }

    pub(super) fn doubted(&self) -> impl Iterator<Item = PeerId> {
        self.words.iter().filter(|(_, word)| word.is_doubted()).map(|(peer, _)| *peer)
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn under_way_in(&self, wanted: Stage) -> usize {
        let is =
            |known: &Known| matches!(known.state, State::Asked { stage, .. } if stage == wanted);
        self.under_way
            .iter()
            .filter_map(|peer| self.known.get(peer))
            .filter(|known| is(known))
            .count()
    }

    pub(super) fn under_way_on(&self, wanted: u8) -> usize {
        let is = |known: &Known| matches!(known.state, State::Asked { path, .. } if path == wanted);
        self.under_way
            .iter()
            .filter_map(|peer| self.known.get(peer))
            .filter(|known| is(known))
            .count()
    }

    /// When the first question's time is over.
    pub(super) fn due(&self) -> Option<Time> {
        let due = |peer| match self.known.get(peer)?.state {
            State::Asked { due, .. } => Some(due),
            State::Heard | State::Late { .. } | State::Answered | State::Failed => None,
        };
        self.under_way.iter().filter_map(due).min()
    }

    /// How many answered, and how many did not.
    pub(super) fn counts(&self) -> (usize, usize) {
        let answered = self.known.values().filter(|known| known.answered).count();
        (answered, self.known.values().filter(|known| known.is_lost()).count())
    }

    /// Those that answered, the closest first: k, and whoever else shares so many bits.
    pub(super) fn closest(&self, region_bits: u32) -> Vec<Contact> {
        let mut answered: Vec<&Known> =
            self.known.values().filter(|known| known.answered).collect();
        answered.sort_by_key(|known| known.distance);
        let is_close =
            |at: usize, known: &Known| at < DHT_BUCKET_MAX || known.common_bits >= region_bits;
        let close = answered.into_iter().enumerate().filter(|(at, known)| is_close(*at, known));
        close.map(|(_, known)| known.contact.clone()).collect()
    }
}
