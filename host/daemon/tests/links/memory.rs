//! libp2p's memory transport where our own would be: it reads a port as a memory address.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, MemoryTransport, Transport, TransportError, TransportEvent,
};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId, noise, yamux};
use pointsman::net::links::{Wire, Wires};
use pointsman_core::id::UplinkId;
use pointsman_core::input::Protocol;

type Inner = Boxed<(PeerId, StreamMuxerBox)>;

struct Memory(Inner);

/// A transport without sockets.
pub(crate) fn transport(keypair: &Keypair) -> Inner {
    let inner = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    Memory(inner).boxed()
}

/// `/ip6zone/lo1/ip4/0.0.0.0/tcp/7` and `/ip6zone/lo1/memory/7` as `/memory/7`.
fn place(address: &Multiaddr) -> Multiaddr {
    let place = address.iter().find_map(|part| match part {
        Part::Memory(place) => Some(place),
        Part::Tcp(port) => Some(port.into()),
        _ => None,
    });
    place.map_or(Multiaddr::empty(), |place| Multiaddr::empty().with(Part::Memory(place)))
}

impl Transport for Memory {
    type Output = <Inner as Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = <Inner as Transport>::ListenerUpgrade;
    type Dial = <Inner as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.0.listen_on(id, place(&address))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        self.0.dial(place(&address), options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Every connection is over `lo1`, and nothing can be measured of it.
pub(crate) struct MemoryWires;

impl MemoryWires {
    fn wire() -> Option<Wire> {
        Some(Wire {
            uplink: UplinkId(1),
            uplink_name: "lo1".into(),
            protocol: Protocol::Tcp,
            sample: Box::new(Default::default),
            datagrams: None,
        })
    }
}

impl Wires for MemoryWires {
    fn dialled(&self, _: &Multiaddr) -> Option<Wire> {
        Self::wire()
    }

    fn accepted(&self, _: &Multiaddr, _: &Multiaddr) -> Option<Wire> {
        Self::wire()
    }
}
