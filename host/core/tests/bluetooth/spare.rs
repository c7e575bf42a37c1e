//! Two links to one peer: both ends see both, and exactly one of the links stays.

use pointsman_core::bluetooth::neighbours::{BluetoothConfig, Neighbourhood, Why, Wish};
use pointsman_core::id::{LinkId, Time};

use crate::scene::{BOTH, RADIO, S, Scene, address, peer};

/// What a node closes that has two settled links to one peer. `first` and `second`: whether
/// it dialled them.
fn closes(me: u8, other: u8, first: (u32, bool), second: (u32, bool)) -> Vec<(u32, Why)> {
    let mut node = Neighbourhood::new(peer(me), BluetoothConfig::default(), 7);
    node.radio_up(Time(S), RADIO, BOTH);
    for (link, dialled) in [first, second] {
        node.linked(Time(S), RADIO, address(link), LinkId(link), peer(other), dialled);
    }
    for (link, _) in [first, second] {
        node.settled(Time(S), LinkId(link));
    }
    node.tick(Time(2 * S));
    let mut closed = Vec::new();
    while let Some(wish) = node.poll() {
        if let Wish::Close { link, why } = wish {
            closed.push((link.0, why));
        }
    }
    closed
}

#[test]
fn of_two_links_that_one_side_dialled_it_closes_the_newer_and_the_other_side_nothing() {
    for (me, other) in [(1, 2), (2, 1)] {
        assert_eq!(closes(me, other, (1, true), (2, true)), [(2, Why::Spare)]);
        assert_eq!(closes(me, other, (1, false), (2, false)), []);
    }
}

#[test]
fn of_two_links_that_each_side_dialled_the_smaller_peer_s_stays_in_whatever_order_they_came() {
    // Peer 1 dialled link 1, peer 2 dialled link 2.
    for (first, second) in [(1, 2), (2, 1)] {
        assert_eq!(closes(1, 2, (first, first == 1), (second, second == 1)), []);
        let larger = closes(2, 1, (first, first == 2), (second, second == 2));
        assert_eq!(larger, [(2, Why::Spare)]);
    }
}

#[test]
fn nothing_is_closed_for_a_link_that_has_not_proven_itself() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60), (2, -60)], S);
    scene.link(1, 1, 9);
    scene.link(2, 2, 9);
    scene.advance(S);
    assert_eq!(scene.closes(), []);
    scene.settle(2);
    assert_eq!(scene.closes(), [], "the older would stay, and is not proven");
    scene.settle(1);
    assert_eq!(scene.closes(), [(2, Why::Spare)]);
}

#[test]
fn a_spare_place_is_dialled_at_once_when_the_link_is_gone() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60), (2, -60)], S);
    scene.link(1, 1, 9);
    scene.settle(1);
    scene.link(2, 2, 9);
    scene.settle(2);
    scene.unlink(2);
    scene.stand(&[(1, -60), (2, -60)], 100 * S);
    assert_eq!(scene.dials().len(), 2);
    scene.unlink(1);
    scene.stand(&[(2, -60)], S);
    assert_eq!(scene.dialled(2), 2);
}

#[test]
fn after_its_address_changed_a_peer_s_link_stays_and_its_new_address_is_a_spare() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60)], S);
    scene.link(1, 1, 9);
    scene.settle(1);
    for n in 0..600 {
        if n % 10 == 0 {
            scene.node.link_heard(scene.now, LinkId(1), Some(-60));
        }
        scene.stand(&[(2, -60)], S / 10);
        if n == 20 {
            scene.link(2, 2, 9);
            scene.settle(2);
            scene.unlink(2);
        }
    }
    assert_eq!((scene.dials().len(), scene.closes()), (2, vec![(2, Why::Spare)]));
}
