//! Links between nodes that really run: the whole network task on both sides, over QUIC and
//! TCP on loopback, and over memory.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that goes wrong")]
#![expect(clippy::print_stderr, reason = "rates, and what could not be tested, are for people")]
#![expect(clippy::wildcard_enum_match_arm, reason = "anything but what is expected fails a test")]

#[path = "links/flow.rs"]
mod flow;
#[path = "links/guests.rs"]
mod guests;
#[path = "links/hostile.rs"]
mod hostile;
#[path = "links/memory.rs"]
mod memory;
#[path = "links/node.rs"]
mod node;
#[path = "links/raw.rs"]
mod raw;

use std::net::TcpListener;

use libp2p::identity::Keypair;
use pointsman::identity;
use pointsman::net::{LinkFact, ListenAddress, NetFact, SendError};
use pointsman_core::config::Allow;
use pointsman_core::frame::{ByeCode, Channel, Frame};
use pointsman_core::id::DialId;
use pointsman_core::input::{Address, DialFailure, DownReason, Protocol, Source, Transport};

use node::{BULK, Medium, Node, connect, data, within};

#[tokio::test]
async fn a_link_comes_up_on_both_sides_and_every_channel_carries_frames_in_order() {
    for medium in Medium::ALL {
        let (mut a, mut b) = (Node::start(medium).await, Node::start(medium).await);
        let (left, right) = connect(&mut a, &mut b, medium).await;
        assert_eq!((left.new.peer, right.new.peer), (b.id, a.id));
        assert_eq!((left.new.dial, right.new.dial), (Some(DialId(1)), None));
        assert_eq!(left.new.protocol, medium.protocol());
        assert_eq!(left.new.transport, Transport::Lan);
        assert_eq!(left.new.datagram_bytes > 0, medium == Medium::Quic);
        assert!(!left.new.remote.contains("ip6zone"), "{}", left.new.remote);
        for (sender, receiver) in [(&left, &mut b), (&right, &mut a)] {
            for n in 1..=50 {
                for channel in Channel::ALL {
                    sender.sender.try_send((channel, frame(channel, n))).unwrap();
                }
            }
            let got = receiver.receive(4 * 50).await;
            for channel in Channel::ALL {
                let mut of: Vec<_> =
                    got.iter().filter(|(c, _)| *c == channel).map(|(_, f)| f.clone()).collect();
                if medium == Medium::Quic && channel == Channel::ALL[1] {
                    // These went as datagrams, which have no order.
                    of.sort_by_key(sequence);
                }
                let sent: Vec<_> = (1..=50).map(|n| frame(channel, n)).collect();
                assert!(of == sent, "{medium:?} {channel:?}");
            }
        }
    }
}

fn frame(channel: Channel, n: u64) -> Frame {
    match channel {
        Channel::Control => Frame::Probe { sequence: n },
        Channel::Data(class) => data(class, n, 300),
    }
}

