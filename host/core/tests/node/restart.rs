//! A side that begins anew, or is forgotten: nothing is lost unseen, nothing stays held.

use crate::lone::{Lone, PEER, closed, frames, link_up, piece};
use crate::scene::{SECOND_US, Scene};
use pointsman_core::frame::Frame;
use pointsman_core::id::PeerId;
use pointsman_core::output::{CloseReason, Output};
use pointsman_sdk::selector::Class;
use pointsman_sim::Wire;

#[test]
fn a_receiver_that_restarts_during_a_message_of_many_pieces_gets_all_of_it() {
    for seed in 0..5 {
        let slow = Wire { bytes_per_s: Some(1_000_000), ..Wire::of_latency_us(5_000) };
        let mut scene = Scene::linked(seed, slow);
        let token = scene.send(Class::Bulk, 500_000);
        scene.world.run_for(200_000);
        let before = scene.world.site(scene.b).arrivals.len();
        assert_eq!(before, 0, "seed {seed}: too early");
        scene.world.crash(scene.b);
        scene.world.run_for(100_000);
        scene.world.restart(scene.b);
        scene.world.run_for(60 * SECOND_US);
        assert!(scene.all_delivered(&[token]), "seed {seed}");
        assert_eq!(scene.world.site(scene.b).arrivals.len(), 1, "seed {seed}");
    }
}

#[test]
fn numbers_that_begin_anew_for_a_peer_met_again_come_with_a_later_session() {
    let mut lone = Lone::new();
    let meet = |lone: &mut Lone, link, token| {
        let mut orders = lone.link(link, 7, "e");
        orders.extend(lone.acked(link, &[(1, 1)]));
        orders.extend(lone.send(token, None));
        let (mut session, mut sent) = (0, (0, 0));
        for (_, frame) in frames(&orders) {
            if let Frame::Hello(hello) = frame {
                session = hello.session;
            } else if let Frame::Data(data) = frame {
                sent = (data.message, data.sequence);
            }
        }
        lone.acked(link, &[(1, sent.1)]);
        (session, sent.0)
    };
    let first = meet(&mut lone, 5, 1);
    lone.unlink(5);
    for n in 0..5000u32 {
        let mut id = [3; 32];
        id[..4].copy_from_slice(&n.to_le_bytes());
        lone.sight(PeerId(id), "/ip4/198.51.100.9/udp/1/quic-v1");
    }
    assert!(lone.node.snapshot().peers.iter().all(|peer| peer.peer != PEER), "not forgotten");
    let again = meet(&mut lone, 6, 2);
    assert!(first.1 > 0 && again > first, "{first:?} then {again:?}");
}

#[test]
fn a_session_that_ends_gives_back_what_was_held_of_its_messages() {
    let mut lone = Lone::new();
    for link in 5..10 {
        lone.link(link, 100 + u64::from(link), "e");
        let mut sequence = 0;
        for class in Class::ALL {
            for message in 1..=4 {
                sequence += 1;
                let orders = lone.receive(link, piece(class, sequence, message, 16 << 20));
                assert_eq!(closed(&orders), [], "link {link}, message {message}");
            }
        }
        lone.unlink(link);
    }
    assert_eq!(lone.counter("packets_unheld"), 0);
}

#[test]
fn pieces_of_an_earlier_session_do_not_contradict_those_of_the_next() {
    let mut lone = Lone::greeted();
    lone.receive(5, piece(Class::Bulk, 1, 1, 40_000));
    lone.link(6, 8, "f");
    let orders = lone.receive(6, piece(Class::Bulk, 1, 1, 10));
    assert_eq!(closed(&orders), []);
    assert!(orders.iter().any(|order| matches!(order, Output::Deliver(_))));
}

#[test]
fn a_late_hello_of_an_earlier_session_closes_its_own_link_only() {
    let mut lone = Lone::new();
    lone.tell(link_up(5, PEER, None));
    lone.link(6, 8, "f");
    let orders = lone.receive(5, Frame::Hello(crate::lone::hello(7, "e")));
    assert_eq!(closed(&orders), [(5, CloseReason::Dead)]);
}
