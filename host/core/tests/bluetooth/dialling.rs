//! Who is dialled, and when.

use pointsman_core::bluetooth::neighbours::{BluetoothConfig, RadioTraits};
use pointsman_core::id::Time;

use crate::scene::{BOTH, MS, RADIO, S, Scene, address, at_metres, peer};

#[test]
fn a_neighbour_in_range_is_dialled_once_and_one_out_of_range_is_not() {
    let mut scene = Scene::new();
    scene.stand(&[(1, at_metres(3.0)), (2, at_metres(30.0))], 10 * S);
    assert_eq!((scene.dialled(1), scene.dialled(2)), (1, 0));
}

#[test]
fn the_strongest_are_dialled_up_to_the_maximum() {
    let mut scene = Scene::new();
    let crowd: Vec<(u32, i16)> = (0..20).map(|n| (n, -75 + n as i16)).collect();
    scene.stand(&crowd, 10 * S);
    let mut dialled: Vec<_> = scene.dials().into_iter().map(|(_, to)| to).collect();
    dialled.sort();
    assert_eq!(dialled, [address(16), address(17), address(18), address(19)]);
}

#[test]
fn of_two_nodes_the_one_with_the_larger_token_waits_and_then_dials_anyway() {
    let mut scene = Scene::new();
    for _ in 0..100 {
        scene.hear_token(1, 1, Some(-60));
        scene.hear(2, -60);
        scene.advance(100 * MS);
    }
    let dials = scene.dials();
    let when = |number| dials.iter().find(|(_, to)| *to == address(number)).expect("it dials").0;
    assert!(when(2) < S + 100 * MS, "theirs is larger");
    assert!((6 * S..7_500 * MS).contains(&(when(1) - S)), "theirs is smaller");
}

#[test]
fn whoever_can_not_dial_us_is_not_waited_for() {
    let mut scene = Scene::new();
    scene.hear_bytes(1, &[1, 0, 0, 0, 0, 1], Some(-60));
    scene.advance(S);
    assert_eq!(scene.dialled(1), 1, "it is no central");
    let traits = RadioTraits { peripheral: false, ..BOTH };
    let mut mute = Scene::with(BluetoothConfig::default(), traits);
    mute.hear_token(1, 1, Some(-60));
    mute.advance(S);
    assert_eq!(mute.dialled(1), 1, "it does not hear us");
    assert!(mute.payloads().is_empty());
}

#[test]
fn a_radio_that_can_not_dial_does_not() {
    let traits = RadioTraits { central: false, ..BOTH };
    let mut scene = Scene::with(BluetoothConfig::default(), traits);
    scene.stand(&[(1, -60)], 10 * S);
    assert!(scene.dials().is_empty() && scene.payloads().len() == 1);
}

#[test]
fn a_peer_that_is_not_welcome_is_not_dialled_again() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60)], S);
    scene.link(1, 1, 9);
    scene.node.standing(scene.now, peer(9), false);
    scene.unlink(1);
    scene.stand(&[(1, -60)], 600 * S);
    assert_eq!(scene.dialled(1), 1);
    scene.node.standing(scene.now, peer(9), true);
    scene.stand(&[(1, -60)], S);
    assert_eq!(scene.dialled(1), 2);
}

#[test]
fn a_place_that_fails_is_dialled_ever_more_rarely() {
    let mut scene = Scene::new();
    for _ in 0..3_600 * 2 {
        let before = scene.dials().len();
        scene.hear(1, -60);
        scene.advance(500 * MS);
        if scene.dials().len() > before {
            scene.fail(1);
        }
    }
    let dials = scene.dials();
    assert!((12..25).contains(&dials.len()), "{} in an hour", dials.len());
    assert!(dials[1].0 - dials[0].0 < 3 * S);
}

#[test]
fn a_link_that_proved_itself_and_broke_is_dialled_again_soon() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60)], S);
    scene.link(1, 1, 9);
    scene.settle(1);
    scene.unlink(1);
    scene.stand(&[(1, -60)], 3 * S);
    assert_eq!(scene.dialled(1), 2);
}

#[test]
fn a_dial_that_nobody_ends_is_given_up() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60)], 59 * S);
    assert_eq!((scene.node.occupancy(), scene.node.counters().dials_failed), (1, 0));
    scene.stand(&[(1, -60)], 2 * S);
    assert_eq!(scene.node.counters().dials_failed, 1);
}

#[test]
fn a_dial_of_the_node_s_own_takes_a_place() {
    let mut scene = Scene::new();
    for number in 0..4 {
        assert!(scene.node.dialling(scene.now, RADIO, address(number)));
    }
    assert!(!scene.node.dialling(scene.now, RADIO, address(4)));
    scene.stand(&[(5, -40)], 5 * S);
    assert_eq!(scene.dials(), []);
    scene.fail(0);
    scene.stand(&[(5, -40)], S);
    assert_eq!(scene.dialled(5), 1);
}

#[test]
fn a_link_beyond_what_is_wanted_is_closed_as_soon_as_it_is_accepted() {
    let mut scene = Scene::new();
    for number in 0..6 {
        scene.accept(number, number, number as u8);
    }
    let full: Vec<u32> = scene.closes().into_iter().map(|(link, _)| link).collect();
    assert_eq!((full, scene.node.occupancy()), (vec![4, 5], 4));
}

#[test]
fn without_a_radio_nothing_is_due() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60)], S);
    scene.node.radio_down(scene.now, RADIO);
    scene.advance(S);
    assert_eq!((scene.node.deadline(), scene.node.remembered()), (None, 0));
    assert!(scene.now > Time(0));
}
