//! Peers that break the protocol: each is counted and turned away, and the Node goes on.

use bytes::Bytes;
use pointsman_core::Node;
use pointsman_core::frame::{Ack, Channel, Data, Frame, FrameError, Hello};
use pointsman_core::id::{LinkId, PeerId, Time, Token, UplinkId};
use pointsman_core::input::{Input, NewLink, Protocol, Send, Transport, Uplink};
use pointsman_core::limits;
use pointsman_core::output::{CloseReason, Output, Violation};
use pointsman_sdk::selector::Class;

use crate::scene::config;

const PEER: PeerId = PeerId([9; 32]);
const LINK: LinkId = LinkId(5);

struct Victim {
    node: Node,
    now: Time,
}

impl Victim {
    fn new() -> Self {
        Self { node: Node::new(PeerId([1; 32]), config(), 42), now: Time(1_000_000) }
    }

    fn greeted() -> Self {
        let mut victim = Self::new();
        victim.link(LINK);
        victim.receive(Frame::Hello(hello()));
        victim
    }

    fn link(&mut self, link: LinkId) -> Vec<Output> {
        self.tell(Input::UplinkChanged(uplink(link.0)));
        self.tell(Input::LinkUp(NewLink {
            link,
            peer: PEER,
            transport: Transport::Lan,
            protocol: Protocol::Tcp,
            uplink: UplinkId(link.0 % 4),
            dial: None,
            datagram_bytes: 0,
            remote: "/ip4/192.0.2.1/tcp/1".into(),
        }))
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.now = self.now.after(1_000);
        self.node.handle(self.now, input);
        std::iter::from_fn(|| self.node.poll()).collect()
    }

    fn receive(&mut self, frame: Frame) -> Vec<Output> {
        let channel = if let Frame::Data(data) = &frame {
            Channel::Data(data.class)
        } else {
            Channel::Control
        };
        self.tell(Input::Received { link: LINK, channel, frame })
    }

    fn counter(&self, name: &str) -> u64 {
        let counters = self.node.snapshot().counters;
        counters.iter().find(|(n, _)| *n == name).expect("a counter").1
    }
}

fn uplink(number: u32) -> Uplink {
    Uplink {
        id: UplinkId(number % 4),
        name: format!("if{number}"),
        radio: None,
        has_default_route: false,
        addresses: vec!["192.0.2.7/24".into()],
        risk_group: number,
        metered: false,
        price_per_mib: 0,
        quota_left_kib: u32::MAX,
        wake_uj: 0,
        nj_per_byte: 0,
    }
}

fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        features: 0,
        network: "test".into(),
        session: 7,
        link: 70,
        dial: 1,
        uplink: "eth0".into(),
        uplink_flags: 0,
    }
}

fn data(message: u64, length: u32, offset: u32, piece: usize) -> Frame {
    Frame::Data(Data {
        sequence: message,
        class: Class::Bulk,
        ordered: true,
        message,
        floor: 1,
        position: 0,
        length,
        offset,
        piece: Bytes::from(vec![1; piece]),
    })
}

fn closed(orders: &[Output]) -> Option<CloseReason> {
    orders.iter().find_map(|order| {
        if let Output::Close { reason, .. } = order { Some(*reason) } else { None }
    })
}

fn violation(orders: &[Output]) -> Option<Violation> {
    if let Some(CloseReason::Violation(violation)) = closed(orders) {
        Some(violation)
    } else {
        None
    }
}

#[test]
fn data_before_the_hello_ends_the_link() {
    let mut victim = Victim::new();
    victim.link(LINK);
    assert_eq!(violation(&victim.receive(data(1, 1, 0, 1))), Some(Violation::HelloOrder));
}

#[test]
fn a_second_hello_ends_the_link() {
    let mut victim = Victim::greeted();
    let orders = victim.receive(Frame::Hello(hello()));
    assert_eq!(violation(&orders), Some(Violation::HelloOrder));
}