fn sequence(frame: &Frame) -> u64 {
    match frame {
        Frame::Data(data) => data.sequence,
        other => panic!("{other:?} is no data"),
    }
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives_and_a_farewell_is_the_last() {
    for medium in Medium::ALL {
        let (mut a, mut b) = (Node::start(medium).await, Node::start(medium).await);
        let (left, right) = connect(&mut a, &mut b, medium).await;
        const FRAMES: u64 = 5000;
        for n in 1..=FRAMES {
            left.sender.try_send((BULK, frame(BULK, n))).unwrap();
        }
        left.sender.try_send((Channel::Control, Frame::Bye(ByeCode::Done))).unwrap();
        left.sender.close();
        let got = b.receive(FRAMES as usize + 1).await;
        let bulk = got.iter().filter(|(channel, _)| *channel == BULK);
        assert!(bulk.map(|(_, frame)| sequence(frame)).eq(1..=FRAMES), "{medium:?}");
        assert!(got.contains(&(Channel::Control, Frame::Bye(ByeCode::Done))));
        assert_eq!(b.down().await, (right.new.link, DownReason::Closed));
        assert_eq!(a.down().await, (left.new.link, DownReason::Ordered));
        let late = right.sender.try_send((BULK, frame(BULK, 1)));
        assert_eq!(late, Err(SendError::Gone));
    }
}

#[tokio::test]
async fn both_sides_may_close_at_once() {
    for medium in Medium::ALL {
        let (mut a, mut b) = (Node::start(medium).await, Node::start(medium).await);
        let (left, right) = connect(&mut a, &mut b, medium).await;
        drop(left.sender);
        drop(right.sender);
        assert_eq!(a.down().await.0, left.new.link);
        assert_eq!(b.down().await.0, right.new.link);
    }
}

#[tokio::test]
async fn a_peer_that_vanishes_takes_its_links_down() {
    let (mut a, mut b) = (Node::start(Medium::Tcp).await, Node::start(Medium::Tcp).await);
    let (left, _right) = connect(&mut a, &mut b, Medium::Tcp).await;
    drop(b);
    assert_eq!(a.down().await.0, left.new.link);
}

#[tokio::test]
async fn two_links_to_one_peer_live_side_by_side() {
    let (mut a, mut b) = (Node::start(Medium::Quic).await, Node::start(Medium::Quic).await);
    let (quic, quic_right) = connect(&mut a, &mut b, Medium::Quic).await;
    let (tcp, tcp_right) = connect(&mut a, &mut b, Medium::Tcp).await;
    assert_ne!(quic.new.link, tcp.new.link);
    let protocols = [quic_right.new.protocol, tcp_right.new.protocol];
    assert_eq!(protocols, [Protocol::Quic, Protocol::Tcp]);
    for (n, link) in [(1, &quic), (2, &tcp)] {
        link.sender.try_send((BULK, frame(BULK, n))).unwrap();
        assert_eq!(b.receive(1).await, [(BULK, frame(BULK, n))]);
    }
    quic.sender.close();
    assert_eq!(b.down().await, (quic_right.new.link, DownReason::Closed));
    assert_eq!(a.down().await, (quic.new.link, DownReason::Ordered));
    tcp.sender.try_send((BULK, frame(BULK, 3))).unwrap();
    assert_eq!(b.receive(1).await, [(BULK, frame(BULK, 3))]);
}

#[tokio::test]
async fn a_link_is_measured_while_it_has_traffic() {
    for medium in [Medium::Quic, Medium::Tcp] {
        let (mut a, mut b) = (Node::start(medium).await, Node::start(medium).await);
        let (left, _right) = connect(&mut a, &mut b, medium).await;
        left.sender.try_send((BULK, frame(BULK, 1))).unwrap();
        let fact = a.link_fact().await;
        let LinkFact::Measured { link, sample } = fact else { panic!("{fact:?}") };
        assert_eq!(link, left.new.link);
        assert!(sample.rtt_us.is_some() && sample.cwnd_bytes.is_some(), "{medium:?} {sample:?}");
    }
}

#[tokio::test]
async fn a_dial_that_fails_says_why() {
    let (mut a, b) = (Node::start(Medium::Tcp).await, Node::start(Medium::Tcp).await);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = Address { text: format!("/ip4/127.0.0.1/tcp/{free}"), protocol: Protocol::Tcp };
    a.net.dial(DialId(7), b.id, nobody, "lo1".into()).unwrap();
    assert_eq!(a.dial_failed().await, (DialId(7), DialFailure::Refused));

    for (n, medium) in [(8, Medium::Tcp), (9, Medium::Quic)] {
        let stranger = identity::peer_id(&Keypair::generate_ed25519());
        a.net.dial(DialId(n), stranger, b.address(medium), "lo1".into()).unwrap();
        assert_eq!(a.dial_failed().await, (DialId(n), DialFailure::WrongPeer), "{medium:?}");
    }
    a.net.dial(DialId(10), b.id, b.address(Medium::Quic), "wlan7".into()).unwrap();
    assert_eq!(a.dial_failed().await, (DialId(10), DialFailure::Unreachable));
    let nonsense = Address { text: "/nonsense".into(), protocol: Protocol::Tcp };
    a.net.dial(DialId(11), b.id, nonsense, "lo1".into()).unwrap();
    assert_eq!(a.dial_failed().await, (DialId(11), DialFailure::Other));
}

#[tokio::test]
async fn who_is_not_allowed_gets_no_link() {
    let (mut a, mut b) = (Node::start(Medium::Quic).await, Node::start(Medium::Quic).await);
    b.net.allow(Allow::Listed(Vec::new())).unwrap();
    a.net.allow(Allow::Listed(Vec::new())).unwrap();
    a.net.dial(DialId(1), b.id, b.address(Medium::Quic), "lo1".into()).unwrap();
    assert_eq!(a.dial_failed().await, (DialId(1), DialFailure::Limited));

    a.net.allow(Allow::All).unwrap();
    a.net.dial(DialId(2), b.id, b.address(Medium::Tcp), "lo1".into()).unwrap();
    a.never_lasts(DialId(2)).await;
    assert!(b.links.try_recv().is_err(), "the other side saw no link at all");

    b.net.allow(Allow::Listed(vec![a.id])).unwrap();
    let (left, _right) = connect(&mut a, &mut b, Medium::Tcp).await;
    assert_eq!(left.new.peer, b.id);
}

#[tokio::test]
async fn nodes_of_two_networks_have_no_link() {
    let mut a = Node::start(Medium::Tcp).await;
    let mut b = Node::of_network("other", Medium::Tcp).await;
    a.net.dial(DialId(1), b.id, b.address(Medium::Tcp), "lo1".into()).unwrap();
    a.never_lasts(DialId(1)).await;
    assert!(b.links.try_recv().is_err(), "the other side saw no link at all");
}

#[tokio::test]
async fn listeners_follow_what_is_wanted() {
    let mut a = Node::start(Medium::Tcp).await;
    assert_eq!(a.net.addresses().len(), 2);
    a.listen(None, Some(0));
    let left = a.listening(1).await;
    assert_eq!(left[0].address.protocol, Protocol::Tcp);
    a.net.unlisten("lo1".into()).unwrap();
    assert_eq!(a.listening(0).await, Vec::<ListenAddress>::new());

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    a.listen(None, Some(taken.local_addr().unwrap().port()));
    let fact = a.net_fact().await;
    let failed = matches!(
        &fact,
        NetFact::ListenFailed { uplink, protocol: Protocol::Tcp, .. } if uplink == "lo1"
    );
    assert!(failed, "{fact:?}");
}

#[tokio::test]
async fn two_nodes_on_one_machine_find_each_other_by_mdns_and_lose_each_other() {
    let Some((mut a, b)) = node::mdns_pair().await else { return };
    let wanted = b.net.addresses()[0].address.clone();
    let sighted = |fact: &NetFact| {
        matches!(fact, NetFact::Sighted { peer, address, source: Source::Mdns }
            if *peer == b.id && *address == wanted)
    };
    within(async { while !sighted(&a.net_fact().await) {} }).await;
    let (id, gone) = (b.id, wanted.clone());
    drop(b);
    let unsighted = |fact: &NetFact| {
        matches!(fact, NetFact::Unsighted { peer, address, source: Source::Mdns }
            if *peer == id && *address == gone)
    };
    within(async { while !unsighted(&a.net_fact().await) {} }).await;
}
