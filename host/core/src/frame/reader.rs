//! Frames out of a stream of bytes.

use super::{Frame, FrameError};
use bytes::BytesMut;

/// Cuts a channel's bytes into frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
}

impl FrameReader {
    /// Where the next bytes of the channel go.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame, if there is one. After an error the channel is of no use.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        Ok(None)
    }
}
