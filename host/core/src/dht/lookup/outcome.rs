//! What came of a lookup, and what peers were seen to do in it.

use pointsman_sdk::reputation::Kind;

use crate::dht::contact::Contact;
use crate::id::PeerId;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The peer itself answered, at one of these addresses.
    Peer(Contact),
    /// A record.
    Record {
        /// See [`super::RecordFact::Verified`].
        sequence: u64,
        /// See [`super::RecordFact::Verified`].
        id: u64,
        /// How many paths brought it.
        paths: usize,
    },
}

/// Why a lookup is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It found what it looked for.
    Found,
    /// Nobody was left to ask.
    Exhausted,
    /// It took too long.
    OutOfTime,
    /// It asked too much.
    OutOfQuestions,
}

/// What came of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it looked for, if it found it.
    pub found: Option<Found>,
    /// Who answered, the closest first: k of them, or all in the region that k nodes would fill,
    /// if that are more. Who stores something stores it with all of these.
    pub closest: Vec<Contact>,
    /// Why it is over.
    pub ended: Ended,
    /// Questions that were asked.
    pub asked: usize,
    /// Peers that answered.
    pub answered: usize,
    /// Peers that did not.
    pub failed: usize,
    /// How long it took.
    pub took_us: u64,
}

/// Something that a peer was seen to do, for its reputation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Who.
    pub peer: PeerId,
    /// What: served, timeout or invalid.
    pub kind: Kind,
}
