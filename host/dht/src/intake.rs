//! Records that others bring: how many, which, and what becomes of them.
//!
//! First it is counted how much the peer and its subnet brought lately, then the record is
//! checked, cheapest first, and only what holds gets to the [`Shelf`].

use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits;
use pointsman_core::subnet::Subnet;

use crate::quota::{Quota, Rate};
use crate::record::{Refusal, Rules, peer_of};
use crate::shelf::{Kept, Shelf};

/// What one peer may bring: its own record when it changes, and some of others.
const PER_PEER: Rate = Rate { burst: 16, refill_us: 10_000_000 };

/// What the peers of one subnet may bring together.
const PER_SUBNET: Rate = Rate { burst: 128, refill_us: 1_000_000 };

/// A record that somebody brought.
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// Who, as its handshake proved.
    pub from: PeerId,
    /// From where, if that is on the internet.
    pub subnet: Option<Subnet>,
    /// The name that the record is to have.
    pub key: &'a [u8],
    /// The record.
    pub value: &'a [u8],
}

/// Why a record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The peer, or its subnet, brought too many lately. It was not looked at.
    #[error("too many records from there")]
    TooMany,
    /// It does not hold.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Counts of what was brought, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeCounts {
    /// Kept: new, newer or the same as before.
    pub kept: u64,
    /// They held, and there was no room.
    pub full: u64,
    /// Not looked at.
    pub too_many: u64,
    /// They did not hold.
    pub refused: u64,
}

/// The way to the shelf.
#[derive(Debug)]
pub struct Intake {
    peers: Quota<PeerId>,
    subnets: Quota<Subnet>,
    counts: IntakeCounts,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            peers: Quota::new(PER_PEER, limits::DHT_QUOTA_NAMES_MAX),
            subnets: Quota::new(PER_SUBNET, limits::DHT_QUOTA_NAMES_MAX),
            counts: IntakeCounts::default(),
        }
    }
}

impl Intake {
    /// Takes a record in, or not.
    pub fn put(
        &mut self,
        now: Time,
        rules: &Rules<'_>,
        shelf: &mut Shelf,
        put: &Put<'_>,
    ) -> Result<Kept, Declined> {
        let outcome = self.look(now, rules, shelf, put);
        let count = match outcome {
            Ok(Kept::New | Kept::Newer | Kept::Same) => &mut self.counts.kept,
            Ok(Kept::Full) => &mut self.counts.full,
            Err(Declined::TooMany) => &mut self.counts.too_many,
            Err(Declined::Refused(_)) => &mut self.counts.refused,
        };
        *count += 1;
        outcome
    }

    /// Since the start.
    pub fn counts(&self) -> IntakeCounts {
        self.counts
    }

    fn look(
        &mut self,
        now: Time,
        rules: &Rules<'_>,
        shelf: &mut Shelf,
        put: &Put<'_>,
    ) -> Result<Kept, Declined> {
        let allowed = self.peers.take(now, put.from)
            && put.subnet.is_none_or(|subnet| self.subnets.take(now, subnet));
        if !allowed {
            return Err(Declined::TooMany);
        }
        let newest = peer_of(put.key).and_then(|peer| shelf.sequence(&peer));
        let checked = rules.check(put.key, put.value, newest)?;
        Ok(shelf.keep(&checked, put.from, put.subnet)?)
    }
}
