//! Relays: dialled when nothing else leads to a peer, and given up when something does.

use pointsman_core::config::NodeConfig;
use pointsman_core::frame::{ByeCode, Frame};
use pointsman_core::id::{DialId, LinkId, UplinkId};
use pointsman_core::input::{Address, DialFailure, Input, NewLink, Protocol, Source, Transport};
use pointsman_core::output::{CloseReason, Output};
use pointsman_core::reputation::Cause;

use crate::lone::{Lone, PEER, closed, hello, link_up};
use crate::scene::{SECOND_US, config};

const RELAY: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";

fn circuit(host: &str) -> Address {
    Address::parse(&format!("/ip4/{host}/tcp/1/p2p/{RELAY}/p2p-circuit")).expect("a circuit")
}

fn sight(lone: &mut Lone, address: Address) -> Vec<Output> {
    lone.tell(Input::Sighted { peer: PEER, address, source: Source::Config })
}

fn dials(orders: &[Output]) -> Vec<(DialId, Protocol)> {
    let dial = |order: &Output| {
        if let Output::Dial { dial, address, .. } = order {
            Some((*dial, address.protocol))
        } else {
            None
        }
    };
    orders.iter().filter_map(dial).collect()
}

fn relayed_up(lone: &mut Lone, link: u32, dial: Option<DialId>) {
    lone.tell(Input::LinkUp(NewLink {
        link: LinkId(link),
        peer: PEER,
        transport: Transport::Relay,
        protocol: Protocol::Circuit,
        uplink: UplinkId(1),
        dial,
        datagram_bytes: 0,
        remote: circuit("192.0.2.1").text,
    }));
    lone.receive(link, Frame::Hello(hello(7, "e")));
}

/// Answers every probe for a while; tells what was closed.
fn live(lone: &mut Lone, us: u64) -> Vec<(u32, CloseReason)> {
    let mut gone = Vec::new();
    for _ in 0..us / 10_000 {
        let mut orders = lone.run(10_000);
        while !orders.is_empty() {
            gone.extend(closed(&orders));
            let probes: Vec<_> = orders
                .iter()
                .filter_map(|order| {
                    let Output::Transmit { link, frame: Frame::Probe { sequence }, .. } = order
                    else {
                        return None;
                    };
                    Some((link.0, *sequence))
                })
                .collect();
            orders = probes
                .into_iter()
                .flat_map(|(link, sequence)| lone.acked(link, &[(1, sequence)]))
                .collect();
        }
    }
    gone
}

#[test]
fn a_relay_is_dialled_at_once_where_there_is_nothing_else() {
    let mut lone = Lone::new();
    let orders = sight(&mut lone, circuit("192.0.2.1"));
    assert_eq!(dials(&orders).len(), 1);
}

#[test]
fn a_relay_waits_for_a_direct_dial_and_is_not_dialled_when_that_succeeds() {
    let mut lone = Lone::new();
    let direct = lone.sight(PEER, "/ip4/192.0.2.1/udp/1/quic-v1");
    let (dial, _) = dials(&direct)[0];
    assert!(dials(&sight(&mut lone, circuit("192.0.2.2"))).is_empty());
    lone.tell(link_up(5, PEER, Some(dial)));
    lone.receive(5, Frame::Hello(hello(7, "e")));
    lone.acked(5, &[(1, 1)]);
    assert!(dials(&lone.run(SECOND_US - 200_000)).is_empty());
    // The next probe is lost: something may be wrong with it.
    assert_eq!(dials(&lone.run(SECOND_US)).len(), 1);
}

#[test]
fn a_relay_is_dialled_when_a_direct_dial_takes_long_or_fails() {
    let mut slow = Lone::new();
    slow.sight(PEER, "/ip4/192.0.2.1/udp/1/quic-v1");
    sight(&mut slow, circuit("192.0.2.2"));
    assert!(dials(&slow.run(SECOND_US / 4)).is_empty());
    assert_eq!(dials(&slow.run(SECOND_US)).len(), 1);

    let mut refused = Lone::new();
    let (dial, _) = dials(&refused.sight(PEER, "/ip4/192.0.2.1/udp/1/quic-v1"))[0];
    sight(&mut refused, circuit("192.0.2.2"));
    let failure = DialFailure::Refused;
    let orders = refused.tell(Input::DialFailed { dial, failure });
    assert_eq!(dials(&orders).iter().map(|dial| dial.1).collect::<Vec<_>>(), [Protocol::Circuit]);
}

