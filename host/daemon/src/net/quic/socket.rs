//! A UDP socket whose datagrams vanish while its uplink is cut.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use crate::net::cut::Cut;

pub(super) struct CutSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    cut: Arc<Cut>,
    dead: AtomicBool,
}

impl CutSocket {
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, cut: Arc<Cut>) -> Self {
        Self { inner, cut, dead: AtomicBool::new(false) }
    }

    /// Whether receiving failed in a way that ends quinn's endpoint.
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }
}

impl AsyncUdpSocket for CutSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.cut.outbound() { Ok(()) } else { self.inner.try_send(transmit) }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let received = ready!(self.inner.poll_recv(cx, bufs, meta));
            if let Err(error) = &received {
                let goes_on = error.kind() == io::ErrorKind::ConnectionReset;
                self.dead.fetch_or(!goes_on, Ordering::Relaxed);
                return Poll::Ready(received);
            }
            if !self.cut.inbound() {
                return Poll::Ready(received);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl fmt::Debug for CutSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CutSocket").field("cut", &self.cut).finish_non_exhaustive()
    }
}
