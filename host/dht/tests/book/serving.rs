//! libp2p's Kademlia, held to answering.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use pointsman_dht::clock::Clock;
use pointsman_dht::identity;
use pointsman_dht::server::Server;
use pointsman_dht::shelf::Shelf;
use pointsman_dht::wire;

use crate::net::hostile::{self, WireMessage};
use crate::net::{NETWORK, Net, place, swarm, way};

/// Longer than Kademlia waits until it fills a small table by itself.
const KADEMLIAS_PATIENCE: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn by_itself_it_asks_nobody_and_dials_nobody() {
    let mut net = Net::default();
    let keypair = Keypair::generate_ed25519();
    let own = keypair.public().to_peer_id();
    let shelf = Shelf::new(identity::from_libp2p(&own).unwrap());
    let server = Server::new(own, wire::protocol(NETWORK), shelf, Clock::default());
    let mut server = swarm(&keypair, server);
    server.behaviour_mut().serve(true);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let connected = hostile::serve(
        &mut net,
        Arc::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            None
        }),
    );
    let peer = identity::to_libp2p(connected.peer).unwrap();
    let way = way(net.number, &connected.address).unwrap();
    server.dial(DialOpts::peer_id(peer).addresses(vec![way]).build()).unwrap();
    while !server.is_connected(&peer) {
        server.select_next_some().await;
    }
    let absent = Keypair::generate_ed25519().public().to_peer_id();
    assert!(server.behaviour_mut().admit(&peer, std::slice::from_ref(&connected.address)));
    assert!(server.behaviour_mut().admit(&absent, &[place(1)]));
    let quiet = async { while server.next().await.is_some() {} };
    let _ = tokio::time::timeout(KADEMLIAS_PATIENCE, quiet).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(server.network_info().connection_counters().num_pending(), 0);
    let mut entered = server.behaviour_mut().table();
    entered.sort();
    assert_eq!(entered.len(), 2, "and it keeps whom it was told to keep");
}

#[tokio::test]
async fn it_tells_of_those_that_were_entered_at_the_addresses_that_were_named() {
    let mut net = Net::default();
    let node = net.node(&[]);
    let (mut asker, _) = hostile::bare(&mut net);
    let to = identity::to_libp2p(node.peer).unwrap();
    let place = way(net.number, &node.address).unwrap();
    let friend = net.node(&[node.contact()]);
    let friends_peer = friend.peer;
    node.until("the friend is in", move |dht| {
        dht.table().iter().any(|contact| contact.peer == friends_peer)
    })
    .await;
    asker.dial(DialOpts::peer_id(to).addresses(vec![place]).build()).unwrap();
    while !asker.is_connected(&to) {
        asker.select_next_some().await;
    }
    let mut control = asker.behaviour().new_control();
    tokio::spawn(async move { while asker.next().await.is_some() {} });
    let question = WireMessage { kind: 4, key: vec![1], ..WireMessage::default() };
    let answer = hostile::ask(&mut control, to, &question).await.unwrap();
    let told = &answer.closer[0];
    assert_eq!((answer.closer.len(), &told.id), (1, &identity::to_bytes(friend.peer).to_vec()));
    let address = libp2p::Multiaddr::try_from(told.addresses[0].clone()).unwrap();
    assert_eq!(identity::without_peer(&address), friend.address);
}
