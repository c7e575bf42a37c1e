//! A link that fades is left only when another has proven itself.

use pointsman_core::bluetooth::neighbours::{BluetoothConfig, Event, Why};
use pointsman_core::id::LinkId;

use crate::scene::{BOTH, MS, S, Scene, at_metres};

/// One link to peer 9 at neighbour 1, and another place of that peer at neighbour 2.
fn with_a_spare(config: BluetoothConfig) -> Scene {
    let mut scene = Scene::with(config, BOTH);
    scene.stand(&[(1, -60)], S);
    scene.link(1, 1, 9);
    scene.settle(1);
    scene.stand(&[(1, -60), (2, -62)], S);
    scene.link(2, 2, 9);
    scene.settle(2);
    assert_eq!(scene.closes(), [(2, Why::Spare)]);
    scene.unlink(2);
    scene
}

/// Neighbour 1 goes from 5 m away at a walk; the others stand at 3 m. Until somebody is dialled.
fn walk_away(scene: &mut Scene, others: &[u32]) {
    let dialled = scene.dials().len();
    for n in 0..300 {
        let metres = 5.0 + 1.4 * f64::from(n) / 10.0;
        let around: Vec<(u32, i16)> = others.iter().map(|other| (*other, at_metres(3.0))).collect();
        scene.stand(&[&around[..], &[(1, at_metres(metres))]].concat(), 100 * MS);
        if scene.dials().len() > dialled {
            return;
        }
    }
}

#[test]
fn the_spare_is_dialled_first_and_the_fading_link_closed_when_it_has_proven_itself() {
    let mut scene = with_a_spare(BluetoothConfig::default());
    scene.stand(&[(1, at_metres(5.0)), (2, at_metres(3.0))], 10 * S);
    assert_eq!(scene.dialled(2), 1, "as long as the link is well, the spare is left alone");
    walk_away(&mut scene, &[2]);
    assert_eq!(scene.dialled(2), 2);
    assert!(scene.events().contains(&Event::Fading { link: LinkId(1) }));
    scene.link(2, 3, 9);
    scene.advance(5 * S);
    assert_eq!(scene.closes().len(), 1, "the new one has not proven itself");
    scene.settle(3);
    assert_eq!(scene.closes()[1..], [(1, Why::Faded)]);
}

#[test]
fn it_is_noticed_before_the_range_is_left_by_far() {
    let mut scene = with_a_spare(BluetoothConfig::default());
    walk_away(&mut scene, &[2]);
    let view = scene.node.snapshot(scene.now);
    let metres = view[0].range.expect("it was measured").metres;
    assert!(metres < 12.5, "{metres}");
}

#[test]
fn a_stand_in_that_fails_closes_nothing_and_is_tried_again() {
    let mut scene = with_a_spare(BluetoothConfig::default());
    walk_away(&mut scene, &[2]);
    scene.fail(2);
    scene.stand(&[(1, at_metres(14.0)), (2, at_metres(3.0))], 4 * S);
    assert_eq!((scene.dialled(2), scene.closes().len()), (3, 1));
}

#[test]
fn a_link_that_turns_out_steady_keeps_its_place() {
    let mut scene = with_a_spare(BluetoothConfig::default());
    walk_away(&mut scene, &[2]);
    scene.stand(&[(1, -50), (2, at_metres(3.0))], 12 * S);
    assert!(scene.events().contains(&Event::Steady { link: LinkId(1) }));
    scene.link(2, 3, 9);
    scene.settle(3);
    assert_eq!(scene.closes()[1..], [(3, Why::Spare)]);
}

#[test]
fn with_all_links_in_use_an_unknown_neighbour_takes_the_place_of_a_fading_one() {
    let config = BluetoothConfig { links_max: 1, ..BluetoothConfig::default() };
    let mut scene = Scene::with(config, BOTH);
    scene.stand(&[(1, -60)], S);
    scene.link(1, 1, 9);
    scene.settle(1);
    scene.stand(&[(1, -60), (2, -70)], 10 * S);
    assert_eq!(scene.dials().len(), 1, "one link is all that is wanted");
    walk_away(&mut scene, &[2]);
    assert_eq!((scene.dialled(2), scene.node.occupancy()), (1, 2));
    scene.link(2, 2, 8);
    scene.settle(2);
    assert_eq!(scene.closes(), [(1, Why::Faded)]);
}

#[test]
fn one_weak_sample_hands_nothing_over() {
    let mut scene = with_a_spare(BluetoothConfig::default());
    scene.stand(&[(1, -66), (2, -62)], 10 * S);
    scene.hear(1, -110);
    scene.hear(1, -110);
    scene.stand(&[(1, -66), (2, -62)], 10 * S);
    assert_eq!(scene.dialled(2), 1);
    assert!(!scene.events().contains(&Event::Fading { link: LinkId(1) }));
}

#[test]
fn a_stand_in_that_is_hardly_stronger_is_none() {
    let mut scene = with_a_spare(BluetoothConfig::default());
    for n in 0..150 {
        let rssi = at_metres(5.0 + 1.4 * f64::from(n) / 10.0);
        scene.stand(&[(1, rssi), (2, rssi + 3)], 100 * MS);
    }
    assert_eq!(scene.dialled(2), 1);
}
