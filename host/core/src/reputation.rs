//! Reputation: how far a peer is trusted, from what this node saw of it, and what follows.
//!
//! What is seen is a [`Cause`], counted in a record; the reputation policy folds the counts into
//! a standing, which this node keeps, stores and lets decay. That is the *first-hand* score. The
//! *effective* score adds two things that a peer can't be blamed or praised for alone: a bad
//! name of the subnet that it comes from, as long as little is known of itself, and hearsay.
//! From the effective score follows a [`Level`], and from that what is dialled, kept, evicted.
//!
//! Nothing first-hand rests on what a frame says of its sender, and no count grows with more
//! than its number.

mod cause;
mod gossip;
mod hearsay;
mod level;
mod memory;
mod record;
mod subnet;

use pointsman_sdk::reputation::Standing;

use crate::id::PeerId;
use crate::subnet::Subnet;

pub use cause::Cause;
pub use level::Level;

pub(crate) use gossip::{Grant, Saying, Told};
pub(crate) use hearsay::Hearsay;
pub(crate) use memory::Memory;
pub(crate) use record::Record;
pub(crate) use subnet::Subnets;

/// Whom a standing is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A peer.
    Peer(PeerId),
    /// All peers of a subnet.
    Subnet(Subnet),
}

/// What is stored of a peer or a subnet, to survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recollection {
    /// Whom it is about.
    pub about: Subject,
    /// Where it stood. Its `updated_ms` means nothing outside of the run that made it.
    pub standing: Standing,
    /// How long before that had been judged, in milliseconds. Whoever stores it adds the time
    /// that it lay there.
    pub age_ms: u64,
    /// How often it was seen to do what, in the order of
    /// [`Kind::ALL`](pointsman_sdk::reputation::Kind::ALL).
    pub seen: [u64; 7],
    /// What it was seen to do: at most [`CAUSES_PER_PEER_MAX`](crate::limits::CAUSES_PER_PEER_MAX).
    pub causes: Vec<RememberedCause>,
}

/// How often a peer was seen to do one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedCause {
    /// What.
    pub cause: Cause,
    /// How often.
    pub count: u64,
    /// How long ago it last did, in milliseconds. Whoever stores it adds the time that it lay
    /// there.
    pub age_ms: u64,
}

/// Hearsay has so many hundredths of the weight.
const HEARSAY_PERCENT: i32 = 20;

/// A newcomer begins at so many hundredths of what its subnet stands at, where that is bad.
const SUBNET_PERCENT: i32 = 50;

/// After so many deeds of its own its subnet matters half as much.
const DEEDS_HALF: u64 = 20;

/// An effective score and what it is made of: their sum, within the range of scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// What this node saw itself.
    pub first_hand: i32,
    /// What its subnet takes away: never more than 0.
    pub subnet: i32,
    /// What others say adds or takes away.
    pub hearsay: i32,
}

impl Score {
    /// The effective score.
    pub fn effective(&self) -> i32 {
        let sum = self.first_hand + self.subnet + self.hearsay;
        sum.clamp(Standing::SCORE_MIN, Standing::SCORE_MAX)
    }
}

/// The score of a peer that stands so first hand, after so many deeds; whose worst subnet stands
/// so; of whom others say this.
///
/// Hearsay pulls the first-hand score towards itself with a weight of a fifth, but only further
/// to the side on which that score is: it never speaks against what was seen.
pub(crate) fn effective(first_hand: i32, deeds: u64, subnet: i32, said: Option<i32>) -> Score {
    let fading = (DEEDS_HALF * 1000 / DEEDS_HALF.saturating_add(deeds)) as i32;
    let subnet = subnet.min(0) * SUBNET_PERCENT / 100 * fading / 1000;
    let apart = said.unwrap_or(first_hand) - first_hand;
    let agrees = first_hand == 0 || apart.signum() == first_hand.signum();
    let hearsay = if agrees { apart * HEARSAY_PERCENT / 100 } else { 0 };
    Score { first_hand, subnet, hearsay }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hearsay(first_hand: i32, said: i32) -> i32 {
        effective(first_hand, 0, 0, Some(said)).hearsay
    }

    #[test]
    fn hearsay_weighs_a_fifth_at_most() {
        assert_eq!(hearsay(0, -1000), -200);
        assert_eq!(hearsay(0, 1000), 200);
        assert_eq!(hearsay(-500, -1000), -100);
        assert_eq!(hearsay(500, 1000), 100);
    }

    #[test]
    fn hearsay_never_speaks_against_what_was_seen() {
        for (first_hand, said) in [(1, -1000), (-1, 1000), (600, 500), (-600, -500), (600, -1)] {
            assert_eq!(hearsay(first_hand, said), 0, "{first_hand} {said}");
        }
    }

    #[test]
    fn a_newcomer_never_begins_above_a_stranger_and_below_in_a_bad_subnet() {
        assert_eq!(effective(0, 0, 900, None).effective(), 0);
        assert_eq!(effective(0, 0, -900, None).effective(), -450);
        assert_eq!(effective(0, DEEDS_HALF, -900, None).effective(), -225);
        assert_eq!(effective(0, u64::MAX, -900, None).effective(), 0);
    }

    #[test]
    fn a_sum_stays_in_the_range_of_scores() {
        assert_eq!(effective(-1000, 0, -1000, Some(-1000)).effective(), -1000);
    }
}
