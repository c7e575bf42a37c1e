//! What peers do becomes observations, observations become questions, and answers a standing.

use pointsman_core::frame::{Ack, ByeCode, Frame, FrameError};
use pointsman_core::id::{LinkId, PeerId};
use pointsman_core::input::{Address, DialFailure, Input, Protocol, Source};
use pointsman_core::limits;
use pointsman_core::output::Output;
use pointsman_core::policy::ReputationQuestion;
use pointsman_core::reputation::Subject;
use pointsman_sdk::reputation::{Kind, Observation, Standing};
use pointsman_sdk::selector::Class;
use pointsman_sim::{At, Cut, Wire};

use crate::lone::{Lone, PEER, hello, link_up, piece};
use crate::scene::{SECOND_US, Scene};

fn folds(orders: &[Output]) -> Vec<(Subject, ReputationQuestion)> {
    let fold = |order: &Output| {
        if let Output::Fold { about, question } = order {
            Some((*about, question.clone()))
        } else {
            None
        }
    };
    orders.iter().filter_map(fold).collect()
}

fn weight(seen: &[Observation], kind: Kind) -> u32 {
    seen.iter().filter(|one| one.kind == kind).map(|one| one.weight).sum()
}

/// How often the first peer was seen to do this.
fn seen(lone: &Lone, kind: Kind) -> u64 {
    lone.node.snapshot().peers[0].seen[kind as usize]
}

fn standing(score: i32) -> Standing {
    Standing { score, a: 1, b: 2, c: 3, updated_ms: 4 }
}

/// Answers all questions of these orders with this score.
fn answer(lone: &mut Lone, orders: &[Output], score: i32) {
    for (about, _) in folds(orders) {
        lone.tell(Input::Stood { about, standing: standing(score) });
    }
}

fn score(lone: &Lone) -> i32 {
    lone.node.snapshot().peers[0].standing.score
}

#[test]
fn real_traffic_is_seen_as_acknowledgements_and_asked_about_in_batches() {
    let mut scene = Scene::linked(1, Wire::of_latency_us(3_000));
    scene.stream(Class::Interactive, 500, 5_000, 20 * SECOND_US);
    let folds = &scene.world.site(scene.a).folds;
    let acks: u32 = folds.iter().map(|(_, _, question)| weight(&question.seen, Kind::Ack)).sum();
    assert!(acks > 1_000, "{acks}");
    assert!(folds.len() <= 6, "{} questions in 22 s", folds.len());
    assert!(folds.iter().all(|(_, _, question)| question.seen.len() <= Kind::ALL.len()));
    let last = &folds.last().expect("asked").2;
    assert_eq!(weight(&last.seen, Kind::Invalid) + weight(&last.seen, Kind::Spam), 0);
}

#[test]
fn a_peer_that_falls_silent_is_seen_to_time_out() {
    let mut scene = Scene::linked(2, Wire::of_latency_us(3_000));
    for port in [0, 1] {
        scene.world.cut(At(scene.b, port), Cut::BOTH);
    }
    scene.stream(Class::Interactive, 500, 50_000, 5 * SECOND_US);
    let node = scene.world.site(scene.a).node.as_ref().expect("running");
    assert!(node.snapshot().peers[0].seen[Kind::Timeout as usize] >= 4);
}

#[test]
fn a_link_that_greets_on_our_dial_has_served() {
    let scene = Scene::linked(3, Wire::of_latency_us(3_000));
    let seen = |node| {
        let node = scene.world.site(node).node.as_ref().expect("running");
        node.snapshot().peers[0].seen[Kind::Served as usize]
    };
    assert_eq!((seen(scene.a), seen(scene.b)), (2, 0));
}

#[test]
fn a_peer_that_breaks_the_protocol_is_asked_about_within_a_second() {
    let breaches: [fn(&mut Lone); 3] = [
        |lone| drop(lone.tell(malformed())),
        |lone| drop(lone.receive(5, Frame::Hello(hello(7, "e")))),
        |lone| {
            let ack = Ack { link: 5, delay_us: 0, ranges: vec![(900, 900)] };
            drop(lone.receive(5, Frame::Ack(ack)));
        },
    ];
    for breach in breaches {
        let mut lone = Lone::greeted();
        let orders = lone.run(10_000_000);
        answer(&mut lone, &orders, 1);
        breach(&mut lone);
        let asked = folds(&lone.run(1_000_000));
        assert_eq!(asked.len(), 1);
        assert_eq!(weight(&asked[0].1.seen, Kind::Invalid), 1, "{asked:?}");
    }
}

fn malformed() -> Input {
    Input::Malformed { link: LinkId(5), error: FrameError::TooLong(u32::MAX) }
}

