//! A multiplexer that closes in time.
//!
//! Closing yamux writes a last frame. On a dead path the socket's buffer may be full, and the
//! swarm would wait for `TCP_USER_TIMEOUT` before it tells that the connection is closed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use tokio::time::{Sleep, sleep};

/// How long closing may take: a few round trips; then the peer has to notice by itself.
const CLOSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Prompt<M> {
    inner: M,
    within: Duration,
    limit: Option<Pin<Box<Sleep>>>,
}

impl<M> Prompt<M> {
    pub(super) fn new(inner: M) -> Self {
        Self { inner, within: CLOSE_MAX, limit: None }
    }
}

impl<M> StreamMuxer for Prompt<M>
where
    M: StreamMuxer + Unpin,
    M::Error: Into<io::Error>,
{
    type Substream = M::Substream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        Pin::new(&mut self.inner).poll_inbound(cx).map_err(Into::into)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        Pin::new(&mut self.inner).poll_outbound(cx).map_err(Into::into)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(closed) = Pin::new(&mut self.inner).poll_close(cx) {
            return Poll::Ready(closed.map_err(Into::into));
        }
        let within = self.within;
        self.limit.get_or_insert_with(|| Box::pin(sleep(within))).as_mut().poll(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx).map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt};

    use super::*;

    /// A multiplexer over a path that is dead.
    struct Dead;

    impl StreamMuxer for Dead {
        type Substream = futures::io::Cursor<Vec<u8>>;
        type Error = io::Error;

        fn poll_inbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_dead_path_does_not_hold_up_closing() {
        let within = Duration::from_millis(1);
        let mut muxer = StreamMuxerBox::new(Prompt { inner: Dead, within, limit: None });
        poll_fn(|cx| muxer.poll_close_unpin(cx)).await.unwrap();
    }
}
