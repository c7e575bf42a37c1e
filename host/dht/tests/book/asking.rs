//! One question to one peer.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::Swarm;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::DialOpts;
use pointsman_core::id::PeerId;
use pointsman_core::limits;
use pointsman_dht::identity;
use pointsman_dht::requests::{Busy, Failure, Outcome, Request, RequestId, Requests, Via};
use pointsman_dht::wire::{self, Ask, InvalidAnswer};

use crate::net::hostile::{self, Answers, Hostile, WireMessage};
use crate::net::{NETWORK, Net, place, swarm, way};

fn asker(net: &mut Net) -> Swarm<Requests> {
    let keypair = Keypair::generate_ed25519();
    let number = net.number;
    let route = Arc::new(move |address: &_| way(number, address).into_iter().collect());
    let own = keypair.public().to_peer_id();
    let mut swarm = swarm(&keypair, Requests::new(own, wire::protocol(NETWORK), route));
    let address = net.place();
    net.listen(&mut swarm, &address);
    swarm
}

fn question(peer: PeerId, at: &[libp2p::Multiaddr]) -> Request {
    Request {
        peer,
        addresses: at.to_vec(),
        ask: Ask::FindNode { key: vec![1] },
        via: Via::Any,
        within: Duration::from_secs(20),
    }
}

fn to(hostile: &Hostile) -> Request {
    question(hostile.peer, std::slice::from_ref(&hostile.address))
}

async fn outcome(swarm: &mut Swarm<Requests>, wanted: RequestId) -> Outcome {
    loop {
        if let SwarmEvent::Behaviour(outcome) = swarm.select_next_some().await
            && outcome.id == wanted
        {
            return outcome;
        }
    }
}

async fn ask(swarm: &mut Swarm<Requests>, request: Request) -> Outcome {
    let id = swarm.behaviour_mut().ask(request).unwrap();
    outcome(swarm, id).await
}

fn with(answer: impl Fn(&WireMessage) -> Option<Vec<u8>> + Send + Sync + 'static) -> Answers {
    Arc::new(answer)
}

fn politely() -> Answers {
    with(|asked| Some(hostile::frame(&WireMessage { kind: asked.kind, ..WireMessage::default() })))
}

#[tokio::test]
async fn a_question_is_dialled_asked_and_answered_and_tells_where() {
    let mut net = Net::default();
    let peer = hostile::serve(&mut net, politely());
    let mut swarm = asker(&mut net);
    let outcome = ask(&mut swarm, to(&peer)).await;
    assert!(outcome.result.is_ok() && outcome.was_connected);
    assert_eq!(outcome.dialled, Some(peer.address.clone()));
    let again = ask(&mut swarm, question(peer.peer, &[])).await;
    assert!(again.result.is_ok(), "the connection is there: no address is needed");
}

#[tokio::test]
async fn what_fails_says_why() {
    let mut net = Net::default();
    let mut swarm = asker(&mut net);
    let silent = hostile::serve(&mut net, with(|_| None));
    let garbage = hostile::serve(&mut net, with(|_| Some(vec![3, 0xFF, 0xFF, 0xFF])));
    let endless = hostile::serve(&mut net, with(|_| Some(vec![0xFF, 0xFF, 0xFF, 0x7F])));
    let other = hostile::serve(
        &mut net,
        with(|_| Some(hostile::frame(&WireMessage { kind: 1, ..WireMessage::default() }))),
    );
    let good = hostile::serve(&mut net, politely());
    let nobody = Keypair::generate_ed25519();
    let nobody = identity::from_libp2p(&nobody.public().to_peer_id()).unwrap();
    let cases = [
        (question(nobody, &[]), Failure::NoAddress),
        (question(nobody, &[place(1)]), Failure::Dial),
        (question(nobody, std::slice::from_ref(&good.address)), Failure::WrongPeer),
        (to(&silent), Failure::Closed),
        (to(&garbage), Failure::Invalid(InvalidAnswer::Malformed)),
        (to(&endless), Failure::Invalid(InvalidAnswer::Malformed)),
        (to(&other), Failure::Invalid(InvalidAnswer::Other)),
    ];
    for (request, failure) in cases {
        let outcome = ask(&mut swarm, request).await;
        assert_eq!(outcome.result, Err(failure));
    }
    assert_eq!(swarm.behaviour().under_way(), 0);
}

