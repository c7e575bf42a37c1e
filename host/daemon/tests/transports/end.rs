//! One node's transport, and what a swarm would do with it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "whatever else comes is a failure")]

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, PortUse, Transport, TransportError, TransportEvent,
};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol as Part;
use libp2p::{Multiaddr, PeerId};
use pointsman::net::address::with_uplink;
use pointsman::net::bindings::{Binding, Bindings, Cut};
use pointsman::net::registry::Registry;
use pointsman::net::transport::transport;
use pointsman_core::id::UplinkId;
use pointsman_core::input::Protocol;

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Quic, Protocol::Tcp];

type Output = (PeerId, StreamMuxerBox);
type Event = TransportEvent<BoxFuture<'static, io::Result<Output>>, io::Error>;

/// A node's transport.
pub(crate) struct End {
    pub(crate) peer: PeerId,
    pub(crate) bindings: Bindings,
    pub(crate) registry: Registry,
    transport: Boxed<Output>,
    listening: Option<ListenerId>,
}

/// One end of a connection.
pub(crate) struct Connected {
    pub(crate) muxer: StreamMuxerBox,
    pub(crate) bindings: Bindings,
    pub(crate) registry: Registry,
    pub(crate) dialled: Multiaddr,
    pub(crate) local: Multiaddr,
    pub(crate) remote: Multiaddr,
    /// What drives the listener's side of things.
    _end: Option<End>,
}

impl Connected {
    pub(crate) fn cut(&self) -> Arc<Cut> {
        self.bindings.named("lo1").unwrap().cut
    }
}

/// An uplink that is only addresses.
pub(crate) fn bound_to(name: &str, id: u32, addresses: &[&str]) -> Binding {
    Binding {
        id: UplinkId(id),
        name: name.into(),
        interface: None,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        cut: Arc::default(),
    }
}

impl End {
    /// A node with the uplink `lo1` at 127.0.0.1.
    pub(crate) fn new() -> Self {
        Self::with(bound_to("lo1", 1, &["127.0.0.1"]))
    }

    pub(crate) fn with(binding: Binding) -> Self {
        let keypair = Keypair::generate_ed25519();
        let (bindings, registry) = (Bindings::new(), Registry::default());
        bindings.set(binding);
        let transport =
            transport(&keypair, bindings.clone(), registry.clone(), Vec::new()).unwrap();
        let peer = keypair.public().to_peer_id();
        Self { peer, bindings, registry, transport, listening: None }
    }

    pub(crate) async fn listen(&mut self, protocol: Protocol) -> Multiaddr {
        let address = match protocol {
            Protocol::Quic => "/ip6zone/lo1/ip4/0.0.0.0/udp/0/quic-v1",
            Protocol::Tcp => "/ip6zone/lo1/ip4/0.0.0.0/tcp/0",
            Protocol::Bluetooth | Protocol::Circuit => unreachable!("sockets only"),
        };
        self.try_listen(address.parse().unwrap()).unwrap();
        self.new_address().await
    }

    pub(crate) fn try_listen(
        &mut self,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        let id = ListenerId::next();
        self.transport.listen_on(id, address)?;
        self.listening = Some(id);
        Ok(())
    }