#[test]
fn more_than_was_granted_is_spam() {
    let mut lone = Lone::greeted();
    lone.receive(5, piece(Class::Bulk, 1, limits::NUMBER_MAX, 1));
    assert_eq!((seen(&lone, Kind::Spam), seen(&lone, Kind::Invalid)), (1, 0));
}

#[test]
fn more_links_than_a_peer_may_have_are_spam() {
    let mut lone = Lone::new();
    for link in 0..limits::LINKS_PER_PEER_MAX as u32 + 3 {
        lone.tell(link_up(link, PEER, None));
    }
    assert_eq!(seen(&lone, Kind::Spam), 3);
}

#[test]
fn a_peer_that_does_not_want_us_refused() {
    for (code, refused) in [(ByeCode::NotAllowed, 1), (ByeCode::Limited, 1), (ByeCode::Done, 0)] {
        let mut lone = Lone::greeted();
        lone.receive(5, Frame::Bye(code));
        assert_eq!(seen(&lone, Kind::Refused), refused, "{code:?}");
    }
}

#[test]
fn a_refused_dial_counts_only_where_the_address_is_known_to_be_the_peers() {
    for (source, refused) in [(Source::Config, 1), (Source::Mdns, 0)] {
        let mut lone = Lone::new();
        let address = Address { text: "/ip4/192.0.2.9/udp/1".into(), protocol: Protocol::Quic };
        let orders = lone.tell(Input::Sighted { peer: PEER, address, source });
        let dial = orders.iter().find_map(|order| {
            if let Output::Dial { dial, .. } = order { Some(*dial) } else { None }
        });
        let dial = dial.expect("a sighting is worth a dial");
        lone.tell(Input::DialFailed { dial, failure: DialFailure::Refused });
        assert_eq!(seen(&lone, Kind::Refused), refused, "{source:?}");
    }
}

#[test]
fn an_answer_becomes_the_standing_and_one_that_nobody_awaits_does_not() {
    let mut lone = Lone::greeted();
    lone.tell(malformed());
    let asked = lone.run(1_000_000);
    answer(&mut lone, &asked, -300);
    assert_eq!(score(&lone), -300);
    answer(&mut lone, &asked, 1_000);
    assert_eq!(score(&lone), -300);
    let about = Subject::Peer(PeerId([77; 32]));
    lone.tell(Input::Stood { about, standing: standing(5) });
    assert_eq!(lone.counter("standings_unclaimed"), 2);
}

#[test]
fn a_standing_out_of_range_is_none() {
    let mut lone = Lone::greeted();
    lone.tell(malformed());
    let asked = lone.run(1_000_000);
    answer(&mut lone, &asked, Standing::SCORE_MIN - 1);
    assert_eq!(score(&lone), 0);
}

#[test]
fn a_question_without_an_answer_is_asked_again_with_all_that_was_seen() {
    let mut lone = Lone::greeted();
    lone.tell(malformed());
    assert_eq!(folds(&lone.run(1_000_000)).len(), 1);
    assert_eq!(folds(&lone.run(8_000_000)).len(), 0, "one is open");
    let again = folds(&lone.run(3_000_000));
    assert_eq!(weight(&again[0].1.seen, Kind::Invalid), 1);
}

#[test]
fn a_peer_that_made_room_and_comes_back_stands_as_before() {
    let mut lone = Lone::greeted();
    lone.tell(malformed());
    let asked = lone.run(1_000_000);
    answer(&mut lone, &asked, -300);
    lone.unlink(5);
    for n in 0..limits::PEERS_MAX as u32 + 1 {
        let mut id = [3; 32];
        id[..4].copy_from_slice(&n.to_le_bytes());
        lone.sight(PeerId(id), "/ip4/198.51.100.1/udp/1");
    }
    let stands = |lone: &Lone| {
        let peers = lone.node.snapshot().peers;
        peers.iter().find(|peer| peer.peer == PEER).map(|peer| peer.standing.score)
    };
    assert_eq!(stands(&lone), None, "it made room");
    lone.link(6, 8, "e");
    assert_eq!(stands(&lone), Some(-300));
}

#[test]
fn so_many_peers_are_asked_about_in_a_second_and_all_in_turn() {
    let mut lone = Lone::new();
    let peers = 3 * limits::FOLDS_PER_STEP_MAX as u32;
    let mut breach = |n: u32| {
        let mut id = [3; 32];
        id[..4].copy_from_slice(&n.to_le_bytes());
        lone.tell(link_up(n, PeerId(id), None));
        lone.tell(Input::Malformed { link: LinkId(n), error: FrameError::TooLong(u32::MAX) });
    };
    (0..peers).for_each(&mut breach);
    let mut asked = Vec::new();
    for _ in 0..3 {
        let now = folds(&lone.run(1_000_000));
        assert!(now.len() <= limits::FOLDS_PER_STEP_MAX);
        asked.extend(now.into_iter().map(|(peer, _)| peer));
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len() as u32, peers);
}
