//! Three hundred phone books in one process, beside as many of libp2p's own.
//!
//! `cargo run --release -p pointsman-dht --example phonebook -- [NODES] [LOOKUPS]`
//!
//! With 0 nodes only the smaller network with hostile nodes in it runs, which comes last.

#![allow(clippy::print_stdout, reason = "a measurement prints")]
#![allow(clippy::unwrap_used, reason = "a measurement ends where something is wrong")]
#![allow(clippy::wildcard_enum_match_arm, reason = "it waits for one event among many")]

#[path = "../../tests/book/net/mod.rs"]
mod net;
mod plain;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use net::hostile::{self, WireMessage, WirePeer};
use net::{Net, Node};
use pointsman_core::dht::contact::Contact;
use pointsman_core::dht::crawl::{CrawlStatus, Options};
use pointsman_core::id::PeerId;
use pointsman_dht::{Event, identity};

/// A busy machine may take minutes until everyone has joined.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often a hostile node answers before it falls silent.
const ASKED_MAX: usize = 60;

const QUIET: Duration = Duration::from_secs(3600);

fn argument(at: usize, default: usize) -> usize {
    std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Resident memory in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    pages * 4096
}

fn kib(bytes: u64, count: usize) -> f64 {
    bytes as f64 / 1024.0 / count.max(1) as f64
}

struct Spread {
    p50: Duration,
    p99: Duration,
    max: Duration,
}

fn spread(mut all: Vec<Duration>) -> Spread {
    all.sort();
    let at = |permille: usize| all[(all.len() * permille / 1000).min(all.len() - 1)];
    Spread { p50: at(500), p99: at(990), max: at(1000) }
}

fn line(what: &str, spread: &Spread) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{what:<44} p50 {:>7.1} ms   p99 {:>7.1} ms   max {:>7.1} ms",
        ms(spread.p50),
        ms(spread.p99),
        ms(spread.max)
    );
}

/// A pair of different nodes, another one for each number.
fn pair(number: usize, count: usize) -> (usize, usize) {
    let from = number * 7 % count;
    let to = (from + 1 + number * 13 % (count - 1)) % count;
    (from, to)
}

async fn settle(nodes: &[Node], what: &str) {
    for node in nodes {
        node.until_within(PATIENCE, what, |dht| {
            let status = dht.status();
            status.joined && status.probes == 0 && status.next_round_in_ms > Some(60_000)
        })
        .await;
    }
}

