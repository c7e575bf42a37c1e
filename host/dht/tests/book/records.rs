//! Records that travel, and records that must not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::net::hostile::{self, WireMessage, WirePeer, WireRecord};
use crate::net::{Net, Node, PATIENCE, network, way};
use futures::StreamExt as _;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use pointsman_core::id::PeerId;
use pointsman_dht::intake::IntakeCounts;
use pointsman_dht::record::{Capabilities, PeerRecord, Reach, key_of};
use pointsman_dht::{Event, Observed, identity};
use pointsman_sdk::Transport;
use pointsman_sdk::reputation::Kind;

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn record(keypair: &Keypair) -> PeerRecord {
    PeerRecord {
        peer: identity::from_libp2p(&keypair.public().to_peer_id()).unwrap(),
        network: crate::net::NETWORK.to_owned(),
        sequence: now_s() * 1000,
        issued_s: now_s(),
        expires_s: now_s() + 3600,
        reach: Vec::new(),
        capabilities: Capabilities::default(),
        sealing_key: [5; 32],
    }
}

/// Brings a record by hand; what the node thinks of whoever brings one that it does not keep.
async fn put(net: &mut Net, node: &mut Node, key: Vec<u8>, value: Vec<u8>) -> Option<Observed> {
    let before = node.with(|dht| dht.status().intake).await;
    let (mut swarm, hostile) = hostile::bare(net);
    let to = identity::to_libp2p(node.peer).unwrap();
    let place = way(net.number, &node.address).unwrap();
    swarm.dial(DialOpts::peer_id(to).addresses(vec![place]).build()).unwrap();
    while !swarm.is_connected(&to) {
        swarm.select_next_some().await;
    }
    let mut control = swarm.behaviour().new_control();
    let driven = tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let record = WireRecord { key: key.clone(), value };
    let message = WireMessage { kind: 0, key, record: Some(record), closer: Vec::new() };
    let confirmed = hostile::ask(&mut control, to, &message).await;
    assert!(confirmed.is_some(), "libp2p confirms every record");
    driven.abort();
    let after = node.with(|dht| dht.status().intake).await;
    let judged = |intake: IntakeCounts| intake.kept + intake.refused;
    assert_eq!(judged(after), judged(before) + 1, "it was judged before it was confirmed");
    if after.refused == before.refused {
        return None;
    }
    let peer = hostile.peer;
    let seen = node.wait(|event| match event {
        Event::Observed(seen) if seen.peer == peer => Some(*seen),
        _ => None,
    });
    Some(seen.await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_found_with_the_addresses_and_the_key_that_its_peer_published() {
    let mut net = Net::default();
    let mut nodes = network(&mut net, 10).await;
    let reach = vec![Reach {
        transport: Transport::Internet,
        address: "/ip4/20.9.9.9/tcp/4001".parse().unwrap(),
    }];
    let told = reach.clone();
    nodes[3].with(move |dht| dht.set_reach(told)).await;
    let newest = nodes[3]
        .wait(|event| match event {
            Event::Published { sequence, stored } if *stored > 0 => Some(*sequence),
            _ => None,
        })
        .await;
    let peer = nodes[3].peer;
    let found = loop {
        let Event::Found { record: Some(found), trace, .. } = nodes[8].find(peer).await else {
            continue;
        };
        assert!(!trace.is_empty());
        if found.record.reach == reach {
            break found;
        }
    };
    assert!(found.record.sequence >= newest);
    assert_eq!(found.record.sealing_key, [0; 32]);
}

/// Waits until a record later than this was taken by somebody; gives its sequence.
async fn published(node: &mut Node, after: u64) -> u64 {
    node.wait(|event| match event {
        Event::Published { sequence, stored } if *stored > 0 && *sequence > after => {
            Some(*sequence)
        }
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_goes_out_as_soon_as_somebody_answered_and_each_new_address_at_once() {
    let mut net = Net::default();
    let mut nodes = network(&mut net, 6).await;
    // To fill the table takes longer than anything is waited for, and so does the usual pause.
    let mut node = net.node_with(|config| {
        config.stagger = 2 * PATIENCE;
        config.issue_pause = 2 * PATIENCE;
    });
    let friend = nodes[0].contact();
    let reach = |number: u8| Reach {
        transport: Transport::Internet,
        address: format!("/ip4/20.9.9.{number}/tcp/4001").parse().unwrap(),
    };
    let first = vec![reach(1)];
    node.with(move |dht| {
        dht.set_reach(first);
        dht.sighted(&friend);
    })
    .await;
    let sequence = published(&mut node, 0).await;
    node.with(move |dht| dht.set_reach(vec![reach(1), reach(2)])).await;
    let newest = published(&mut node, sequence).await;
    let Event::Found { record: Some(found), .. } = nodes[4].find(node.peer).await else {
        panic!("it is found");
    };
    assert_eq!((found.record.sequence, found.record.reach.len()), (newest, 2));
}

/// Confirms every record and keeps none.
fn forgetful(net: &mut Net, checks: &Arc<AtomicUsize>) -> hostile::Hostile {
    let checks = checks.clone();
    let answers: hostile::Answers = Arc::new(move |asked: &WireMessage| {
        checks.fetch_add(usize::from(asked.kind == 1), Ordering::Relaxed);
        let record = asked.record.clone();
        Some(hostile::frame(&WireMessage { kind: asked.kind, record, ..WireMessage::default() }))
    });
    hostile::serve(net, answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_gives_our_record_back_is_counted_among_those_who_keep_it() {
    let mut net = Net::default();
    let checks = Arc::new(AtomicUsize::new(0));
    let honest = net.node(&[]);
    let forgetful = forgetful(&mut net, &checks);
    let mut node = net.node(&[honest.contact(), forgetful.contact()]);
    node.until("both are in the table", |dht| dht.table().len() == 2).await;
    let reach = Reach {
        transport: Transport::Internet,
        address: "/ip4/20.9.9.9/tcp/4001".parse().unwrap(),
    };
    node.with(move |dht| dht.set_reach(vec![reach])).await;
    let stored = node
        .wait(|event| match event {
            Event::Published { stored, .. } if checks.load(Ordering::Relaxed) > 0 => Some(*stored),
            _ => None,
        })
        .await;
    assert_eq!((stored, node.with(|dht| dht.status().own_stored).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_does_not_hold_is_refused_and_felt_by_whoever_brought_it() {
    let mut net = Net::default();
    let mut node = net.node(&[]);
    let keypair = Keypair::generate_ed25519();
    let good = record(&keypair);
    let other = Keypair::generate_ed25519();
    let foreign = identity::from_libp2p(&other.public().to_peer_id()).unwrap();
    let own = key_of(good.peer);
    let signed = |change: &dyn Fn(&mut PeerRecord)| {
        let mut record = good.clone();
        change(&mut record);
        record.sign(&keypair).unwrap().envelope
    };
    let cases: [(&str, Vec<u8>, Vec<u8>); 7] = [
        (
            "record-expired",
            own.clone(),
            signed(&|record| {
                record.issued_s -= 7200;
                record.expires_s = now_s() - 1;
            }),
        ),
        ("record-from-the-future", own.clone(), signed(&|record| record.issued_s += 3600)),
        ("record-of-another-peer", key_of(foreign), signed(&|_| {})),
        ("record-of-another-network", own.clone(), signed(&|r| r.network = "x".to_owned())),
        ("record-too-long", own.clone(), vec![1; 5_000]),
        ("record-name", b"/any/thing".to_vec(), signed(&|_| {})),
        (
            "record-scope",
            own.clone(),
            signed(&|record| {
                let address = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
                record.reach = vec![Reach { transport: Transport::Lan, address }];
            }),
        ),
    ];
    for (why, key, value) in cases {
        let seen = put(&mut net, &mut node, key, value).await.expect(why);
        assert_eq!((seen.why, seen.kind), (why, Kind::Invalid));
    }
    assert_eq!(node.with(|dht| dht.status().records).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_never_goes_back_and_the_newer_one_stays() {
    let mut net = Net::default();
    let mut node = net.node(&[]);
    let keypair = Keypair::generate_ed25519();
    let old = record(&keypair);
    let new = PeerRecord { sequence: old.sequence + 1, ..old.clone() };
    let (key, peer) = (key_of(old.peer), old.peer);
    let new = new.sign(&keypair).unwrap().envelope;
    assert_eq!(put(&mut net, &mut node, key.clone(), new.clone()).await, None);
    let seen = put(&mut net, &mut node, key, old.sign(&keypair).unwrap().envelope).await;
    assert_eq!(seen.map(|seen| seen.why), Some("record-rolled-back"));
    let kept = node.with(|dht| dht.shelved()).await;
    assert_eq!((kept.len(), &kept[0].value), (1, &new));
    assert_eq!(kept[0].key, key_of(peer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_comes_back_after_a_restart_and_nothing_else() {
    let mut net = Net::default();
    let mut node = net.node(&[]);
    let keypair = Keypair::generate_ed25519();
    let made = record(&keypair);
    let signed = made.clone().sign(&keypair).unwrap().envelope;
    assert_eq!(put(&mut net, &mut node, key_of(made.peer), signed).await, None);
    let mut rows = node.with(|dht| dht.shelved()).await;
    let mut forged = rows[0].clone();
    forged.value[50] ^= 1;
    rows.push(forged);
    let later = net.node(&[]);
    assert_eq!(later.with(move |dht| dht.restore(rows)).await, 1);
    assert_eq!(later.with(|dht| dht.status().records).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_with_a_forged_record_is_noticed_and_the_true_one_is_found() {
    let mut net = Net::default();
    let mut nodes = network(&mut net, 8).await;
    nodes[2]
        .wait(|event| matches!(event, Event::Published { stored, .. } if *stored > 0).then_some(()))
        .await;
    let target = nodes[2].peer;
    let place = nodes[2].address.clone();
    // It tells of the target itself, so that it is as good as any other to ask.
    let answers: hostile::Answers = Arc::new(move |asked: &WireMessage| {
        let record = (asked.kind == 1)
            .then(|| WireRecord { key: asked.key.clone(), value: b"forged".to_vec() });
        let closer = vec![WirePeer::new(target, std::slice::from_ref(&place))];
        Some(hostile::frame(&WireMessage { kind: asked.kind, key: Vec::new(), record, closer }))
    });
    let liar = hostile::serve(&mut net, answers);
    let (peer, address) = (liar.peer, liar.address.clone());
    nodes[6].with(move |dht| dht.heard(peer, &[address])).await;
    nodes[6].until("the liar is in the table", move |dht| has(&dht.table(), peer)).await;
    let event = nodes[6].find(target).await;
    assert!(matches!(event, Event::Found { record: Some(_), .. }), "{event:?}");
    // Of a peer that has no record, everyone is asked.
    let nobody = Keypair::generate_ed25519().public().to_peer_id();
    let event = nodes[6].find(identity::from_libp2p(&nobody).unwrap()).await;
    assert!(matches!(event, Event::NotFound { .. }), "{event:?}");
    let felt = nodes[6].seen.iter().any(|event| {
        matches!(event, Event::Observed(seen) if seen.peer == peer && seen.why == "record-malformed")
    });
    assert!(felt, "{:?}", nodes[6].seen);
}

fn has(table: &[pointsman_core::dht::contact::Contact], peer: PeerId) -> bool {
    table.iter().any(|contact| contact.peer == peer)
}
