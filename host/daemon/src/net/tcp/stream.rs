//! A TCP socket that waits while its uplink is cut.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::net::cut::{Cut, Waiting};

/// What was sent may stay unacknowledged for so long; then the connection is broken
/// (`TCP_USER_TIMEOUT`). The Node notices far earlier; this only cleans up, where the kernel
/// alone would take 15 minutes.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);

/// A silent connection is probed after this, and so often.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The socket takes more only while less than this is not sent yet, in bytes
/// (`TCP_NOTSENT_LOWAT`): what is in the kernel can no longer go another way.
const NOT_SENT_BYTES: u32 = 128 << 10;

/// Sets what every connection has.
pub(super) fn tune(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE))
}

/// The stream. The `Arc` has one owner, this; a link's handle has a weak one.
#[derive(Debug)]
pub(super) struct CutStream {
    socket: Arc<TcpStream>,
    cut: Arc<Cut>,
    place: Arc<Waiting>,
}

impl CutStream {
    pub(super) fn new(socket: Arc<TcpStream>, cut: Arc<Cut>) -> Self {
        let place = cut.wait();
        Self { socket, cut, place }
    }
}

impl Drop for CutStream {
    fn drop(&mut self) {
        if self.cut.outbound() {
            self.cut.keep(Arc::clone(&self.socket));
        }
    }
}

impl AsyncRead for CutStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            ready!(self.cut.poll_inbound(&self.place, cx));
            match self.socket.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            ready!(self.cut.poll_outbound(&self.place, cx));
            match self.socket.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// The kernel sends what was written without being asked.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.cut.poll_outbound(&self.place, cx));
        match SockRef::from(&*self.socket).shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            closed => Poll::Ready(closed),
        }
    }
}
