//! What follows from a standing: who is dialled first, kept, evicted, shunned, and what is left
//! of it after a restart. The shipped policy judges.

use pointsman_core::Node;
use pointsman_core::frame::{Frame, Word};
use pointsman_core::id::{LinkId, PeerId};
use pointsman_core::input::{
    Address, DialFailure, DownReason, Input, NewLink, Protocol, Source, Transport,
};
use pointsman_core::limits;
use pointsman_core::output::{CloseReason, Output};
use pointsman_core::reputation::{Cause, Level, Recollection, Subject};
use pointsman_sdk::reputation::Kind;

use crate::judged::{HOME, Judged, friend, home};
use crate::lone::{PEER, hello, link_up};
use crate::scene::{SECOND_US, config};

#[test]
fn what_the_shell_saw_is_judged_like_what_the_node_saw() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::BadRecord, 1);
    judged.run(2);
    let why = judged.why(PEER);
    assert_eq!(why.level, Level::Discouraged);
    assert!((-800..-400).contains(&why.score.first_hand), "{why:?}");
    let record = why.causes.iter().find(|seen| seen.cause == Cause::BadRecord).expect("noted");
    assert_eq!((record.count, record.age_ms / 1000), (1, 2));
}

#[test]
fn a_peer_is_discouraged_then_shunned_and_comes_back_as_its_standing_decays() {
    let mut judged = Judged::new().with_company();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::PutFlood, 50);
    judged.run(8);
    assert_eq!((judged.level(PEER), judged.closed()), (Level::Discouraged, vec![]));
    judged.run(5);
    assert_eq!(judged.level(PEER), Level::Shunned);
    assert_eq!(judged.closed(), [(5, CloseReason::Shunned)]);
    judged.link(6, PEER, HOME);
    assert_eq!(judged.closed().last(), Some(&(6, CloseReason::Shunned)));
    assert_eq!(judged.changes(PEER), [Level::Discouraged, Level::Shunned]);
    judged.lone.now = judged.lone.now.after(12 * 3_600 * SECOND_US);
    judged.tell(Input::Tick { lag_us: 0 });
    let mut judged = judged.with_company();
    judged.run(2);
    let why = judged.why(PEER);
    assert!(why.level < Level::Shunned && !why.is_excused, "{why:?}");
    judged.link(7, PEER, HOME);
    assert_ne!(judged.closed().last().map(|(link, _)| *link), Some(7));
}

#[test]
fn a_busy_peer_that_floods_is_shunned_like_any_other() {
    let mut judged = Judged::new().with_company();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::QueryAnswered, 2_000);
    judged.run(2);
    judged.observed(PEER, Cause::PutFlood, 1_000);
    judged.run(12);
    assert_eq!(judged.closed(), [(5, CloseReason::Shunned)], "{:?}", judged.why(PEER));
}

#[test]
fn nobody_is_shunned_while_too_few_others_are_left() {
    let mut judged = Judged::new();
    judged.link(101, friend(1), "/ip4/203.0.113.1/udp/1");
    judged.link(5, PEER, HOME);
    judged.outlaw(PEER);
    assert_eq!((judged.level(PEER), judged.closed()), (Level::Discouraged, vec![]));
    assert!(judged.why(PEER).is_excused);
    judged.link(102, friend(2), "/ip4/203.0.113.2/udp/1");
    judged.run(2);
    assert_eq!(judged.closed(), [(5, CloseReason::Shunned)]);
    judged.tell(Input::LinkDown { link: LinkId(102), reason: DownReason::Broken });
    judged.run(2);
    assert_eq!(judged.level(PEER), Level::Discouraged, "it is needed again");
}

#[test]
fn of_many_bad_peers_the_last_two_stay() {
    let mut judged = Judged::new();
    for n in 1..=6 {
        judged.link(n, friend(n), &format!("/ip4/203.0.113.{n}/udp/1"));
        judged.observed(friend(n), Cause::PutFlood, 50);
    }
    judged.run(30);
    let left = (1..=6).filter(|&n| judged.level(friend(n)) == Level::Discouraged).count();
    assert_eq!((left, judged.closed().len()), (2, 4));
}

#[test]
fn what_a_peer_did_has_newcomers_of_its_subnet_begin_lower_and_no_others() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::PutFlood, 50);
    judged.run(12);
    judged.link(6, friend(1), "/ip4/198.51.100.77/tcp/1");
    judged.link(7, friend(2), "/ip4/198.51.101.77/tcp/1");
    let near = judged.why(friend(1));
    assert_eq!((near.score.first_hand, near.subnets[0].0), (0, home()));
    assert!((-500..-300).contains(&near.score.effective()), "{near:?}");
    assert_eq!((near.level, judged.level(friend(2))), (Level::Discouraged, Level::Unknown));
}

