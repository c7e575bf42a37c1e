//! From a byte stream, whatever carries it, to a multiplexer: multistream-select, Noise, yamux.

mod short;

use std::io;

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::core::Endpoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::upgrade::{
    InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version,
};
use libp2p::identity::Keypair;
use libp2p::{noise, yamux};
use multistream_select::{Negotiated, dialer_select_proto, listener_select_proto};
use pointsman_core::limits::SUBSTREAMS_PER_LINK_MAX;

use self::short::Short;
use super::closing::Prompt;
use super::failure::ConnectError;

/// Our side of the handshake. Cheap to clone.
#[derive(Clone)]
pub(super) struct Security {
    noise: noise::Config,
    yamux: yamux::Config,
    frame_bytes_max: usize,
}

/// What a finished handshake gives.
pub(super) type Output = (PeerId, StreamMuxerBox);

type Encrypted<S> = Short<noise::Output<Negotiated<S>>>;

/// What a handshake can be done over.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Bytes for S {}

impl Security {
    /// yamux counts the streams of both sides together, and ends a connection that has one
    /// more: so twice what a peer may open.
    pub(super) fn new(keypair: &Keypair) -> io::Result<Self> {
        let mut yamux = yamux::Config::default();
        yamux.set_max_num_streams(2 * SUBSTREAMS_PER_LINK_MAX);
        let noise = noise::Config::new(keypair).map_err(io::Error::other)?;
        Ok(Self { noise, yamux, frame_bytes_max: usize::MAX })
    }

    /// Encrypts no more bytes than that together.
    pub(super) fn in_frames_of(self, frame_bytes_max: usize) -> Self {
        Self { frame_bytes_max, ..self }
    }

    /// Does the handshake in that role.
    pub(super) async fn secure<S: Bytes>(
        self,
        stream: S,
        role: Endpoint,
    ) -> Result<Output, ConnectError> {
        let (peer, muxer) = match role {
            Endpoint::Dialer => self.outbound(stream).await?,
            Endpoint::Listener => self.inbound(stream).await?,
        };
        Ok((peer, StreamMuxerBox::new(Prompt::new(muxer))))
    }

    async fn outbound<S: Bytes>(
        self,
        stream: S,
    ) -> Result<(PeerId, yamux::Muxer<Negotiated<Encrypted<S>>>), ConnectError> {
        let Self { noise, yamux, frame_bytes_max } = self;
        let version = Version::V1Lazy;
        let chosen = dialer_select_proto(stream, noise.protocol_info(), version).await;
        let (info, stream) = chosen.map_err(wrong)?;
        let (peer, stream) = noise.upgrade_outbound(stream, info).await.map_err(wrong)?;
        let stream = Short::new(stream, frame_bytes_max);
        let chosen = dialer_select_proto(stream, yamux.protocol_info(), version).await;
        let (info, stream) = chosen.map_err(wrong)?;
        Ok((peer, yamux.upgrade_outbound(stream, info).await?))
    }

    async fn inbound<S: Bytes>(
        self,
        stream: S,
    ) -> Result<(PeerId, yamux::Muxer<Negotiated<Encrypted<S>>>), ConnectError> {
        let Self { noise, yamux, frame_bytes_max } = self;
        let chosen = listener_select_proto(stream, noise.protocol_info()).await;
        let (info, stream) = chosen.map_err(wrong)?;
        let (peer, stream) = noise.upgrade_inbound(stream, info).await.map_err(wrong)?;
        let stream = Short::new(stream, frame_bytes_max);
        let chosen = listener_select_proto(stream, yamux.protocol_info()).await;
        let (info, stream) = chosen.map_err(wrong)?;
        Ok((peer, yamux.upgrade_inbound(stream, info).await?))
    }
}

fn wrong(error: impl std::error::Error) -> ConnectError {
    ConnectError::Handshake(error.to_string())
}