#[tokio::test]
async fn a_peer_of_another_network_does_not_serve() {
    let mut net = Net::default();
    let (mut other, peer) = hostile::bare(&mut net);
    tokio::spawn(async move { while other.next().await.is_some() {} });
    let mut swarm = asker(&mut net);
    assert_eq!(ask(&mut swarm, to(&peer)).await.result, Err(Failure::Unsupported));
}

#[tokio::test]
async fn who_is_connected_is_dialled_anew_where_it_has_to_prove_its_address() {
    let mut net = Net::default();
    let mut swarm = asker(&mut net);
    let own = *swarm.local_peer_id();
    let own_place = net.places.lock().unwrap()[&own].clone();
    let (mut peer_swarm, peer) = hostile::bare(&mut net);
    let way = way(net.number, &own_place).unwrap();
    peer_swarm.dial(DialOpts::peer_id(own).addresses(vec![way]).build()).unwrap();
    hostile::run(peer_swarm, politely());
    while !swarm.behaviour().is_connected(peer.peer) {
        swarm.select_next_some().await;
    }
    let outcome = ask(&mut swarm, question(peer.peer, &[])).await;
    assert_eq!((outcome.result.is_ok(), outcome.dialled), (true, None));
    let wrong = Request { via: Via::Dial, ..question(peer.peer, &[place(1)]) };
    assert_eq!(ask(&mut swarm, wrong).await.result, Err(Failure::Dial));
    let right = Request { via: Via::Dial, ..to(&peer) };
    let outcome = ask(&mut swarm, right).await;
    assert_eq!((outcome.result.is_ok(), outcome.dialled), (true, Some(peer.address)));
}

#[tokio::test]
async fn questions_are_bounded_for_each_peer_and_in_all() {
    let mut net = Net::default();
    let mut swarm = asker(&mut net);
    let peers: Vec<PeerId> = (0..40)
        .map(|_| Keypair::generate_ed25519())
        .map(|keypair| identity::from_libp2p(&keypair.public().to_peer_id()).unwrap())
        .collect();
    let mut ask = |peer| swarm.behaviour_mut().ask(question(peer, &[place(1)]));
    let of_one = (0..100).map(|_| ask(peers[0])).filter(Result::is_ok).count();
    assert_eq!(of_one, limits::DHT_REQUESTS_PER_PEER_MAX);
    assert_eq!(ask(peers[0]), Err(Busy::Peer));
    let of_all = peers.iter().flat_map(|&peer| [peer; 16]).map(&mut ask).filter(Result::is_ok);
    assert_eq!(of_one + of_all.count(), limits::DHT_REQUESTS_MAX);
    assert_eq!(ask(peers[39]), Err(Busy::Total));
    while swarm.behaviour().under_way() > 0 {
        swarm.select_next_some().await;
    }
    assert!(swarm.behaviour_mut().ask(question(peers[0], &[place(1)])).is_ok());
}

#[tokio::test]
async fn a_peer_that_takes_its_time_runs_out_of_it() {
    let mut net = Net::default();
    let mut swarm = asker(&mut net);
    let (mut peer_swarm, peer) = hostile::bare(&mut net);
    let mut control = peer_swarm.behaviour().new_control();
    let mut incoming = control.accept(wire::protocol(NETWORK)).unwrap();
    tokio::spawn(async move { while peer_swarm.next().await.is_some() {} });
    // It takes the question, and keeps it.
    let kept = tokio::spawn(async move { incoming.next().await });
    let request = Request { within: Duration::from_millis(200), ..to(&peer) };
    let outcome = ask(&mut swarm, request).await;
    assert_eq!((outcome.result, outcome.was_connected), (Err(Failure::Timeout), true));
    assert!(kept.await.unwrap().is_some());
}
