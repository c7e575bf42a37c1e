//! What anyone in earshot can send, and what a broken shell can tell.

use pointsman_core::bluetooth::neighbours::{BluetoothConfig, Heard, RadioTraits};
use pointsman_core::id::{LinkId, Time, UplinkId};

use crate::scene::{BOTH, MS, RADIO, S, Scene, address, peer, token};

#[test]
fn our_own_token_heard_back_is_never_dialled_and_counted() {
    let mut scene = Scene::new();
    let own = scene.own_token();
    for n in 0..100 {
        scene.hear_token(n, own, Some(-40));
        scene.advance(100 * MS);
    }
    assert_eq!((scene.dials().len(), scene.node.remembered()), (0, 0));
    assert_eq!(scene.node.counters().echoes, 100);
}

#[test]
fn our_token_of_before_the_rotation_is_still_an_echo() {
    let mut scene = Scene::new();
    let own = scene.own_token();
    scene.advance(901 * S);
    assert_ne!(scene.own_token(), own);
    scene.hear_token(1, own, Some(-40));
    assert_eq!(scene.node.counters().echoes, 1);
}

#[test]
fn a_known_token_from_a_stranger_inherits_nothing() {
    let mut scene = Scene::new();
    scene.stand(&[(1, -60)], S);
    scene.link(1, 1, 9);
    scene.settle(1);
    scene.hear_token(2, token(1), Some(-40));
    let now = scene.now;
    let views = scene.node.snapshot(now);
    let stranger = views.iter().find(|view| view.address == address(2)).expect("it is there");
    assert_eq!((stranger.peer, scene.node.counters().tokens_elsewhere), (None, 1));
    scene.advance(S);
    assert_eq!(scene.closes(), []);
}

#[test]
fn payloads_that_can_not_be_read_are_counted_and_forgotten() {
    let mut scene = Scene::new();
    for length in (0..=64).filter(|length| *length != 6) {
        scene.hear_bytes(1, &vec![1; length], Some(-40));
    }
    scene.hear_bytes(1, &[1, 0, 0, 0, 0, 0], Some(-40));
    scene.hear_bytes(1, &[9, 0, 0, 0, 0, 1], Some(-40));
    let counters = scene.node.counters();
    assert_eq!((counters.malformed, counters.incompatible), (65, 1));
    assert_eq!(scene.node.remembered(), 0);
}

#[test]
fn a_neighbour_without_a_strength_is_heard_and_dialled_last() {
    let mut scene = Scene::new();
    scene.hear_token(1, token(1), None);
    scene.hear_token(2, token(2), Some(127));
    scene.hear(3, 20);
    scene.advance(100 * MS);
    assert_eq!(scene.node.counters().unmeasured, 2);
    let order: Vec<_> = scene.dials().into_iter().map(|(_, to)| to).collect();
    assert_eq!(order, [address(3), address(1), address(2)]);
}

#[test]
fn a_clock_that_stands_still_costs_one_look() {
    let mut scene = Scene::new();
    for n in 0..100_000 {
        scene.hear(n % 1000, -60);
    }
    scene.advance(100 * MS);
    scene.node.tick(Time(0));
    let before = scene.dials().len();
    for n in 0..10_000 {
        scene.hear(n % 1000, -60);
        scene.advance(0);
    }
    assert_eq!((before, scene.dials().len()), (4, 4));
}

#[test]
fn what_is_told_of_unknown_links_dials_and_radios_is_counted_and_ignored() {
    let mut scene = Scene::new();
    let now = scene.now;
    scene.unlink(77);
    scene.settle(77);
    scene.node.link_heard(now, LinkId(77), Some(-60));
    scene.fail(77);
    scene.node.linked(now, UplinkId(9), address(1), LinkId(1), peer(1), true);
    let heard = Heard { address: address(1), payload: &[1, 0, 0, 0, 0, 1], rssi: None };
    scene.node.heard(now, UplinkId(9), heard);
    assert_eq!((scene.node.counters().strays, scene.node.occupancy()), (6, 0));
}

#[test]
fn one_link_s_number_twice_is_one_link() {
    let mut scene = Scene::new();
    scene.accept(1, 1, 9);
    scene.accept(2, 1, 8);
    assert_eq!((scene.node.occupancy(), scene.node.counters().strays), (1, 1));
}

#[test]
fn ten_thousand_dials_that_fail_are_spread_over_hours() {
    let mut scene = Scene::new();
    let mut failed = 0;
    for n in 0..3_600 * 4 {
        scene.hear(n, -50);
        scene.advance(S / 4);
        for (_, to) in scene.dials().split_off(failed) {
            scene.node.dial_failed(scene.now, RADIO, to);
            failed += 1;
        }
    }
    assert!(failed <= 12 * 60 + 4, "{failed} dials to strangers in an hour");
}

#[test]
fn radios_beyond_the_maximum_and_settings_beyond_sense_do_no_harm() {
    let config = BluetoothConfig {
        range_m: f64::NAN,
        range_hysteresis: -9.0,
        out_of_sight_us: 0,
        links_max: usize::MAX,
        exponent: f64::INFINITY,
        handover_gain_db: f64::NAN,
        token_rotation_us: 0,
        retry_min_us: u64::MAX,
        retry_max_us: u64::MAX,
        stranger_dials_per_min: 0,
        grace_us: u64::MAX,
        fade_ahead_us: u64::MAX,
        ..BluetoothConfig::default()
    };
    let mut scene = Scene::with(config, BOTH);
    for n in 2..20 {
        let traits = RadioTraits { peripheral: n % 2 == 0, ..BOTH };
        scene.node.radio_up(scene.now, UplinkId(n), traits);
    }
    assert_eq!(scene.node.counters().refused, 15);
    scene.stand(&[(1, -60), (2, -90)], 5 * S);
    scene.accept(3, 1, 9);
    scene.stand(&[(1, -60), (3, -90)], 5 * S);
}
