//! How a phone book is, for people and monitors.

use std::collections::BTreeMap;

use pointsman_core::dht::crawl::Progress;
use pointsman_core::dht::size::Size;

use crate::event::QueryId;
use crate::intake::IntakeCounts;
use crate::query::{Purpose, Query};
use crate::server::ServedCounts;

/// How it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Whether it answers others; otherwise it only asks.
    pub serves: bool,
    /// Whether anybody answered.
    pub joined: bool,
    /// How often in a row nobody answered.
    pub join_failures: u32,
    /// When the next lookup of its own is due; `None` while one is under way.
    pub next_round_in_ms: Option<u64>,
    /// Peers to begin with.
    pub seeds: usize,
    /// Peers that wait to be asked whether they are where they are said to be.
    pub probes: usize,
    /// How many are in each bucket of the table that has any, by the bits that they share with us.
    pub buckets: BTreeMap<u32, usize>,
    /// Records that are kept for others.
    pub records: usize,
    /// Their bytes.
    pub record_bytes: usize,
    /// How many nodes there are, as far as is known.
    pub size: Option<Size>,
    /// The sequence of our record.
    pub own_sequence: Option<u64>,
    /// Until when it holds, in seconds since 1970.
    pub own_expires_s: Option<u64>,
    /// How many gave it back when it was published last.
    pub own_stored: usize,
    /// What is under way.
    pub queries: Vec<QueryStatus>,
    /// Questions under way.
    pub requests: usize,
    /// Since the start.
    pub counts: Counts,
    /// What others asked.
    pub served: ServedCounts,
    /// What others brought.
    pub intake: IntakeCounts,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lookups that ended, whoever ordered them.
    pub lookups: u64,
    /// Peers that were looked for.
    pub finds: u64,
    /// Of these, those that were found.
    pub found: u64,
    /// Lookups of our own.
    pub rounds: u64,
    /// Peers that were asked whether they are where they are said to be.
    pub probes: u64,
    /// Questions of lookups and crawls.
    pub asked: u64,
    /// Questions that were answered, of all kinds.
    pub answered: u64,
    /// Questions that were not.
    pub failed: u64,
    /// Observations that were dropped because nobody took them.
    pub events_dropped: u64,
}

/// A lookup or a crawl under way.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryStatus {
    /// Which.
    pub id: QueryId,
    /// What for.
    pub kind: QueryKind,
}

/// What a query is for, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryKind {
    /// A lookup, with how many questions it asked.
    Lookup {
        /// What for.
        purpose: Purpose,
        /// So far.
        asked: usize,
    },
    /// A crawl.
    Crawl(Progress),
}

impl QueryStatus {
    pub(crate) fn of(id: QueryId, query: &Query) -> Self {
        let kind = match query {
            Query::Lookup(query) => {
                QueryKind::Lookup { purpose: query.purpose, asked: query.lookup.trace().len() }
            }
            Query::Crawl(query) => QueryKind::Crawl(query.crawl.progress()),
        };
        Self { id, kind }
    }
}