#[test]
fn a_hello_of_another_version_or_network_ends_the_link() {
    let hellos = [
        (Hello { version_min: 2, version_max: 9, ..hello() }, CloseReason::Incompatible),
        (Hello { version_min: 0, version_max: 0, ..hello() }, CloseReason::Incompatible),
        (Hello { network: "other".into(), ..hello() }, CloseReason::OtherNetwork),
    ];
    for (hello, reason) in hellos {
        let mut victim = Victim::new();
        victim.link(LINK);
        let orders = victim.receive(Frame::Hello(hello));
        assert_eq!(closed(&orders), Some(reason));
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_ends_the_link() {
    for ranges in [vec![(1, u64::MAX)], vec![(500, 500)]] {
        let mut victim = Victim::greeted();
        let ack = Ack { link: LINK.0, delay_us: 0, ranges };
        assert_eq!(violation(&victim.receive(Frame::Ack(ack))), Some(Violation::FalseAck));
    }
}

#[test]
fn an_acknowledgement_of_another_peers_link_is_counted_and_ignored() {
    let mut victim = Victim::greeted();
    let ack = Ack { link: 999, delay_us: 0, ranges: vec![(1, 1)] };
    assert_eq!(closed(&victim.receive(Frame::Ack(ack))), None);
    assert_eq!(victim.counter("acks_late"), 1);
}

#[test]
fn bytes_that_are_no_frame_end_the_link() {
    let mut victim = Victim::greeted();
    let orders = victim.tell(Input::Malformed { link: LINK, error: FrameError::TooLong(u32::MAX) });
    assert_eq!(violation(&orders), Some(Violation::Malformed));
    assert_eq!(victim.counter("frames_malformed"), 1);
}

#[test]
fn a_frame_on_the_wrong_channel_ends_the_link() {
    let mut victim = Victim::greeted();
    let frame = data(1, 1, 0, 1);
    let orders = victim.tell(Input::Received { link: LINK, channel: Channel::Control, frame });
    assert_eq!(violation(&orders), Some(Violation::WrongChannel));
}

#[test]
fn pieces_that_contradict_each_other_end_the_link() {
    let piece = limits::PIECE_BYTES_MAX;
    let contradictions = [
        data(2, 50_000, 0, piece),
        data(2, 50_000, piece as u32, piece),
        data(2, 50_000, 3 * piece as u32, 50_000 - 3 * piece),
        data(2, 10, 0, 10),
    ];
    for second in contradictions {
        let mut victim = Victim::greeted();
        assert_eq!(closed(&victim.receive(data(2, 40_000, 0, piece))), None);
        assert_eq!(violation(&victim.receive(second)), Some(Violation::BadPiece));
    }
}

#[test]
fn a_peer_that_opens_messages_without_end_is_stopped_at_what_it_may_make_us_hold() {
    let mut victim = Victim::greeted();
    let length = limits::MESSAGE_BYTES_MAX as u32;
    for opened in 0..100u64 {
        let message = opened + 2;
        let orders = victim.receive(data(message, length, 0, limits::PIECE_BYTES_MAX));
        if violation(&orders) == Some(Violation::OverCredit) {
            assert!(opened * u64::from(length) <= 3 * limits::CREDIT_BYTES, "{opened} opened");
            return;
        }
    }
    panic!("never stopped");
}

#[test]
fn a_message_number_far_beyond_the_window_ends_the_link() {
    let mut victim = Victim::greeted();
    let orders = victim.receive(data(limits::NUMBER_MAX, 1, 0, 1));
    assert_eq!(violation(&orders), Some(Violation::OverCredit));
}

#[test]
fn the_greatest_numbers_of_every_field_make_nothing_overflow() {
    let number = limits::NUMBER_MAX;
    let Frame::Data(data) = data(1, 10, 0, 10) else { panic!("no data") };
    let frames = [
        Frame::Data(Data { position: number, ..data.clone() }),
        Frame::Data(Data { sequence: number, ..data.clone() }),
        Frame::Data(Data { message: number, floor: number, ..data.clone() }),
        Frame::Floor { class: Class::Bulk, message: number },
        Frame::Credit { class: Class::Bulk, bytes: number },
        Frame::Probe { sequence: number },
    ];
    for frame in frames {
        let mut victim = Victim::greeted();
        for frame in [frame.clone(), Frame::Probe { sequence: 3 }, frame.clone()] {
            let orders = victim.receive(frame);
            assert_eq!(closed(&orders), None, "{orders:?}");
        }
    }
}

#[test]
fn a_peer_has_only_so_many_links() {
    let mut victim = Victim::new();
    let refused = (0..100).filter(|&n| closed(&victim.link(LinkId(n))).is_some()).count();
    assert_eq!(refused, 100 - limits::LINKS_PER_PEER_MAX);
}

#[test]
fn a_link_without_a_hello_is_closed_in_time() {
    let mut victim = Victim::new();
    victim.link(LINK);
    let (began, mut ended) = (victim.now, None);
    while ended.is_none() {
        victim.now = victim.node.deadline().expect("a greeting has a limit");
        ended = closed(&victim.tell(Input::Tick { lag_us: 0 }));
    }
    assert_eq!(ended, Some(CloseReason::Dead));
    assert!(victim.now.since(began) < 6_000_000, "{:?}", victim.now);
}

#[test]
fn a_peer_that_never_acknowledges_costs_a_bounded_flight_and_then_its_link() {
    let mut victim = Victim::greeted();
    let (mut sent, mut ended) = (0usize, None);
    for n in 0..20_000 {
        let send = Send {
            token: Token(n),
            peer: PEER,
            class: Class::Interactive,
            ordered: false,
            deadline: None,
            payload: Bytes::from_static(&[3; 1000]),
        };
        let mut orders = victim.tell(Input::Send(send));
        orders.extend(victim.tell(Input::Tick { lag_us: 0 }));
        let is_data =
            |order: &&Output| matches!(order, Output::Transmit { frame: Frame::Data(_), .. });
        sent += orders.iter().filter(is_data).count();
        ended = ended.or(closed(&orders));
    }
    assert!(sent <= 100, "{sent} packets of 1 kB on a link that never answered");
    assert_eq!(ended, Some(CloseReason::Dead));
}

#[test]
fn facts_about_links_that_never_were_change_nothing() {
    let mut victim = Victim::new();
    let down = pointsman_core::input::DownReason::Broken;
    assert!(victim.tell(Input::LinkDown { link: LINK, reason: down }).is_empty());
    assert!(victim.receive(data(1, 1, 0, 1)).is_empty());
    assert!(victim.tell(Input::UplinkGone(UplinkId(4))).is_empty());
    assert_eq!(victim.counter("frames_without_link"), 1);
}
