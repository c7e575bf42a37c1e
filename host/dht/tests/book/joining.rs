//! Finding a way in.

use std::sync::Arc;

use crate::net::hostile::{self, WireMessage, WirePeer};
use crate::net::{Net, network, place};
use pointsman_core::dht::contact::Contact;
use pointsman_core::id::PeerId;
use pointsman_dht::{Event, identity};

fn somebody() -> PeerId {
    let keypair = libp2p::identity::Keypair::generate_ed25519();
    identity::from_libp2p(&keypair.public().to_peer_id()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nobody_answers_it_keeps_trying_less_and_less_often_and_says_so() {
    let mut net = Net::default();
    let wrong: Vec<Contact> = (1..5)
        .map(|at| Contact { peer: somebody(), addresses: vec![place(at).to_string()] })
        .collect();
    let mut node = net.node(&wrong);
    node.until("it says that it tries in vain", |dht| {
        let status = dht.status();
        status.join_failures >= 4 && !status.joined && status.next_round_in_ms.is_some()
    })
    .await;
    let friend = net.node(&[]);
    let contact = friend.contact();
    node.with(move |dht| dht.sighted(&contact)).await;
    node.until("it joins once there is somebody", |dht| dht.status().joined).await;
    assert!(matches!(node.find(friend.peer).await, Event::Found { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_any_contact_says_that_it_has_none() {
    let mut net = Net::default();
    let node = net.node(&[]);
    node.until("it tries in vain", |dht| dht.status().join_failures > 0).await;
    let status = node.with(|dht| dht.status()).await;
    assert_eq!((status.seeds, status.joined), (0, false));
}

/// Answers everything with its accomplices.
fn conspiracy(net: &mut Net, count: usize) -> Vec<Contact> {
    let swarms: Vec<_> = (0..count).map(|_| hostile::bare(net)).collect();
    let contacts: Vec<Contact> = swarms.iter().map(|(_, hostile)| hostile.contact()).collect();
    let told = |contact: &Contact| {
        let addresses: Vec<_> =
            contact.addresses.iter().map(|text| text.parse().unwrap()).collect();
        WirePeer::new(contact.peer, &addresses)
    };
    let closer: Vec<WirePeer> = contacts.iter().map(told).collect();
    let answers: hostile::Answers = Arc::new(move |asked: &WireMessage| {
        let answer = WireMessage { kind: asked.kind, closer: closer.clone(), ..WireMessage::default() };
        Some(hostile::frame(&answer))
    });
    for (swarm, _) in swarms {
        hostile::run(swarm, answers.clone());
    }
    contacts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_neighbour_on_the_cable_is_enough_where_all_that_is_configured_is_hostile() {
    let mut net = Net::default();
    let honest = network(&mut net, 12).await;
    let liars = conspiracy(&mut net, 25);
    let mut node = net.node(&liars);
    node.until("it has joined the liars", |dht| dht.table().len() >= 10).await;
    let neighbour = honest[3].contact();
    node.with(move |dht| dht.sighted(&neighbour)).await;
    for target in &honest {
        let event = node.find(target.peer).await;
        assert!(matches!(event, Event::Found { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_out_to_be_remembered_is_a_way_in_later() {
    let mut net = Net::default();
    let nodes = network(&mut net, 5).await;
    nodes[1].until("it knows everyone", |dht| dht.table().len() == 4).await;
    let cache = nodes[1].with(|dht| dht.table()).await;
    let mut later = net.node(&[]);
    later.with(move |dht| dht.remember(cache)).await;
    later.until("it joins", |dht| dht.status().joined).await;
    assert!(matches!(later.find(nodes[4].peer).await, Event::Found { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_nobody_can_reach_asks_and_is_in_no_table() {
    let mut net = Net::default();
    let nodes = network(&mut net, 5).await;
    let mut client = net.node(&[nodes[0].contact()]);
    client.with(|dht| dht.set_reachable(false)).await;
    let peer = client.peer;
    for target in &nodes {
        assert!(matches!(client.find(target.peer).await, Event::Found { .. }));
    }
    for node in &nodes {
        node.until("nobody hands it out", move |dht| {
            dht.table().iter().all(|contact| contact.peer != peer)
        })
        .await;
    }
    assert!(!client.with(|dht| dht.status()).await.serves);
}
