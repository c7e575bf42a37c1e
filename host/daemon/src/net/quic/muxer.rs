//! A QUIC connection as libp2p sees it: a multiplexer of streams.
//!
//! It owns the connection: when it is dropped, the connection is closed, whoever else holds
//! a handle to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::{self, BoxStream, StreamExt};
use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use quinn::rustls::pki_types::CertificateDer;
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};

use crate::net::failure::ConnectError;

type Opened = Result<(SendStream, RecvStream), ConnectionError>;

pub(super) struct Muxer {
    connection: Connection,
    inbound: BoxStream<'static, Opened>,
    outbound: BoxStream<'static, Opened>,
}

impl Muxer {
    pub(super) fn new(connection: Connection) -> Self {
        let inbound = stream::unfold(connection.clone(), |connection| async move {
            Some((connection.accept_bi().await, connection))
        });
        let outbound = stream::unfold(connection.clone(), |connection| async move {
            Some((connection.open_bi().await, connection))
        });
        Self { connection, inbound: inbound.boxed(), outbound: outbound.boxed() }
    }

    fn close(&self) {
        self.connection.close(VarInt::from_u32(0), b"");
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        self.close();
    }
}

impl StreamMuxer for Muxer {
    type Substream = Substream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Substream>> {
        poll_opened(&mut self.inbound, cx)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Substream>> {
        poll_opened(&mut self.outbound, cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }

    /// quinn drives the connection by itself, and it never migrates.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Poll::Pending
    }
}

fn poll_opened(
    from: &mut BoxStream<'static, Opened>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Substream>> {
    let opened = ready!(from.poll_next_unpin(cx)).unwrap_or(Err(ConnectionError::LocallyClosed));
    let (send, recv) = opened.map_err(io::Error::from)?;
    Poll::Ready(Ok(Substream { send, recv }))
}

/// A stream. Dropping it finishes our half and stops the peer's.
#[derive(Debug)]
pub(super) struct Substream {
    send: SendStream,
    recv: RecvStream,
}

impl AsyncRead for Substream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.recv.poll_read(cx, buf).map_err(io::Error::from)
    }
}

impl AsyncWrite for Substream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write(cx, buf).map_err(io::Error::from)
    }

    /// quinn sends what was written without being asked.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Ends our half. Once it is ended, by us or by the peer, there is nothing more to end.
    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ended_before = self.send.finish();
        Poll::Ready(Ok(()))
    }
}

/// Who is at the other end, as its certificate proved in the handshake.
pub(super) fn peer_of(connection: &Connection) -> Result<PeerId, ConnectError> {
    let wrong = |what: &str| ConnectError::Handshake(what.into());
    let identity = connection.peer_identity().ok_or_else(|| wrong("no certificate"))?;
    let chain = identity
        .downcast::<Vec<CertificateDer<'static>>>()
        .map_err(|_| wrong("no certificate chain"))?;
    let leaf = chain.first().ok_or_else(|| wrong("an empty certificate chain"))?;
    let certificate =
        libp2p::tls::certificate::parse(leaf).map_err(|error| wrong(&error.to_string()))?;
    Ok(certificate.peer_id())
}
