//! Frames out of a stream of bytes.

use bytes::BytesMut;

use super::codec::{self, LENGTH_BYTES};
use super::{Frame, FrameError};
use crate::limits::FRAME_BYTES_MAX;

/// Least room that is offered for the next bytes: what an idle channel costs.
const ROOM_BYTES_MIN: usize = 1 << 10;

/// Most room that is offered for the next bytes: some frames of the largest size, so that a
/// fast channel needs few reads.
const ROOM_BYTES_MAX: usize = 64 << 10;

/// Cuts a channel's bytes into frames.
///
/// Use it in turns: read into [`FrameReader::buffer`], then call [`FrameReader::next_frame`]
/// until it gives `None`. What it holds between two turns is less than one frame. The room that
/// it offers follows what arrives, between 1 KiB for an idle channel and 64 KiB for a busy one.
///
/// The first error ends the channel: it is repeated for ever, and the bytes are dropped.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    /// Bytes that the frame at the front still lacks, as far as is known.
    missing: usize,
    /// Room to offer.
    room: usize,
    /// Bytes cut off since room was last offered.
    cut: usize,
    failure: Option<FrameError>,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self {
            buffer: BytesMut::new(),
            missing: LENGTH_BYTES,
            room: ROOM_BYTES_MIN,
            cut: 0,
            failure: None,
        }
    }
}

impl FrameReader {
    /// Where the next bytes of the channel go: they are appended. It has room for a good read,
    /// so a read need not reserve any.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.adapt_room();
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare < self.missing.max(self.room / 4) {
            self.buffer.reserve(self.missing.max(self.room));
        }
        &mut self.buffer
    }

    /// The next whole frame, if there is one. Its piece is a slice of the buffer.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let frame = self.cut_frame();
        if let Err(failure) = frame {
            self.failure = Some(failure);
            self.buffer = BytesMut::new();
        }
        frame
    }

    fn cut_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let held = self.buffer.len();
        let Some(prefix) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            self.missing = LENGTH_BYTES - held;
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix);
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length as usize > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(length));
        }
        let whole = LENGTH_BYTES + length as usize;
        if held < whole {
            self.missing = whole - held;
            return Ok(None);
        }
        self.cut += whole;
        let frame = self.buffer.split_to(whole).freeze().split_off(LENGTH_BYTES);
        codec::decode(frame).map(Some)
    }

    /// Doubles the room when a turn filled it, halves it when one used less than a quarter.
    fn adapt_room(&mut self) {
        let cut = core::mem::take(&mut self.cut);
        if cut >= self.room {
            self.room = (self.room * 2).min(ROOM_BYTES_MAX);
        } else if cut > 0 && cut < self.room / 4 {
            self.room = (self.room / 2).max(ROOM_BYTES_MIN);
        }
    }
}
