//! An encrypted stream whose frames are short.
//!
//! What is encrypted together is readable only once all of it has arrived. Noise seals whatever
//! was written since the last flush, up to 64 KiB: most of a second on a slow path. So this
//! flushes as soon as so many bytes were written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// The stream.
#[derive(Debug)]
pub(super) struct Short<S> {
    stream: S,
    most_bytes: usize,
    /// Bytes that were written and not flushed.
    open_bytes: usize,
}

impl<S> Short<S> {
    pub(super) fn new(stream: S, most_bytes: usize) -> Self {
        Self { stream, most_bytes, open_bytes: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Short<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Short<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.open_bytes >= self.most_bytes {
            ready!(self.as_mut().poll_flush(cx))?;
        }
        let fits = buf.len().min(self.most_bytes - self.open_bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &buf[..fits]))?;
        self.open_bytes = self.open_bytes.saturating_add(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.open_bytes = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncWriteExt, FutureExt};

    use super::*;

    /// Keeps what was written between two flushes apart, as a cipher would.
    #[derive(Default)]
    struct Frames(Vec<Vec<u8>>, Vec<u8>);

    impl AsyncWrite for Frames {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.1.extend_from_slice(buf);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            let frame = std::mem::take(&mut self.1);
            if !frame.is_empty() {
                self.0.push(frame);
            }
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_flush(cx)
        }
    }

    fn written(most_bytes: usize, writes: &[usize]) -> Vec<usize> {
        let mut short = Short::new(Frames::default(), most_bytes);
        for bytes in writes {
            short.write_all(&vec![7; *bytes]).now_or_never().expect("it never waits").expect("ok");
        }
        short.flush().now_or_never().expect("it never waits").expect("ok");
        short.stream.0.iter().map(Vec::len).collect()
    }

    #[test]
    fn no_frame_is_longer_than_told_and_small_writes_share_one() {
        assert_eq!(written(1000, &[2500]), [1000, 1000, 500]);
        assert_eq!(written(1000, &[300, 300, 300, 300]), [1000, 200]);
        assert_eq!(written(usize::MAX, &[100_000, 100_000]), [200_000]);
    }
}
