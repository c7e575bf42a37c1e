//! Hearsay on the wire: what this node tells its peers of others, and what it takes from them.
//!
//! Told is what was seen first hand: who has a link here, and where whoever was judged stands.
//! What others said is never passed on, so that no word counts twice. A peer is told what
//! changed since it was last told, some of it at a time where it is much, over one link and
//! seldom; everything is said again before it lapses. Nobody is told about itself, and guests,
//! which have no link, are told nothing.
//!
//! Taken is what a peer says that did well by us, about whom we know; what it sends beyond its
//! grant is spam.

use std::collections::BTreeSet;

use super::Node;
use crate::frame::{Channel, Frame, Word};
use crate::id::{LinkId, PeerNumber};
use crate::limits::{LISTENERS_PER_STEP_MAX, WORDS_PER_FRAME_MAX};
use crate::links::Link;
use crate::peers::Peer;
use crate::reputation::{Cause, Level, Saying};

/// From one telling to the next, in microseconds.
const PAUSE_US: u64 = 60_000_000;

/// The same where all links to the peer are metered.
const METERED_PAUSE_US: u64 = 600_000_000;

/// A link is told on when it has been there for so long, in microseconds: one that comes and
/// goes has better to do. A node that restarts again and again tells no more often than this.
const SETTLED_US: u64 = 30_000_000;

/// What is old is said again, one peer in so many microseconds: half of what can be told in that
/// time, so that news finds room. Of 900 peers every word is renewed before it lapses.
const RENEWAL_US: u64 = 4_000_000;

impl Node {
    /// Once a second: tells those who lack something and whose turn it is.
    pub(super) fn gossip(&mut self) {
        self.note_changes();
        self.renew_oldest();
        let listeners = self.listeners();
        if listeners.is_empty() {
            return;
        }
        let said = self.peers.iter().filter(|peer| peer.saying.change > 0);
        let mut said: Vec<_> = said.map(|peer| (peer.saying.change, peer.number)).collect();
        said.sort_unstable();
        for (number, link) in listeners {
            self.gossip_with(number, link, &said);
        }
    }

    /// Peers with a link that packets may be put on.
    pub(super) fn linked(&self) -> BTreeSet<PeerNumber> {
        self.links.values().filter(|link| link.is_live()).map(|link| link.peer).collect()
    }

    fn note_changes(&mut self) {
        let linked = self.linked();
        for peer in self.peers.iter_mut() {
            let (linked, score) = (linked.contains(&peer.number), peer.record.opinion());
            if peer.saying.differs(linked, score) {
                self.changes += 1;
                peer.saying = Saying::new(linked, score, self.changes, self.now);
            }
        }
    }

    fn renew_oldest(&mut self) {
        if self.now < self.renewal_at {
            return;
        }
        let said = self.peers.iter_mut().filter(|peer| peer.saying.change > 0);
        let oldest = said.min_by_key(|peer| peer.saying.change);
        let Some(peer) = oldest.filter(|peer| peer.saying.is_old(self.now)) else { return };
        self.renewal_at = self.now.after(RENEWAL_US);
        if peer.saying.is_silent() {
            peer.saying = Saying::default();
        } else {
            self.changes += 1;
            let (linked, score) = (peer.saying.linked, peer.record.opinion());
            peer.saying = Saying::new(linked, score, self.changes, self.now);
        }
    }

    /// Whose turn it is, each with the link to tell it on.
    fn listeners(&self) -> Vec<(PeerNumber, LinkId)> {
        let lacking = self
            .peers
            .iter()
            .filter(|peer| peer.told.upto < self.changes && peer.trust.level != Level::Shunned);
        let due = lacking.filter_map(|peer| {
            let link = self.gossip_link(peer)?;
            let pause_us = if self.is_metered(link) { METERED_PAUSE_US } else { PAUSE_US };
            let is_due = peer.told.last.is_none_or(|(at, _)| self.now.since(at) >= pause_us);
            is_due.then_some((peer.number, link.id()))
        });
        due.take(LISTENERS_PER_STEP_MAX).collect()
    }

    /// The sound link with the shortest round trip; a metered one only where there is no other.
    fn gossip_link(&self, peer: &Peer) -> Option<&Link> {
        let links = peer.links.iter().filter_map(|link| self.links.get(link));
        let settled =
            links.filter(|link| link.is_sound() && self.now.since(link.since) >= SETTLED_US);
        settled.min_by_key(|link| {
            (self.is_metered(link), link.srtt_us().unwrap_or(u64::MAX), link.id())
        })
    }

    fn is_metered(&self, link: &Link) -> bool {
        link.is_metered(self.uplinks.get(&link.new.uplink))
    }

    /// Tells a peer what it lacks of what is said, the oldest first, as much as fits.
    fn gossip_with(&mut self, number: PeerNumber, link: LinkId, said: &[(u64, PeerNumber)]) {
        let Some(peer) = self.peers.get(number) else { return };
        let known = said.partition_point(|&(change, _)| change <= peer.told.upto);
        let mut upto = self.changes;
        let mut words = Vec::new();
        for &(change, about) in &said[known..] {
            if words.len() == WORDS_PER_FRAME_MAX {
                upto = change - 1;
                break;
            }
            let about = self.peers.get(about).filter(|about| about.number != number);
            words.extend(about.map(word));
        }
        words.sort_unstable_by_key(|word| word.about);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number) else { return };
        peer.told.upto = upto;
        if !words.is_empty() {
            peer.told.last = Some((now, link));
            self.counters.hearsay_told += words.len() as u64;
            self.transmit(link, Channel::Control, Frame::Hearsay(words));
        }
    }

    pub(super) fn hearsay_received(&mut self, id: LinkId, words: Vec<Word>) {
        let Some(number) = self.links.get(&id).map(|link| link.peer) else { return };
        let now = self.now;
        let Some(peer) = self.peers.get_mut(number) else { return };
        if !peer.grant.take(now) {
            self.counters.hearsay_refused += 1;
            return self.observe(number, Cause::OverCredit, 1);
        }
        let has_a_word = peer.record.standing().score > 0;
        for word in words {
            let about = self.peers.number(&word.about).filter(|&about| about != number);
            match about.filter(|_| has_a_word).and_then(|about| self.peers.get_mut(about)) {
                Some(peer) => peer.hearsay.hear(now, number, word.linked, word.score),
                None => self.counters.hearsay_ignored += 1,
            }
        }
    }
}

/// What is said of a peer.
fn word(peer: &Peer) -> Word {
    let Saying { linked, score, .. } = peer.saying;
    Word { about: peer.id, linked, score }
}
