//! Each shipped selector keeps its promise over two links that differ.

use bytes::Bytes;
use pointsman_core::id::{LinkId, Time, UplinkId};
use pointsman_core::input::{Input, LinkSample, Protocol, Uplink};
use pointsman_core::output::Event;
use pointsman_core::policy::{Selector, SelectorQuestion, Strike, Swap, builtin};
use pointsman_sdk::selector::{Class, Verdict};
use pointsman_sdk::{Settings, UNKNOWN};
use pointsman_sim::{At, Cut, Wire};

use crate::scene::{SECOND_US, Scene};

/// The scheduler that all are compared with: the shortest round trip that has room.
#[derive(Debug)]
struct MinRtt;

impl Selector for MinRtt {
    fn choose(&mut self, question: &SelectorQuestion) -> Result<u64, Strike> {
        let view = question.view();
        let sound = view.paths.iter().enumerate().filter(|(_, path)| path.is_sound());
        let has_room = sound.filter(|(_, path)| path.room_bytes() >= view.head_bytes);
        let best = has_room.min_by_key(|(_, path)| path.srtt_us());
        Ok(best.map_or(Verdict::hold(1_000), |(position, _)| Verdict::send(position)).pack())
    }
}

fn shipped(name: &str) -> Box<dyn Selector> {
    builtin::selector(name, &Settings::default()).expect("it is shipped")
}

/// Two nodes over two different segments, the sender with this selector.
fn over(wires: [Wire; 2], selector: Box<dyn Selector>) -> Scene {
    let mut scene = Scene::dialling(11, wires[0], &[Protocol::Quic]);
    scene.world.rewire(scene.segments[1], wires[1]);
    let mut scene = scene.ready(2);
    scene.world.tell(scene.a, Input::SelectorSwapped(Swap::settled(selector, 1)));
    scene
}

fn wire(latency_ms: u64, kbytes_per_s: u64) -> Wire {
    let bytes_per_s = Some(kbytes_per_s * 1_000);
    Wire { bytes_per_s, ..Wire::of_latency_us(latency_ms * 1_000) }
}

/// Bytes that the sender put on the link of each of its interfaces.
fn sent(scene: &Scene) -> [u64; 2] {
    let node = scene.world.site(scene.a).node.as_ref().expect("running");
    let mut bytes = [0; 2];
    for link in &node.snapshot().peers[0].links {
        bytes[link.uplink.0 as usize] += link.sent_bytes;
    }
    bytes
}

/// Bytes that each interface carried while something was done.
fn sent_by(scene: &mut Scene, what: impl FnOnce(&mut Scene)) -> [u64; 2] {
    let before = sent(scene);
    what(scene);
    let after = sent(scene);
    [after[0] - before[0], after[1] - before[1]]
}

/// What the sender's interface costs, changed from what the simulator gives it.
fn reprice(scene: &mut Scene, port: u32, change: impl FnOnce(&mut Uplink)) {
    let node = scene.world.site(scene.a).node.as_ref().expect("running");
    let mut uplink = node.snapshot().uplinks[port as usize].clone();
    assert_eq!(uplink.id, UplinkId(port));
    change(&mut uplink);
    scene.world.tell(scene.a, Input::UplinkChanged(uplink));
}

/// Sends a message every so often, and tells how long each took, in microseconds, sorted.
fn completions(scene: &mut Scene, bytes: usize, every_us: u64, count: u32) -> Vec<u64> {
    let mut sent_at = Vec::new();
    for number in 0..count {
        let mut payload = vec![7; bytes];
        payload[..4].copy_from_slice(&number.to_le_bytes());
        sent_at.push(scene.world.now());
        scene.world.send(scene.a, scene.b, Class::Interactive, Bytes::from(payload));
        if number % 15 == 14 {
            vary(scene, number / 15);
        }
        scene.world.run_for(every_us);
    }
    scene.world.run_for(20 * SECOND_US);
    let arrivals = &scene.world.site(scene.b).arrivals;
    let took = arrivals.iter().map(|arrival| {
        let head = arrival.delivery.payload[..4].try_into().expect("four bytes");
        arrival.at.since(sent_at[u32::from_le_bytes(head) as usize])
    });
    let mut took: Vec<u64> = took.collect();
    assert_eq!(took.len(), count as usize, "all arrive");
    took.sort_unstable();
    took
}

/// Links as people have them: the fast one slows down and comes back, the slow one wavers.
fn vary(scene: &mut Scene, turn: u32) {
    let fast = [wire(5, 3_000), wire(8, 1_800), wire(5, 2_500), wire(12, 1_500)];
    let slow = [wire(100, 800), wire(200, 500), wire(150, 400)];
    scene.world.rewire(scene.segments[0], fast[turn as usize % fast.len()]);
    scene.world.rewire(scene.segments[1], slow[turn as usize % slow.len()]);
}

