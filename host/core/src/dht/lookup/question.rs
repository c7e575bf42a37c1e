//! What a lookup is for, what it asks, and what an answer can be.

use crate::dht::contact::Scope;
use crate::dht::key::Key;
use crate::id::PeerId;

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A peer: it itself, or the record that lies at its key (the one named by its multihash).
    Peer(PeerId),
    /// The closest nodes to a key that answer, to store something there.
    Closest(Key),
    /// The newest record at a key.
    Record(Key),
}

impl Goal {
    /// The key that is walked towards.
    pub fn target(&self) -> Key {
        match self {
            Self::Peer(peer) => Key::of_peer(peer),
            Self::Closest(key) | Self::Record(key) => *key,
        }
    }

    /// Whether peers are asked for a record (GET_VALUE), or for contacts only (FIND_NODE).
    pub fn wants_record(&self) -> bool {
        matches!(self, Self::Peer(_) | Self::Record(_))
    }
}

/// How a lookup is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Which addresses are dialled.
    pub scope: Scope,
    /// Disjoint paths, at most [`crate::limits::DHT_PATHS_MAX`].
    pub paths: usize,
    /// Questions under way at once, at most [`crate::limits::DHT_LOOKUP_PARALLEL_MAX`].
    pub parallel: usize,
    /// How many nodes the network has, by our own estimate. Without one, there is no sweep.
    pub network_size: Option<f64>,
    /// Drawn at random by the shell: how the first contacts are dealt out.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { scope: Scope::Public, paths: 4, parallel: 8, network_size: None, seed: 0 }
    }
}

/// An order: ask this peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whom. It is asked one thing at a time.
    pub peer: PeerId,
    /// Where it is said to be; empty if the shell has to know that itself.
    pub addresses: Vec<String>,
    /// On which path.
    pub path: u8,
    /// What for.
    pub question: Question,
}

/// What a peer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The closest to the target, and the record there if [`Goal::wants_record`].
    Target,
    /// The closest to a key that shares exactly so many bits with the target: a name for it is
    /// found by [`crate::dht::key::Preimages::find`]. Only contacts are asked for.
    Beside {
        /// How many.
        bits: u32,
    },
}

/// What a reply says of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFact {
    /// It brought one whose signature holds, for the key that was asked for.
    Verified {
        /// The newer, the higher.
        sequence: u64,
        /// The shell's number for what it keeps of it.
        id: u64,
    },
    /// It brought one that is forged, expired or of another key.
    Bad,
}

/// Why a peer gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No connection came about: its addresses may have been wrong.
    Unreachable,
    /// It was connected, and did not answer in time.
    Silent,
    /// It was connected, and does not take part in the DHT or refused.
    Refused,
    /// It answered what the protocol forbids.
    Invalid,
}
