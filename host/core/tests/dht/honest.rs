//! Lookups among honest nodes.

use pointsman_core::dht::key::Key;
use pointsman_core::dht::lookup::{Ended, Found, Goal, Options, StepResult};
use pointsman_sdk::reputation::Kind;

use super::net::{Manner, Net};

fn network(count: usize, seed: u64) -> Net {
    let mut net = Net::new(seed);
    net.add(count, Manner::Honest);
    net.meet();
    net
}

#[test]
fn a_thousand_lookups_in_three_hundred_nodes_all_find_the_peer() {
    let mut net = network(300, 1);
    let (mut asked, mut slowest_us) = (0, 0);
    for _ in 0..1_000 {
        let (from, to) = net.pair();
        let peer = net.nodes[to].peer;
        let (outcome, _) = net.look(from, Goal::Peer(peer), Options::default());
        assert_eq!(outcome.found, Some(Found::Peer(net.nodes[to].contact())));
        asked += outcome.asked;
        slowest_us = slowest_us.max(outcome.took_us);
    }
    assert!(asked < 1_000 * 16, "{asked} questions");
    assert!(slowest_us < 1_000_000, "{slowest_us} us");
}

#[test]
fn the_closest_that_are_found_are_the_closest_that_there_are() {
    let mut net = network(300, 2);
    for number in 0..100_u32 {
        let key = Key::of_bytes(&number.to_be_bytes());
        let from = net.some(Manner::Honest);
        let (outcome, _) = net.look(from, Goal::Closest(key), Options::default());
        let own = net.nodes[from].peer;
        let mut all: Vec<_> = net.nodes.iter().filter(|node| node.peer != own).collect();
        all.sort_by_key(|node| key.distance(&node.key));
        let wanted: Vec<_> = all[..20].iter().map(|node| node.contact()).collect();
        assert_eq!(outcome.closest, wanted, "key {number}");
        assert_eq!((outcome.ended, outcome.failed), (Ended::Exhausted, 0));
    }
}

#[test]
fn whoever_stores_reaches_the_closest_and_nearly_everyone_else_in_the_region() {
    let mut net = network(300, 3);
    let (mut wanted, mut missing) = (0, 0);
    for number in 0..50_u32 {
        let key = Key::of_bytes(&number.to_be_bytes());
        let from = net.some(Manner::Honest);
        let options = Options { network_size: Some(300.0), ..Options::default() };
        let (outcome, _) = net.look(from, Goal::Closest(key), options);
        let own = net.nodes[from].peer;
        let mut others: Vec<_> = net.nodes.iter().filter(|node| node.peer != own).collect();
        others.sort_by_key(|node| key.distance(&node.key));
        let reached = |peer| outcome.closest.iter().any(|found| found.peer == peer);
        assert!(others[..20].iter().all(|node| reached(node.peer)), "key {number}");
        // Of 300 nodes the region shares three bits, and holds 38 on average.
        let region = others.iter().filter(|node| key.common_bits(&node.key) >= 3);
        wanted += region.clone().count();
        missing += region.filter(|node| !reached(node.peer)).count();
    }
    assert!(missing * 100 <= wanted, "{missing} of {wanted}");
}

#[test]
fn a_record_is_found_by_those_who_did_not_store_it_and_the_newest_wins() {
    let mut net = network(300, 4);
    for number in 0..100_u32 {
        let key = Key::of_bytes(&number.to_be_bytes());
        for sequence in 1..=2 {
            let from = net.some(Manner::Honest);
            assert!(net.publish(from, key, sequence, Options::default()) >= 20);
        }
        let from = net.some(Manner::Honest);
        let (outcome, _) = net.look(from, Goal::Record(key), Options::default());
        let is_newest = matches!(outcome.found, Some(Found::Record { sequence: 2, .. }));
        assert!(is_newest, "key {number}: {:?}", outcome.found);
    }
}

#[test]
fn a_record_that_nobody_has_is_not_found_and_the_search_ends() {
    let mut net = network(300, 5);
    let options = Options { network_size: Some(300.0), ..Options::default() };
    let from = net.some(Manner::Honest);
    let (outcome, _) = net.look(from, Goal::Record(Key::of_bytes(b"nothing")), options);
    assert_eq!((outcome.found, outcome.ended), (None, Ended::Exhausted));
    assert!(outcome.asked < 120, "{} questions", outcome.asked);
}

#[test]
fn a_network_of_two_finds_each_other() {
    let mut net = network(2, 6);
    let peer = net.nodes[1].peer;
    let (outcome, _) = net.look(0, Goal::Peer(peer), Options::default());
    assert_eq!(outcome.found, Some(Found::Peer(net.nodes[1].contact())));
}

#[test]
fn a_node_that_knows_nobody_is_told_so_at_once() {
    let mut net = network(1, 7);
    let (outcome, _) = net.look(0, Goal::Closest(Key::of_bytes(b"x")), Options::default());
    assert_eq!((outcome.ended, outcome.closest.len(), outcome.asked), (Ended::Exhausted, 0, 0));
}

#[test]
fn half_the_network_may_be_gone() {
    let mut net = Net::new(8);
    net.add(150, Manner::Honest);
    net.add(150, Manner::Offline);
    net.meet();
    let mut found = 0;
    for _ in 0..200 {
        let (from, to) = net.pair();
        let peer = net.nodes[to].peer;
        let (outcome, _) = net.look(from, Goal::Peer(peer), Options::default());
        found += usize::from(outcome.found.is_some());
    }
    assert_eq!(found, 200);
}

#[test]
fn the_trace_tells_who_told_of_whom_and_no_peer_is_on_two_paths() {
    let mut net = network(300, 9);
    let from = net.some(Manner::Honest);
    let (outcome, mut lookup) =
        net.look(from, Goal::Closest(Key::of_bytes(b"way")), Options::default());
    let steps = lookup.trace().to_vec();
    assert_eq!(steps.len(), outcome.asked);
    for (at, step) in steps.iter().enumerate() {
        assert!(matches!(step.result, StepResult::Answered { .. }), "{step:?}");
        assert!(!steps[..at].iter().any(|other| other.peer == step.peer), "asked once");
        if let Some(teller) = step.told_by {
            let told = steps[..at].iter().find(|other| other.peer == teller);
            assert_eq!(told.map(|told| told.path), Some(step.path), "heard on its own path");
        }
    }
    let served = lookup.observed();
    assert!(served.iter().all(|observed| observed.kind == Kind::Served));
    assert_eq!((served.len(), lookup.observed().len()), (steps.len(), 0));
}

#[test]
fn the_same_seed_takes_the_same_way() {
    let way = || {
        let mut net = network(100, 10);
        let (_, lookup) = net.look(0, Goal::Closest(Key::of_bytes(b"way")), Options::default());
        lookup.trace().to_vec()
    };
    assert_eq!(way(), way());
}
