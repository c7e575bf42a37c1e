//! Messages arrive once, in order where asked, or their sender is told.

use crate::lone::{Lone, PEER, frames, piece};
use crate::scene::{SECOND_US, Scene};
use bytes::Bytes;
use pointsman_core::frame::Frame;
use pointsman_core::input::{Input, Protocol};
use pointsman_core::output::{Fate, Refusal};
use pointsman_core::policy::{SelectorQuestion, Swap};
use pointsman_sdk::selector::Class;
use pointsman_sim::{At, Cut, Wire};

#[test]
fn each_message_arrives_once_over_a_lossy_path() {
    for class in Class::ALL {
        let wire = Wire { loss_ppm: 50_000, jitter_us: 3_000, ..Wire::of_latency_us(5_000) };
        let mut scene = Scene::linked(3, wire);
        let tokens = scene.stream(class, 500, 2_000, 2 * SECOND_US);
        scene.world.run_for(2 * SECOND_US);
        assert!(scene.all_delivered(&tokens), "{class:?}");
        let arrivals = &scene.world.site(scene.b).arrivals;
        let mut numbers: Vec<u64> = arrivals.iter().map(|a| a.delivery.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=tokens.len() as u64).collect::<Vec<_>>(), "{class:?}");
    }
}

#[test]
fn ordered_messages_arrive_in_order_even_when_paths_differ() {
    let mut scene = Scene::linked(4, Wire { jitter_us: 9_000, ..Wire::of_latency_us(1_000) });
    for n in 0..500u32 {
        let payload = Bytes::from(n.to_be_bytes().repeat(500));
        scene.world.send_as(scene.a, scene.b, Class::Bulk, true, None, payload);
    }
    scene.world.run_for(5 * SECOND_US);
    let arrivals = &scene.world.site(scene.b).arrivals;
    let numbers: Vec<u64> = arrivals.iter().map(|a| a.delivery.number).collect();
    assert_eq!(numbers, (1..=500).collect::<Vec<_>>());
}

