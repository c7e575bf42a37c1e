//! A radio's channel that waits while its uplink is cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use pointsman_radio::Channel;

use crate::net::cut::{Cut, Waiting};

/// The channel.
#[derive(Debug)]
pub(super) struct CutChannel {
    channel: Channel,
    cut: Arc<Cut>,
    place: Arc<Waiting>,
}

impl CutChannel {
    pub(super) fn new(channel: Channel, cut: Arc<Cut>) -> Self {
        let place = cut.wait();
        Self { channel, cut, place }
    }
}

impl AsyncRead for CutChannel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.cut.poll_inbound(&self.place, cx));
        Pin::new(&mut self.channel).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutChannel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.cut.poll_outbound(&self.place, cx));
        Pin::new(&mut self.channel).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.cut.poll_outbound(&self.place, cx));
        Pin::new(&mut self.channel).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.cut.poll_outbound(&self.place, cx));
        Pin::new(&mut self.channel).poll_close(cx)
    }
}
