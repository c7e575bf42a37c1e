//! Reputation: how far a peer is to be trusted, from what this node saw of it.
//!
//! The policy folds observations into a standing. The host keeps a standing for each peer; it
//! outlives every version of a policy.

use crate::{Fault, Manifest, Settings};

/// What a peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// It acknowledged in time.
    Ack = 0,
    /// It acknowledged late, or not at all.
    Timeout = 1,
    /// It sent what the protocol forbids.
    Invalid = 2,
    /// It refused a connection or a message.
    Refused = 3,
    /// It answered a question of ours.
    Served = 4,
    /// It passed on a packet for us.
    Relayed = 5,
    /// It sent more than it was granted.
    Spam = 6,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Ack,
        Self::Timeout,
        Self::Invalid,
        Self::Refused,
        Self::Served,
        Self::Relayed,
        Self::Spam,
    ];

    /// Its name in case files, logs and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Timeout => "timeout",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Served => "served",
            Self::Relayed => "relayed",
            Self::Spam => "spam",
        }
    }
}

/// Something that was seen of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// What it did.
    pub kind: Kind,
    /// How often: 1 for a single event.
    pub weight: u32,
    /// When, in milliseconds of the host's monotonic clock.
    pub at_ms: u64,
}

/// What the host keeps for a peer. That of a peer that is new is all zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// For the host: from [`Standing::SCORE_MIN`] (shun) over 0 (unknown) to
    /// [`Standing::SCORE_MAX`] (trust).
    pub score: i32,
    /// The policy's own.
    pub a: u32,
    /// The policy's own.
    pub b: u32,
    /// The policy's own.
    pub c: u32,
    /// When it was folded last, in milliseconds of the host's monotonic clock.
    pub updated_ms: u64,
}

impl Standing {
    /// The least score.
    pub const SCORE_MIN: i32 = -1000;
    /// The greatest score.
    pub const SCORE_MAX: i32 = 1000;
}

/// A policy that judges peers.
pub trait Reputation: Default {
    /// Who it is and which settings it takes.
    fn manifest() -> Manifest;

    /// Takes its settings. The default takes none.
    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.none()
    }

    /// The standing after these observations, which are in the order of time. An empty list
    /// asks what time alone does. Equal questions get equal standings.
    fn fold(&self, now_ms: u64, was: &Standing, seen: &[Observation]) -> Standing;
}