/// The 99th percentile of the time that messages of 256 KiB take, 1.3 MB/s of them, on links
/// that vary.
fn p99_us(selector: Box<dyn Selector>) -> u64 {
    let mut scene = over([wire(5, 3_000), wire(100, 800)], selector);
    let took = completions(&mut scene, 256 << 10, 200_000, 200);
    took[took.len() * 99 / 100]
}

/// Seconds that a transfer of 24 MB takes, in milliseconds.
fn transfer_ms(selector: Box<dyn Selector>) -> u64 {
    let mut scene = over([wire(5, 1_250), wire(40, 2_500)], selector);
    let from = scene.world.now();
    let tokens: Vec<_> = (0..24).map(|_| scene.send(Class::Bulk, 1_000_000)).collect();
    let b = scene.b;
    let done = scene.world.run_until(60 * SECOND_US, |world| world.site(b).arrivals.len() == 24);
    assert!(done, "{} of {}", scene.world.site(b).arrivals.len(), tokens.len());
    scene.world.now().since(from) / 1_000
}

#[test]
fn load_balanced_gets_most_of_what_both_links_carry_together() {
    // 24 MB over 1.25 and 2.5 MB/s: 6.4 s at best.
    let took_ms = transfer_ms(shipped("load-balanced"));
    assert!(took_ms <= 6_400 * 100 / 85, "{took_ms} ms");
}

#[test]
fn load_balanced_shares_light_traffic_as_the_links_carry_it() {
    let mut scene = over([wire(10, 2_500), wire(10, 1_250)], shipped("load-balanced"));
    // Until both are measured.
    scene.send(Class::Bulk, 8_000_000);
    scene.world.run_for(10 * SECOND_US);
    let [first, second] = sent_by(&mut scene, |scene| {
        scene.stream(Class::Interactive, 1_000, 5_000, 20 * SECOND_US);
    });
    let share = first * 100 / (first + second);
    assert!((50..=85).contains(&share), "{first} and {second} bytes");
}

#[test]
fn energy_efficient_wakes_the_dear_radio_only_for_what_is_large() {
    let mut scene = over([wire(15, 20), wire(3, 5_000)], shipped("energy-efficient"));
    reprice(&mut scene, 0, |uplink| (uplink.wake_uj, uplink.nj_per_byte) = (100, 1_000));
    reprice(&mut scene, 1, |uplink| (uplink.wake_uj, uplink.nj_per_byte) = (38_000, 2_264));
    let [cheap, dear] = sent_by(&mut scene, |scene| {
        scene.stream(Class::Interactive, 300, 200_000, 20 * SECOND_US);
    });
    assert!(cheap >= 29_000 && dear < 1_000, "small: {cheap} and {dear} bytes");
    let [cheap, dear] = sent_by(&mut scene, |scene| {
        scene.send(Class::Bulk, 1_000_000);
        scene.world.run_for(10 * SECOND_US);
    });
    assert!(dear >= 950_000, "large: {cheap} and {dear} bytes");
}

#[test]
fn energy_efficient_never_uses_a_link_that_is_dead() {
    let mut scene = over([wire(15, 20), wire(3, 5_000)], shipped("energy-efficient"));
    reprice(&mut scene, 0, |uplink| (uplink.wake_uj, uplink.nj_per_byte) = (100, 1_000));
    reprice(&mut scene, 1, |uplink| (uplink.wake_uj, uplink.nj_per_byte) = (38_000, 2_264));
    scene.stream(Class::Interactive, 300, 100_000, 2 * SECOND_US);
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    let tokens = scene.stream(Class::Interactive, 300, 100_000, 5 * SECOND_US);
    scene.world.run_for(SECOND_US);
    assert!(scene.all_delivered(&tokens), "messages waited for a dead link");
}

#[test]
fn no_shipped_scheduler_is_later_than_the_shortest_round_trip_on_links_that_vary() {
    let bound = p99_us(Box::new(MinRtt));
    for name in ["earliest-completion", "blocking-estimation", "fastest-first"] {
        let p99 = p99_us(shipped(name));
        assert!(p99 <= bound, "{name}: {p99} us, and {bound} us by the shortest round trip");
    }
}

#[test]
fn the_schedulers_of_multipath_transports_use_both_links_for_a_long_transfer() {
    for name in ["earliest-completion", "blocking-estimation"] {
        // 24 MB over the better link alone: 9.6 s.
        let took_ms = transfer_ms(shipped(name));
        assert!(took_ms < 8_500, "{name}: {took_ms} ms");
    }
}

