//! Lookups where a fifth of the nodes is hostile.

use pointsman_core::dht::contact::Contact;
use pointsman_core::dht::key::Key;
use pointsman_core::dht::lookup::{Found, Goal, Lookup, Options, Why};
use pointsman_core::id::{PeerId, Time};
use pointsman_core::limits::{DHT_LOOKUP_ASKS_MAX, DHT_REPLY_CONTACTS_MAX};
use pointsman_sdk::reputation::Kind;

use super::net::{Manner, Net};

const TRIALS: usize = 300;

/// A hundred nodes, of which a fifth is hostile in these manners.
fn network(seed: u64, manners: &[Manner]) -> Net {
    let mut net = Net::new(seed);
    net.add(80, Manner::Honest);
    for at in 0..20 {
        net.add(1, manners[at % manners.len()]);
    }
    net.meet();
    net
}

fn options() -> Options {
    Options { network_size: Some(100.0), ..Options::default() }
}

/// Lookups of peers that find them, in a hundred.
fn found(net: &mut Net) -> f64 {
    let mut found = 0;
    for _ in 0..TRIALS {
        let (from, to) = net.pair();
        let peer = net.nodes[to].peer;
        let (outcome, _) = net.look(from, Goal::Peer(peer), options());
        // Liars may have added other addresses to that at which it answered.
        let address = &net.nodes[to].address;
        found += usize::from(match outcome.found {
            Some(Found::Peer(contact)) => contact.addresses.contains(address),
            Some(Found::Record { .. }) | None => false,
        });
        assert!(outcome.asked <= DHT_LOOKUP_ASKS_MAX);
    }
    100.0 * found as f64 / TRIALS as f64
}

#[test]
fn liars_do_not_hide_a_peer() {
    let share = found(&mut network(11, &[Manner::Lies]));
    assert!(share >= 99.0, "{share} %");
}

#[test]
fn those_who_never_answer_do_not_hide_a_peer() {
    let share = found(&mut network(12, &[Manner::Drops]));
    assert!(share >= 99.0, "{share} %");
}

#[test]
fn poisoners_do_not_hide_a_peer() {
    let share = found(&mut network(13, &[Manner::Poisons]));
    assert!(share >= 99.0, "{share} %");
}

#[test]
fn all_of_them_together_do_not_hide_a_peer() {
    let share = found(&mut network(14, &[Manner::Lies, Manner::Drops, Manner::Poisons]));
    assert!(share >= 99.0, "{share} %");
}

#[test]
fn the_newest_record_is_found_among_liars_and_those_who_keep_an_old_one() {
    let hostile = [Manner::Lies, Manner::Drops, Manner::Poisons, Manner::Stale];
    let mut net = network(15, &hostile);
    let mut right = 0;
    for number in 0..200_u32 {
        let key = Key::of_bytes(&number.to_be_bytes());
        let from = net.some(Manner::Honest);
        for sequence in 1..=2 {
            net.publish(from, key, sequence, options());
        }
        let from = net.some(Manner::Honest);
        let (outcome, _) = net.look(from, Goal::Record(key), options());
        right += usize::from(matches!(outcome.found, Some(Found::Record { sequence: 2, .. })));
    }
    assert!(right >= 198, "{right} of 200");
}

const OWN: PeerId = PeerId([0; 32]);
const TELLER: PeerId = PeerId([1; 32]);
const NOW: Time = Time(1);

fn contact(number: u32, subnet: u32) -> Contact {
    let [a, b, c, d] = number.to_be_bytes();
    let peer = PeerId(core::array::from_fn(|at| [a, b, c, d, 9][at.min(4)]));
    let address = format!("/ip4/20.{}.{}.1/tcp/4001", subnet / 256, subnet % 256);
    Contact { peer, addresses: vec![address] }
}

fn teller() -> Contact {
    Contact { peer: TELLER, addresses: vec!["/ip4/20.255.255.1/tcp/4001".into()] }
}

/// A lookup whose only first contact was asked.
fn asked(parallel: usize) -> Lookup {
    let goal = Goal::Closest(Key::of_bytes(b"target"));
    let options = Options { parallel, paths: 1, ..Options::default() };
    let mut lookup = Lookup::new(NOW, OWN, goal, [teller()], options);
    assert_eq!(lookup.next(NOW).map(|ask| ask.peer), Some(TELLER));
    lookup
}

/// Everyone that it asks, each failing at once.
fn all_fail(lookup: &mut Lookup) -> Vec<PeerId> {
    let asked = core::iter::from_fn(|| {
        let peer = lookup.next(NOW)?.peer;
        lookup.failed(NOW, &peer, Why::Unreachable);
        Some(peer)
    });
    asked.collect()
}

