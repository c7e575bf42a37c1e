//! One Node that is told its facts one by one, where the other side must misbehave or die at a
//! given moment.

use bytes::Bytes;
use pointsman_core::Node;
use pointsman_core::frame::{Ack, Channel, Data, Frame, Hello};
use pointsman_core::id::{DialId, LinkId, PeerId, Time, Token, UplinkId};
use pointsman_core::input::{
    Address, DownReason, Input, NewLink, Protocol, Send, Source, Transport, Uplink,
};
use pointsman_core::output::{CloseReason, Output};
use pointsman_sdk::selector::Class;

use crate::scene::config;

pub(crate) const PEER: PeerId = PeerId([9; 32]);

pub(crate) struct Lone {
    pub(crate) node: Node,
    pub(crate) now: Time,
}

impl Lone {
    /// With one interface, number 1.
    pub(crate) fn new() -> Self {
        let node = Node::new(PeerId([1; 32]), config(), 42);
        let mut lone = Self { node, now: Time(1_000_000) };
        lone.tell(uplink("192.0.2.7/24"));
        lone
    }

    /// Linked to the peer's interface `e` by link 5, in session 7.
    pub(crate) fn greeted() -> Self {
        let mut lone = Self::new();
        lone.link(5, 7, "e");
        lone
    }

    pub(crate) fn tell(&mut self, input: Input) -> Vec<Output> {
        self.now = self.now.after(100);
        self.node.handle(self.now, input);
        std::iter::from_fn(|| self.node.poll()).collect()
    }

    /// The peer dials, and says hello.
    pub(crate) fn link(&mut self, link: u32, session: u64, theirs: &str) -> Vec<Output> {
        let mut orders = self.tell(link_up(link, PEER, None));
        orders.extend(self.receive(link, Frame::Hello(hello(session, theirs))));
        orders
    }

    pub(crate) fn unlink(&mut self, link: u32) -> Vec<Output> {
        self.tell(Input::LinkDown { link: LinkId(link), reason: DownReason::Broken })
    }

    pub(crate) fn receive(&mut self, link: u32, frame: Frame) -> Vec<Output> {
        let channel = if let Frame::Data(data) = &frame {
            Channel::Data(data.class)
        } else {
            Channel::Control
        };
        self.tell(Input::Received { link: LinkId(link), channel, frame })
    }

    pub(crate) fn acked(&mut self, link: u32, ranges: &[(u64, u64)]) -> Vec<Output> {
        self.receive(link, Frame::Ack(Ack { link, delay_us: 0, ranges: ranges.to_vec() }))
    }

    /// Time passes: all that is due is done when it is.
    pub(crate) fn run(&mut self, us: u64) -> Vec<Output> {
        let end = self.now.after(us);
        let mut orders = Vec::new();
        while let Some(due) = self.node.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.node.handle(self.now, Input::Tick { lag_us: 0 });
            orders.extend(std::iter::from_fn(|| self.node.poll()));
        }
        self.now = end;
        orders
    }

    pub(crate) fn send(&mut self, token: u64, deadline_us: Option<u64>) -> Vec<Output> {
        self.tell(Input::Send(Send {
            token: Token(token),
            peer: PEER,
            class: Class::Bulk,
            ordered: true,
            deadline: deadline_us.map(|us| self.now.after(us)),
            payload: Bytes::from_static(b"x"),
        }))
    }

    pub(crate) fn sight(&mut self, peer: PeerId, text: &str) -> Vec<Output> {
        let address = Address { text: text.into(), protocol: Protocol::Quic };
        self.tell(Input::Sighted { peer, address, source: Source::Mdns })
    }

    /// For a minute every dial gives a link on which the peer says this hello, every probe is
    /// answered and every order to close obeyed. Tells how many dials there were.
    pub(crate) fn dials_in_a_minute(&mut self, hello: &Hello, first: Vec<Output>) -> u64 {
        let (mut link, mut orders) = (10, first);
        let end = self.now.after(60_000_000);
        while self.now < end {
            for order in std::mem::take(&mut orders) {
                match order {
                    Output::Dial { dial, .. } => {
                        link += 1;
                        orders.extend(self.tell(link_up(link, PEER, Some(dial))));
                        orders.extend(self.receive(link, Frame::Hello(hello.clone())));
                    }
                    Output::Close { link, .. } => orders.extend(self.unlink(link.0)),
                    Output::Transmit { link, frame: Frame::Probe { sequence }, .. } => {
                        orders.extend(self.acked(link.0, &[(1, sequence)]));
                    }
                    Output::Transmit { .. }
                    | Output::Approach { .. }
                    | Output::Seek { .. }
                    | Output::Scan { .. }
                    | Output::Advertise { .. }
                    | Output::Deliver(_)
                    | Output::Fate { .. }
                    | Output::Event(_)
                    | Output::Decided(_)
                    | Output::Outcome(_)
                    | Output::Fold { .. }
                    | Output::Inspect(_)
                    | Output::StandingChanged { .. } => {}
                }
            }
            orders.extend(self.run(10_000));
        }
        self.counter("dials")
    }

    pub(crate) fn counter(&self, name: &str) -> u64 {
        let counters = self.node.snapshot().counters;
        counters.iter().find(|(n, _)| *n == name).expect("a counter").1
    }
}

pub(crate) fn uplink(address: &str) -> Input {
    Input::UplinkChanged(Uplink {
        id: UplinkId(1),
        name: "eth0".into(),
        radio: None,
        has_default_route: false,
        addresses: vec![address.into(), "2001:db8::7/64".into()],
        risk_group: 1,
        metered: false,
        price_per_mib: 0,
        quota_left_kib: u32::MAX,
        wake_uj: 0,
        nj_per_byte: 0,
    })
}

pub(crate) fn link_up(link: u32, peer: PeerId, dial: Option<DialId>) -> Input {
    Input::LinkUp(NewLink {
        link: LinkId(link),
        peer,
        transport: Transport::Lan,
        protocol: Protocol::Quic,
        uplink: UplinkId(1),
        dial,
        datagram_bytes: 0,
        remote: "/ip4/192.0.2.1/udp/1".into(),
    })
}

pub(crate) fn hello(session: u64, theirs: &str) -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        features: 0,
        network: "test".into(),
        session,
        link: 70,
        dial: 1,
        uplink: theirs.into(),
        uplink_flags: 0,
    }
}

/// The first piece of a message that begins the class.
pub(crate) fn piece(class: Class, sequence: u64, message: u64, length: u32) -> Frame {
    let bytes = (length as usize).min(pointsman_core::limits::PIECE_BYTES_MAX);
    Frame::Data(Data {
        sequence,
        class,
        ordered: false,
        message,
        floor: 1,
        position: 0,
        length,
        offset: 0,
        piece: Bytes::from(vec![1; bytes]),
    })
}

pub(crate) fn closed(orders: &[Output]) -> Vec<(u32, CloseReason)> {
    let close = |order: &Output| {
        if let Output::Close { link, reason } = order { Some((link.0, *reason)) } else { None }
    };
    orders.iter().filter_map(close).collect()
}

/// The frames that go out, with their links.
pub(crate) fn frames(orders: &[Output]) -> Vec<(u32, &Frame)> {
    let frame = |order| {
        if let &Output::Transmit { link, ref frame, .. } = order {
            Some((link.0, frame))
        } else {
            None
        }
    };
    orders.iter().filter_map(frame).collect()
}
