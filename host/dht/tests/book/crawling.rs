//! A crawl sees every node and every entry of every table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::net::{Net, Node};
use pointsman_core::dht::crawl::{CrawlStatus, Options};
use pointsman_core::id::PeerId;
use pointsman_dht::{Event, identity};

/// Nodes that have filled their tables and do nothing more by themselves.
async fn settled(net: &mut Net, count: usize) -> Vec<Node> {
    let quiet = Duration::from_secs(3600);
    let first = net.node_with(|config| config.refresh = quiet);
    let contact = first.contact();
    let mut nodes = vec![first];
    for _ in 1..count {
        nodes.push(net.node_with(|config| {
            config.refresh = quiet;
            config.bootstrap = vec![contact.clone()];
        }));
    }
    for node in &nodes {
        node.until("its table is full", |dht| {
            let status = dht.status();
            status.joined && status.probes == 0 && status.next_round_in_ms > Some(60_000)
        })
        .await;
    }
    nodes
}

async fn table(node: &Node) -> BTreeSet<PeerId> {
    let served = node.with(|dht| dht.served_table()).await;
    served.iter().filter_map(|(peer, _)| identity::from_libp2p(peer)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crawl_finds_everyone_and_misses_no_entry_of_any_table() {
    let mut net = Net::default();
    let mut nodes = settled(&mut net, 40).await;
    let mut tables = BTreeMap::new();
    for node in &nodes {
        tables.insert(node.peer, table(node).await);
    }
    let own = nodes[7].peer;
    let options = Options { pause_us: 1_000, ..Options::default() };
    let query = nodes[7].with(move |dht| dht.crawl(options)).await.unwrap();
    let Event::Crawled { state, .. } = nodes[7].ended(query).await else { panic!("a crawl") };
    let found: BTreeMap<_, _> = state.nodes.iter().map(|node| (node.contact.peer, node)).collect();
    let mut missing: Vec<PeerId> = Vec::new();
    for (peer, entries) in tables.iter().filter(|(peer, _)| **peer != own) {
        let node = found.get(peer).expect("every node is found");
        assert_eq!(node.status, CrawlStatus::Read);
        let crawled: BTreeSet<_> = node.entries.iter().copied().collect();
        // A node never tells the asker of itself.
        missing.extend(
            entries.iter().filter(|entry| **entry != own && !crawled.contains(entry)).copied(),
        );
    }
    assert_eq!((missing.len(), found.len()), (0, nodes.len() - 1), "all but the crawler itself");
    let all: usize = tables.values().map(BTreeSet::len).sum();
    assert!(all > 40 * 20, "the tables are filled: {all} entries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_served_table_is_the_one_that_was_decided() {
    let mut net = Net::default();
    let nodes = settled(&mut net, 12).await;
    for node in &nodes {
        let decided: BTreeSet<_> =
            node.with(|dht| dht.table()).await.iter().map(|contact| contact.peer).collect();
        assert_eq!(table(node).await, decided);
        assert_eq!(decided.len(), 11);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crawl_that_is_cancelled_tells_what_it_got() {
    let mut net = Net::default();
    let mut nodes = settled(&mut net, 6).await;
    let options = Options { pause_us: 60_000_000, ..Options::default() };
    let query = nodes[0].with(move |dht| dht.crawl(options)).await.unwrap();
    nodes[0].with(move |dht| dht.cancel(query)).await;
    let Event::Crawled { progress, .. } = nodes[0].ended(query).await else { panic!("a crawl") };
    assert_eq!(progress.known, 5);
    let still = nodes[0].with(|dht| dht.status()).await.queries;
    assert!(still.iter().all(|one| one.id != query), "{still:?}");
}
