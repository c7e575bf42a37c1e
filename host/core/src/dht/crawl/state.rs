//! What a crawl found, as plain values: to show, to keep, and to take it up again.

use crate::dht::contact::Contact;
use crate::id::PeerId;

/// Everyone that a crawl knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrawlState {
    /// In the order in which they were named.
    pub nodes: Vec<CrawlNode>,
}

/// One peer, and whom it has in its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrawlNode {
    /// Who and where.
    pub contact: Contact,
    /// How far it was read.
    pub status: CrawlStatus,
    /// Buckets that it was asked for.
    pub buckets_read: u32,
    /// Those in its table: an edge of the network for each.
    pub entries: Vec<PeerId>,
}

/// How far a peer was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrawlStatus {
    /// There is something left to ask, or no address is known.
    Open,
    /// Its whole table.
    Read,
    /// It stopped answering in the middle.
    Partial,
    /// It never answered.
    Unreachable,
}
