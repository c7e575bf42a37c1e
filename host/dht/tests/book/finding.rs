//! Nodes that find each other.

use futures::future::join_all;

use crate::net::{Net, network};
use pointsman_dht::Event;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_network_of_forty_everyone_finds_everyone() {
    let mut net = Net::default();
    let mut nodes = network(&mut net, 40).await;
    let peers: Vec<_> = nodes.iter().map(|node| node.peer).collect();
    let peers = &peers;
    let finds = nodes.iter_mut().map(|node| async move {
        let mut missed = Vec::new();
        let own = node.peer;
        for &peer in peers.iter().filter(|peer| **peer != own) {
            match node.find(peer).await {
                Event::Found { .. } => {}
                other => missed.push(other),
            }
        }
        missed
    });
    let missed: Vec<Event> = join_all(finds).await.concat();
    assert!(missed.is_empty(), "{} of 1560 missed: {:?}", missed.len(), missed.first());
}
