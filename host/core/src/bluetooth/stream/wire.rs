//! The bytes of a frame. Numbers are little-endian.
//!
//! | kind | fields after the kind (1 byte) and the tag (2 bytes) | bytes |
//! | --- | --- | --- |
//! | 1 Open | version 1, flags 1 (1: L2CAP wanted), nonce 8, window 2 | 15 |
//! | 2 Accept | version 1, key 4, first offset 4, window 2, PSM 2 (0: none) | 16 |
//! | 3 Join | nonce 8 | 11 |
//! | 4 Data | offset 4, the rest is bytes | 7 + n |
//! | 5 Data with acknowledgement | next 4, window 2, offset 4, the rest is bytes | 13 + n |
//! | 6 Ack | next 4, window 2 | 9 |
//! | 7 Close | final offset 4 | 7 |
//! | 8 Reset | key 4, code 1 | 8 |
//!
//! The key is the lower half of the opener's nonce, and its first offset. The other half is only
//! ever sent to the side that was opened: a peripheral's values reach every central, and none of
//! them can tell it. Bit 7 of kinds 5 and 6 says that something is missing at `next`. Open and
//! Accept may be longer than here; what follows is for later versions.

use bytes::{BufMut, Bytes, BytesMut};

use super::ResetCode;

/// Version of these frames.
pub(super) const VERSION: u8 = 1;
/// Bytes of a [`Frame::Data`] before its bytes.
pub(super) const DATA_HEADER_BYTES: usize = 7;
/// The same with an acknowledgement.
pub(super) const DATA_ACK_HEADER_BYTES: usize = 13;

const OPEN: u8 = 1;
const ACCEPT: u8 = 2;
const JOIN: u8 = 3;
const DATA: u8 = 4;
const DATA_ACK: u8 = 5;
const ACK: u8 = 6;
const CLOSE: u8 = 7;
const RESET: u8 = 8;
const GAP: u8 = 0x80;
const WANTS_L2CAP: u8 = 1;

/// What travels in one value or packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A central wants a connection.
    Open { version: u8, l2cap: bool, nonce: u64, window: u16 },
    /// The peripheral agrees.
    Accept { version: u8, key: u32, start: u32, window: u16, psm: u16 },
    /// The channel that this comes over belongs to a connection.
    Join { nonce: u64 },
    /// Bytes of the stream. None at all ask for an acknowledgement.
    Data { offset: u32, ack: Option<Ack>, bytes: &'a [u8] },
    /// What was received.
    Ack(Ack),
    /// There are no bytes from this offset on. It takes up one offset itself.
    Close { offset: u32 },
    /// The connection is over.
    Reset { key: u32, code: ResetCode },
}

/// How far the other side has received, and how much more it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    /// Offset of the first byte that it lacks.
    pub(super) next: u32,
    /// Bytes from there on that it has room for.
    pub(super) window: u16,
    /// It has seen later ones.
    pub(super) gap: bool,
}

/// A frame as bytes.
pub(super) fn encode(tag: u16, frame: &Frame<'_>) -> Bytes {
    let length = if let Frame::Data { bytes, .. } = frame { bytes.len() } else { 0 };
    let mut out = BytesMut::with_capacity(DATA_ACK_HEADER_BYTES + 3 + length);
    out.put_u8(kind(frame));
    out.put_u16_le(tag);
    match *frame {
        Frame::Open { version, l2cap, nonce, window } => {
            out.put_u8(version);
            out.put_u8(if l2cap { WANTS_L2CAP } else { 0 });
            out.put_u64_le(nonce);
            out.put_u16_le(window);
        }
        Frame::Accept { version, key, start, window, psm } => {
            out.put_u8(version);
            out.put_u32_le(key);
            out.put_u32_le(start);
            out.put_u16_le(window);
            out.put_u16_le(psm);
        }
        Frame::Join { nonce } => out.put_u64_le(nonce),
        Frame::Data { offset, ack, bytes } => {
            if let Some(ack) = ack {
                put_ack(&mut out, ack);
            }
            out.put_u32_le(offset);
            out.put_slice(bytes);
        }
        Frame::Ack(ack) => put_ack(&mut out, ack),
        Frame::Close { offset } => out.put_u32_le(offset),
        Frame::Reset { key, code } => {
            out.put_u32_le(key);
            out.put_u8(code.to_byte());
        }
    }
    out.freeze()
}

fn kind(frame: &Frame<'_>) -> u8 {
    let gap = |ack: Ack| if ack.gap { GAP } else { 0 };
    match *frame {
        Frame::Open { .. } => OPEN,
        Frame::Accept { .. } => ACCEPT,
        Frame::Join { .. } => JOIN,
        Frame::Data { ack: None, .. } => DATA,
        Frame::Data { ack: Some(ack), .. } => DATA_ACK | gap(ack),
        Frame::Ack(ack) => ACK | gap(ack),
        Frame::Close { .. } => CLOSE,
        Frame::Reset { .. } => RESET,
    }
}

