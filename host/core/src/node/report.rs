//! What the Node tells of itself: counters and snapshots.

use super::Node;
use crate::input::{Address, Source, Uplink};
use crate::links::{Link, saturate};
use crate::peers::{Peer, Place};
use crate::policy::Role;
use crate::snapshot::{AddressSnapshot, LinkSnapshot, PeerSnapshot, QueueSnapshot, Snapshot};
use pointsman_sdk::selector::Class;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What is counted since the start.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Counters { $($(#[$doc])* pub(super) $name: u64,)* }

        impl Counters {
            /// By name, in a fixed order.
            fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counters! {
    /// Messages taken from applications.
    messages_queued,
    /// Messages not taken.
    messages_refused,
    /// Messages acknowledged by their destination.
    messages_delivered,
    /// Messages given up.
    messages_expired,
    /// Messages handed to applications here.
    messages_received,
    /// Packets that had arrived before.
    duplicates_received,
    /// Bytes of copies sent.
    duplicate_bytes_sent,
    /// Realtime packets lost as datagrams, and sent again.
    datagrams_lost,
    /// Packets not taken because all inboxes together were full; their links were closed.
    packets_unheld,
    /// Probes sent.
    probes_sent,
    /// Links on which an acknowledgement was overdue.
    suspicions,
    /// Times that copies were sent elsewhere.
    hedges,
    /// Times that a mask changed.
    moves,
    /// Answers of modules that did not count.
    strikes,
    /// Policies that came into a slot.
    swaps,
    /// Policies that did not prove themselves.
    rollbacks,
    /// Dials ordered.
    dials,
    /// Dials that came to nothing.
    dials_failed,
    /// Links turned away at once.
    links_refused,
    /// Links that the other side closed in good order.
    byes_received,
    /// Links closed because the peer broke the protocol.
    violations,
    /// Frames that were none.
    frames_malformed,
    /// Frames of a kind that this version skips.
    frames_unknown,
    /// Frames of links that are gone.
    frames_without_link,
    /// Acknowledgements of links that are gone.
    acks_late,
    /// Sightings for which there was no room.
    sightings_refused,
    /// Lookups of peers that were asked for.
    seeks,
    /// Interfaces for which there was no room.
    uplinks_refused,
    /// Answers of the reputation policy that nobody waited for, or that were none, and stored
    /// ones that are none.
    standings_unclaimed,
    /// Observations of peers for which there was no room.
    observations_refused,
    /// Words about others that were told to peers.
    hearsay_told,
    /// Words about peers that nobody knows, or from peers that have not proven themselves.
    hearsay_ignored,
    /// Frames of hearsay beyond what a peer may send.
    hearsay_refused,
    /// Times that a peer came to be discouraged.
    peers_discouraged,
    /// Times that a peer came to be shunned.
    peers_shunned,
    /// Links that were closed to make room for better ones.
    links_evicted,
}

impl Node {
    /// What it knows.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: self.now,
            session: self.session,
            uplinks: self.uplinks.values().map(|uplink| self.uplink_snapshot(uplink)).collect(),
            neighbours: self.neighbours.snapshot(self.now),
            bluetooth: self.neighbours.counters(),
            peers: self.peers.iter().map(|peer| self.peer_snapshot(peer)).collect(),
            selector: self.selector.snapshot(),
            failover: self.failover.snapshot(),
            counters: self.counters.list(),
        }
    }

    /// The generation of what is in a slot; `None` for a role that is asked elsewhere.
    pub fn generation(&self, role: Role) -> Option<u64> {
        match role {
            Role::Selector => Some(self.selector.generation()),
            Role::Failover => Some(self.failover.generation()),
            Role::Reputation | Role::Anomaly => None,
        }
    }

    fn uplink_snapshot(&self, uplink: &Uplink) -> Uplink {
        Uplink { quota_left_kib: self.quota_left_kib(uplink), ..uplink.clone() }
    }

    fn peer_snapshot(&self, peer: &Peer) -> PeerSnapshot {
        let links = peer.links.iter().filter_map(|link| self.links.get(link));
        PeerSnapshot {
            peer: peer.id,
            number: peer.number,
            links: links.map(link_snapshot).collect(),
            addresses: peer.places.iter().map(|(a, p)| address_snapshot(a, p)).collect(),
            queues: Class::ALL.map(|class| {
                let outbox = &peer.lanes[class as usize].outbox;
                QueueSnapshot {
                    messages: outbox.open(),
                    bytes: outbox.bytes(),
                    delivered: outbox.delivered,
                    expired: outbox.expired,
                }
            }),
            moves: peer.moves_total,
            received: peer.lanes.iter().map(|lane| lane.inbox.delivered).sum(),
            standing: peer.record.standing(),
            seen: peer.record.seen(),
            score: peer.trust.score.effective(),
            level: peer.trust.level,
        }
    }
}

fn link_snapshot(link: &Link) -> LinkSnapshot {
    let hello = link.hello.as_ref();
    LinkSnapshot {
        link: link.id(),
        path: link.path,
        transport: link.new.transport,
        protocol: link.new.protocol,
        channel: link.sample.channel,
        uplink: link.new.uplink,
        remote_uplink: hello.map(|hello| hello.uplink.clone()).unwrap_or_default(),
        remote: link.new.remote.clone(),
        dialled: link.new.dial.is_some(),
        state: link.state,
        masked: link.masked,
        since: link.since,
        srtt_us: link.srtt_us().map(saturate),
        rttvar_us: saturate(link.rttvar_us()),
        min_rtt_us: link.min_rtt_us().map(saturate),
        rate_kbps: link.rate_kbps(),
        inflight_bytes: link.inflight_bytes(),
        room_bytes: link.room_bytes(),
        sent_bytes: link.sent_bytes,
        received_bytes: link.received_bytes,
        duplicate_bytes: link.duplicate_bytes,
        late_ppm: link.late_ppm(),
        loss_ppm: link.sample.loss_ppm,
        reliability_ppm: link.reliability_ppm(),
    }
}

fn address_snapshot(address: &Address, place: &Place) -> AddressSnapshot {
    let attempts = || place.attempts.values();
    let idle = attempts().filter(|attempt| attempt.dialling.is_none());
    AddressSnapshot {
        address: address.clone(),
        source: place.sources.first().copied().unwrap_or(Source::Observed),
        failures: attempts().map(|attempt| attempt.failures).max().unwrap_or_default(),
        last_failure: attempts().find_map(|attempt| attempt.last_failure),
        next_try: idle.map(|attempt| attempt.next_try).min(),
    }
}
