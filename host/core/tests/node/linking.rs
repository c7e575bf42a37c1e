//! How links come about and end.

use crate::lone::{Lone, PEER, closed, hello, link_up};
use crate::scene::{SECOND_US, Scene, config};
use pointsman_core::config::Allow;
use pointsman_core::frame::{ByeCode, Frame, Hello};
use pointsman_core::input::{Input, Protocol};
use pointsman_core::output::{CloseReason, Event};
use pointsman_sim::{At, Cut, Wire};

const BOTH: &[Protocol] = &[Protocol::Quic, Protocol::Tcp];

#[test]
fn every_interface_and_protocol_gives_one_link() {
    Scene::dialling(1, Wire::of_latency_us(500), BOTH).ready(4);
}

#[test]
fn when_both_sides_dial_both_close_the_same_duplicate() {
    for seed in 0..20 {
        let wire = Wire { jitter_us: 400, ..Wire::of_latency_us(500) };
        let mut scene = Scene::dialling(seed, wire, BOTH);
        let (a, b) = (scene.a, scene.b);
        scene.world.introduce(b, a, BOTH);
        let scene = scene.ready(4);
        let closed = |node| {
            let events = &scene.world.site(node).events;
            events
                .iter()
                .filter(|(_, e)| matches!(e, Event::Closed(_, CloseReason::Duplicate)))
                .count()
        };
        assert!(closed(a) + closed(b) > 0, "seed {seed} made no duplicate");
        assert_eq!(scene.world.links_up(a), scene.world.links_up(b), "seed {seed}");
    }
}

#[test]
fn a_dial_that_fails_is_tried_again_later_and_later() {
    let mut scene = Scene::dialling(1, Wire::of_latency_us(500), &[Protocol::Tcp]);
    scene.world.crash(scene.b);
    scene.world.run_for(60 * SECOND_US);
    let events = &scene.world.site(scene.a).events;
    let failed = events.iter().filter(|(_, e)| matches!(e, Event::DialFailed { .. })).count();
    assert!((6..=20).contains(&failed), "{failed} dials of two addresses in a minute");
    scene.world.restart(scene.b);
    scene.world.run_for(60 * SECOND_US);
    assert_eq!(scene.world.links_up(scene.a), 2);
}

#[test]
fn a_peer_that_restarts_is_linked_anew_and_its_old_links_are_dropped() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(500));
    scene.world.crash(scene.b);
    scene.world.run_for(100_000);
    scene.world.restart(scene.b);
    let (a, b) = (scene.a, scene.b);
    scene.world.introduce(b, a, &[Protocol::Quic]);
    let back = scene.world.run_until(SECOND_US, |world| world.links_up(b) == 2);
    assert!(back);
    scene.world.run_for(100_000);
    assert_eq!(scene.world.links_up(a), 2);
    let tokens = scene.stream(pointsman_sdk::selector::Class::Interactive, 100, 10_000, SECOND_US);
    scene.world.run_for(SECOND_US);
    assert!(scene.all_delivered(&tokens));
}

#[test]
fn a_peer_that_the_config_does_not_list_is_turned_away() {
    let mut scene = Scene::dialling(1, Wire::of_latency_us(500), BOTH);
    let nobody = pointsman_core::config::NodeConfig { allow: Allow::Listed(vec![]), ..config() };
    scene.world.tell(scene.b, Input::Configured(nobody));
    scene.world.run_for(5 * SECOND_US);
    assert_eq!(scene.world.links_up(scene.a), 0);
    let node = scene.world.site(scene.b).node.as_ref().expect("running");
    assert!(node.snapshot().peers.iter().all(|peer| peer.links.is_empty()));
    assert!(scene.counter(scene.b, "links_refused") > 0);
}

#[test]
fn an_interface_that_goes_takes_its_links_along_and_brings_them_back() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(500));
    let (a, b) = (scene.a, scene.b);
    let uplink = scene.world.site(a).node.as_ref().expect("running").snapshot().uplinks[0].clone();
    scene.world.tell(a, Input::UplinkGone(uplink.id));
    scene.world.run_for(SECOND_US);
    assert_eq!((scene.world.links_up(a), scene.world.links_up(b)), (1, 1));
    scene.world.tell(a, Input::UplinkChanged(uplink));
    scene.world.run_for(SECOND_US);
    assert_eq!((scene.world.links_up(a), scene.world.links_up(b)), (2, 2));
}

#[test]
fn a_link_that_stays_silent_is_closed_and_another_one_made_when_the_path_is_back() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(500));
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    scene.world.run_for(20 * SECOND_US);
    assert_eq!(scene.world.links_up(scene.a), 1);
    scene.world.cut(At(scene.a, 0), Cut::NONE);
    scene.world.run_for(70 * SECOND_US);
    assert_eq!((scene.world.links_up(scene.a), scene.world.links_up(scene.b)), (2, 2));
}

#[test]
fn the_quota_of_an_interface_shrinks_with_what_goes_over_it() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(500));
    let uplinks = |scene: &Scene| {
        scene.world.site(scene.a).node.as_ref().expect("running").snapshot().uplinks
    };
    for uplink in uplinks(&scene) {
        let metered = pointsman_core::input::Uplink { quota_left_kib: 1024, ..uplink };
        scene.world.tell(scene.a, Input::UplinkChanged(metered));
    }
    scene.send(pointsman_sdk::selector::Class::Bulk, 512 << 10);
    scene.world.run_for(2 * SECOND_US);
    let left: u32 = uplinks(&scene).iter().map(|uplink| uplink.quota_left_kib).sum();
    assert_eq!(left, 2 * 1024 - 512);
}

#[test]
fn two_addresses_of_one_interface_do_not_make_duplicates_again_and_again() {
    let mut lone = Lone::new();
    let mut orders = lone.sight(PEER, "/ip4/192.0.2.1/udp/1/quic-v1");
    orders.extend(lone.sight(PEER, "/ip6/2001:db8::1/udp/1/quic-v1"));
    let dials = lone.dials_in_a_minute(&hello(7, "wlan0"), orders);
    assert!((1..=3).contains(&dials), "{dials} dials");
}

#[test]
fn a_peer_of_another_version_or_network_is_dialled_once_a_minute() {
    let strangers = [
        Hello { version_min: 2, version_max: 3, ..hello(7, "w") },
        Hello { network: "other".into(), ..hello(7, "w") },
    ];
    for stranger in strangers {
        let mut lone = Lone::new();
        let orders = lone.sight(PEER, "/ip4/192.0.2.1/udp/1/quic-v1");
        let dials = lone.dials_in_a_minute(&stranger, orders);
        assert!((1..=2).contains(&dials), "{dials} dials");
    }
}

#[test]
fn a_bye_leads_to_one_order_to_close() {
    let mut lone = Lone::greeted();
    let mut orders = lone.receive(5, Frame::Bye(ByeCode::Done));
    orders.extend(lone.run(60 * SECOND_US));
    assert_eq!(closed(&orders), [(5, CloseReason::ByPeer)]);
}

#[test]
fn a_later_dial_replaces_a_twin_that_died() {
    let mut lone = Lone::greeted();
    lone.acked(5, &[(1, 1)]);
    lone.run(3 * SECOND_US);
    lone.tell(link_up(6, PEER, None));
    let orders = lone.receive(6, Frame::Hello(Hello { dial: 2, ..hello(7, "e") }));
    assert_eq!(closed(&orders), [(5, CloseReason::Duplicate)]);
}
