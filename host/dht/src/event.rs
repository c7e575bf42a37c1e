//! What a phone book tells.

use pointsman_core::dht::contact::Contact;
use pointsman_core::dht::crawl::{CrawlState, Progress};
use pointsman_core::dht::key::Key;
use pointsman_core::dht::lookup::Step;
use pointsman_core::id::PeerId;
use pointsman_core::subnet::Subnet;
use pointsman_sdk::reputation::Kind;

use crate::record::Checked;

/// A lookup or a crawl that was ordered. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// Something that the daemon may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A lookup ended well.
    Found {
        /// Which.
        query: QueryId,
        /// Who was looked for.
        peer: PeerId,
        /// The newest record of it.
        record: Option<Checked>,
        /// Where it answered itself, if it did.
        contact: Option<Contact>,
        /// Every question that was asked.
        trace: Vec<Step>,
    },
    /// A lookup ended in vain.
    NotFound {
        /// Which.
        query: QueryId,
        /// Who was looked for.
        peer: PeerId,
        /// Every question that was asked.
        trace: Vec<Step>,
    },
    /// A crawl goes on; told once in a second.
    CrawlProgress {
        /// Which.
        query: QueryId,
        /// How far it is.
        progress: Progress,
    },
    /// A crawl is over, or was cancelled.
    Crawled {
        /// Which.
        query: QueryId,
        /// How far it got.
        progress: Progress,
        /// Everyone it found.
        state: CrawlState,
    },
    /// A peer did something that its reputation should feel.
    Observed(Observed),
    /// The nodes nearest to a key were made to lie there.
    SybilAlarm {
        /// The key.
        key: Key,
        /// See [`pointsman_core::dht::sybil::Verdict::score`].
        score: f64,
    },
    /// Peers worth remembering over a restart, for [`crate::Dht::remember`].
    Cache(Vec<Contact>),
    /// A record of ours was published.
    Published {
        /// Its sequence.
        sequence: u64,
        /// How many nodes gave it back when they were asked for it.
        stored: usize,
    },
}

/// Something that a peer was seen to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Who.
    pub peer: PeerId,
    /// From where, if that is on the internet.
    pub subnet: Option<Subnet>,
    /// What.
    pub kind: Kind,
    /// How often.
    pub weight: u32,
    /// In words.
    pub why: &'static str,
}