    pub(crate) async fn stop_listening(&mut self) {
        let id = self.listening.take().unwrap();
        assert!(self.transport.remove_listener(id));
        self.expired().await;
        self.listener_closed().await;
    }

    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| Pin::new(&mut self.transport).poll(cx)).await
    }

    pub(crate) async fn new_address(&mut self) -> Multiaddr {
        match self.next().await {
            TransportEvent::NewAddress { listen_addr, .. } => listen_addr,
            other => panic!("{other:?} instead of an address"),
        }
    }

    pub(crate) async fn expired(&mut self) -> Multiaddr {
        match self.next().await {
            TransportEvent::AddressExpired { listen_addr, .. } => listen_addr,
            other => panic!("{other:?} instead of an address that expired"),
        }
    }

    pub(crate) async fn listener_closed(&mut self) {
        match self.next().await {
            TransportEvent::ListenerClosed { reason, .. } => reason.unwrap(),
            other => panic!("{other:?} instead of the end of a listener"),
        }
    }

    pub(crate) async fn listener_broke(&mut self) {
        match self.next().await {
            TransportEvent::ListenerClosed { reason, .. } => assert!(reason.is_err()),
            other => panic!("{other:?} instead of the end of a listener"),
        }
    }

    pub(crate) fn dial(
        &mut self,
        address: Multiaddr,
    ) -> BoxFuture<'static, Result<Output, TransportError<io::Error>>> {
        self.dial_in_role(address, Endpoint::Dialer)
    }

    pub(crate) fn dial_as_listener(
        &mut self,
        address: Multiaddr,
    ) -> BoxFuture<'static, Result<Output, TransportError<io::Error>>> {
        self.dial_in_role(address, Endpoint::Listener)
    }

    fn dial_in_role(
        &mut self,
        address: Multiaddr,
        role: Endpoint,
    ) -> BoxFuture<'static, Result<Output, TransportError<io::Error>>> {
        let options = DialOpts { role, port_use: PortUse::Reuse };
        let dial = self.transport.dial(address, options);
        Box::pin(async move { dial?.await.map_err(TransportError::Other) })
    }
}

/// Dials the address over `lo1` and accepts at the other end.
pub(crate) async fn connect(
    dialler: &mut End,
    listener: &mut End,
    address: &Multiaddr,
) -> (Connected, Connected) {
    let dialled = with_uplink(address, "lo1");
    let dial = dialler.dial(dialled.clone());
    let accept = async {
        loop {
            if let TransportEvent::Incoming { upgrade, local_addr, send_back_addr, .. } =
                listener.next().await
            {
                return (upgrade.await.unwrap(), local_addr, send_back_addr);
            }
        }
    };
    let dial = async { dial.await.unwrap() };
    let ((found, muxer), (accepted, local, remote)) = both(dial, accept).await;
    assert_eq!((found, accepted.0), (listener.peer, dialler.peer));
    let none = Multiaddr::empty();
    let end = |muxer, end: &End, dialled, local, remote| Connected {
        muxer,
        bindings: end.bindings.clone(),
        registry: end.registry.clone(),
        dialled,
        local,
        remote,
        _end: None,
    };
    let left = end(muxer, dialler, dialled, none.clone(), none.clone());
    (left, end(accepted.1, listener, none, local, remote))
}

/// Finishes a dial and what accepts it. The dialler's multiplexer is driven as soon as it is
/// there, because the last message of the handshake goes out with its first bytes.
async fn both<T>(
    dial: impl Future<Output = Output>,
    accept: impl Future<Output = T>,
) -> (Output, T) {
    futures::pin_mut!(dial, accept);
    let mut dialled = None;
    let accepted = poll_fn(|cx| {
        if dialled.is_none()
            && let Poll::Ready(output) = dial.as_mut().poll(cx)
        {
            dialled = Some(output);
        }
        if let Some((_, muxer)) = &mut dialled {
            assert!(muxer.poll_unpin(cx).is_pending());
        }
        accept.as_mut().poll(cx)
    })
    .await;
    let dialled = match dialled {
        Some(dialled) => dialled,
        None => dial.await,
    };
    (dialled, accepted)
}

/// A connection between two fresh nodes; a task of its own drives each transport.
pub(crate) async fn pair(protocol: Protocol) -> (Connected, Connected) {
    let mut listener = End::new();
    let address = listener.listen(protocol).await;
    let mut dialler = End::new();
    let (left, right) = connect(&mut dialler, &mut listener, &address).await;
    for mut end in [dialler, listener] {
        tokio::spawn(async move {
            loop {
                end.next().await;
            }
        });
    }
    (left, right)
}

/// The error of a dial to a node that would accept.
pub(crate) async fn fail(
    dialler: &mut End,
    listener: &mut End,
    address: Multiaddr,
) -> TransportError<io::Error> {
    let dial = dialler.dial(address);
    let accept = async {
        loop {
            if let TransportEvent::Incoming { upgrade, .. } = listener.next().await {
                tokio::spawn(upgrade);
            }
        }
    };
    tokio::select! {
        output = dial => output.map(|(peer, _)| peer).expect_err("the dial must fail"),
        () = accept => unreachable!("accepting never ends"),
    }
}

