//! The bytes of one connection, as whoever uses them sees it.
//!
//! The stream itself is between the [`Channel`] and the task that drives it, under a lock that
//! neither holds for longer than it takes to move some bytes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use pointsman_core::bluetooth::stream::{Carrier, Reason, State, Stream};
use pointsman_core::id::Time;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A byte stream over one connection of the radio. Closing it lets what was written arrive;
/// dropping it unclosed ends the connection at once.
#[derive(Debug)]
pub struct Channel {
    shared: Arc<Shared>,
}

/// A look at a channel that keeps nothing alive. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gauge {
    shared: Weak<Shared>,
}

/// What a gauge reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What carries the bytes now.
    pub carrier: Carrier,
    /// The longest value that goes out over it now, in bytes.
    pub value_bytes: usize,
    /// The smoothed round-trip time, once it was measured.
    pub srtt: Option<Duration>,
    /// Bytes that may be under way at once.
    pub window_bytes: usize,
    /// Bytes that were written and are not acknowledged.
    pub queued_bytes: usize,
    /// Frames that were sent again.
    pub retransmissions: u64,
}

/// What a channel shares with its driver.
#[derive(Debug)]
pub(crate) struct Shared {
    epoch: Instant,
    inner: Mutex<Inner>,
    /// Tells the driver that the channel did something.
    pub(crate) touched: Notify,
}

/// The stream, and who waits for it.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) stream: Stream,
    /// What the channel did to it.
    pub(crate) left: Left,
    /// The driver died: nothing will ever happen to the stream again.
    dead: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// How far a channel has been left by its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Left {
    /// It is used.
    No,
    /// It was closed, and will take no more bytes.
    Closed,
    /// It was dropped.
    Dropped,
}

impl Shared {
    /// A stream made at the time it is given.
    pub(crate) fn new(make: impl FnOnce(Time) -> Stream) -> Arc<Self> {
        let inner = Inner {
            stream: make(Time(0)),
            left: Left::No,
            dead: false,
            reader: None,
            writer: None,
        };
        let (inner, touched) = (Mutex::new(inner), Notify::new());
        Arc::new(Self { epoch: Instant::now(), inner, touched })
    }

    /// The time as the stream counts it.
    pub(crate) fn now(&self) -> Time {
        let us = self.epoch.elapsed().as_micros();
        Time(u64::try_from(us).unwrap_or(u64::MAX))
    }

    /// When it will be that time.
    pub(crate) fn at(&self, time: Time) -> Instant {
        self.epoch + Duration::from_micros(time.0)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Wakes whoever can go on.
    pub(crate) fn wake(&mut self) {
        let over = self.error().is_some() || self.stream.state() == State::Closed;
        if (over || self.stream.readable() > 0 || self.stream.is_ended())
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
        let can_write = match self.left {
            Left::No => self.stream.is_writable(),
            Left::Closed | Left::Dropped => self.is_delivered(),
        };
        if (over || can_write)
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
    }

    /// Whether all that was written has arrived.
    fn is_delivered(&self) -> bool {
        self.stream.stats().queued_bytes == 0
    }

    /// Nobody drives the stream any more, whatever state it was left in.
    pub(crate) fn abandon(&mut self) {
        self.dead = true;
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    fn error(&self) -> Option<io::Error> {
        if self.dead {
            return Some(io::Error::new(io::ErrorKind::ConnectionReset, "its driver died"));
        }
        let State::Broken(reason) = self.stream.state() else { return None };
        let kind = match reason {
            Reason::TimedOut | Reason::Stalled => io::ErrorKind::TimedOut,
            Reason::Lost => io::ErrorKind::ConnectionReset,
            Reason::Reset(_) | Reason::Overrun | Reason::Aborted => {
                io::ErrorKind::ConnectionAborted
            }
        };
        Some(io::Error::new(kind, describe(reason)))
    }
}

/// Why a stream broke, in words.
pub(crate) fn describe(reason: Reason) -> String {
    match reason {
        Reason::TimedOut => "the other side did not answer in time".to_owned(),
        Reason::Stalled => "the other side acknowledges nothing any more".to_owned(),
        Reason::Lost => "the Bluetooth connection was lost".to_owned(),
        Reason::Overrun => "the other side sent more than it was allowed to".to_owned(),
        Reason::Reset(code) => format!("the other side ended it: {code:?}"),
        Reason::Aborted => "it was given up here".to_owned(),
    }
}

impl Channel {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// A look at this channel that keeps nothing alive.
    pub fn gauge(&self) -> Gauge {
        Gauge { shared: Arc::downgrade(&self.shared) }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        if inner.left == Left::No {
            let now = self.shared.now();
            inner.stream.abort(now);
        }
        inner.left = Left::Dropped;
        self.shared.touched.notify_one();
    }
}

impl Gauge {
    /// What the channel is like now; nothing once it has ended.
    pub fn read(&self) -> Option<Reading> {
        let shared = self.shared.upgrade()?;
        let inner = shared.lock();
        if inner.dead || inner.stream.state() != State::Open {
            return None;
        }
        let stats = inner.stream.stats();
        Some(Reading {
            carrier: stats.carrier?,
            value_bytes: stats.value_bytes,
            srtt: stats.srtt_us.map(Duration::from_micros),
            window_bytes: stats.window_bytes,
            queued_bytes: stats.queued_bytes,
            retransmissions: stats.retransmissions,
        })
    }

    /// Whether the channel still carries bytes.
    pub fn is_alive(&self) -> bool {
        self.read().is_some()
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        let n = inner.stream.read(now, out);
        if n > 0 {
            // What was read makes room, which the other side is to hear of.
            self.shared.touched.notify_one();
            return Poll::Ready(Ok(n));
        }
        if inner.stream.is_ended() || inner.stream.state() == State::Closed {
            return Poll::Ready(Ok(0));
        }
        if let Some(error) = inner.error() {
            return Poll::Ready(Err(error));
        }
        inner.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        if let Some(error) = inner.error() {
            return Poll::Ready(Err(error));
        }
        if inner.left != Left::No || inner.stream.state() == State::Closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = inner.stream.write(now, bytes);
        if n > 0 {
            self.shared.touched.notify_one();
            return Poll::Ready(Ok(n));
        }
        inner.writer = Some(context.waker().clone());
        Poll::Pending
    }

    /// What was written goes out by itself; there is nothing to push.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.shared.lock().error() {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Says that nothing more will be written, and waits until all that was has arrived.
    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        if inner.left == Left::No {
            inner.left = Left::Closed;
            inner.stream.finish(now);
            self.shared.touched.notify_one();
        }
        if let Some(error) = inner.error() {
            return Poll::Ready(Err(error));
        }
        if inner.stream.state() == State::Closed || inner.is_delivered() {
            return Poll::Ready(Ok(()));
        }
        inner.writer = Some(context.waker().clone());
        Poll::Pending
    }
}
