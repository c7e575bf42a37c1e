//! Peers that lie, flood, or stand low.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use libp2p::Multiaddr;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;
use crate::net::hostile::{self, WireMessage, WirePeer};
use crate::net::{Net, network, way};
use pointsman_core::id::PeerId;
use pointsman_dht::{Event, identity};
use pointsman_sdk::reputation::Kind;

fn somebody() -> PeerId {
    let keypair = libp2p::identity::Keypair::generate_ed25519();
    identity::from_libp2p(&keypair.public().to_peer_id()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_reply_tells_nothing_private_and_not_ourselves_is_dialled() {
    let mut net = Net::default();
    let private: Vec<Multiaddr> = ["/ip4/10.0.0.1/tcp/22", "/ip4/127.0.0.1/tcp/80", "/ip6/::1/tcp/1"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let own = Arc::new(Mutex::new(None));
    let told = own.clone();
    let strangers: Vec<PeerId> = (0..30).map(|_| somebody()).collect();
    let answers: hostile::Answers = Arc::new(move |asked: &WireMessage| {
        let mut closer: Vec<WirePeer> =
            strangers.iter().map(|&peer| WirePeer::new(peer, &private)).collect();
        if let Some((peer, address)) = told.lock().unwrap().clone() {
            closer.push(WirePeer::new(peer, &[address]));
        }
        Some(hostile::frame(&WireMessage { kind: asked.kind, closer, ..WireMessage::default() }))
    });
    let liar = hostile::serve(&mut net, answers);
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let (log, number) = (dialled.clone(), net.number);
    let mut node = net.node_with(|config| {
        config.bootstrap = vec![liar.contact()];
        config.route = Arc::new(move |address| {
            log.lock().unwrap().push(address.clone());
            way(number, address).into_iter().collect()
        });
    });
    *own.lock().unwrap() = Some((node.peer, node.address.clone()));
    node.until("it has joined", |dht| dht.status().joined).await;
    let event = node.find(somebody()).await;
    assert!(matches!(event, Event::NotFound { .. }), "{event:?}");
    let dialled = dialled.lock().unwrap();
    assert!(!dialled.is_empty() && dialled.iter().all(|address| *address == liar.address));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_of_ten_thousand_peers_is_held_against_its_sender() {
    let mut net = Net::default();
    let closer: Vec<WirePeer> = vec![WirePeer { id: vec![1], addresses: Vec::new() }; 10_000];
    let answers: hostile::Answers = Arc::new(move |asked: &WireMessage| {
        let answer = WireMessage { kind: asked.kind, closer: closer.clone(), ..WireMessage::default() };
        Some(hostile::frame(&answer))
    });
    let liar = hostile::serve(&mut net, answers);
    let mut node = net.node(&[liar.contact()]);
    let seen = node
        .wait(|event| match event {
            Event::Observed(seen) if seen.peer == liar.peer => Some(*seen),
            _ => None,
        })
        .await;
    assert_eq!(seen.kind, Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_floods_with_questions_is_cut_off_and_reported_and_others_are_served() {
    let mut net = Net::default();
    let mut nodes = network(&mut net, 4).await;
    let (mut swarm, flooder) = hostile::bare(&mut net);
    let to = identity::to_libp2p(nodes[0].peer).unwrap();
    let place = way(net.number, &nodes[0].address).unwrap();
    let dial = || DialOpts::peer_id(to).addresses(vec![place.clone()]).build();
    swarm.dial(dial()).unwrap();
    while !swarm.is_connected(&to) {
        swarm.select_next_some().await;
    }
    let control = swarm.behaviour().new_control();
    for _ in 0..20 {
        let mut control = control.clone();
        tokio::spawn(async move {
            let question = WireMessage { kind: 4, key: vec![7], ..WireMessage::default() };
            while hostile::ask(&mut control, to, &question).await.is_some() {}
        });
    }
    while swarm.is_connected(&to) {
        swarm.select_next_some().await;
    }
    swarm.dial(dial()).unwrap();
    // Its dial succeeds, and the connection ends at once.
    loop {
        if let SwarmEvent::ConnectionClosed { .. } | SwarmEvent::OutgoingConnectionError { .. } =
            swarm.select_next_some().await
        {
            break;
        }
    }
    let seen = nodes[0]
        .wait(|event| match event {
            Event::Observed(seen) if seen.peer == flooder.peer && seen.kind == Kind::Spam => {
                Some(*seen)
            }
            _ => None,
        })
        .await;
    assert_eq!(seen.why, "flood-of-questions");
    let status = nodes[0].with(|dht| dht.status()).await;
    assert!(status.served.flooded > 0 && status.served.shut_out > 0, "{:?}", status.served);
    let target = nodes[0].peer;
    assert!(matches!(nodes[3].find(target).await, Event::Found { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_low_leaves_the_table_and_is_not_asked() {
    let mut net = Net::default();
    let mut nodes = network(&mut net, 6).await;
    nodes[0].until("it knows everyone", |dht| dht.table().len() == 5).await;
    let shunned = nodes[4].peer;
    nodes[0].with(move |dht| dht.set_standing(shunned, -900)).await;
    let table = nodes[0].with(|dht| dht.table()).await;
    assert!(table.iter().all(|contact| contact.peer != shunned));
    let served = nodes[0].with(|dht| dht.served_table()).await;
    assert!(served.iter().all(|(peer, _)| identity::from_libp2p(peer) != Some(shunned)));
    let target = nodes[5].peer;
    let (Event::Found { trace, .. } | Event::NotFound { trace, .. }) = nodes[0].find(target).await
    else {
        panic!("a lookup");
    };
    assert!(trace.iter().all(|step| step.peer != shunned), "{trace:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_claims_an_address_enters_no_table() {
    let mut net = Net::default();
    let node = net.node(&[]);
    let liar = somebody();
    let address = crate::net::place(999);
    node.with(move |dht| dht.heard(liar, &[address])).await;
    node.until("it was tried", |dht| dht.status().counts.failed > 0).await;
    assert!(node.with(|dht| dht.table()).await.is_empty());
}