#[test]
fn of_ten_thousand_contacts_in_a_reply_twenty_are_used_and_the_teller_is_reported() {
    let mut lookup = asked(1);
    let told: Vec<Contact> = (0..10_000).map(|number| contact(number, number)).collect();
    lookup.answered(NOW, &TELLER, &told, None);
    let peers = all_fail(&mut lookup);
    assert_eq!(peers.len(), DHT_REPLY_CONTACTS_MAX);
    let observed = lookup.observed();
    assert!(observed.iter().any(|seen| seen.peer == TELLER && seen.kind == Kind::Invalid));
    assert!(observed.iter().all(|seen| seen.peer == TELLER), "hearsay blames nobody else");
}

#[test]
fn ourselves_and_what_leads_into_our_network_are_never_asked() {
    let mut lookup = asked(1);
    let own = Contact { peer: OWN, addresses: vec!["/ip4/20.0.0.9/tcp/1".into()] };
    let mut inside = contact(1, 1);
    inside.addresses = vec!["/ip4/127.0.0.1/tcp/22".into(), "/ip4/10.0.0.1/tcp/80".into()];
    lookup.answered(NOW, &TELLER, &[own, inside, teller()], None);
    assert_eq!(lookup.next(NOW), None);
    assert!(lookup.outcome().is_some_and(|outcome| outcome.asked == 1));
}

#[test]
fn contacts_of_a_teller_whom_nobody_confirms_are_asked_last() {
    let mut lookup = asked(1);
    let told: Vec<Contact> = (0..10).map(|number| contact(number, number)).collect();
    lookup.answered(NOW, &TELLER, &told, None);
    for _ in 0..3 {
        let peer = lookup.next(NOW).expect("ten were told of").peer;
        lookup.failed(NOW, &peer, Why::Unreachable);
    }
    let rest = all_fail(&mut lookup);
    assert_eq!(rest.len(), 7, "nobody else is left, so they are asked at last");
    let seen = lookup.observed();
    assert!(seen.iter().any(|seen| seen.peer == TELLER && seen.kind == Kind::Timeout));
}

#[test]
fn of_one_subnet_three_are_asked_before_all_others_were() {
    let mut lookup = asked(1);
    let told: Vec<Contact> =
        (0..20).map(|number| contact(number, if number < 15 { 7 } else { number })).collect();
    lookup.answered(NOW, &TELLER, &told, None);
    let order: Vec<usize> = core::iter::from_fn(|| {
        let ask = lookup.next(NOW)?;
        lookup.answered(NOW, &ask.peer, &[], None);
        told.iter().position(|contact| contact.peer == ask.peer)
    })
    .collect();
    assert_eq!(order.len(), 20);
    let crowd = order.iter().take(8).filter(|&&number| number < 15).count();
    assert_eq!(crowd, 3, "{order:?}");
}

#[test]
fn wrong_addresses_of_a_peer_do_not_keep_the_right_ones_out() {
    let target = contact(1, 1);
    let options = Options { paths: 1, parallel: 1, ..Options::default() };
    let first = [teller(), contact(2, 2)];
    let mut lookup = Lookup::new(NOW, OWN, Goal::Peer(target.peer), first, options);
    let wrong = Contact { peer: target.peer, addresses: vec!["/ip4/66.6.6.6/tcp/1".into()] };
    let one = lookup.next(NOW).expect("two are known").peer;
    lookup.answered(NOW, &one, &[wrong], None);
    assert_eq!(lookup.next(NOW).map(|ask| ask.peer), Some(target.peer));
    lookup.failed(NOW, &target.peer, Why::Unreachable);
    let other = lookup.next(NOW).expect("one more is known").peer;
    lookup.answered(NOW, &other, std::slice::from_ref(&target), None);
    let again = lookup.next(NOW).expect("it has an address that was not tried");
    assert_eq!((again.peer, &again.addresses[0]), (target.peer, &target.addresses[0]));
    lookup.answered(NOW, &target.peer, &[], None);
    assert!(matches!(lookup.outcome().unwrap().found, Some(Found::Peer(_))));
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let mut lookup = asked(1);
    lookup.answered(NOW, &contact(1, 1).peer, &[contact(2, 2)], None);
    lookup.answered(NOW, &TELLER, &[], None);
    lookup.answered(NOW, &TELLER, &[contact(3, 3)], None);
    assert_eq!(lookup.next(NOW), None);
    assert_eq!(lookup.observed().len(), 1);
}

#[test]
fn one_that_does_not_answer_in_time_gives_its_place_to_another_and_may_still_answer() {
    let mut lookup = asked(1);
    let told = [contact(1, 1), contact(2, 2)];
    lookup.answered(NOW, &TELLER, &told, None);
    let late = lookup.next(NOW).expect("two were told of").peer;
    assert_eq!(lookup.next(NOW), None, "one question at a time");
    let deadline = lookup.deadline().expect("one is under way");
    let other = lookup.next(deadline).expect("its place is free").peer;
    assert_ne!(other, late);
    lookup.answered(deadline, &late, &[], None);
    lookup.answered(deadline, &other, &[], None);
    assert_eq!(lookup.next(deadline), None);
    assert_eq!(lookup.outcome().map(|outcome| outcome.answered), Some(3));
}