/// Nodes that know the first of them, and each three of these others.
async fn build(net: &mut Net, count: usize, others: &[Contact]) -> Vec<Node> {
    let quiet = |config: &mut pointsman_dht::Config| {
        config.refresh = QUIET;
        config.stagger = Duration::from_millis(300);
        config.bootstrap = Vec::new();
    };
    let first = net.node_with(quiet);
    let contact = first.contact();
    let mut nodes = vec![first];
    while nodes.len() < count {
        nodes.push(net.node_with(|config| {
            quiet(config);
            let some = others.iter().cycle().skip(3 * nodes.len()).take(3);
            config.bootstrap = some.chain([&contact]).cloned().collect();
        }));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    nodes
}

async fn connections(nodes: &[Node]) -> usize {
    let mut sum = 0;
    for node in nodes {
        sum += node
            .with_swarm(|swarm| swarm.network_info().connection_counters().num_established())
            .await as usize;
    }
    sum
}

async fn lookups(nodes: &mut [Node], count: usize) -> (usize, Vec<Duration>) {
    let (mut found, mut took) = (0, Vec::new());
    for number in 0..count {
        let (from, to) = pair(number, nodes.len());
        let peer = nodes[to].peer;
        let began = Instant::now();
        let event = nodes[from].find(peer).await;
        took.push(began.elapsed());
        found += usize::from(matches!(event, Event::Found { .. }));
    }
    (found, took)
}

async fn table(node: &Node) -> BTreeSet<PeerId> {
    let served = node.with(|dht| dht.served_table()).await;
    served.iter().filter_map(|(peer, _)| identity::from_libp2p(peer)).collect()
}

async fn crawl(nodes: &mut [Node]) {
    let mut tables = BTreeMap::new();
    for node in nodes.iter() {
        tables.insert(node.peer, table(node).await);
    }
    let own = nodes[1].peer;
    let options = Options { pause_us: 0, ..Options::default() };
    let began = Instant::now();
    let query = nodes[1].with(move |dht| dht.crawl(options)).await.unwrap();
    let Event::Crawled { state, progress, .. } = nodes[1].ended(query).await else { return };
    let took = began.elapsed();
    let found: BTreeMap<PeerId, BTreeSet<PeerId>> = state
        .nodes
        .iter()
        .filter(|node| node.status == CrawlStatus::Read)
        .map(|node| (node.contact.peer, node.entries.iter().copied().collect()))
        .collect();
    let others = tables.iter().filter(|(peer, _)| **peer != own);
    let (mut all, mut missing, mut unread) = (0, 0, 0);
    for (peer, entries) in others {
        let Some(crawled) = found.get(peer) else {
            unread += 1;
            continue;
        };
        let wanted: Vec<_> = entries.iter().filter(|entry| **entry != own).collect();
        all += wanted.len();
        missing += wanted.iter().filter(|entry| !crawled.contains(**entry)).count();
    }
    println!(
        "crawl: {} of {} nodes, {all} entries, {missing} missing, {unread} nodes unread, {} questions, {:.2} s",
        found.len(),
        nodes.len() - 1,
        progress.questions,
        took.as_secs_f64()
    );
}

/// Hostile nodes of three kinds, that serve for as long as the program runs: they name each other
/// only, name nobody, or fall silent once they were asked often enough to be in tables.
fn hostile(net: &mut Net, count: usize) -> Vec<Contact> {
    let swarms: Vec<_> = (0..count).map(|_| hostile::bare(net)).collect();
    let contacts = swarms.iter().map(|(_, one)| one.contact()).collect();
    let closer: Vec<WirePeer> = swarms
        .iter()
        .map(|(_, one)| WirePeer::new(one.peer, std::slice::from_ref(&one.address)))
        .collect();
    for (number, (swarm, _)) in swarms.into_iter().enumerate() {
        let closer = if number % 3 == 1 { Vec::new() } else { closer.clone() };
        let asked = AtomicUsize::new(0);
        let answers = move |message: &WireMessage| {
            let before = asked.fetch_add(1, Ordering::Relaxed);
            let is_silent = number % 3 == 0 && before > ASKED_MAX;
            let closer = closer.clone();
            let answer = WireMessage { kind: message.kind, closer, ..WireMessage::default() };
            (!is_silent).then(|| hostile::frame(&answer))
        };
        hostile::run(swarm, Arc::new(answers));
    }
    contacts
}

async fn with_hostile(honest_count: usize, hostile_count: usize, samples: usize) {
    let mut net = Net::default();
    let hostile = hostile(&mut net, hostile_count);
    let mut honest = build(&mut net, honest_count, &hostile).await;
    settle(&honest, "the honest settle").await;
    let peers: BTreeSet<PeerId> = honest.iter().map(|node| node.peer).collect();
    let mut entries = 0;
    for node in &honest {
        let table: Vec<Contact> = node.with(|dht| dht.table()).await;
        entries += table.iter().filter(|contact| !peers.contains(&contact.peer)).count();
    }
    let (found, took) = lookups(&mut honest, samples).await;
    let share = 100.0 * found as f64 / samples as f64;
    println!(
        "{honest_count} honest and {hostile_count} hostile nodes ({:.1} hostile in a table): {found} of {samples} found, {share:.1} %",
        entries as f64 / honest_count as f64
    );
    line("  lookups there", &spread(took));
}

async fn all_honest(count: usize, samples: usize) {
    let mut net = Net::default();
    let before = resident();
    let began = Instant::now();
    let mut nodes = build(&mut net, count, &[]).await;
    settle(&nodes, "everyone settles").await;
    let open = connections(&nodes).await;
    println!(
        "{count} nodes settled in {:.1} s; memory of a node, with {:.1} ends of connections: {:.0} KiB",
        began.elapsed().as_secs_f64(),
        open as f64 / count as f64,
        kib(resident() - before, count)
    );
    let plain = plain::Network::build(count).await;
    crawl(&mut nodes).await;
    let (found, took) = lookups(&mut nodes, samples).await;
    println!("ours: {found} of {samples} found");
    line("ours: find, a signed record by three paths", &spread(took));
    let (found, took) = plain.lookups(samples).await;
    println!("libp2p-kad: {found} of {samples} found");
    line("libp2p-kad: get_closest_peers", &spread(took));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (count, samples) = (argument(1, 300), argument(2, 1_000));
    let empty = resident();
    let idle: Vec<Node> = {
        let mut net = Net::default();
        (0..50).map(|_| net.node(&[])).collect()
    };
    println!("memory of an idle node: {:.0} KiB", kib(resident() - empty, idle.len()));
    drop(idle);

    if count > 1 {
        all_honest(count, samples).await;
    }
    with_hostile(80, 20, 500).await;
}