#[test]
fn a_good_subnet_gives_a_newcomer_nothing() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::QueryAnswered, 2_000);
    judged.run(12);
    assert_eq!(judged.level(PEER), Level::Trusted);
    judged.link(6, friend(1), "/ip4/198.51.100.77/tcp/1");
    let newcomer = judged.why(friend(1));
    assert!(newcomer.subnets[0].1 > 0);
    assert_eq!(newcomer.score.effective(), 0);
}

#[test]
fn subnets_are_bounded_whatever_comes() {
    let mut judged = Judged::new();
    for n in 0..2 * limits::SUBNETS_MAX as u32 {
        let [.., b, c] = n.to_be_bytes();
        judged.link(n, PEER, &format!("/ip4/10.{b}.{c}.1/udp/1"));
        judged.observed(PEER, Cause::BadRecord, 4);
        judged.run(1);
        judged.tell(Input::LinkDown { link: LinkId(n), reason: DownReason::Broken });
    }
    assert!(judged.why(PEER).subnets.len() <= limits::SUBNETS_PER_PEER_MAX);
    let subnets = judged.stored().into_iter().filter(|one| matches!(one.about, Subject::Subnet(_)));
    assert!(subnets.count() <= limits::SUBNETS_MAX);
}

#[test]
fn standings_survive_a_restart_and_decay_while_the_node_is_off() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::PutFlood, 4);
    judged.run(12);
    let before = judged.why(PEER);
    let stored = judged.stored();
    assert!(stored.iter().any(|one| one.about == Subject::Subnet(home())));
    assert_eq!(judged.stored(), []);
    let score = |off_ms| {
        let mut stored = stored.clone();
        for one in &mut stored {
            one.age_ms += off_ms;
            one.causes.iter_mut().for_each(|seen| seen.age_ms += off_ms);
        }
        let mut next = Judged::new();
        next.lone.node = Node::new(PeerId([1; 32]), config(), 43 << 20);
        next.tell(Input::Recalled(stored));
        assert_eq!(next.level(PEER), Level::Discouraged, "known before it is met");
        assert!(next.why(PEER).causes.iter().any(|seen| seen.cause == Cause::PutFlood));
        next.lone.sight(PEER, "/ip4/198.51.100.9/udp/1");
        next.run(2);
        let why = next.why(PEER);
        assert_eq!(why.seen[Kind::Spam as usize], before.seen[Kind::Spam as usize]);
        let flood = why.causes.iter().find(|seen| seen.cause == Cause::PutFlood).expect("kept");
        assert!(flood.count == 4 && flood.age_ms >= off_ms);
        why.score.first_hand
    };
    assert!(score(0).abs_diff(before.score.first_hand) <= 2);
    let (hours, days) = (score(2 * 3_600_000), score(3 * 86_400_000));
    assert!(before.score.first_hand < hours && hours < days && days == 0, "{hours} {days}");
}

#[test]
fn what_is_stored_in_a_wrong_form_is_counted_and_dropped() {
    let mut judged = Judged::new();
    judged.link(5, PEER, HOME);
    judged.observed(PEER, Cause::BadRecord, 1);
    judged.run(6);
    let stored = judged.stored().remove(0);
    let mut absurd = stored.clone();
    absurd.standing.score = -1001;
    let ancient = Recollection { age_ms: u64::MAX, ..stored };
    let mut next = Judged::new();
    next.tell(Input::Recalled(vec![absurd, ancient]));
    assert_eq!(next.lone.counter("standings_unclaimed"), 2);
    assert_eq!(next.level(PEER), Level::Unknown);
}

/// As many peers as there may be dials at once, and as many again, each with an address; the
/// second half did well.
fn crowd() -> Judged {
    let mut judged = Judged::new();
    let half = limits::DIALS_MAX as u32;
    for n in half..2 * half {
        judged.observed(friend(n), Cause::QueryAnswered, 20);
    }
    judged.run(2);
    judged
}

fn dials(orders: &[Output]) -> Vec<(pointsman_core::id::DialId, PeerId)> {
    let dial = |order: &Output| {
        if let Output::Dial { dial, peer, .. } = order { Some((*dial, *peer)) } else { None }
    };
    orders.iter().filter_map(dial).collect()
}

