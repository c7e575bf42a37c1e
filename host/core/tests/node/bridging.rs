//! Who is a bridge: the last way to a peer that is trusted and not linked.

use pointsman_core::frame::Word;
use pointsman_core::id::{LinkId, PeerId};
use pointsman_core::input::{DownReason, Input};
use pointsman_core::output::CloseReason;
use pointsman_core::reputation::{Cause, Level};

use crate::judged::{HOME, Judged, friend};
use crate::lone::PEER;

/// Of a peer that this node trusts and is not linked to.
const MISSED: PeerId = PeerId([8; 32]);

fn linked(about: PeerId) -> Vec<Word> {
    vec![Word { about, linked: true, score: None }]
}

/// Linked to three good peers and, by link 5, to one that did well so far; somebody trusted is
/// out of reach.
fn scene() -> Judged {
    let mut judged = Judged::new().with_company();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::QueryAnswered, 8);
    judged.observed(MISSED, Cause::QueryAnswered, 200);
    judged.run(6);
    assert_eq!(judged.level(MISSED), Level::Trusted);
    judged
}

/// The peer misbehaves until it would be shunned, and the grace is over.
fn misbehaves(judged: &mut Judged, peer: PeerId) {
    judged.observed(peer, Cause::PutFlood, 2_000);
    judged.run(12);
}

fn is_kept(judged: &Judged) -> bool {
    let why = judged.why(PEER);
    let is_kept = judged.level(PEER) == Level::Discouraged && judged.closed().is_empty();
    assert_eq!(
        (why.is_excused, why.bridge_to),
        (is_kept, if is_kept { vec![MISSED] } else { vec![] })
    );
    is_kept
}

#[test]
fn the_last_way_to_a_trusted_peer_is_not_shunned_until_another_appears() {
    let mut judged = scene();
    judged.says(5, linked(MISSED));
    misbehaves(&mut judged, PEER);
    assert!(is_kept(&judged));
    judged.run(120);
    assert!(is_kept(&judged));
    judged.says(101, linked(MISSED));
    judged.run(2);
    assert!(!is_kept(&judged));
    assert_eq!(judged.closed(), [(5, CloseReason::Shunned)]);
    assert_eq!(judged.why(friend(1)).bridge_to, [MISSED], "now that is the last one");
}

#[test]
fn where_there_is_another_way_the_peer_is_shunned() {
    let mut judged = scene();
    judged.says(5, linked(MISSED));
    judged.says(101, linked(MISSED));
    misbehaves(&mut judged, PEER);
    assert!(!is_kept(&judged));
}

#[test]
fn a_bridge_is_none_any_more_when_the_peer_itself_is_linked() {
    let mut judged = scene();
    judged.says(5, linked(MISSED));
    misbehaves(&mut judged, PEER);
    assert!(is_kept(&judged));
    judged.link(108, MISSED, "/ip4/203.0.113.8/udp/1");
    judged.run(2);
    assert!(!is_kept(&judged));
}

#[test]
fn a_bridge_is_none_any_more_when_its_word_lapses_and_who_misbehaves_cannot_renew_it() {
    for (renews, lasts) in [(true, vec![MISSED]), (false, vec![])] {
        let mut judged = scene();
        judged.says(5, linked(MISSED));
        if !renews {
            judged.observed(PEER, Cause::PutFlood, 2_000);
        }
        judged.run(1_800);
        judged.says(5, linked(MISSED));
        judged.run(1_780);
        assert_eq!(judged.why(PEER).bridge_to, [MISSED]);
        judged.run(40);
        assert_eq!(judged.why(PEER).bridge_to, lasts, "{renews}");
    }
}

#[test]
fn when_the_way_is_lost_the_next_that_says_so_is_the_bridge() {
    let mut judged = scene();
    judged.says(5, linked(MISSED));
    judged.says(101, linked(MISSED));
    judged.run(1);
    assert_eq!(judged.why(PEER).bridge_to, []);
    judged.tell(Input::LinkDown { link: LinkId(101), reason: DownReason::Broken });
    judged.run(1);
    assert_eq!(judged.why(PEER).bridge_to, [MISSED]);
    judged.says(5, vec![Word { about: MISSED, linked: false, score: None }]);
    judged.run(1);
    assert_eq!(judged.why(PEER).bridge_to, []);
}

#[test]
fn invented_names_and_those_that_are_not_trusted_shield_nobody() {
    let mut judged = scene();
    judged.lone.sight(friend(7), "/ip4/198.51.100.7/udp/1");
    judged.observed(friend(6), Cause::BadRecord, 1);
    for about in [friend(99), friend(7), friend(6)] {
        judged.says(5, linked(about));
    }
    misbehaves(&mut judged, PEER);
    assert!(!is_kept(&judged));
}

#[test]
fn the_word_of_a_stranger_neither_shields_it_nor_takes_the_shield_from_another() {
    let mut judged = scene();
    judged.link(6, friend(6), HOME);
    judged.says(6, linked(MISSED));
    judged.run(1);
    assert_eq!(judged.why(friend(6)).bridge_to, []);
    judged.says(5, linked(MISSED));
    judged.run(1);
    assert_eq!(judged.why(PEER).bridge_to, [MISSED]);
}

#[test]
fn of_two_ways_that_misbehave_at_once_one_stays() {
    let mut judged = scene();
    judged.link(6, friend(6), "/ip4/203.0.113.6/udp/1");
    judged.observed(friend(6), Cause::QueryAnswered, 8);
    judged.run(6);
    judged.says(5, linked(MISSED));
    judged.says(6, linked(MISSED));
    judged.observed(PEER, Cause::PutFlood, 2_000);
    judged.observed(friend(6), Cause::PutFlood, 2_000);
    judged.run(15);
    let levels = [PEER, friend(6)].map(|peer| judged.level(peer));
    assert!(levels.contains(&Level::Shunned) && levels.contains(&Level::Discouraged), "{levels:?}");
    assert_eq!(judged.closed().len(), 1);
}
