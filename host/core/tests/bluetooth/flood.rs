//! Ten thousand advertisements a second, each from another address.

use pointsman_core::bluetooth::neighbours::{BluetoothConfig, Event};
use pointsman_core::limits::NEIGHBOURS_PER_RADIO_MAX;

use crate::scene::{BOTH, S, Scene, address};

/// Sixty seconds of it, in the middle of which real neighbours stand; every dial to a forged
/// address fails after a second.
fn flooded(real: &[(u32, i16)], forged_rssi: i16) -> Scene {
    let mut scene = Scene::with(BluetoothConfig::default(), BOTH);
    scene.stand(real, 2 * S);
    let mut forged = 1_000_000;
    let mut failed = 0;
    for turn in 0..6_000 {
        for _ in 0..100 {
            forged += 1;
            scene.hear(forged, forged_rssi + (forged % 7) as i16);
        }
        if turn % 10 == 0 {
            for (number, rssi) in real {
                scene.hear(*number, *rssi);
            }
        }
        scene.advance(S / 100);
        assert!(scene.node.remembered() <= NEIGHBOURS_PER_RADIO_MAX);
        assert!(scene.node.occupancy() <= 4);
        if turn % 100 == 99 {
            for (_, to) in scene.dials().split_off(failed) {
                scene.node.dial_failed(scene.now, crate::scene::RADIO, to);
                failed += 1;
            }
        }
    }
    scene
}

#[test]
fn memory_and_dials_stay_bounded() {
    let scene = flooded(&[], -45);
    let (counters, dials) = (scene.node.counters(), scene.dials().len());
    assert_eq!(counters.adverts, 600_000);
    assert!(counters.evicted + counters.refused > 599_000, "{counters:?}");
    assert!(dials <= 4 + 13, "{dials} dials to strangers in a minute");
    assert!(scene.wishes.len() < 2_500, "{} wishes", scene.wishes.len());
}

#[test]
fn those_who_were_there_before_are_not_forgotten() {
    let real: Vec<(u32, i16)> = (0..20).map(|n| (n, -85)).collect();
    let scene = flooded(&real, -45);
    let now = scene.now;
    let there: Vec<_> = scene.node.snapshot(now).into_iter().map(|view| view.address).collect();
    assert!((0..20).all(|n| there.contains(&address(n))));
    let lost = |event: &Event| matches!(event, Event::Lost { address: who, .. } if real.iter().any(|(n, _)| address(*n) == *who));
    assert!(!scene.events().iter().any(lost));
}

#[test]
fn a_real_neighbour_that_was_there_before_is_dialled_before_all_the_forged_ones() {
    let scene = flooded(&[(1, -70)], -45);
    assert!(scene.dialled(1) >= 2, "{} dials", scene.dialled(1));
}