#[test]
fn one_relay_is_enough_and_the_next_is_dialled_when_it_fails() {
    let mut lone = Lone::new();
    let (dial, _) = dials(&sight(&mut lone, circuit("192.0.2.1")))[0];
    assert!(dials(&sight(&mut lone, circuit("192.0.2.2"))).is_empty());
    relayed_up(&mut lone, 5, Some(dial));
    assert!(dials(&lone.run(40_000)).is_empty());
    let orders = lone.unlink(5);
    let address = orders.iter().find_map(|order| {
        if let Output::Dial { address, .. } = order { Some(address.clone()) } else { None }
    });
    assert_eq!(address, Some(circuit("192.0.2.2")));
}

#[test]
fn another_relay_is_dialled_while_the_link_through_the_first_is_suspect() {
    let mut lone = Lone::new();
    let (dial, _) = dials(&sight(&mut lone, circuit("192.0.2.1")))[0];
    sight(&mut lone, circuit("192.0.2.2"));
    relayed_up(&mut lone, 5, Some(dial));
    lone.acked(5, &[(1, 1)]);
    assert!(dials(&lone.run(SECOND_US - 200_000)).is_empty());
    assert_eq!(dials(&lone.run(SECOND_US)).len(), 1, "its next probe is lost");
}

#[test]
fn a_relayed_link_keeps_no_direct_one_out() {
    let mut lone = Lone::new();
    lone.tell(Input::Configured(NodeConfig { links_per_peer: 1, ..config() }));
    relayed_up(&mut lone, 5, None);
    assert_eq!(dials(&lone.sight(PEER, "/ip4/192.0.2.1/udp/1/quic-v1")).len(), 1);
}

#[test]
fn a_relayed_link_is_a_spare_until_a_direct_one_has_been_good_for_a_while() {
    let mut lone = Lone::new();
    relayed_up(&mut lone, 5, None);
    assert!(live(&mut lone, 40 * SECOND_US).is_empty(), "it is all there is");
    lone.tell(link_up(6, PEER, None));
    lone.receive(6, Frame::Hello(hello(7, "e")));
    assert!(live(&mut lone, 29 * SECOND_US).is_empty(), "the direct one is new");
    assert_eq!(live(&mut lone, 3 * SECOND_US), [(5, CloseReason::Spare)]);
}

#[test]
fn a_relayed_link_stays_where_the_config_says_so() {
    let mut lone = Lone::new();
    lone.tell(Input::Configured(NodeConfig { relay_standby_us: None, ..config() }));
    relayed_up(&mut lone, 5, None);
    lone.tell(link_up(6, PEER, None));
    lone.receive(6, Frame::Hello(hello(7, "e")));
    assert!(live(&mut lone, 60 * SECOND_US).is_empty());
}

/// What the relay was seen to do.
fn deeds(lone: &Lone) -> Vec<(Cause, u64)> {
    let relay = RELAY.parse().expect("a peer id");
    let seen = lone.node.why(&relay).map(|why| why.causes).unwrap_or_default();
    seen.iter().map(|seen| (seen.cause, seen.count)).collect()
}

#[test]
fn a_link_that_was_dialled_through_a_relay_speaks_for_the_relay() {
    let mut lone = Lone::new();
    let (dial, _) = dials(&sight(&mut lone, circuit("192.0.2.1")))[0];
    relayed_up(&mut lone, 5, Some(dial));
    assert_eq!(deeds(&lone), [(Cause::Relayed, 1)]);
}

#[test]
fn what_comes_in_through_a_relay_does_not_speak_for_it() {
    let mut lone = Lone::new();
    relayed_up(&mut lone, 5, None);
    lone.unlink(5);
    assert_eq!(deeds(&lone), []);
}

#[test]
fn a_relay_that_cuts_a_sound_link_broke_it_off_and_one_whose_link_fell_silent_before_did_not() {
    for (silent, broken) in [(false, 1), (true, 0)] {
        let mut lone = Lone::new();
        let (dial, _) = dials(&sight(&mut lone, circuit("192.0.2.1")))[0];
        relayed_up(&mut lone, 5, Some(dial));
        lone.acked(5, &[(1, 1)]);
        if silent {
            lone.run(2 * SECOND_US);
        }
        lone.unlink(5);
        let seen = deeds(&lone).into_iter().find(|(cause, _)| *cause == Cause::RelayBroken);
        assert_eq!(seen.map_or(0, |(_, count)| count), broken, "silent: {silent}");
    }
}

#[test]
fn a_relayed_link_that_ends_with_a_goodbye_was_not_broken_off() {
    let mut lone = Lone::new();
    let (dial, _) = dials(&sight(&mut lone, circuit("192.0.2.1")))[0];
    relayed_up(&mut lone, 5, Some(dial));
    lone.receive(5, Frame::Bye(ByeCode::Done));
    lone.unlink(5);
    assert_eq!(deeds(&lone), [(Cause::Relayed, 1)]);
}