#[test]
fn thrifty_pays_only_when_what_is_free_is_gone() {
    let mut scene = over([wire(5, 2_500), wire(40, 1_000)], shipped("thrifty"));
    reprice(&mut scene, 0, |uplink| (uplink.metered, uplink.price_per_mib) = (true, 2_000));
    let [paid, free] = sent_by(&mut scene, |scene| {
        scene.stream(Class::Interactive, 1_000, 10_000, 10 * SECOND_US);
    });
    assert!(free >= 990_000 && paid < 10_000, "{paid} paid and {free} free bytes");
    scene.world.cut(At(scene.a, 1), Cut::BOTH);
    let tokens = scene.stream(Class::Interactive, 1_000, 10_000, 5 * SECOND_US);
    scene.world.run_for(SECOND_US);
    assert!(scene.all_delivered(&tokens), "messages waited for a free link that is gone");
}

#[test]
fn thrifty_spares_the_end_of_a_quota_for_what_is_urgent() {
    let mut scene = over([wire(5, 2_500), wire(40, 1_000)], shipped("thrifty"));
    scene.world.cut(At(scene.a, 1), Cut::BOTH);
    scene.world.run_for(20 * SECOND_US);
    reprice(&mut scene, 0, |uplink| (uplink.metered, uplink.quota_left_kib) = (true, 20 << 10));
    let bulk = scene.send(Class::Bulk, 1_000_000);
    let urgent = scene.stream(Class::Interactive, 1_000, 100_000, 5 * SECOND_US);
    scene.world.run_for(SECOND_US);
    assert!(scene.all_delivered(&urgent), "what is urgent goes");
    assert!(!scene.all_delivered(&[bulk]), "what is not does not");
    reprice(&mut scene, 0, |uplink| uplink.quota_left_kib = UNKNOWN);
    scene.world.run_for(5 * SECOND_US);
    assert!(scene.all_delivered(&[bulk]), "and goes once there is quota again");
}

#[test]
fn most_reliable_prefers_the_slow_link_that_loses_nothing() {
    let mut scene = over([wire(5, 2_500), wire(40, 1_000)], shipped("most-reliable"));
    let lossy = link_of(&scene, 0);
    scene.world.run_for(20 * SECOND_US);
    let sample = LinkSample { loss_ppm: Some(50_000), ..LinkSample::default() };
    scene.world.tell(scene.a, Input::Measured { link: lossy, sample });
    let [lossy, clean] = sent_by(&mut scene, |scene| {
        scene.stream(Class::Interactive, 1_000, 10_000, 10 * SECOND_US);
    });
    assert!(clean >= 990_000 && lossy < 10_000, "{lossy} and {clean} bytes");
}

fn link_of(scene: &Scene, port: u32) -> LinkId {
    let node = scene.world.site(scene.a).node.as_ref().expect("running");
    let snapshot = node.snapshot();
    let found = snapshot.peers[0].links.iter().find(|link| link.uplink == UplinkId(port));
    found.expect("a link of that interface").link
}

#[test]
fn a_silent_link_is_left_in_time_under_every_shipped_selector() {
    for name in builtin::SELECTORS {
        let mut scene = over([wire(5, 2_500), wire(20, 2_500)], shipped(name));
        let mut tokens = scene.stream(Class::Interactive, 1_024, 5_000, 3 * SECOND_US);
        let from: Time = scene.world.now();
        scene.world.cut(At(scene.a, 0), Cut::BOTH);
        tokens.extend(scene.stream(Class::Interactive, 1_024, 5_000, 3 * SECOND_US));
        let to = scene.world.now();
        scene.world.run_for(2 * SECOND_US);
        assert!(scene.all_delivered(&tokens), "{name}: something was lost");
        let gap_us = scene.world.site(scene.b).longest_gap_us(from, to);
        assert!(gap_us <= 150_000, "{name}: {gap_us} us without a message");
    }
}

#[test]
fn duplicate_copies_what_is_urgent_at_once_and_moves_when_it_is_sure() {
    let mut scene = over([wire(5, 2_500), wire(20, 2_500)], shipped("fastest-first"));
    let policy = builtin::failover("duplicate", &Settings::default()).expect("it is shipped");
    scene.world.tell(scene.a, Input::FailoverSwapped(Swap::settled(policy, 1)));
    scene.stream(Class::Realtime, 500, 5_000, 3 * SECOND_US);
    let from = scene.world.now();
    scene.world.cut(At(scene.a, 0), Cut::BOTH);
    let tokens = scene.stream(Class::Realtime, 500, 5_000, 3 * SECOND_US);
    scene.world.run_for(SECOND_US);
    assert!(scene.all_delivered(&tokens), "something was lost");
    let first = |is: fn(&Event) -> bool| {
        let events = scene.world.site(scene.a).events.iter();
        let mut found = events.filter(|(at, event)| *at >= from && is(event));
        found.next().map(|(at, _)| at.since(from))
    };
    let hedged = first(|event| matches!(event, Event::Hedged { .. })).expect("it hedges");
    let moved = first(|event| matches!(event, Event::Moved { .. })).expect("it moves");
    assert!(hedged <= 100_000, "{hedged} us until the first copy");
    assert!(moved > 400_000, "{moved} us until it moved");
}
