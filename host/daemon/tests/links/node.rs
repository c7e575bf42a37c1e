//! A node's network task, and what its loop would do with it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use libp2p::identity::Keypair;
use pointsman::identity;
use pointsman::net::bindings::{Binding, Bindings};
use pointsman::net::registry::Registry;
use pointsman::net::{
    LinkFact, LinkSender, ListenAddress, Listener, Net, NetFact, NetOptions, start, start_over,
};
use pointsman_core::config::{Allow, NatConfig};
use pointsman_core::frame::{Channel, Data, Frame};
use pointsman_core::id::{DialId, LinkId, PeerId, UplinkId};
use pointsman_core::input::{Address, DialFailure, DownReason, NewLink, Protocol, Uplink};
use pointsman_sdk::selector::Class;
use tokio::sync::mpsc;

use crate::memory::{self, MemoryWires};

pub(crate) const BULK: Channel = Channel::Data(Class::Bulk);

/// What lies between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Memory,
    Quic,
    Tcp,
}

impl Medium {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::Quic, Self::Tcp];

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Quic => Protocol::Quic,
            Self::Memory | Self::Tcp => Protocol::Tcp,
        }
    }
}

/// A node with the uplink `lo1` at 127.0.0.1 that listens.
pub(crate) struct Node {
    pub(crate) id: PeerId,
    pub(crate) net: Net,
    pub(crate) links: mpsc::Receiver<LinkFact>,
    pub(crate) facts: mpsc::Receiver<NetFact>,
    address: &'static str,
}

/// One side of a link.
pub(crate) struct Side {
    pub(crate) new: NewLink,
    pub(crate) sender: LinkSender,
}

/// The future's output, well before a person loses patience.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it takes too long")
}

pub(crate) fn options(network: &str, mdns: bool) -> NetOptions {
    NetOptions {
        phone: None,
        keypair: Keypair::generate_ed25519(),
        network: network.into(),
        allow: Allow::All,
        mdns,
        nat: NatConfig { upnp: false, ..NatConfig::default() },
    }
}

impl Node {
    pub(crate) async fn start(medium: Medium) -> Self {
        Self::of_network("test", medium).await
    }

    pub(crate) async fn of_network(network: &str, medium: Medium) -> Self {
        let options = options(network, false);
        let mut node = match medium {
            Medium::Memory => {
                let id = identity::peer_id(&options.keypair);
                let transport = memory::transport(&options.keypair);
                let (net, facts) = start_over(options, transport, Box::new(MemoryWires)).unwrap();
                let (links, facts) = (facts.links, facts.net);
                Self { id, net, links, facts, address: "127.0.0.1" }
            }
            Medium::Quic | Medium::Tcp => Self::at("127.0.0.1", options),
        };
        match medium {
            Medium::Memory => {
                node.listen(None, Some(0));
                node.listening(1).await;
            }
            Medium::Quic | Medium::Tcp => {
                node.listen(Some(0), Some(0));
                node.listening(2).await;
            }
        }
        node
    }

    pub(crate) fn at(address: &'static str, options: NetOptions) -> Self {
        let id = identity::peer_id(&options.keypair);
        let (bindings, registry) = (Bindings::new(), Registry::default());
        bindings.set(Binding {
            id: UplinkId(1),
            name: "lo1".into(),
            interface: None,
            addresses: vec![address.parse().unwrap()],
            cut: Arc::default(),
        });
        let (net, facts) = start(options, bindings, registry, Vec::new()).unwrap();
        Self { id, net, links: facts.links, facts: facts.net, address }
    }

    pub(crate) fn listen(&self, quic: Option<u16>, tcp: Option<u16>) {
        let uplink = Uplink {
            id: UplinkId(1),
            name: "lo1".into(),
            radio: None,
            has_default_route: false,
            addresses: vec![format!("{}/8", self.address)],
            risk_group: 1,
            metered: false,
            price_per_mib: 0,
            quota_left_kib: u32::MAX,
            wake_uj: 0,
            nj_per_byte: 0,
        };
        self.net.listen(Listener { uplink, quic, tcp }).unwrap();
    }

    /// Waits until it listens at so many addresses.
    pub(crate) async fn listening(&mut self, count: usize) -> Vec<ListenAddress> {
        loop {
            match self.net_fact().await {
                NetFact::Listening(addresses) if addresses.len() == count => return addresses,
                NetFact::Listening(_) => {}
                other => panic!("{other:?} instead of addresses"),
            }
        }
    }

