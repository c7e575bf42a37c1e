//! What a Node tells its peers of others: first hand, seldom, over one link, and what changed.

use std::collections::BTreeMap;

use pointsman_core::frame::{Frame, Hello, Word};
use pointsman_core::id::{LinkId, PeerId};
use pointsman_core::input::{DownReason, Input, Protocol};
use pointsman_core::limits::WORDS_PER_FRAME_MAX;
use pointsman_core::output::Output;
use pointsman_core::policy::builtin;
use pointsman_core::reputation::Cause;
use pointsman_core::snapshot::Explanation;
use pointsman_sim::{NodeIndex, Wire, World};

use crate::judged::{HOME, Judged, friend};
use crate::lone::{PEER, hello, link_up};
use crate::scene::{SECOND_US, config};

/// What is told within so many seconds, and on which link.
fn told(judged: &mut Judged, seconds: u64) -> Vec<(u32, Vec<Word>)> {
    judged.orders.clear();
    judged.run(seconds);
    let hearsay = |order: &Output| {
        let Output::Transmit { link, frame: Frame::Hearsay(words), .. } = order else {
            return None;
        };
        Some((link.0, words.clone()))
    };
    judged.orders.iter().filter_map(hearsay).collect()
}

/// After how many seconds something is told on a link, and what.
fn told_on(judged: &mut Judged, link: u32) -> (u64, Vec<Word>) {
    let after = (1..=700).find_map(|second| {
        let found = told(judged, 1).into_iter().find(|(on, _)| *on == link);
        found.map(|(_, words)| (second, words))
    });
    after.expect("told within 700 s")
}

/// A peer did so well that its score hardly moves any more.
fn praise(judged: &mut Judged, peer: PeerId) {
    judged.observed(peer, Cause::QueryAnswered, 2_000);
}

/// Linked to three peers of whom the best is known.
fn known() -> Judged {
    let mut judged = Judged::new().with_company();
    (1..=3).for_each(|n| praise(&mut judged, friend(n)));
    judged
}

fn about(words: &[Word]) -> Vec<PeerId> {
    words.iter().map(|word| word.about).collect()
}

#[test]
fn a_peer_is_told_of_the_others_when_its_link_has_settled_and_then_only_what_changed() {
    let mut judged = known();
    assert_eq!(told(&mut judged, 29), []);
    let mut first = told(&mut judged, 10);
    first.sort_by_key(|(link, _)| *link);
    for (n, (link, words)) in (1..).zip(&first) {
        let others: Vec<PeerId> = (1..=3).filter(|&m| m != n).map(friend).collect();
        assert_eq!((*link, about(words)), (100 + n, others), "and not about itself");
        let are_good = |word: &Word| word.linked && word.score.is_some_and(|score| score > 900);
        assert!(words.iter().all(are_good), "{words:?}");
    }
    assert_eq!(first.len(), 3);
    assert_eq!(told(&mut judged, 600), [], "nothing changed");
    judged.tell(Input::LinkDown { link: LinkId(103), reason: DownReason::Broken });
    let last = told(&mut judged, 5);
    assert_eq!(last.iter().map(|(link, _)| *link).collect::<Vec<_>>(), [101, 102]);
    let gone = |(_, words): &(u32, Vec<Word>)| matches!(words[..], [Word { about, linked: false, score: Some(900..) }] if about == friend(3));
    assert!(last.iter().all(gone), "{last:?}");
}

#[test]
fn news_waits_until_the_minute_is_over() {
    let mut judged = known();
    told_on(&mut judged, 101);
    judged.link(104, friend(4), "/ip4/203.0.113.4/udp/1");
    let (after, words) = told_on(&mut judged, 101);
    assert!((58..=61).contains(&after), "{after}");
    assert_eq!(about(&words), [friend(4)]);
}

#[test]
fn neither_what_others_say_nor_who_was_only_sighted_is_passed_on() {
    let mut judged = known();
    judged.run(6);
    judged.lone.sight(friend(8), "/ip4/198.51.100.8/udp/1");
    judged.lone.sight(friend(9), "/ip4/198.51.100.9/udp/1");
    judged.says(101, vec![Word { about: friend(9), linked: true, score: Some(-1000) }]);
    assert!(judged.why(friend(9)).hearsay.is_some());
    let words: Vec<PeerId> =
        told(&mut judged, 200).iter().flat_map(|(_, words)| about(words)).collect();
    assert!(!words.is_empty());
    assert!(!words.contains(&friend(8)) && !words.contains(&friend(9)), "{words:?}");
}

#[test]
fn more_than_fits_is_told_in_turn_and_nothing_twice() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    let many = 3 * WORDS_PER_FRAME_MAX as u32 + 4;
    (0..many).for_each(|n| praise(&mut judged, friend(n)));
    let mut times = BTreeMap::new();
    for round in 0..4 {
        let (after, words) = told_on(&mut judged, 5);
        assert!(words.len() <= WORDS_PER_FRAME_MAX);
        assert!(round == 0 || (58..=61).contains(&after), "{after}");
        words.iter().for_each(|word| *times.entry(word.about).or_insert(0) += 1);
    }
    assert_eq!(times.len(), many as usize);
    assert!(times.values().all(|&times| times == 1), "{times:?}");
    assert_eq!(judged.lone.counter("hearsay_told"), u64::from(many));
}