/// Runs a dial of each of two nodes, and both transports; what arrives besides is dropped.
pub(crate) async fn race<A, B>(
    first: &mut End,
    a: impl Future<Output = A>,
    second: &mut End,
    b: impl Future<Output = B>,
) -> (A, B) {
    let transports = async {
        loop {
            tokio::select! {
                event = first.next() => {
                    if let TransportEvent::Incoming { upgrade, .. } = event { tokio::spawn(upgrade); }
                }
                event = second.next() => {
                    if let TransportEvent::Incoming { upgrade, .. } = event { tokio::spawn(upgrade); }
                }
            }
        }
    };
    tokio::select! {
        both = async { futures::join!(a, b) } => both,
        () = transports => unreachable!("transports never end"),
    }
}

/// Runs `work` while both multiplexers are driven, as the swarm drives them.
pub(crate) async fn drive<T>(
    left: &mut StreamMuxerBox,
    right: &mut StreamMuxerBox,
    work: impl Future<Output = T>,
) -> T {
    futures::pin_mut!(work);
    poll_fn(|cx| {
        for muxer in [&mut *left, &mut *right] {
            if let Poll::Ready(event) = muxer.poll_unpin(cx) {
                panic!("a multiplexer ended: {event:?}");
            }
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// A stream that `from` opened and `to` accepted. One byte is sent over it, because neither
/// protocol tells of a stream before it is used.
pub(crate) async fn stream(
    from: &mut StreamMuxerBox,
    to: &mut StreamMuxerBox,
) -> (SubstreamBox, SubstreamBox) {
    let mut near = poll_fn(|cx| from.poll_outbound_unpin(cx)).await.unwrap();
    let mut write = Box::pin(async move {
        near.write_all(b"!").await.unwrap();
        near.flush().await.unwrap();
        near
    });
    let mut written = None;
    let mut far = poll_fn(|cx| {
        assert!(from.poll_unpin(cx).is_pending());
        if written.is_none()
            && let Poll::Ready(near) = write.as_mut().poll(cx)
        {
            written = Some(near);
        }
        assert!(from.poll_unpin(cx).is_pending());
        to.poll_inbound_unpin(cx)
    })
    .await
    .unwrap();
    let mut byte = [0];
    let near = drive(from, to, async {
        far.read_exact(&mut byte).await.unwrap();
        match written {
            Some(near) => near,
            None => write.await,
        }
    })
    .await;
    assert_eq!(&byte, b"!");
    (near, far)
}

/// Sends so many bytes over a stream of its own, and looks at each that arrives.
pub(crate) async fn transfer(from: &mut StreamMuxerBox, to: &mut StreamMuxerBox, bytes: usize) {
    let (mut near, mut far) = stream(from, to).await;
    let block: Vec<u8> = (0..65_521u32).map(|n| (n % 251) as u8).collect();
    let send = async {
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(block.len());
            near.write_all(&block[..piece]).await.unwrap();
            left -= piece;
        }
        near.close().await.unwrap();
    };
    let receive = async {
        let mut received = 0;
        let mut buffer = vec![0; block.len()];
        while received < bytes {
            let piece = (bytes - received).min(block.len());
            far.read_exact(&mut buffer[..piece]).await.unwrap();
            assert!(buffer[..piece] == block[..piece], "damaged near byte {received}");
            received += piece;
        }
        assert_eq!(far.read(&mut buffer).await.unwrap(), 0);
    };
    drive(from, to, async { futures::join!(send, receive) }).await;
}

/// Waits until the multiplexer says that its connection is gone.
pub(crate) async fn closed(muxer: &mut StreamMuxerBox) {
    let ended = poll_fn(|cx| {
        if let Poll::Ready(event) = muxer.poll_unpin(cx) {
            return Poll::Ready(event.map(|_| ()));
        }
        muxer.poll_inbound_unpin(cx).map(|stream| stream.map(|_| ()))
    });
    assert!(ended.await.is_err());
}

/// A TCP port that nobody listens on: it was free a moment ago.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The port of an address.
pub(crate) fn port(address: &Multiaddr) -> u16 {
    let port = address.iter().find_map(|part| match part {
        Part::Tcp(port) | Part::Udp(port) => Some(port),
        _ => None,
    });
    port.unwrap()
}
