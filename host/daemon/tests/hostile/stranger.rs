//! A peer that speaks libp2p by hand, so that it can say what no node would say.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use futures::future::poll_fn;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse, Transport as _};
use libp2p::identity::Keypair;
use pointsman::identity;
use pointsman::net::address::with_uplink;
use pointsman::net::bindings::{Binding, Bindings};
use pointsman::net::links::protocol::Protocols;
use pointsman::net::registry::Registry;
use pointsman::net::transport::transport;
use pointsman_core::frame::{self, Channel, Frame, FrameReader, Hello};
use pointsman_core::id::UplinkId;

use crate::siege::ATTACKER;

pub(crate) struct Stranger {
    pub(crate) peer: String,
    muxer: StreamMuxerBox,
    transport: tokio::task::JoinHandle<()>,
}

impl Stranger {
    /// Connects, with the real handshake.
    pub(crate) async fn dial(address: &str, keypair: &Keypair) -> io::Result<Self> {
        let bindings = Bindings::new();
        bindings.set(Binding {
            id: UplinkId(1),
            name: "lo1".into(),
            interface: None,
            addresses: vec![ATTACKER.into()],
            cut: Arc::default(),
        });
        let mut transport = transport(keypair, bindings, Registry::default(), Vec::new())?;
        let address = with_uplink(&address.parse().map_err(io::Error::other)?, "lo1");
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dial = transport.dial(address, options).map_err(io::Error::other)?;
        let transport = tokio::spawn(async move {
            loop {
                poll_fn(|cx| std::pin::Pin::new(&mut transport).poll(cx)).await;
            }
        });
        let (_, muxer) = dial.await.map_err(io::Error::other)?;
        Ok(Self { peer: identity::peer_id(keypair).to_string(), muxer, transport })
    }

    /// Opens a substream and asks for a channel, without waiting for an answer.
    pub(crate) async fn open(&mut self, channel: Channel) -> io::Result<SubstreamBox> {
        let open = poll_fn(|cx| {
            if let std::task::Poll::Ready(Err(error)) = self.muxer.poll_unpin(cx) {
                return std::task::Poll::Ready(Err(error));
            }
            self.muxer.poll_outbound_unpin(cx)
        });
        let mut stream = open.await?;
        let protocol = Protocols::new("pointsman-test").of(channel).to_string();
        for line in ["/multistream/1.0.0", protocol.as_str()] {
            let length = u8::try_from(line.len() + 1).map_err(io::Error::other)?;
            stream.write_all(&[length]).await?;
            stream.write_all(format!("{line}\n").as_bytes()).await?;
        }
        stream.flush().await?;
        Ok(stream)
    }

    /// A link whose connection goes on by itself; not greeted yet.
    pub(crate) async fn link(mut self) -> io::Result<Linked> {
        let mut streams = Vec::new();
        for channel in Channel::ALL {
            streams.push(self.open(channel).await?);
        }
        let Self { peer, mut muxer, transport } = self;
        let driver = tokio::spawn(async move {
            poll_fn(|cx| {
                while let std::task::Poll::Ready(Ok(_)) = muxer.poll_inbound_unpin(cx) {}
                loop {
                    match muxer.poll_unpin(cx) {
                        std::task::Poll::Ready(Ok(_)) => {}
                        std::task::Poll::Ready(Err(_)) => return std::task::Poll::Ready(()),
                        std::task::Poll::Pending => return std::task::Poll::Pending,
                    }
                }
            })
            .await;
        });
        Ok(Linked { peer, streams, tasks: [driver, transport] })
    }
}

/// A stranger with a link's four substreams. It is gone when this is dropped.
pub(crate) struct Linked {
    pub(crate) peer: String,
    pub(crate) streams: Vec<SubstreamBox>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Linked {
    /// Dials, and says hello.
    pub(crate) async fn greeted(address: &str) -> Self {
        Self::from_uplink(address, &Keypair::generate_ed25519(), "x").await.unwrap()
    }

    /// The same with an identity of its own choice, and from an uplink of that name.
    pub(crate) async fn from_uplink(
        address: &str,
        keypair: &Keypair,
        uplink: &str,
    ) -> io::Result<Self> {
        let mut linked = Stranger::dial(address, keypair).await?.link().await?;
        linked.say(&Frame::Hello(Hello { uplink: uplink.to_owned(), ..hello() })).await?;
        Ok(linked)
    }

    /// Says a frame on the control channel.
    pub(crate) async fn say(&mut self, frame: &Frame) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        frame::encode_framed(frame, &mut bytes);
        self.write(&bytes).await
    }

    /// Writes any bytes to the control channel.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.streams[0].write_all(bytes).await?;
        self.streams[0].flush().await
    }

    /// The hello of the other side, behind what it answers to the negotiation.
    pub(crate) async fn heard_hello(&mut self) -> Hello {
        for _ in 0..2 {
            let mut length = [0];
            self.streams[0].read_exact(&mut length).await.unwrap();
            let mut line = vec![0; length[0].into()];
            self.streams[0].read_exact(&mut line).await.unwrap();
        }
        let mut reader = FrameReader::default();
        loop {
            if let Some(Frame::Hello(hello)) = reader.next_frame().unwrap() {
                return hello;
            }
            let mut byte = [0];
            self.streams[0].read_exact(&mut byte).await.unwrap();
            reader.buffer().extend_from_slice(&byte);
        }
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What a node would say.
pub(crate) fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        features: 0,
        network: "pointsman-test".into(),
        session: 7,
        link: 70,
        dial: 1,
        uplink: "x".into(),
        uplink_flags: 0,
    }
}