#[test]
fn where_dials_are_few_those_who_stand_better_come_first() {
    let mut judged = crowd();
    let all = 2 * limits::DIALS_MAX as u32;
    let mut orders = Vec::new();
    for n in 0..all {
        orders.extend(judged.lone.sight(friend(n), "/ip4/192.0.2.9/udp/1"));
    }
    let first = dials(&orders);
    assert_eq!(first.len(), limits::DIALS_MAX, "strangers were there first");
    let mut next = Vec::new();
    for (dial, _) in first.into_iter().take(10) {
        let failure = pointsman_core::input::DialFailure::TimedOut;
        next.extend(dials(&judged.lone.tell(Input::DialFailed { dial, failure })));
    }
    let half = limits::DIALS_MAX as u32;
    assert_eq!(next.len(), 10);
    assert!(next.iter().all(|(_, peer)| *peer >= friend(half)), "{next:?}");
}

#[test]
fn discouraged_peers_never_take_all_dials() {
    let mut judged = Judged::new();
    for n in 0..2 * limits::DIALS_MAX as u32 {
        judged.observed(friend(n), Cause::BadRecord, 1);
    }
    judged.run(2);
    let mut orders = Vec::new();
    for n in 0..2 * limits::DIALS_MAX as u32 {
        orders.extend(judged.lone.sight(friend(n), "/ip4/192.0.2.9/udp/1"));
    }
    let first = dials(&orders).len();
    let spared = (0..2 * limits::DIALS_MAX as u32).filter(|&n| judged.why(friend(n)).is_spared);
    assert_eq!(first, limits::DISCOURAGED_DIALS_MAX + spared.count());
}

#[test]
fn a_discouraged_peer_is_tried_again_later_than_another() {
    let wait_us = |cause: Option<Cause>| {
        let mut judged = Judged::new();
        if let Some(cause) = cause {
            judged.observed(PEER, cause, 1);
            judged.run(2);
        }
        let dialled = dials(&judged.lone.sight(PEER, "/ip4/192.0.2.9/udp/1"));
        let failure = pointsman_core::input::DialFailure::TimedOut;
        judged.tell(Input::DialFailed { dial: dialled[0].0, failure });
        let why = judged.why(PEER);
        assert!(!why.is_spared);
        why.next_dial.expect("later").since(why.at)
    };
    assert!(wait_us(Some(Cause::BadRecord)) > 2 * wait_us(None));
}

/// With all links taken by strangers.
fn full() -> Judged {
    let mut judged = Judged::new();
    for n in 0..limits::LINKS_MAX as u32 {
        judged.link(1000 + n, friend(1000 + n), "/ip4/203.0.113.1/udp/1");
    }
    judged
}

fn links(judged: &Judged) -> usize {
    judged.lone.node.snapshot().peers.iter().map(|peer| peer.links.len()).sum()
}

#[test]
fn a_full_node_has_a_discouraged_peer_make_room_for_a_better_one() {
    let mut judged = full();
    judged.link(5, PEER, HOME);
    assert_eq!(judged.closed(), [(5, CloseReason::Limited)], "strangers are equals");
    let victims = [friend(1001), friend(1002)];
    let victim = victims.into_iter().find(|&peer| !judged.why(peer).is_spared).expect("one");
    judged.observed(victim, Cause::BadRecord, 1);
    judged.run(2);
    judged.orders.clear();
    judged.link(6, PEER, HOME);
    let gone = judged.closed();
    assert_eq!(gone.iter().map(|(_, why)| *why).collect::<Vec<_>>(), [CloseReason::Evicted]);
    assert!(
        !judged.lone.node.snapshot().peers.iter().any(|p| p.peer == victim && !p.links.is_empty())
    );
    assert_eq!(links(&judged), limits::LINKS_MAX);
}

#[test]
fn a_bridge_is_not_evicted() {
    let mut judged = full();
    let victims = [friend(1001), friend(1002)];
    let victim = victims.into_iter().find(|&peer| !judged.why(peer).is_spared).expect("one");
    let link = 1000 + victims.iter().position(|&peer| peer == victim).expect("one") as u32 + 1;
    judged.observed(victim, Cause::QueryAnswered, 20);
    judged.observed(friend(1), Cause::QueryAnswered, 20);
    judged.run(15);
    judged.says(link, vec![Word { about: friend(1), linked: true, score: None }]);
    judged.observed(victim, Cause::BadRecord, 50);
    judged.run(10);
    assert!(judged.level(victim) >= Level::Discouraged);
    judged.orders.clear();
    judged.link(6, PEER, HOME);
    assert_eq!(judged.closed(), [(6, CloseReason::Limited)]);
}

