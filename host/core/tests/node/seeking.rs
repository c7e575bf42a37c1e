//! A peer that is wanted and not reached is looked up.

use pointsman_core::id::PeerId;
use pointsman_core::input::{DialFailure, Input};
use pointsman_core::output::Output;

use crate::lone::{Lone, PEER};

const MINUTE_US: u64 = 60_000_000;

fn seeks(orders: &[Output]) -> usize {
    let of_peer = |order: &&Output| matches!(order, Output::Seek { peer: PEER });
    orders.iter().filter(of_peer).count()
}

fn want(lone: &mut Lone, wanted: bool) -> Vec<Output> {
    lone.tell(Input::Wanted { peer: PEER, wanted })
}

#[test]
fn a_message_for_a_stranger_has_him_looked_up_at_once_and_no_second_time_soon() {
    let mut lone = Lone::new();
    lone.send(1, None);
    let orders = lone.run(1_000_000);
    assert_eq!(seeks(&orders), 1);
    lone.send(2, None);
    assert_eq!(seeks(&lone.run(5_000_000)), 0);
}

#[test]
fn a_lookup_is_repeated_with_growing_pauses_as_long_as_somebody_waits() {
    let mut lone = Lone::new();
    lone.send(1, Some(60 * MINUTE_US));
    let first = seeks(&lone.run(10 * MINUTE_US));
    let later = seeks(&lone.run(30 * MINUTE_US));
    assert!((4..=8).contains(&first), "{first} in ten minutes");
    assert!((2..=6).contains(&later), "{later} in half an hour more");
    lone.run(30 * MINUTE_US);
    assert_eq!(seeks(&lone.run(60 * MINUTE_US)), 0, "nothing waits any more");
}

#[test]
fn a_wanted_peer_is_looked_up_although_nothing_waits_for_it() {
    let mut lone = Lone::new();
    assert_eq!(seeks(&want(&mut lone, true)), 1);
    assert_eq!(seeks(&want(&mut lone, false)), 0);
    assert_eq!(seeks(&lone.run(10 * MINUTE_US)), 0);
}

#[test]
fn while_an_address_is_dialled_nobody_is_looked_up_and_when_it_failed_he_is() {
    let mut lone = Lone::new();
    let orders = lone.sight(PEER, "/ip4/192.0.2.9/udp/1/quic-v1");
    let dial = orders
        .iter()
        .find_map(|order| if let Output::Dial { dial, .. } = order { Some(*dial) } else { None });
    assert_eq!(seeks(&want(&mut lone, true)), 0);
    let dial = dial.expect("a sighting is dialled");
    let orders = lone.tell(Input::DialFailed { dial, failure: DialFailure::TimedOut });
    assert_eq!(seeks(&orders), 1);
}

#[test]
fn a_peer_with_a_link_is_not_looked_up() {
    let mut lone = Lone::greeted();
    assert_eq!(seeks(&want(&mut lone, true)), 0);
    assert_eq!(seeks(&lone.send(1, None)), 0);
    assert!(seeks(&lone.unlink(5)) + seeks(&lone.run(MINUTE_US)) > 0, "the link is gone");
}

#[test]
fn nobody_looks_for_himself() {
    let mut lone = Lone::new();
    let orders = lone.tell(Input::Wanted { peer: PeerId([1; 32]), wanted: true });
    assert_eq!(orders, []);
}
