//! Traffic goes on when a link falters, and stays where it is when it only pauses.

use std::sync::{Arc, Mutex};

use crate::lone::{Lone, frames, uplink};
use crate::scene::{SECOND_US, Scene};
use pointsman_core::frame::Frame;
use pointsman_core::id::Time;
use pointsman_core::id::UplinkId;
use pointsman_core::input::Input;
use pointsman_core::output::Event;
use pointsman_core::policy::{Failover, FailoverQuestion, Strike, Swap};
use pointsman_sdk::failover::{self, Resend, Verdict};
use pointsman_sdk::selector::Class;
use pointsman_sim::{At, Cut, NodeIndex, Wire};

struct Outcome {
    gap_us: u64,
    moves: usize,
    hedges: usize,
    duplicate_permille: u64,
}

/// A message of 1 KiB every 5 ms; after 3 s something is done to the link in use, after
/// `heal_us` undone, and all goes on for 5 s.
fn trial(seed: u64, wire: Wire, cut: Cut, heal_us: u64) -> Outcome {
    let mut scene = Scene::linked(seed, wire);
    let mut tokens = scene.stream(Class::Interactive, 1024, 5_000, 3 * SECOND_US);
    let from = scene.world.now();
    let in_use = port_in_use(&scene);
    scene.world.cut(At(scene.a, in_use), cut);
    tokens.extend(scene.stream(Class::Interactive, 1024, 5_000, heal_us));
    scene.world.cut(At(scene.a, in_use), Cut::NONE);
    tokens.extend(scene.stream(Class::Interactive, 1024, 5_000, 5 * SECOND_US));
    let to = scene.world.now();
    scene.world.run_for(2 * SECOND_US);
    assert!(scene.all_delivered(&tokens), "something was lost");
    outcome(&scene, from, to, tokens.len() as u64 * 1024)
}

fn port_in_use(scene: &Scene) -> usize {
    let node = scene.world.site(scene.a).node.as_ref().expect("running");
    let links = &node.snapshot().peers[0].links;
    let busiest = links.iter().max_by_key(|link| link.sent_bytes).expect("a link");
    busiest.uplink.0 as usize
}

fn outcome(scene: &Scene, from: Time, to: Time, bytes: u64) -> Outcome {
    let events = &scene.world.site(scene.a).events;
    let count =
        |is: fn(&Event) -> bool| events.iter().filter(|(at, e)| *at >= from && is(e)).count();
    Outcome {
        gap_us: scene.world.site(scene.b).longest_gap_us(from, to),
        moves: count(|event| matches!(event, Event::Moved { .. })),
        hedges: count(|event| matches!(event, Event::Hedged { .. })),
        duplicate_permille: scene.counter(scene.a, "duplicate_bytes_sent") * 1000 / bytes,
    }
}

#[test]
fn a_silent_blackhole_costs_at_most_100_ms_or_two_round_trips() {
    for rtt_ms in [5, 50, 150] {
        for seed in 0..10 {
            let wire = Wire { jitter_us: 500, ..Wire::of_latency_us(rtt_ms * 500) };
            let outcome = trial(seed, wire, Cut::BOTH, 3 * SECOND_US);
            let bound_us = (2 * rtt_ms * 1000).max(100_000);
            assert!(outcome.gap_us <= bound_us, "{} us at {rtt_ms} ms", outcome.gap_us);
            assert!(outcome.hedges > 0 && outcome.moves > 0);
            assert!(outcome.duplicate_permille <= 20, "{} ‰", outcome.duplicate_permille);
        }
    }
}

#[test]
fn a_pause_of_200_ms_moves_nothing() {
    for seed in 0..10 {
        let outcome = trial(seed, Wire::of_latency_us(2_500), Cut::BOTH, 200_000);
        assert_eq!(outcome.moves, 0, "seed {seed}");
        assert!(outcome.hedges > 0 && outcome.gap_us <= 100_000, "{} us", outcome.gap_us);
    }
}

#[test]
fn a_path_that_is_cut_one_way_only_is_left_too() {
    for cut in [Cut { out: true, inward: false }, Cut { out: false, inward: true }] {
        for seed in 0..10 {
            let outcome = trial(seed, Wire::of_latency_us(2_500), cut, 3 * SECOND_US);
            assert!(outcome.gap_us <= 100_000, "{cut:?}: {} us", outcome.gap_us);
        }
    }
}

#[test]
fn loss_of_30_percent_that_sets_in_suddenly_stops_nothing() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(2_500));
    let mut tokens = scene.stream(Class::Interactive, 1024, 5_000, SECOND_US);
    let in_use = scene.segments[port_in_use(&scene)];
    scene.world.rewire(in_use, Wire { loss_ppm: 300_000, ..Wire::of_latency_us(2_500) });
    let from = scene.world.now();
    tokens.extend(scene.stream(Class::Interactive, 1024, 5_000, 5 * SECOND_US));
    let gap_us = scene.world.site(scene.b).longest_gap_us(from, scene.world.now());
    scene.world.run_for(2 * SECOND_US);
    assert!(scene.all_delivered(&tokens));
    assert!(gap_us <= 100_000, "{gap_us} us");
}

#[test]
fn traffic_comes_back_to_a_link_that_is_well_again() {
    let mut scene = Scene::linked(2, Wire::of_latency_us(2_500));
    scene.stream(Class::Interactive, 1024, 5_000, SECOND_US);
    let port = port_in_use(&scene);
    scene.world.cut(At(scene.a, port), Cut::BOTH);
    scene.stream(Class::Interactive, 1024, 5_000, 2 * SECOND_US);
    assert!(masked(&scene, scene.a).contains(&port));
    scene.world.cut(At(scene.a, port), Cut::NONE);
    scene.stream(Class::Interactive, 1024, 5_000, 5 * SECOND_US);
    assert_eq!(masked(&scene, scene.a), []);
}