#[test]
fn a_flood_of_strangers_does_not_drive_a_trusted_peer_from_memory() {
    let mut judged = Judged::new();
    judged.observed(PEER, Cause::QueryAnswered, 200);
    judged.run(6);
    for n in 0..limits::PEERS_MAX as u32 + 100 {
        judged.lone.sight(friend(n), "/ip4/198.51.100.1/udp/1");
    }
    let peers = judged.lone.node.snapshot().peers;
    assert_eq!(peers.len(), limits::PEERS_MAX);
    assert!(peers.iter().any(|peer| peer.peer == PEER && peer.level == Level::Trusted));
}

#[test]
fn some_peers_are_spared_by_lot() {
    let mut judged = Judged::new();
    for n in 0..1600 {
        judged.observed(friend(n), Cause::QueryAnswered, 1);
    }
    let spared = (0..1600).filter(|&n| judged.why(friend(n)).is_spared).count();
    assert!((60..150).contains(&spared), "{spared} of 1600, where one in 16 should be");
}

/// Who relays is nobody's peer here: what is known of it is what was seen of its relaying.
fn circuit(relay: PeerId) -> Address {
    Address::parse(&format!("/ip4/192.0.2.99/tcp/1/p2p/{relay}/p2p-circuit")).expect("a circuit")
}

impl Judged {
    fn relayed_at(&mut self, relay: PeerId) {
        let address = circuit(relay);
        self.tell(Input::Sighted { peer: PEER, address, source: Source::Config });
    }

    /// The relays through which the peer was dialled, in turn; each dial fails.
    fn dialled_through(&mut self) -> Vec<PeerId> {
        let mut relays = Vec::new();
        while !self.orders.is_empty() {
            for order in std::mem::take(&mut self.orders) {
                if let Output::Dial { dial, address, .. } = order {
                    relays.extend(address.relay());
                    let failure = DialFailure::TimedOut;
                    self.tell(Input::DialFailed { dial, failure });
                }
            }
        }
        relays
    }
}

#[test]
fn relays_that_stand_better_are_dialled_first_and_a_shunned_one_never() {
    let mut judged = Judged::new().with_company();
    let [shunned, discouraged, unknown, trusted] = [10, 11, 12, 13].map(friend);
    judged.outlaw(shunned);
    judged.observed(discouraged, Cause::RelayBroken, 9);
    judged.observed(trusted, Cause::Relayed, 9);
    judged.run(6);
    let levels = [shunned, discouraged, unknown, trusted].map(|relay| judged.level(relay));
    assert_eq!(levels, [Level::Shunned, Level::Discouraged, Level::Unknown, Level::Trusted]);
    judged.orders.clear();
    // A dial to this one is under way while the others come.
    judged.relayed_at(shunned);
    for relay in [discouraged, unknown, trusted] {
        judged.relayed_at(relay);
    }
    let dialled = judged.dialled_through();
    assert_eq!(dialled, [discouraged, trusted, unknown]);
}

#[test]
fn a_link_through_a_relay_that_is_shunned_makes_way_for_one_through_another() {
    let mut judged = Judged::new().with_company();
    let [bad, good] = [10, 11].map(friend);
    judged.relayed_at(bad);
    let dial = judged
        .orders
        .iter()
        .find_map(|order| if let Output::Dial { dial, .. } = order { Some(*dial) } else { None });
    let Input::LinkUp(new) = link_up(5, PEER, dial) else { unreachable!() };
    let (transport, protocol) = (Transport::Relay, Protocol::Circuit);
    judged.tell(Input::LinkUp(NewLink { transport, protocol, ..new }));
    let orders = judged.lone.receive(5, Frame::Hello(hello(7, "e")));
    judged.obey(orders);
    judged.relayed_at(good);
    judged.orders.clear();
    judged.run(2);
    assert_eq!(judged.dialled_through(), [], "one relay is enough");
    judged.outlaw(bad);
    judged.run(2);
    assert_eq!(judged.level(bad), Level::Shunned);
    assert_eq!(judged.dialled_through().first(), Some(&good));
}

#[test]
fn where_somebody_stood_earlier_is_told_before_it_is_met() {
    let mut judged = Judged::new();
    judged.observed(PEER, Cause::BadRecord, 4);
    judged.run(12);
    let stored = judged.stored();
    let mut next = Judged::new();
    next.tell(Input::Recalled(stored));
    let told = next.orders.iter().find_map(|order| {
        let Output::StandingChanged { peer, level, was, .. } = order else { return None };
        Some((*peer, *level, *was))
    });
    assert_eq!(told, Some((PEER, Level::Discouraged, Level::Discouraged)));
}
