//! The phone book.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use pointsman_core::dht::crawl::{CrawlState, CrawlStatus};
use pointsman_core::dht::key::KEY_BITS;
use pointsman_core::dht::lookup::{Step, StepResult, Why};
use pointsman_core::id::{PeerId, Time};
use pointsman_dht::record::{Capabilities, Checked, PeerRecord};
use pointsman_dht::status::Status;
use serde::{Deserialize, Serialize};

use crate::net::phone::{Crawling, Found};

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
    pub own: Option<OwnRecordView>,
    /// How many nodes the network is estimated to have.
    pub size: Option<SizeView>,
    /// Lookups and crawls under way.
    pub queries: usize,
    /// What it does to get into the network, as a sentence; empty once it is in.
    pub bootstrap: String,
    /// What was counted since the start, by name.
    pub counters: BTreeMap<String, u64>,
}

/// The record that this node signed of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRecordView {
    /// Grows with each version.
    pub sequence: u64,
    /// Until when it holds, in milliseconds since 1970.
    pub expires_unix_ms: u64,
    /// How many nodes gave it back when it was published last.
    pub stored: usize,
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

/// How this node takes part.
pub(crate) fn dht(status: &Status, network: &str) -> DhtView {
    let buckets = status.buckets.iter();
    let own = status.own_sequence.zip(status.own_expires_s);
    DhtView {
        mode: if status.serves { "server" } else { "client" }.to_owned(),
        protocol: pointsman_dht::wire::protocol(network).to_string(),
        peers: status.buckets.values().sum(),
        buckets: buckets.map(|(&bits, &peers)| BucketView { bits, peers }).collect(),
        records: status.records,
        own: own.map(|(sequence, expires_s)| OwnRecordView {
            sequence,
            expires_unix_ms: expires_s.saturating_mul(1000),
            stored: status.own_stored,
        }),
        size: status.size.map(|size| SizeView {
            nodes: size.nodes,
            least: size.low,
            most: size.high,
        }),
        queries: status.queries.len(),
        bootstrap: bootstrap(status),
        counters: counters(status),
    }
}

/// The view of a node that does not take part.
pub(crate) fn no_dht(network: &str) -> DhtView {
    DhtView {
        mode: "off".to_owned(),
        protocol: pointsman_dht::wire::protocol(network).to_string(),
        peers: 0,
        buckets: Vec::new(),
        records: 0,
        own: None,
        size: None,
        queries: 0,
        bootstrap: String::new(),
        counters: BTreeMap::new(),
    }
}

fn bootstrap(status: &Status) -> String {
    if status.joined {
        return String::new();
    }
    if status.seeds == 0 {
        return "it knows nobody to begin with: name a node in dht.bootstrap, or wait for one on the \
                local network"
            .to_owned();
    }
    let (failures, seeds) = (status.join_failures, status.seeds);
    match status.next_round_in_ms {
        Some(ms) if failures > 0 => format!(
            "none of the {seeds} nodes that it knows answered, {failures} times in a row; it tries \
             again in {} s",
            ms.div_ceil(1000)
        ),
        Some(_) | None => format!("it asks the {seeds} nodes that it knows"),
    }
}

fn counters(status: &Status) -> BTreeMap<String, u64> {
    let (counts, served, intake) = (status.counts, status.served, status.intake);
    let own = [
        ("lookups", counts.lookups),
        ("finds", counts.finds),
        ("found", counts.found),
        ("rounds", counts.rounds),
        ("probes", counts.probes),
        ("asked", counts.asked),
        ("answered", counts.answered),
        ("failed", counts.failed),
        ("events_dropped", counts.events_dropped),
        ("served_find_node", served.find_node),
        ("served_get_value", served.get_value),
        ("served_put_value", served.put_value),
        ("served_providers", served.providers),
        ("flooded", served.flooded),
        ("shut_out", served.shut_out),
    ];
    let brought = [
        ("records_kept", intake.kept),
        ("records_without_room", intake.full),
        ("records_too_many", intake.too_many),
        ("records_refused", intake.refused),
    ];
    own.into_iter().chain(brought).map(|(name, count)| (name.to_owned(), count)).collect()
}

/// What came of a lookup.
pub(crate) fn found(found: &Found) -> FoundView {
    let start = found.trace.iter().map(|step| step.at).min().unwrap_or_default();
    FoundView {
        peer: found.peer.to_string(),
        addresses: found.addresses.clone(),
        record: found.record.as_ref().map(|Checked { record, .. }| view(record)),
        took_ms: ms(found.took),
        way: found.trace.iter().map(|step| asked(start, step)).collect(),
    }
}

fn view(record: &PeerRecord) -> RecordView {
    let known = [(Capabilities::RELAY, "relay"), (Capabilities::MAILBOX, "mailbox")];
    let capabilities = known.iter().filter(|(one, _)| record.capabilities.contains(*one));
    RecordView {
        sequence: record.sequence,
        expires_unix_ms: record.expires_s.saturating_mul(1000),
        addresses: record.reach.iter().map(|reach| reach.address.to_string()).collect(),
        capabilities: capabilities.map(|(_, name)| (*name).to_owned()).collect(),
    }
}

fn asked(start: Time, step: &Step) -> AskedView {
    let (took_us, result, contacts) = match step.result {
        StepResult::Waiting => (None, "waiting", 0),
        StepResult::Late => (None, "late", 0),
        StepResult::Answered { took_us, usable, .. } => (Some(took_us), "answered", usable),
        StepResult::Failed { took_us, why } => (Some(took_us), why_name(why), 0),
    };
    AskedView {
        peer: step.peer.to_string(),
        told_by: step.told_by.map(|peer| peer.to_string()),
        path: usize::from(step.path),
        bits: KEY_BITS - step.distance_bits.min(KEY_BITS),
        at_ms: step.at.since(start) / 1000,
        took_ms: took_us.map(|us| us / 1000),
        result: result.to_owned(),
        contacts: contacts as usize,
    }
}

fn why_name(why: Why) -> &'static str {
    match why {
        Why::Unreachable => "unreachable",
        Why::Silent => "silent",
        Why::Refused => "refused",
        Why::Invalid => "invalid",
    }
}

/// How far a crawl is, and what it found.
pub(crate) fn crawling(news: &Crawling) -> CrawlView {
    let progress = news.progress;
    CrawlView {
        known: progress.known,
        answered: progress.answered,
        unreachable: progress.unreachable,
        entries: progress.entries,
        elapsed_ms: ms(news.elapsed),
        result: news.state.as_ref().map(result),
    }
}

fn result(state: &CrawlState) -> CrawlResultView {
    let places: HashMap<PeerId, usize> =
        state.nodes.iter().enumerate().map(|(place, node)| (node.contact.peer, place)).collect();
    let nodes = state.nodes.iter().map(|node| CrawledNodeView {
        peer: node.contact.peer.to_string(),
        addresses: node.contact.addresses.clone(),
        answered: matches!(node.status, CrawlStatus::Read | CrawlStatus::Partial),
        table: node.entries.iter().filter_map(|peer| places.get(peer).copied()).collect(),
    });
    let partial = state.nodes.iter().any(|node| node.status == CrawlStatus::Open);
    CrawlResultView { nodes: nodes.collect(), partial }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
