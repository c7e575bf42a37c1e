//! Who is in the routing table, where, and how far everyone is trusted.
//!
//! The core's table decides, libp2p's serves; this keeps the two the same. A peer is offered when
//! it answered over a connection that we dialled, at an address that may be passed on.

use std::collections::BTreeMap;

use libp2p::Multiaddr;
use pointsman_core::dht::contact::{AddressKind, Contact, Scope};
use pointsman_core::dht::key::Key;
use pointsman_core::dht::table::{Admission, Candidate, STANDING_MIN, Table};
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;
use pointsman_core::subnet::Subnet;

use crate::identity;
use crate::requests::Failure;
use crate::server::Server;

/// Addresses of a peer that are passed on: those at which it answered last.
const ADDRESSES_MAX: usize = 4;

/// The table.
#[derive(Debug)]
pub(crate) struct Roster {
    scope: Scope,
    table: Table,
    /// Of everyone in the table, the address that worked last first.
    addresses: BTreeMap<PeerId, Vec<Multiaddr>>,
    standings: BTreeMap<PeerId, i32>,
    changes: u64,
}

impl Roster {
    /// An empty one.
    pub(crate) fn new(own: PeerId, scope: Scope) -> Self {
        Self {
            scope,
            table: Table::new(own),
            addresses: BTreeMap::new(),
            standings: BTreeMap::new(),
            changes: 0,
        }
    }

    /// A peer answered at an address that we dialled.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        server: &mut Server,
        peer: PeerId,
        at: &Multiaddr,
    ) {
        let text = at.to_string();
        if !self.scope.keeps(AddressKind::of(&text)) {
            return;
        }
        let standing = self.standing(&peer);
        match self.table.offer(now, &Candidate { peer, address: &text, standing }) {
            Admission::Admitted { evicted } => {
                if let Some(evicted) = evicted {
                    self.removed(server, evicted);
                }
                self.changes += 1;
                self.enter(server, peer, at);
            }
            Admission::Renewed => self.enter(server, peer, at),
            Admission::Refused(_) => {
                if !self.table.has(&peer) {
                    self.removed(server, peer);
                }
            }
        }
    }

    fn enter(&mut self, server: &mut Server, peer: PeerId, at: &Multiaddr) {
        let addresses = self.addresses.entry(peer).or_default();
        if addresses.first() == Some(at) {
            return;
        }
        addresses.retain(|other| other != at);
        addresses.insert(0, at.clone());
        addresses.truncate(ADDRESSES_MAX);
        if let Some(peer) = identity::to_libp2p(peer) {
            server.admit(&peer, addresses);
        }
    }

    /// A peer answered over a connection that it dialled: it is alive, wherever it is.
    pub(crate) fn lives(&mut self, now: Time, server: &mut Server, peer: PeerId) {
        if let Some(at) = self.addresses.get(&peer).and_then(|all| all.first()).cloned() {
            self.answered(now, server, peer, &at);
        }
    }

    /// A peer gave no answer.
    pub(crate) fn failed(&mut self, server: &mut Server, peer: PeerId, failure: Failure) {
        let removed = match failure {
            // It serves no more, or never was there.
            Failure::Unsupported | Failure::WrongPeer => {
                let has = self.table.has(&peer);
                self.table.removed(&peer);
                has
            }
            Failure::Dial
            | Failure::NoAddress
            | Failure::Closed
            | Failure::Timeout
            | Failure::Invalid(_) => self.table.failed(&peer),
            Failure::Cancelled => false,
        };
        if removed {
            self.removed(server, peer);
        }
    }

    fn removed(&mut self, server: &mut Server, peer: PeerId) {
        if self.addresses.remove(&peer).is_some() {
            self.changes += 1;
        }
        if let Some(peer) = identity::to_libp2p(peer) {
            server.remove(&peer);
        }
    }

    /// How far a peer is trusted from now on.
    pub(crate) fn stood(&mut self, server: &mut Server, peer: PeerId, score: i32) {
        if self.table.stood(&peer, score) {
            self.removed(server, peer);
        }
        if score == 0 {
            self.standings.remove(&peer);
            return;
        }
        if self.standings.len() >= limits::DHT_STANDINGS_MAX && !self.standings.contains_key(&peer)
        {
            let least = self.standings.iter().min_by_key(|(_, score)| score.unsigned_abs());
            if let Some(least) = least.map(|(peer, _)| *peer) {
                self.standings.remove(&least);
            }
        }
        self.standings.insert(peer, score);
    }

    /// How far a peer is trusted.
    pub(crate) fn standing(&self, peer: &PeerId) -> i32 {
        self.standings.get(peer).copied().unwrap_or_default()
    }

    /// Whether a peer stands so low that it is not asked.
    pub(crate) fn is_shunned(&self, peer: &PeerId) -> bool {
        self.standing(peer) < STANDING_MIN
    }

    /// Those in the table that are closest to a key.
    pub(crate) fn closest(&self, key: &Key, count: usize) -> Vec<Contact> {
        let peers = self.table.closest(key, count);
        peers.into_iter().map(|peer| self.contact(peer)).collect()
    }

    fn contact(&self, peer: PeerId) -> Contact {
        let addresses = self.addresses.get(&peer).into_iter().flatten();
        Contact { peer, addresses: addresses.map(Multiaddr::to_string).collect() }
    }

    /// The subnet of a peer in the table.
    pub(crate) fn subnet(&self, peer: &PeerId) -> Option<Subnet> {
        let address = self.addresses.get(peer)?.first()?;
        Subnet::of(&address.to_string())
    }

    /// Everyone in the table, with addresses.
    pub(crate) fn contacts(&self) -> Vec<Contact> {
        self.addresses.keys().map(|&peer| self.contact(peer)).collect()
    }

    /// How many are in each bucket that has any, by the bits that they share with us.
    pub(crate) fn buckets(&self) -> BTreeMap<u32, usize> {
        let mut buckets = BTreeMap::new();
        for (_, row) in self.table.rows() {
            *buckets.entry(row.bucket).or_default() += 1;
        }
        buckets
    }

    /// Whether a peer is in the table.
    pub(crate) fn has(&self, peer: &PeerId) -> bool {
        self.table.has(peer)
    }

    /// How many are in the table.
    pub(crate) fn len(&self) -> usize {
        self.table.rows().len()
    }

    /// Grows whenever someone enters or leaves.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }
}
