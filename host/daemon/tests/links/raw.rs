//! A peer that speaks libp2p by hand, so that it can say what no link would say.

use std::sync::Arc;
use std::task::Poll;

use futures::future::poll_fn;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse, Transport as _};
use libp2p::identity::Keypair;
use pointsman::net::address::with_uplink;
use pointsman::net::bindings::{Binding, Bindings};
use pointsman::net::links::protocol::Protocols;
use pointsman::net::registry::{Registered, Registry};
use pointsman::net::transport::transport;
use pointsman_core::frame::Channel;
use pointsman_core::id::UplinkId;

use crate::node::{Medium, Node, within};

/// The connection of such a peer.
pub(crate) struct Raw {
    muxer: StreamMuxerBox,
    pub(crate) registered: Registered,
    _transport: tokio::task::JoinHandle<()>,
}

impl Raw {
    /// Dials a node.
    pub(crate) async fn dial(node: &Node, medium: Medium) -> Self {
        let keypair = Keypair::generate_ed25519();
        let (bindings, registry) = (Bindings::new(), Registry::default());
        bindings.set(Binding {
            id: UplinkId(1),
            name: "lo1".into(),
            interface: None,
            addresses: vec!["127.0.0.1".parse().unwrap()],
            cut: Arc::default(),
        });
        let mut transport = transport(&keypair, bindings, registry.clone(), Vec::new()).unwrap();
        let address = with_uplink(&node.address(medium).text.parse().unwrap(), "lo1");
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        let dial = transport.dial(address.clone(), options).unwrap();
        let driver = tokio::spawn(async move {
            loop {
                poll_fn(|cx| std::pin::Pin::new(&mut transport).poll(cx)).await;
            }
        });
        let (_, muxer) = within(dial).await.unwrap();
        let registered = registry.claim_dialled(&address).expect("it was registered");
        Self { muxer, registered, _transport: driver }
    }

    /// Opens a substream for a channel, without waiting for an answer.
    pub(crate) async fn open(&mut self, channel: Channel) -> SubstreamBox {
        let open = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = self.muxer.poll_unpin(cx) {
                panic!("{error}");
            }
            self.muxer.poll_outbound_unpin(cx)
        });
        let mut stream = within(open).await.unwrap();
        let protocol = Protocols::new("test").of(channel).to_string();
        for line in ["/multistream/1.0.0", protocol.as_str()] {
            let mut message = vec![u8::try_from(line.len() + 1).unwrap()];
            message.extend(line.bytes());
            message.push(b'\n');
            stream.write_all(&message).await.unwrap();
        }
        stream.flush().await.unwrap();
        stream
    }

    /// Opens all of them.
    pub(crate) async fn open_all(&mut self) -> Vec<SubstreamBox> {
        let mut streams = Vec::new();
        for channel in Channel::ALL {
            streams.push(self.open(channel).await);
        }
        streams
    }

    /// Waits until the other side closes the connection; what it opens is refused.
    pub(crate) async fn closed(&mut self) {
        poll_fn(|cx| {
            if let Poll::Ready(Err(_)) = self.muxer.poll_unpin(cx) {
                return Poll::Ready(());
            }
            loop {
                match self.muxer.poll_inbound_unpin(cx) {
                    Poll::Ready(Ok(stream)) => drop(stream),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    /// Drives the connection beside a future.
    pub(crate) async fn drive<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        poll_fn(|cx| {
            let _ = self.muxer.poll_unpin(cx);
            let _ = self.muxer.poll_inbound_unpin(cx);
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Reads a substream to its end. Whatever the end is, it has one.
    pub(crate) async fn read_to_end(&mut self, mut stream: SubstreamBox) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = async {
            let _ = stream.read_to_end(&mut bytes).await;
        };
        within(self.drive(read)).await;
        bytes
    }
}