#[test]
fn what_was_told_on_a_link_that_is_gone_is_told_again_on_another() {
    let mut judged = known();
    let (_, first) = told_on(&mut judged, 101);
    judged.tell(Input::LinkDown { link: LinkId(101), reason: DownReason::Broken });
    judged.link(105, friend(1), "/ip4/203.0.113.1/udp/1");
    let (after, again) = told_on(&mut judged, 105);
    assert_eq!(about(&again), about(&first));
    assert!((58..=61).contains(&after), "{after}");
}

/// A further link, over an interface that the peer says is metered.
fn link_metered(judged: &mut Judged, link: u32, peer: PeerId) {
    judged.tell(link_up(link, peer, None));
    let hello = Hello { uplink_flags: 1, ..hello(7, "metered") };
    let orders = judged.lone.receive(link, Frame::Hello(hello));
    judged.obey(orders);
}

#[test]
fn a_metered_link_is_told_on_only_where_there_is_no_other_and_then_more_seldom() {
    let mut judged = known();
    link_metered(&mut judged, 201, friend(1));
    link_metered(&mut judged, 204, friend(4));
    let first: Vec<u32> = told(&mut judged, 40).iter().map(|(link, _)| *link).collect();
    assert!(first.contains(&101) && first.contains(&204) && !first.contains(&201), "{first:?}");
    judged.link(105, friend(5), "/ip4/203.0.113.5/udp/1");
    let (after, words) = told_on(&mut judged, 204);
    assert!((560..=600).contains(&after), "{after}");
    assert!(about(&words).contains(&friend(5)));
}

#[test]
fn what_holds_is_said_again_before_it_lapses() {
    let mut judged = known();
    let mut times = BTreeMap::new();
    for (link, words) in told(&mut judged, 3_700) {
        words.iter().for_each(|word| *times.entry((link, word.about)).or_insert(0) += 1);
    }
    assert_eq!(times.len(), 6);
    assert!(times.values().all(|&times| (2..=3).contains(&times)), "{times:?}");
}

#[test]
fn a_version_that_does_not_know_the_frame_skips_it_and_goes_on() {
    let mut judged = known();
    let (_, words) = told_on(&mut judged, 101);
    let mut bytes = bytes::BytesMut::new();
    pointsman_core::frame::encode(&Frame::Hearsay(words), &mut bytes);
    assert!(bytes[0] >= 64, "version 1 skips what it does not know from kind 64 on");
    judged.orders.clear();
    let orders = judged.lone.receive(102, Frame::Unknown(bytes[0]));
    judged.obey(orders);
    assert_eq!((judged.closed(), judged.lone.counter("frames_unknown")), (vec![], 1));
    assert_eq!(judged.lone.counter("violations"), 0);
}

/// Answers what the Nodes asked since `answered` about whom they know, as a shell does.
fn answer(world: &mut World, nodes: &[NodeIndex], answered: &mut [usize]) {
    let mut policy = builtin::default_reputation();
    for (&node, answered) in nodes.iter().zip(answered) {
        let asked = world.site(node).folds[*answered..].to_vec();
        for (_, about, question) in asked {
            let standing = policy.fold(&question).expect("it never fails");
            world.tell(node, Input::Stood { about, standing });
            *answered += 1;
        }
    }
}

fn why(world: &World, of: NodeIndex, about: NodeIndex) -> Explanation {
    let about = world.site(about).id;
    world.site(of).node.as_ref().expect("running").why(&about).expect("known")
}

/// Three nodes in a line that all know of each other, after 45 s.
fn line(seed: u64) -> (World, [NodeIndex; 3]) {
    let mut world = World::new(seed, config());
    let [left, right] = [(); 2].map(|()| world.segment(Wire::of_latency_us(3_000)));
    let nodes = [world.node(&[left]), world.node(&[left, right]), world.node(&[right])];
    let [a, b, c] = nodes;
    for (one, other) in [(a, b), (b, a), (b, c), (c, b), (a, c), (c, a)] {
        world.introduce(one, other, &[Protocol::Quic]);
    }
    let mut answered = [0; 3];
    for _ in 0..45 {
        world.run_for(SECOND_US);
        answer(&mut world, &nodes, &mut answered);
    }
    (world, nodes)
}

#[test]
fn of_three_in_a_line_the_middle_tells_each_end_of_the_other() {
    let (world, [a, b, c]) = line(3);
    for (end, other) in [(a, c), (c, a)] {
        let heard = why(&world, end, other);
        assert_eq!(heard.links, 0);
        let (median, voices) = heard.hearsay.expect("the middle spoke");
        assert!(median > 0 && voices == 1, "{heard:?}");
        assert_eq!(heard.score.first_hand, 0);
        assert!((1..=200).contains(&heard.score.effective()), "a fifth at most: {heard:?}");
    }
    assert_eq!(why(&world, b, c).hearsay, None, "the ends know only the middle");
}

#[test]
fn the_same_seed_has_the_same_told() {
    assert_eq!(line(4).0.trace(), line(4).0.trace());
}
