//! Peers that are wanted and not reached: the shell is asked to look them up.
//!
//! A peer is wanted while messages wait for it, or while the config names it. As long as it has
//! no link and no dial is under way, the shell is asked to find out where it is, again and
//! again with growing pauses. What it finds comes back as sightings; it need not answer.

use super::Node;
use super::timers::Timer;
use crate::id::{PeerId, PeerNumber};
use crate::limits::PEERS_MAX;
use crate::output::Output;

/// First pause between two lookups of a peer, in microseconds; a lookup takes some seconds.
const SEEK_MIN_US: u64 = 10_000_000;

/// Longest pause between two, in microseconds: a record lives for hours.
const SEEK_MAX_US: u64 = 600_000_000;

impl Node {
    /// A link to this peer is wanted, or not any more.
    pub(super) fn wanted(&mut self, id: PeerId, wanted: bool) {
        if id == self.me {
            return;
        }
        let Some(peer) = self.peers.meet(self.now, id, PEERS_MAX) else { return };
        peer.wanted = wanted;
        let number = peer.number;
        self.consider_dials(number);
    }

    /// Has the peer looked up, if it is wanted, out of reach, and a lookup is due.
    pub(super) fn consider_seeking(&mut self, number: PeerNumber) {
        let jitter = self.draw();
        let now = self.now;
        let dialled = self.dials.values().any(|(to, ..)| *to == number);
        let Some(peer) = self.peers.get_mut(number) else { return };
        if !peer.links.is_empty() {
            peer.seeks = 0;
            return;
        }
        if dialled || !peer.is_awaited() {
            return;
        }
        if peer.seek_at <= now {
            let pause_us = (SEEK_MIN_US << peer.seeks.min(8)).min(SEEK_MAX_US);
            peer.seek_at = now.after(pause_us * 3 / 4 + jitter % (pause_us / 2));
            peer.seeks = peer.seeks.saturating_add(1);
            let peer = peer.id;
            self.counters.seeks += 1;
            self.orders.push_back(Output::Seek { peer });
        }
        let Some(seek_at) = self.peers.get(number).map(|peer| peer.seek_at) else { return };
        self.timers.by(Timer::Peer(number), seek_at);
    }
}