#[test]
fn a_message_of_many_pieces_arrives_whole() {
    let mut scene = Scene::linked(5, Wire { loss_ppm: 20_000, ..Wire::of_latency_us(2_000) });
    let payload: Bytes = (0..3_000_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let token = scene.world.send(scene.a, scene.b, Class::Bulk, payload.clone());
    scene.world.run_for(10 * SECOND_US);
    assert!(scene.all_delivered(&[token]));
    assert_eq!(scene.world.site(scene.b).arrivals[0].delivery.payload, payload);
}

#[test]
fn a_message_without_a_path_waits_until_there_is_one() {
    let mut scene = Scene::linked(6, Wire::of_latency_us(1_000));
    for port in 0..2 {
        scene.world.cut(At(scene.a, port), Cut::BOTH);
    }
    let token = scene.send(Class::Interactive, 100);
    scene.world.run_for(5 * SECOND_US);
    assert_eq!(scene.world.site(scene.a).fate(token), Some(Fate::Queued));
    for port in 0..2 {
        scene.world.cut(At(scene.a, port), Cut::NONE);
    }
    scene.world.run_for(2 * SECOND_US);
    assert!(scene.all_delivered(&[token]));
}

#[test]
fn a_message_past_its_deadline_is_reported_and_does_not_block_the_next() {
    let mut scene = Scene::linked(7, Wire::of_latency_us(1_000));
    for port in 0..2 {
        scene.world.cut(At(scene.a, port), Cut::BOTH);
    }
    let deadline = Some(scene.world.now().after(SECOND_US));
    let payload = Bytes::from_static(b"late");
    let (a, b) = (scene.a, scene.b);
    let lost = scene.world.send_as(a, b, Class::Bulk, true, deadline, payload.clone());
    let next = scene.world.send_as(a, b, Class::Bulk, true, None, payload);
    scene.world.run_for(2 * SECOND_US);
    assert_eq!(scene.world.site(a).fate(lost), Some(Fate::Expired));
    for port in 0..2 {
        scene.world.cut(At(scene.a, port), Cut::NONE);
    }
    scene.world.run_for(5 * SECOND_US);
    assert!(scene.all_delivered(&[next]));
    assert_eq!(scene.world.site(b).arrivals.last().expect("one").delivery.number, 2);
}

/// Messages of a size, far more of them than the receiver's credit, to an application that does
/// not consume until its sender has stopped.
fn a_sender_is_stopped(length: usize, rounds: usize) {
    use pointsman_core::limits::{CREDIT_BYTES, MESSAGE_COST_BYTES};
    let mut scene = Scene::linked(8, Wire::of_latency_us(1_000));
    scene.world.consumes(scene.b, false);
    let links = scene.world.links_up(scene.b);
    let mut tokens = Vec::new();
    for _ in 0..rounds {
        let many = (20_000_000 / length).min(10_000);
        let open = tokens.len() - scene.world.site(scene.b).arrivals.len();
        tokens.extend((open..many).map(|_| scene.send(Class::Bulk, length)));
        scene.world.run_for(10 * SECOND_US);
    }
    let arrivals = &scene.world.site(scene.b).arrivals;
    assert!(arrivals.len() < tokens.len(), "the test fills the credit");
    let held: usize = arrivals.iter().map(|a| a.delivery.payload.len()).sum();
    let cost = held + arrivals.len() * MESSAGE_COST_BYTES as usize;
    assert!(cost <= CREDIT_BYTES as usize + length, "{cost} bytes held");
    assert_eq!(scene.world.links_up(scene.b), links, "no link was closed");
    let messages = scene.world.site(scene.b).arrivals.len() as u32;
    let peer = scene.world.site(scene.a).id;
    let consumed = pointsman_core::input::Input::Consumed {
        peer,
        class: Class::Bulk,
        messages,
        bytes: held as u64,
    };
    scene.world.consumes(scene.b, true);
    scene.world.tell(scene.b, consumed);
    scene.world.run_for(20 * SECOND_US);
    assert!(scene.all_delivered(&tokens));
    assert_eq!(scene.world.site(scene.b).arrivals.len(), tokens.len());
}

#[test]
fn an_application_that_does_not_consume_stops_its_sender_and_loses_nothing() {
    a_sender_is_stopped(500_000, 4);
}

#[test]
fn it_stops_one_of_small_messages_as_well() {
    a_sender_is_stopped(1_000, 4);
}

#[test]
fn urgent_messages_overtake_a_backlog() {
    let wire = Wire { bytes_per_s: Some(1_000_000), ..Wire::of_latency_us(5_000) };
    let mut scene = Scene::linked(9, wire);
    for _ in 0..100 {
        scene.send(Class::Bulk, 100_000);
    }
    scene.world.run_for(SECOND_US);
    let tokens = scene.stream(Class::Realtime, 200, 20_000, SECOND_US);
    scene.world.run_for(SECOND_US);
    for token in tokens {
        let fate = scene.world.site(scene.a).fate(token);
        let Some(Fate::Delivered { took_us }) = fate else { panic!("{fate:?}") };
        assert!(took_us < 150_000, "{took_us} us behind a backlog of 10 s");
    }
}

#[test]
fn a_full_queue_refuses_and_says_so() {
    let mut scene = Scene::dialling(10, Wire::of_latency_us(1_000), &[]);
    let tokens: Vec<_> = (0..40).map(|_| scene.send(Class::Bulk, 1 << 20)).collect();
    scene.world.run_for(0);
    let fates: Vec<_> = tokens.iter().map(|t| scene.world.site(scene.a).fate(*t)).collect();
    assert_eq!(fates.iter().filter(|f| **f == Some(Fate::Queued)).count(), 32);
    assert_eq!(fates[39], Some(Fate::Refused(Refusal::QueueFull)));
    let empty = scene.send(Class::Bulk, 0);
    let large = scene.send(Class::Realtime, (16 << 20) + 1);
    scene.world.run_for(0);
    let fate = |token| scene.world.site(scene.a).fate(token);
    assert_eq!(fate(empty), Some(Fate::Refused(Refusal::Empty)));
    assert_eq!(fate(large), Some(Fate::Refused(Refusal::TooLarge)));
}

#[test]
fn the_floor_is_told_again_when_a_message_that_expired_becomes_its_reason_later() {
    let mut lone = Lone::greeted();
    lone.acked(5, &[(1, 1)]);
    for (token, deadline_us) in [(1, None), (2, Some(20_000)), (3, None)] {
        lone.send(token, deadline_us);
    }
    lone.acked(5, &[(4, 4)]);
    lone.run(30_000);
    let orders = lone.acked(5, &[(4, 4), (1, 2)]);
    let floor = Frame::Floor { class: Class::Bulk, message: 4 };
    assert!(frames(&orders).contains(&(5, &floor)), "{orders:?}");
}

#[test]
fn a_grant_that_may_have_gone_with_its_link_is_told_again() {
    let mut lone = Lone::greeted();
    lone.link(6, 7, "f");
    let granted = |orders: &[_]| {
        let is = |frame: &Frame| matches!(frame, Frame::Credit { class: Class::Bulk, .. });
        frames(orders).into_iter().find(|(_, frame)| is(frame)).map(|(link, _)| link)
    };
    let on = (1..2_000u64).find_map(|message| {
        let bytes = 16 << 10;
        let mut packet = piece(Class::Bulk, message, message, bytes as u32);
        if let Frame::Data(data) = &mut packet {
            data.position = (message - 1) * bytes;
        }
        let mut orders = lone.receive(5, packet);
        let (peer, class) = (PEER, Class::Bulk);
        orders.extend(lone.tell(Input::Consumed { peer, class, messages: 1, bytes }));
        granted(&orders)
    });
    let on = on.expect("a grant");
    assert_eq!(granted(&lone.unlink(on)), Some(11 - on));
}

#[test]
fn data_never_overtakes_the_hello_however_lossy_the_path() {
    for seed in 0..40 {
        let wire = Wire { loss_ppm: 100_000, ..Wire::of_latency_us(20_000) };
        let mut scene = Scene::dialling(seed, wire, &[Protocol::Quic]);
        let (a, b) = (scene.a, scene.b);
        for _ in 0..5 {
            scene.send(Class::Bulk, 1000);
            scene.world.send(b, a, Class::Bulk, Bytes::from(vec![1; 1000]));
        }
        scene.world.run_for(2 * SECOND_US);
        assert_eq!(scene.counter(a, "violations") + scene.counter(b, "violations"), 0);
    }
}

/// Sends each packet over the first path that has room, and leases that.
#[derive(Debug)]
struct FirstWithRoom;

impl pointsman_core::policy::Selector for FirstWithRoom {
    fn choose(&mut self, q: &SelectorQuestion) -> Result<u64, pointsman_core::policy::Strike> {
        let paths = pointsman_sdk::Paths::new(&q.paths);
        let room = |path: &usize| paths.at(*path).map_or(0, |path| path.room_bytes());
        let first = (0..2).find(|path| room(path) >= q.head_bytes).unwrap_or(0);
        Ok(pointsman_sdk::selector::Verdict::send(first).lease(32, 5).pack())
    }
}

#[test]
fn a_lease_of_a_full_path_does_not_keep_an_idle_one_from_use() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(150_000));
    let a = scene.a;
    scene.world.tell(a, Input::SelectorSwapped(Swap::settled(Box::new(FirstWithRoom), 1)));
    scene.send(Class::Interactive, 120_000);
    scene.world.run_for(100_000);
    let links = &scene.world.site(a).node.as_ref().expect("running").snapshot().peers[0].links;
    assert!(links.iter().all(|link| link.inflight_bytes > 0), "{links:?}");
}
