//! Identities made to lie next to a key, closer than every honest node.

use pointsman_core::dht::key::Key;
use pointsman_core::dht::lookup::{Found, Goal, Options};
use pointsman_core::id::PeerId;

use super::net::{Manner, Net};

const SYBILS: usize = 45;
const HONEST: usize = 100;
const TARGETS: usize = 20;

/// Honest nodes and 45 liars around the key of the first node: in as many subnets each, which is
/// the most that an attacker can pay for.
fn network(seed: u64, subnets: usize) -> Net {
    let mut net = Net::new(seed);
    net.add(HONEST, Manner::Honest);
    let key = net.nodes[0].key;
    let others = net.nodes[1..].iter().map(|node| key.distance(&node.key));
    let nearest = others.min().expect("there are others");
    let mut made = 0;
    while made < SYBILS {
        let peer: PeerId = net.chance.peer();
        if key.distance(&Key::of_peer(&peer)) < nearest {
            net.join(peer, 1_000 + made % subnets, Manner::Lies);
            made += 1;
        }
    }
    net.meet();
    net
}

/// Who looks for the first node finds itself or its newest record, of all targets.
fn found(subnets: usize, is_online: bool, size: Option<f64>) -> usize {
    let options = Options { network_size: size, ..Options::default() };
    let mut found = 0;
    for target in 0..TARGETS {
        let mut net = network(100 + target as u64, subnets);
        let (peer, key) = (net.nodes[0].peer, net.nodes[0].key);
        net.publish(0, key, 1, options);
        if !is_online {
            net.nodes[0].manner = Manner::Offline;
        }
        for _ in 0..5 {
            let from = 1 + net.chance.below(HONEST - 1);
            let (outcome, _) = net.look(from, Goal::Peer(peer), options);
            found += usize::from(match outcome.found {
                Some(Found::Peer(contact)) => contact.addresses.contains(&net.nodes[0].address),
                Some(Found::Record { sequence, .. }) => sequence == 1,
                None => false,
            });
        }
    }
    found
}

#[test]
fn forty_five_sybils_do_not_hide_a_peer_that_is_there() {
    let found = found(SYBILS, true, Some(HONEST as f64));
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn forty_five_sybils_do_not_hide_the_record_of_a_peer_that_is_gone() {
    let found = found(SYBILS, false, Some(HONEST as f64));
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn forty_five_sybils_of_three_subnets_do_not_either() {
    let found = found(3, false, Some(HONEST as f64));
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn without_the_sweep_they_would() {
    let found = found(SYBILS, false, None);
    assert!(found < 20, "{found} of 100");
}

#[test]
fn an_estimate_that_is_off_by_half_either_way_does() {
    for size in [50.0, 200.0] {
        let found = found(SYBILS, false, Some(size));
        assert!(found >= 95, "{found} of 100 with a size of {size}");
    }
}
