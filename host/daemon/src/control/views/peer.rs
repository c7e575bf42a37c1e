//! Peers.

use std::collections::BTreeMap;

use pointsman_core::id::Time;
use pointsman_core::input::{DialFailure, Source};
use pointsman_core::snapshot::{AddressSnapshot, LinkState, PeerSnapshot, Snapshot};
use pointsman_sdk::reputation::Kind;
use pointsman_sdk::selector::Class;
use serde::{Deserialize, Serialize};

use super::radio::{NeighbourView, neighbours};

/// A peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerView {
    /// Who.
    pub peer: String,
    /// The number that policies see.
    pub number: u32,
    /// Links of any state.
    pub links: usize,
    /// Links that are up and in use.
    pub links_usable: usize,
    /// Least smoothed round-trip time of those.
    pub srtt_us: Option<u32>,
    /// Where it is in radio range.
    pub neighbours: Vec<NeighbourView>,
    /// Where it may be reachable.
    pub addresses: Vec<AddressView>,
    /// What waits for it, by class, the most urgent first.
    pub queues: Vec<QueueView>,
    /// Times that its traffic moved.
    pub moves: u64,
    /// Messages from it that were delivered here.
    pub received: u64,
    /// How far it is trusted: from -1000 over 0 (unknown) to 1000, all things considered.
    pub standing: i32,
    /// How it is treated for that: `trusted`, `unknown`, `discouraged` or `shunned`.
    pub level: String,
    /// How often it was seen to do what since it is known: `ack`, `timeout`, `invalid`,
    /// `refused`, `served`, `relayed`, `spam`.
    pub seen: BTreeMap<String, u64>,
}

/// A rumour where a peer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressView {
    /// The multiaddr.
    pub address: String,
    /// `config`, `mdns`, `dht` or `observed`.
    pub source: String,
    /// Failed dials in a row.
    pub failures: u32,
    /// Why the last one failed, as one word.
    pub last_failure: Option<String>,
    /// Until it is tried again; `null` while it is in use.
    pub next_try_in_ms: Option<u64>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// `realtime`, `interactive` or `bulk`.
    pub class: String,
    /// Messages that wait or are not acknowledged.
    pub messages: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Messages acknowledged since the start.
    pub delivered: u64,
    /// Messages expired since the start.
    pub expired: u64,
}

/// All peers, in the order of their appearance.
pub fn peers(snapshot: &Snapshot) -> Vec<PeerView> {
    let neighbours = neighbours(snapshot);
    snapshot.peers.iter().map(|peer| view(snapshot.at, peer, &neighbours)).collect()
}

fn view(now: Time, peer: &PeerSnapshot, neighbours: &[NeighbourView]) -> PeerView {
    let name = peer.peer.to_string();
    let is_it = |one: &&NeighbourView| one.peer.as_ref() == Some(&name);
    let usable = || peer.links.iter().filter(|one| one.state == LinkState::Up && !one.masked);
    PeerView {
        peer: peer.peer.to_string(),
        number: peer.number.0,
        links: peer.links.len(),
        links_usable: usable().count(),
        srtt_us: usable().filter_map(|link| link.srtt_us).min(),
        neighbours: neighbours.iter().filter(is_it).cloned().collect(),
        addresses: peer.addresses.iter().map(|one| address(now, one)).collect(),
        queues: Class::ALL
            .iter()
            .map(|&class| {
                let queue = peer.queues[class as usize];
                QueueView {
                    class: class.name().to_owned(),
                    messages: queue.messages,
                    bytes: queue.bytes,
                    delivered: queue.delivered,
                    expired: queue.expired,
                }
            })
            .collect(),
        moves: peer.moves,
        received: peer.received,
        standing: peer.score,
        level: peer.level.name().to_owned(),
        seen: Kind::ALL.map(|kind| (kind.name().to_owned(), peer.seen[kind as usize])).into(),
    }
}

fn address(now: Time, one: &AddressSnapshot) -> AddressView {
    AddressView {
        address: one.address.text.clone(),
        source: source_name(one.source).to_owned(),
        failures: one.failures,
        last_failure: one.last_failure.map(|failure| failure_name(failure).to_owned()),
        next_try_in_ms: one.next_try.map(|next| next.since(now) / 1000),
    }
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Config => "config",
        Source::Mdns => "mdns",
        Source::Dht => "dht",
        Source::Observed => "observed",
    }
}

/// Why a dial failed, as one word.
pub(super) fn failure_name(failure: DialFailure) -> &'static str {
    match failure {
        DialFailure::Refused => "refused",
        DialFailure::TimedOut => "timed-out",
        DialFailure::Unreachable => "unreachable",
        DialFailure::WrongPeer => "wrong-peer",
        DialFailure::Limited => "limited",
        DialFailure::Other => "other",
    }
}