fn put_ack(out: &mut BytesMut, ack: Ack) {
    out.put_u32_le(ack.next);
    out.put_u16_le(ack.window);
}

/// The tag and the frame that these bytes are, if they are one.
pub(super) fn decode(bytes: &[u8]) -> Option<(u16, Frame<'_>)> {
    let mut fields = Fields(bytes);
    let [kind] = fields.take()?;
    let tag = fields.u16()?;
    let gap = kind & GAP != 0;
    let open_ended = matches!(kind, OPEN | ACCEPT);
    let frame = match kind {
        OPEN => fields.open()?,
        ACCEPT => fields.accept()?,
        JOIN => Frame::Join { nonce: fields.u64()? },
        DATA => Frame::Data { offset: fields.u32()?, ack: None, bytes: fields.rest() },
        _ if kind & !GAP == DATA_ACK => {
            let ack = Some(fields.ack(gap)?);
            Frame::Data { offset: fields.u32()?, ack, bytes: fields.rest() }
        }
        _ if kind & !GAP == ACK => Frame::Ack(fields.ack(gap)?),
        CLOSE => Frame::Close { offset: fields.u32()? },
        RESET => Frame::Reset { key: fields.u32()?, code: ResetCode::from_byte(fields.u8()?) },
        _ => return None,
    };
    (open_ended || fields.0.is_empty()).then_some((tag, frame))
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn open(&mut self) -> Option<Frame<'a>> {
        let (version, flags) = (self.u8()?, self.u8()?);
        let l2cap = flags & WANTS_L2CAP != 0;
        Some(Frame::Open { version, l2cap, nonce: self.u64()?, window: self.u16()? })
    }

    fn accept(&mut self) -> Option<Frame<'a>> {
        let (version, key, start) = (self.u8()?, self.u32()?, self.u32()?);
        Some(Frame::Accept { version, key, start, window: self.u16()?, psm: self.u16()? })
    }

    fn ack(&mut self, gap: bool) -> Option<Ack> {
        Some(Ack { next: self.u32()?, window: self.u16()?, gap })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACKED: Ack = Ack { next: 0x0403_0201, window: 0x0605, gap: false };

    fn frames() -> Vec<(Frame<'static>, Vec<u8>)> {
        let gap = Ack { gap: true, ..ACKED };
        let open = Frame::Open { version: 1, l2cap: true, nonce: 0x0807_0605_0403_0201, window: 9 };
        let accept = Frame::Accept { version: 1, key: 0x0403_0201, start: 5, window: 9, psm: 0x80 };
        let data = |offset, ack| Frame::Data { offset, ack, bytes: b"xy" };
        vec![
            (open, vec![1, 7, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]),
            (accept, vec![2, 7, 0, 1, 1, 2, 3, 4, 5, 0, 0, 0, 9, 0, 0x80, 0]),
            (Frame::Join { nonce: 1 }, vec![3, 7, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
            (data(9, None), vec![4, 7, 0, 9, 0, 0, 0, b'x', b'y']),
            (data(9, Some(ACKED)), vec![5, 7, 0, 1, 2, 3, 4, 5, 6, 9, 0, 0, 0, b'x', b'y']),
            (data(9, Some(gap)), vec![0x85, 7, 0, 1, 2, 3, 4, 5, 6, 9, 0, 0, 0, b'x', b'y']),
            (Frame::Ack(ACKED), vec![6, 7, 0, 1, 2, 3, 4, 5, 6]),
            (Frame::Ack(gap), vec![0x86, 7, 0, 1, 2, 3, 4, 5, 6]),
            (Frame::Close { offset: 9 }, vec![7, 7, 0, 9, 0, 0, 0]),
            (Frame::Reset { key: 9, code: ResetCode::Busy }, vec![8, 7, 0, 9, 0, 0, 0, 2]),
        ]
    }

    #[test]
    fn every_frame_has_the_bytes_that_version_1_means_by_it() {
        for (frame, bytes) in frames() {
            assert_eq!(encode(7, &frame), bytes, "{frame:?}");
            assert_eq!(decode(&bytes), Some((7, frame)));
        }
    }

    #[test]
    fn a_frame_cut_short_or_lengthened_is_none_or_has_other_bytes() {
        for (frame, bytes) in frames() {
            for length in 0..bytes.len() {
                let cut = decode(&bytes[..length]);
                assert!(cut.is_none_or(|(tag, cut)| encode(tag, &cut) == bytes[..length]));
            }
            let longer = [&bytes[..], &[1]].concat();
            let expected = matches!(frame, Frame::Open { .. } | Frame::Accept { .. });
            assert_eq!(decode(&longer) == Some((7, frame)), expected, "{frame:?}");
        }
    }

    #[test]
    fn the_handshake_fits_the_smallest_value() {
        for (frame, bytes) in frames() {
            assert!(bytes.len() <= crate::limits::RADIO_VALUE_BYTES_MIN, "{frame:?}");
        }
    }
}
