//! Bridges: linked peers without whom a peer that we trust would be out of reach.
//!
//! A peer is a bridge while it is the only one of the linked peers that says it has a link to
//! somebody whom this node trusts for what it saw itself, and has no link to. So whoever names
//! those that nobody here knows shields itself with nothing. What made a peer a bridge is its
//! word, which lapses after an hour and counts only as long as the peer did well when it gave
//! it: one that misbehaves from then on is spared no longer than that.

use std::collections::{BTreeMap, BTreeSet};

use super::Node;
use crate::id::{PeerId, PeerNumber};
use crate::peers::Peer;
use crate::reputation::Level;

impl Node {
    /// Finds out who is a bridge: once a second, and when one of the ways is cut.
    pub(super) fn find_bridges(&mut self) {
        let linked = self.linked();
        let is_way = |number: &PeerNumber| {
            let peer = self.peers.get(*number).filter(|_| linked.contains(number));
            peer.is_some_and(|peer| peer.trust.level != Level::Shunned)
        };
        let mut bridges: BTreeMap<PeerNumber, Vec<PeerNumber>> = BTreeMap::new();
        for missed in self.peers.iter().filter(|peer| is_missed(peer, &linked)) {
            let mut ways = missed.hearsay.ways(self.now).filter(is_way);
            if let (Some(only), None) = (ways.next(), ways.next()) {
                bridges.entry(only).or_default().push(missed.number);
            }
        }
        self.bridges = bridges;
    }

    pub(super) fn is_bridge(&self, number: PeerNumber) -> bool {
        self.bridges.contains_key(&number)
    }

    /// Whom a peer alone leads to.
    pub(super) fn bridge_to(&self, number: PeerNumber) -> Vec<PeerId> {
        let missed = self.bridges.get(&number).into_iter().flatten();
        missed.filter_map(|&missed| self.peer(missed)).collect()
    }
}

/// Whether a peer is worth a bridge to it.
fn is_missed(peer: &Peer, linked: &BTreeSet<PeerNumber>) -> bool {
    let is_trusted = peer.trust.level == Level::Trusted && peer.record.standing().score > 0;
    is_trusted && !linked.contains(&peer.number)
}
