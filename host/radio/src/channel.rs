//! The bytes of one connection.

use std::io;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};

use crate::Carrier;

/// A byte stream over one connection of the radio. Closing it lets what was written arrive;
/// dropping it ends the connection.
#[derive(Debug)]
pub struct Channel {
    _private: (),
}

/// A look at a channel that keeps nothing alive. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gauge {
    shared: Weak<()>,
}

/// What a gauge reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What carries the bytes now.
    pub carrier: Carrier,
    /// The longest value that it carries, in bytes.
    pub mtu: u16,
    /// The smoothed round-trip time, once it was measured.
    pub srtt: Option<Duration>,
    /// Bytes that were written and are not acknowledged.
    pub queued: usize,
}

impl Channel {
    /// A look at this channel that keeps nothing alive.
    pub fn gauge(&self) -> Gauge {
        Gauge { shared: Weak::new() }
    }
}

impl Gauge {
    /// What the channel is like now; nothing once it has ended.
    pub fn read(&self) -> Option<Reading> {
        self.shared.upgrade().map(|_| unreachable_reading())
    }

    /// Whether the channel still carries bytes.
    pub fn is_alive(&self) -> bool {
        self.read().is_some()
    }
}

fn unreachable_reading() -> Reading {
    Reading { carrier: Carrier::Gatt, mtu: 0, srtt: None, queued: 0 }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