    pub(crate) fn address(&self, medium: Medium) -> Address {
        let all = self.net.addresses();
        let found = all.iter().find(|listening| listening.address.protocol == medium.protocol());
        found.expect("it listens").address.clone()
    }

    pub(crate) async fn link_fact(&mut self) -> LinkFact {
        within(self.links.recv()).await.expect("the network task lives")
    }

    pub(crate) async fn net_fact(&mut self) -> NetFact {
        within(self.facts.recv()).await.expect("the network task lives")
    }

    pub(crate) async fn dial_failed(&mut self) -> (DialId, DialFailure) {
        match self.net_fact().await {
            NetFact::DialFailed { dial, failure, text } => {
                assert!(!text.is_empty());
                (dial, failure)
            }
            other => panic!("{other:?} instead of a failed dial"),
        }
    }

    /// Waits for a link, whatever else is told meanwhile.
    pub(crate) async fn up(&mut self) -> Side {
        loop {
            if let LinkFact::Up { new, sender } = self.link_fact().await {
                return Side { new, sender };
            }
        }
    }

    /// Waits until a link is gone, whatever else is told meanwhile.
    pub(crate) async fn down(&mut self) -> (LinkId, DownReason) {
        loop {
            if let LinkFact::Down { link, reason } = self.link_fact().await {
                return (link, reason);
            }
        }
    }

    /// So many frames, or a few more where they arrived together.
    pub(crate) async fn receive(&mut self, count: usize) -> Vec<(Channel, Frame)> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.link_fact().await {
                LinkFact::Received { frames, .. } => {
                    assert!(!frames.is_empty());
                    all.extend(frames);
                }
                LinkFact::Measured { .. } => {}
                other => panic!("{other:?} after {} frames", all.len()),
            }
        }
        all
    }

    /// A dial that fails at once, or whose link goes down again by itself.
    pub(crate) async fn never_lasts(&mut self, dial: DialId) {
        let mut kept = None;
        within(async {
            loop {
                tokio::select! {
                    fact = self.links.recv() => match fact.unwrap() {
                        LinkFact::Up { new, sender } => {
                            assert_eq!(new.dial, Some(dial));
                            kept = Some((new.link, sender));
                        }
                        LinkFact::Down { link, reason } => {
                            assert_eq!(Some(link), kept.as_ref().map(|(link, _)| *link));
                            assert_ne!(reason, DownReason::Ordered);
                            return;
                        }
                        LinkFact::Measured { .. } => {}
                        other => panic!("{other:?} of a link that can't be"),
                    },
                    fact = self.facts.recv() => match fact.unwrap() {
                        NetFact::DialFailed { dial: failed, .. } => {
                            assert_eq!((failed, kept.is_none()), (dial, true));
                            return;
                        }
                        other => panic!("{other:?} of a link that can't be"),
                    },
                }
            }
        })
        .await;
    }
}

/// Has `a` dial `b`.
pub(crate) async fn connect(a: &mut Node, b: &mut Node, medium: Medium) -> (Side, Side) {
    a.net.dial(DialId(1), b.id, b.address(medium), "lo1".into()).unwrap();
    let left = a.up().await;
    let right = b.up().await;
    (left, right)
}

/// A frame with a piece of so many bytes.
pub(crate) fn data(class: Class, n: u64, bytes: usize) -> Frame {
    Frame::Data(Data {
        sequence: n,
        class,
        ordered: true,
        message: n,
        floor: 0,
        position: (n - 1) * bytes as u64,
        length: bytes as u32,
        offset: 0,
        piece: Bytes::from(vec![n as u8; bytes]),
    })
}

/// Two nodes that look for each other by mDNS, on an address that has multicast. `None`, with
/// a line that says so, where the machine has none.
pub(crate) async fn mdns_pair() -> Option<(Node, Node)> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let group = std::net::Ipv4Addr::new(224, 0, 0, 251);
    if let Err(error) = probe.join_multicast_v4(&group, &std::net::Ipv4Addr::LOCALHOST) {
        eprintln!("no multicast on this machine ({error}): mDNS is only tested in parts");
        return None;
    }
    let network = format!("t{}", std::process::id());
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let mut node = Node::at("127.0.0.1", options(&network, true));
        node.listen(None, Some(0));
        node.listening(1).await;
        nodes.push(node);
    }
    let (b, a) = (nodes.pop()?, nodes.pop()?);
    Some((a, b))
}
