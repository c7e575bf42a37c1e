//! Links.

use pointsman_core::bluetooth::stream::Carrier;
use pointsman_core::input::{Protocol, Transport};
use pointsman_core::snapshot::{LinkSnapshot, Snapshot};
use serde::{Deserialize, Serialize};

/// A link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// Its number.
    pub link: u32,
    /// By what policies and their records know its path; 0 before the peer's hello.
    #[serde(default)]
    pub path: u32,
    /// Who is at the other end.
    pub peer: String,
    /// `bluetooth`, `wifi-direct`, `lan`, `internet`, `relay` or `mesh`.
    pub transport: String,
    /// `quic`, `tcp`, `bluetooth` or `circuit`.
    pub protocol: String,
    /// Whether it leads through a relay.
    pub relayed: bool,
    /// What carries a link's bytes on the air; `null` where it is no radio's.
    pub channel: Option<ChannelView>,
    /// The local interface that it is bound to.
    pub uplink: String,
    /// What the peer calls its interface; empty before its hello.
    pub remote_uplink: String,
    /// The remote address.
    pub remote: String,
    /// Whether this side dialled.
    pub dialled: bool,
    /// `greeting`, `up`, `suspect` or `closing`.
    pub state: String,
    /// Taken out of use by the failover policy.
    pub masked: bool,
    /// For how long it has been up.
    pub age_ms: u64,
    /// Smoothed round-trip time.
    pub srtt_us: Option<u32>,
    /// Its mean deviation.
    pub rttvar_us: u32,
    /// Least round-trip time.
    pub min_rtt_us: Option<u32>,
    /// Delivery rate in kilobits per second.
    pub rate_kbps: Option<u32>,
    /// Sent and not acknowledged.
    pub inflight_bytes: u64,
    /// What it can take now.
    pub room_bytes: u64,
    /// Packets sent, in bytes.
    pub sent_bytes: u64,
    /// Packets received, in bytes.
    pub received_bytes: u64,
    /// Copies sent here for another link.
    pub duplicate_bytes: u64,
    /// Packets acknowledged later than their timeout, per million.
    pub late_ppm: u32,
    /// Packets lost, per million, where the protocol shows it.
    pub loss_ppm: Option<u32>,
    /// Share of the time that it was usable, per million.
    pub reliability_ppm: u32,
}

/// What carries a link's bytes on the air.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelView {
    /// `gatt` or `l2cap`.
    pub carrier: String,
    /// The longest value that it carries, in bytes.
    pub mtu: u16,
}

/// All links, by peer.
pub fn links(snapshot: &Snapshot) -> Vec<LinkView> {
    let of_peer = |peer: &pointsman_core::snapshot::PeerSnapshot| {
        let name = peer.peer.to_string();
        peer.links.iter().map(|link| view(snapshot, &name, link)).collect::<Vec<_>>()
    };
    snapshot.peers.iter().flat_map(of_peer).collect()
}

fn view(snapshot: &Snapshot, peer: &str, link: &LinkSnapshot) -> LinkView {
    let uplink = snapshot.uplinks.iter().find(|uplink| uplink.id == link.uplink);
    LinkView {
        link: link.link.0,
        path: link.path,
        peer: peer.to_owned(),
        transport: link.transport.name().to_owned(),
        protocol: protocol_name(link.protocol).to_owned(),
        relayed: link.transport == Transport::Relay,
        channel: link
            .channel
            .map(|(carrier, mtu)| ChannelView { carrier: carrier_name(carrier).to_owned(), mtu }),
        uplink: uplink.map(|uplink| uplink.name.clone()).unwrap_or_default(),
        remote_uplink: link.remote_uplink.clone(),
        remote: link.remote.clone(),
        dialled: link.dialled,
        state: link.state.name().to_owned(),
        masked: link.masked,
        age_ms: snapshot.at.since(link.since) / 1000,
        srtt_us: link.srtt_us,
        rttvar_us: link.rttvar_us,
        min_rtt_us: link.min_rtt_us,
        rate_kbps: link.rate_kbps,
        inflight_bytes: link.inflight_bytes,
        room_bytes: link.room_bytes,
        sent_bytes: link.sent_bytes,
        received_bytes: link.received_bytes,
        duplicate_bytes: link.duplicate_bytes,
        late_ppm: link.late_ppm,
        loss_ppm: link.loss_ppm,
        reliability_ppm: link.reliability_ppm,
    }
}

fn carrier_name(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Gatt => "gatt",
        Carrier::L2cap => "l2cap",
    }
}

/// A protocol's name in JSON.
pub(super) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Quic => "quic",
        Protocol::Tcp => "tcp",
        Protocol::Bluetooth => "bluetooth",
        Protocol::Circuit => "circuit",
    }
}
