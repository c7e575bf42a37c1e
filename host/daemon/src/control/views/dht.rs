//! The phone book.

use serde::{Deserialize, Serialize};

/// How this node takes part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DhtView {
    /// `server`: it answers others; `client`: it only asks; `off`.
    pub mode: String,
    /// The name of its protocol, which is the network's.
    pub protocol: String,
    /// Peers in the routing table.
    pub peers: usize,
    /// The table by the number of bits that its peers' keys share with ours.
    pub buckets: Vec<BucketView>,
    /// Signed records of others that it keeps.
    pub records: usize,
    /// Its own record, as it was published last.
    pub own: Option<RecordView>,
    /// How many nodes the network is estimated to have.
    pub size: Option<SizeView>,
    /// Lookups and crawls under way.
    pub queries: usize,
    /// What it does to get into the network, as a sentence; empty once it is in.
    pub bootstrap: String,
    /// What was counted since the start, by name.
    pub counters: std::collections::BTreeMap<String, u64>,
}

/// A bucket of the routing table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketView {
    /// Bits that the keys in it share with ours.
    pub bits: u32,
    /// How many peers are in it.
    pub peers: usize,
}

/// An estimate with the interval in which it lies in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizeView {
    /// The estimate.
    pub nodes: f64,
    /// The lower end.
    pub least: f64,
    /// The upper end.
    pub most: f64,
}

/// What a peer signed of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    /// Grows with each version; milliseconds since 1970 by custom.
    pub sequence: u64,
    /// Until when it holds, in milliseconds since 1970.
    pub expires_unix_ms: u64,
    /// Where the peer is.
    pub addresses: Vec<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
}

/// What became of a lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundView {
    /// Who was looked for.
    pub peer: String,
    /// Where it is; empty where it was not found.
    pub addresses: Vec<String>,
    /// The newest record that was found and checked.
    pub record: Option<RecordView>,
    /// From the order to the answer, in milliseconds.
    pub took_ms: u64,
    /// The way it took, in the order of time.
    pub way: Vec<AskedView>,
}

/// One question of a lookup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedView {
    /// Who was asked.
    pub peer: String,
    /// Who had told of it; `null` for those that were known.
    pub told_by: Option<String>,
    /// On which of the disjoint paths, from 0.
    pub path: usize,
    /// Bits that its key shares with the one that is looked for.
    pub bits: u32,
    /// When, in milliseconds since the order.
    pub at_ms: u64,
    /// How long it took, in milliseconds; `null` while it is under way.
    pub took_ms: Option<u64>,
    /// What came: `answered`, `timed-out`, `unreachable`, `invalid`, …
    pub result: String,
    /// Usable contacts in the answer.
    pub contacts: usize,
}

/// How far a crawl is, and at its end what it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrawlView {
    /// Nodes heard of.
    pub known: usize,
    /// Of those, nodes that answered.
    pub answered: usize,
    /// Of those, nodes that did not.
    pub unreachable: usize,
    /// Entries of routing tables that were seen.
    pub entries: usize,
    /// Since it began, in milliseconds.
    pub elapsed_ms: u64,
    /// What it found; `null` until it is over.
    pub result: Option<CrawlResultView>,
}

/// The network, as its nodes tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlResultView {
    /// All nodes, by identity.
    pub nodes: Vec<CrawledNodeView>,
    /// Whether it ended before everybody was asked, so that it can be resumed.
    pub partial: bool,
}

/// A node that a crawl heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawledNodeView {
    /// Who.
    pub peer: String,
    /// Where, as others or it itself tell.
    pub addresses: Vec<String>,
    /// Whether it answered.
    pub answered: bool,
    /// Who is in its routing table, by their places in the list of nodes.
    pub table: Vec<usize>,
}
