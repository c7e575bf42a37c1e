//! The datagrams of a QUIC link: frames of the realtime channel that are not retransmitted.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use pointsman_core::frame::{self, Frame};

/// Both directions of a connection's datagrams.
pub(super) struct Datagrams {
    connection: quinn::Connection,
    incoming: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    scratch: BytesMut,
}

impl Datagrams {
    pub(super) fn new(connection: quinn::Connection) -> Self {
        let incoming = futures::stream::unfold(connection.clone(), |connection| async move {
            let datagram = connection.read_datagram().await.ok()?;
            Some((datagram, connection))
        });
        Self { connection, incoming: Box::pin(incoming), scratch: BytesMut::new() }
    }

    /// Sends a frame as a datagram, if it fits into one and none has to be dropped for it.
    /// Never waits.
    pub(super) fn send(&mut self, frame: &Frame) -> bool {
        let Some(most) = self.connection.max_datagram_size() else { return false };
        self.scratch.clear();
        frame::encode(frame, &mut self.scratch);
        let bytes = self.scratch.len();
        bytes <= most
            && bytes <= self.connection.datagram_send_buffer_space()
            && self.connection.send_datagram(self.scratch.split().freeze()).is_ok()
    }

    /// The next datagram that arrived, until the connection is gone.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.incoming.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").finish_non_exhaustive()
    }
}
