//! What the Node knows, for people and programs to read.

use pointsman_sdk::Transport;
use pointsman_sdk::reputation::Standing;
use pointsman_sdk::selector::Class;

pub use crate::bluetooth::neighbours::{BluetoothCounters, NeighbourState, NeighbourView};
use crate::bluetooth::stream::Carrier;
use crate::id::{LinkId, PeerId, PeerNumber, Time, UplinkId};
use crate::input::DialFailure;
use crate::input::{Address, Protocol, Source, Uplink};
use crate::policy::Strike;
use crate::reputation::{Cause, Level, Score};
use crate::subnet::Subnet;

/// A copy of the Node's state at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Time,
    /// Random number of this run.
    pub session: u64,
    /// The local interfaces.
    pub uplinks: Vec<Uplink>,
    /// Who is in radio range.
    pub neighbours: Vec<NeighbourView>,
    /// What was counted of them.
    pub bluetooth: BluetoothCounters,
    /// The peers, in the order of their appearance.
    pub peers: Vec<PeerSnapshot>,
    /// The selector's slot.
    pub selector: SlotSnapshot,
    /// The failover policy's slot.
    pub failover: SlotSnapshot,
    /// What was counted since the start, by name, in a fixed order.
    pub counters: Vec<(&'static str, u64)>,
}

/// A slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotSnapshot {
    /// Whether a module is in it; otherwise the builtin policy answers.
    pub has_module: bool,
    /// Questions asked.
    pub asked: u64,
    /// Questions that the builtin answered because the module did not, or abstained.
    pub answered_by_builtin: u64,
    /// Failures of the module.
    pub strikes: u64,
    /// The last of them.
    pub last_strike: Option<Strike>,
    /// The shell's number for what is in it.
    pub generation: u64,
    /// Whether it still must prove itself, with the one before kept warm.
    pub on_probation: bool,
    /// What a question to the module costs on average, in nanoseconds, where it is measured.
    pub mean_cost_ns: Option<u32>,
    /// Questions that the warm one was asked beside it, so that the two can be compared; their
    /// cost delays no packet.
    pub shadowed: u64,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Who.
    pub peer: PeerId,
    /// The Node's number for it.
    pub number: PeerNumber,
    /// The links to it.
    pub links: Vec<LinkSnapshot>,
    /// Where it may be reachable.
    pub addresses: Vec<AddressSnapshot>,
    /// Its queues, by class.
    pub queues: [QueueSnapshot; 3],
    /// Moves of its traffic since the start.
    pub moves: u64,
    /// Messages from it that were delivered.
    pub received: u64,
    /// How far it is trusted first hand.
    pub standing: Standing,
    /// How far it is trusted in all: the effective score.
    pub score: i32,
    /// How it is treated.
    pub level: Level,
    /// How often it was seen to do what, in the order of
    /// [`Kind::ALL`](pointsman_sdk::reputation::Kind::ALL).
    pub seen: [u64; 7],
}

/// A queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// Messages that wait or are not acknowledged.
    pub messages: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that were acknowledged since the start.
    pub delivered: u64,
    /// Messages that expired since the start.
    pub expired: u64,
}

/// A rumour where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSnapshot {
    /// Where.
    pub address: Address,
    /// Who said so.
    pub source: Source,
    /// Failed dials in a row.
    pub failures: u32,
    /// Why the last one failed.
    pub last_failure: Option<DialFailure>,
    /// When it is tried next, unless it is in use.
    pub next_try: Option<Time>,
}

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkState {
    /// Waits for the other side's hello.
    Greeting,
    /// In use.
    Up,
    /// An acknowledgement is overdue.
    Suspect,
    /// Being closed.
    Closing,
}

impl LinkState {
    /// Its name in logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Closing => "closing",
        }
    }
}

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSnapshot {
    /// Its number.
    pub link: LinkId,
    /// By what policies know its path; 0 before the peer's hello.
    pub path: u32,
    /// Kind of network.
    pub transport: Transport,
    /// Protocol below.
    pub protocol: Protocol,
    /// What carries it on the air, and the longest value of that in bytes, where it is a
    /// radio's.
    pub channel: Option<(Carrier, u16)>,
    /// The interface that it is bound to.
    pub uplink: UplinkId,
    /// What the peer calls its interface; empty before its hello.
    pub remote_uplink: String,
    /// The remote address.
    pub remote: String,
    /// Whether this side dialled.
    pub dialled: bool,
    /// How it is.
    pub state: LinkState,
    /// Taken out of use by the failover policy.
    pub masked: bool,
    /// When it came up.
    pub since: Time,
    /// Smoothed round-trip time in microseconds; `None` before the first acknowledgement.
    pub srtt_us: Option<u32>,
    /// Its mean deviation in microseconds.
    pub rttvar_us: u32,
    /// Least round-trip time in microseconds.
    pub min_rtt_us: Option<u32>,
    /// Delivery rate in kilobits per second; `None` before it was measured.
    pub rate_kbps: Option<u32>,
    /// Sent and not acknowledged, in bytes.
    pub inflight_bytes: u64,
    /// What it can take now, in bytes.
    pub room_bytes: u64,
    /// Bytes of packets sent.
    pub sent_bytes: u64,
    /// Bytes of packets received.
    pub received_bytes: u64,
    /// Bytes of copies sent here for another link.
    pub duplicate_bytes: u64,
    /// Packets acknowledged later than their timeout, per million.
    pub late_ppm: u32,
    /// Packets lost, per million, where the protocol shows it.
    pub loss_ppm: Option<u32>,
    /// Share of the time that it was usable, per million.
    pub reliability_ppm: u32,
}

/// Why a peer is treated as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Who.
    pub peer: PeerId,
    /// When this is true.
    pub at: Time,
    /// How it is treated.
    pub level: Level,
    /// Since when; `None` where the peer is only remembered.
    pub since: Option<Time>,
    /// The score and what it is made of.
    pub score: Score,
    /// How often it was seen to do what, in the order of
    /// [`Kind::ALL`](pointsman_sdk::reputation::Kind::ALL).
    pub seen: [u64; 7],
    /// What it was seen to do, the newest first.
    pub causes: Vec<CauseSnapshot>,
    /// The subnets that it came from, with their scores.
    pub subnets: Vec<(Subnet, i32)>,
    /// The median of what others say, discounted by how they stand, and how many they are.
    pub hearsay: Option<(i32, usize)>,
    /// Peers that this node trusts and is not linked to, and to whom this one alone of those
    /// that are linked says it has a link: for them it is not shunned.
    pub bridge_to: Vec<PeerId>,
    /// It would be shunned, but is a bridge, or too few other peers are left.
    pub is_excused: bool,
    /// By lot its score has no say in whom to dial first or to evict.
    pub is_spared: bool,
    /// Its links.
    pub links: usize,
    /// When it is dialled next, where it is.
    pub next_dial: Option<Time>,
}

/// Something that a peer was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseSnapshot {
    /// What.
    pub cause: Cause,
    /// How often.
    pub count: u64,
    /// How long ago it last did, in milliseconds.
    pub age_ms: u64,
}

/// The messages of all classes that a peer's queues hold.
pub fn waiting(peer: &PeerSnapshot) -> usize {
    Class::ALL.iter().map(|&class| peer.queues[class as usize].messages).sum()
}
