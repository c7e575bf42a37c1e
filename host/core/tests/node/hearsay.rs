//! What a Node takes of what peers say of others: a little, from those that did well, and no
//! more than they may send.

use pointsman_core::frame::{Channel, Frame, Word};
use pointsman_core::id::{LinkId, PeerId};
use pointsman_core::input::Input;
use pointsman_core::limits::{HEARSAY_FRAMES_MAX, HEARSAY_PER_PEER_MAX};
use pointsman_core::output::{CloseReason, Violation};
use pointsman_core::reputation::{Cause, Level};
use pointsman_sdk::selector::Class;

use crate::judged::{HOME, Judged, friend};
use crate::lone::{Lone, PEER, closed, link_up};

fn scored(about: PeerId, score: i32) -> Vec<Word> {
    vec![Word { about, linked: false, score: Some(score) }]
}

#[test]
fn hearsay_of_a_friend_weighs_a_fifth_and_that_of_a_stranger_nothing() {
    let mut judged = Judged::new();
    judged.lone.sight(PEER, "/ip4/198.51.100.9/udp/1");
    judged.link(6, friend(1), "/ip4/203.0.113.1/udp/1");
    judged.link(7, friend(2), "/ip4/203.0.113.2/udp/1");
    judged.says(7, scored(PEER, -1000));
    assert_eq!(judged.lone.counter("hearsay_ignored"), 1);
    assert_eq!(judged.why(PEER).hearsay, None);
    judged.observed(friend(1), Cause::QueryAnswered, 2_000);
    judged.run(6);
    judged.says(6, scored(PEER, -1000));
    judged.run(1);
    let why = judged.why(PEER);
    assert_eq!(why.hearsay.map(|(_, voices)| voices), Some(1));
    assert!((-200..-150).contains(&why.score.effective()), "{why:?}");
    judged.observed(PEER, Cause::QueryAnswered, 5);
    judged.run(6);
    let why = judged.why(PEER);
    assert_eq!((why.score.hearsay, why.score.effective()), (0, why.score.first_hand));
}

#[test]
fn who_misbehaves_has_no_word_any_more() {
    let mut judged = Judged::new();
    judged.lone.sight(PEER, "/ip4/198.51.100.9/udp/1");
    judged.link(6, friend(1), "/ip4/203.0.113.1/udp/1");
    judged.observed(friend(1), Cause::QueryAnswered, 20);
    judged.run(6);
    judged.says(6, scored(PEER, -1000));
    assert!(judged.why(PEER).hearsay.is_some());
    judged.observed(friend(1), Cause::PutFlood, 500);
    judged.run(6);
    judged.says(6, scored(PEER, -900));
    assert_eq!(judged.lone.counter("hearsay_ignored"), 1);
    assert_eq!(judged.why(PEER).hearsay, None, "what it said earlier has no weight");
}

#[test]
fn hearsay_about_oneself_about_nobody_or_about_this_node_is_ignored() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::QueryAnswered, 2_000);
    judged.run(6);
    let me = judged.lone.node.id();
    for about in [PEER, friend(9), me] {
        judged.says(5, scored(about, 1000));
    }
    assert_eq!(judged.lone.counter("hearsay_ignored"), 3);
    assert!(judged.lone.node.why(&friend(9)).is_none());
    assert!(judged.lone.node.why(&me).is_none());
}

#[test]
fn so_many_voices_are_heard_of_a_peer() {
    let mut judged = Judged::new();
    judged.lone.sight(PEER, "/ip4/198.51.100.9/udp/1");
    for n in 0..2 * HEARSAY_PER_PEER_MAX as u32 {
        judged.link(100 + n, friend(n), &format!("/ip4/203.0.113.{n}/udp/1"));
        judged.observed(friend(n), Cause::QueryAnswered, 20);
    }
    judged.run(6);
    for n in 0..2 * HEARSAY_PER_PEER_MAX as u32 {
        judged.says(100 + n, scored(PEER, -500));
    }
    let voices = judged.why(PEER).hearsay.map(|(_, voices)| voices);
    assert_eq!(voices, Some(HEARSAY_PER_PEER_MAX));
}

#[test]
fn a_flood_of_hearsay_is_refused_and_speaks_against_its_sender() {
    let mut judged = Judged::new().with_company();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::QueryAnswered, 8);
    judged.run(6);
    for n in 0..1_000 {
        judged.says(5, scored(friend(1), n));
    }
    let refused = 1_000 - u64::from(HEARSAY_FRAMES_MAX);
    assert_eq!(judged.lone.counter("hearsay_refused"), refused);
    let why = judged.why(PEER);
    let spam = why.causes.iter().find(|seen| seen.cause == Cause::OverCredit);
    assert_eq!(spam.map(|seen| seen.count), Some(refused));
    assert_eq!(judged.closed(), []);
    judged.run(15);
    assert_eq!(judged.level(PEER), Level::Shunned);
}

#[test]
fn who_tells_no_more_often_than_an_honest_peer_is_never_refused() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    for n in 0..40 {
        judged.says(5, scored(friend(1), n));
        judged.run(30);
    }
    assert_eq!(judged.lone.counter("hearsay_refused"), 0);
    assert_eq!(judged.level(PEER), Level::Trusted);
}

#[test]
fn hearsay_before_the_hello_or_on_a_channel_of_data_ends_the_link() {
    let mut lone = Lone::new();
    lone.tell(link_up(5, PEER, None));
    let orders = lone.receive(5, Frame::Hearsay(scored(friend(1), 1)));
    assert_eq!(closed(&orders), [(5, CloseReason::Violation(Violation::HelloOrder))]);
    let mut lone = Lone::greeted();
    let (channel, frame) = (Channel::Data(Class::Bulk), Frame::Hearsay(scored(friend(1), 1)));
    let orders = lone.tell(Input::Received { link: LinkId(5), channel, frame });
    assert_eq!(closed(&orders), [(5, CloseReason::Violation(Violation::WrongChannel))]);
}
