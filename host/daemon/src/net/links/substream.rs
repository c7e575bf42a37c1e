//! One channel of a link: a libp2p stream with the bytes that wait on either side of it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use futures::io::{AsyncRead, AsyncWrite};
use pointsman_core::frame::{self, Frame, FrameError, FrameReader};
use pointsman_core::limits;

/// Bytes that one read may give.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// Where a read goes first. One per thread instead of one per link: idle links are many.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// One channel's stream: libp2p's, or a test's.
#[derive(Debug)]
pub(super) struct Substream<S> {
    stream: S,
    write_bytes_max: usize,
    out: BytesMut,
    unflushed: bool,
    finished: bool,
    reader: FrameReader,
    ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Substream<S> {
    /// Over a stream that takes no more than `write_bytes_max` at once: what is written together, the
    /// multiplexer sends as one.
    pub(super) fn new(stream: S, write_bytes_max: usize) -> Self {
        Self {
            stream,
            write_bytes_max,
            out: BytesMut::new(),
            unflushed: false,
            finished: false,
            reader: FrameReader::default(),
            ended: false,
        }
    }

    /// How many bytes of frames may be put now.
    pub(super) fn room(&self) -> usize {
        limits::WRITE_BUFFER_BYTES.saturating_sub(self.out.len())
    }

    /// Puts a frame, behind its length, behind what waits to be written.
    pub(super) fn put(&mut self, frame: &Frame) {
        frame::encode_framed(frame, &mut self.out);
    }

    /// Writes what the stream takes at once. `Ok(0)` where nothing waits.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let next = &self.out[..self.out.len().min(self.write_bytes_max)];
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, next))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.out.advance(written);
        self.unflushed = true;
        Poll::Ready(Ok(written))
    }

    /// Has the stream send what it was given.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the writing half once all that was put is written.
    pub(super) fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            ready!(self.poll_write(cx))?;
        }
        if !self.finished {
            ready!(Pin::new(&mut self.stream).poll_close(cx))?;
            self.finished = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what the stream gives at once. `Ok(0)` where the other side has finished.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        let read = READ.with_borrow_mut(|bytes| {
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, bytes))?;
            self.reader.buffer().extend_from_slice(&bytes[..read]);
            Poll::Ready(Ok(read))
        });
        self.ended = matches!(read, Poll::Ready(Ok(0)));
        read
    }

    /// The same, but what was read is dropped.
    pub(super) fn poll_skip(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = self.poll_read(cx);
        self.reader.buffer().clear();
        read
    }

    /// The next frame of what was read.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        self.reader.next_frame()
    }

    /// Whether the other side has finished writing.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }
}