fn masked(scene: &Scene, node: NodeIndex) -> Vec<usize> {
    let node = scene.world.site(node).node.as_ref().expect("running");
    let links = &node.snapshot().peers[0].links;
    links.iter().filter(|link| link.masked).map(|link| link.uplink.0 as usize).collect()
}

#[test]
fn two_paths_together_carry_almost_their_sum() {
    let wire = Wire { bytes_per_s: Some(2_500_000), ..Wire::of_latency_us(10_000) };
    let mut scene = Scene::linked(3, wire);
    let tokens: Vec<_> = (0..200).map(|_| scene.send(Class::Bulk, 100_000)).collect();
    let began = scene.world.now();
    let (a, last) = (scene.a, tokens[199]);
    scene.world.run_until(60 * SECOND_US, |world| {
        matches!(world.site(a).fate(last), Some(pointsman_core::output::Fate::Delivered { .. }))
    });
    let took_us = scene.world.now().since(began);
    assert!(scene.all_delivered(&tokens));
    let bytes_per_s = 20_000_000 * SECOND_US / took_us;
    assert!(bytes_per_s >= 4_250_000, "{bytes_per_s} B/s of 5,000,000");
}

#[test]
fn a_datagram_lost_at_the_end_of_a_talk_is_sent_again_and_does_not_make_the_link_flap() {
    let well = Wire::of_latency_us(5_000);
    let mut scene = Scene::linked(3, well);
    let before = scene.counter(scene.a, "suspicions");
    for segment in scene.segments {
        scene.world.rewire(segment, Wire { loss_ppm: 1_000_000, ..well });
    }
    let token = scene.send(Class::Realtime, 100);
    scene.world.run_for(1_000);
    for segment in scene.segments {
        scene.world.rewire(segment, well);
    }
    scene.world.run_for(60 * SECOND_US);
    let suspicions = scene.counter(scene.a, "suspicions") - before;
    assert!(suspicions <= 1, "{suspicions} suspicions");
    assert!(scene.all_delivered(&[token]));
}

/// Answers by the function, and notes what it was asked.
#[derive(Debug)]
struct Scripted {
    asked: Arc<Mutex<Vec<(failover::Event, u32)>>>,
    answer: fn(&FailoverQuestion, usize) -> Verdict,
}

impl Failover for Scripted {
    fn decide(&mut self, question: &FailoverQuestion) -> Result<Verdict, Strike> {
        let mut asked = self.asked.lock().expect("one thread");
        let is_same = |(event, _): &&(failover::Event, u32)| *event == question.event;
        let times = asked.iter().filter(is_same).count();
        asked.push((question.event, question.at));
        Ok((self.answer)(question, times))
    }
}

fn scripted(
    scene: &mut Scene,
    answer: fn(&FailoverQuestion, usize) -> Verdict,
) -> Arc<Mutex<Vec<(failover::Event, u32)>>> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let policy = Scripted { asked: asked.clone(), answer };
    scene.world.tell(scene.a, Input::FailoverSwapped(Swap::settled(Box::new(policy), 1)));
    asked
}

#[test]
fn the_policy_is_asked_about_a_link_that_goes_with_its_interface() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(2_500));
    let asked = scripted(&mut scene, |_, _| Verdict::Stay { reason: 1 });
    scene.world.tell(scene.a, Input::UplinkGone(UplinkId(0)));
    scene.world.run_for(SECOND_US / 10);
    let asked = asked.lock().expect("one thread");
    let lost: Vec<u32> =
        asked.iter().filter(|(e, _)| *e == failover::Event::Lost).map(|(_, at)| *at).collect();
    assert!(lost.len() == 1 && lost[0] < 2, "{asked:?}");
}

#[test]
fn a_masked_link_is_used_again_when_the_only_other_one_goes() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(2_500));
    scripted(&mut scene, |question, times| {
        if question.event == failover::Event::Suspect && times == 0 {
            let onto = if question.at == 0 { 2 } else { 1 };
            return Verdict::Move { onto, resend: Resend::Unacked, reason: 1 };
        }
        Verdict::Stay { reason: 1 }
    });
    let a = scene.a;
    scene.stream(Class::Interactive, 1000, 5_000, SECOND_US);
    let port = port_in_use(&scene);
    scene.world.cut(At(a, port), Cut::BOTH);
    scene.stream(Class::Interactive, 1000, 5_000, SECOND_US);
    scene.world.cut(At(a, port), Cut::NONE);
    scene.world.run_for(SECOND_US);
    assert_eq!(masked(&scene, a), [port]);
    scene.world.tell(a, Input::UplinkGone(UplinkId(1 - port as u32)));
    scene.world.run_for(SECOND_US);
    let token = scene.send(Class::Interactive, 100);
    scene.world.run_for(SECOND_US);
    assert_eq!(masked(&scene, a), []);
    assert!(scene.all_delivered(&[token]));
}

#[test]
fn an_interface_that_changes_has_all_its_links_asked() {
    let mut lone = Lone::greeted();
    lone.link(6, 7, "f");
    for link in [5, 6] {
        lone.acked(link, &[(1, 1)]);
    }
    let orders = lone.tell(uplink("192.0.2.8/24"));
    let frames = frames(&orders);
    let probed = frames.iter().filter(|(_, frame)| matches!(frame, Frame::Probe { .. }));
    assert_eq!(probed.map(|(link, _)| *link).collect::<Vec<_>>(), [5, 6]);
}
