//! Frames out of a channel's bytes, in any portions and from anybody.

use bytes::{BufMut, Bytes, BytesMut};
use pointsman_core::frame::{Data, Frame, FrameError, FrameReader, encode_framed};
use pointsman_core::limits::{FRAME_BYTES_MAX, PIECE_BYTES_MAX};

use super::{data, golden};

pub(crate) fn stream(frames: &[Frame]) -> BytesMut {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| encode_framed(frame, &mut out));
    out
}

pub(crate) fn drain(reader: &mut FrameReader) -> Vec<Frame> {
    core::iter::from_fn(|| reader.next_frame().expect("good frames")).collect()
}

fn golden_frames() -> Vec<Frame> {
    golden().into_iter().map(|(frame, _)| frame).collect()
}

#[test]
fn frames_arrive_whole_one_byte_at_a_time() {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    for byte in stream(&golden_frames()) {
        reader.buffer().put_u8(byte);
        frames.extend(drain(&mut reader));
    }
    assert_eq!(frames, golden_frames());
}

#[test]
fn hundreds_of_frames_in_one_read_arrive_in_order() {
    let sent: Vec<_> = (1..=900).map(|sequence| Frame::Probe { sequence }).collect();
    let mut reader = FrameReader::default();
    reader.buffer().extend_from_slice(&stream(&sent));
    assert_eq!(drain(&mut reader), sent);
    assert!(reader.buffer().is_empty());
}

#[test]
fn a_length_beyond_the_largest_frame_is_refused_before_anything_is_held() {
    for length in [u32::MAX, FRAME_BYTES_MAX as u32 + 1, 1 << 31] {
        let mut reader = FrameReader::default();
        reader.buffer().put_u32(length);
        assert_eq!(reader.next_frame(), Err(FrameError::TooLong(length)));
        assert!(reader.buffer().capacity() <= 2 << 10);
    }
}

#[test]
fn a_flood_of_zero_lengths_ends_at_the_first() {
    let mut reader = FrameReader::default();
    reader.buffer().extend_from_slice(&[0; 4000]);
    assert_eq!(reader.next_frame(), Err(FrameError::Empty));
    assert!(reader.buffer().is_empty());
}

#[test]
fn the_first_error_is_repeated_whatever_comes_behind_it() {
    let mut reader = FrameReader::default();
    reader.buffer().extend_from_slice(&[0, 0, 0, 1, 63]);
    assert_eq!(reader.next_frame(), Err(FrameError::UnknownKind(63)));
    reader.buffer().extend_from_slice(&stream(&golden_frames()));
    assert_eq!(reader.next_frame(), Err(FrameError::UnknownKind(63)));
}

#[test]
fn the_buffer_stays_bounded_while_megabytes_pass_and_pieces_are_kept() {
    let frame = Frame::Data(Data {
        length: PIECE_BYTES_MAX as u32,
        offset: 0,
        piece: Bytes::from_static(&[7; PIECE_BYTES_MAX]),
        ..data(b"")
    });
    let stream = stream(&vec![frame.clone(); 500]);
    let (mut reader, mut kept, mut rest) = (FrameReader::default(), Vec::new(), &stream[..]);
    while !rest.is_empty() {
        let buffer = reader.buffer();
        let room = buffer.capacity() - buffer.len();
        assert!(room > 0 && buffer.capacity() <= 192 << 10, "{}", buffer.capacity());
        let (read, left) = rest.split_at(room.min(rest.len()));
        buffer.extend_from_slice(read);
        rest = left;
        kept.extend(drain(&mut reader));
    }
    assert_eq!(kept.len(), 500);
    assert!(kept.iter().all(|kept| *kept == frame));
}

#[test]
fn an_idle_channel_holds_a_kibibyte() {
    let mut reader = FrameReader::default();
    assert!(reader.buffer().capacity() <= 1 << 10);
    for sequence in 1..1000 {
        encode_framed(&Frame::Probe { sequence }, reader.buffer());
        assert_eq!(drain(&mut reader), [Frame::Probe { sequence }]);
    }
    assert!(reader.buffer().capacity() <= 1 << 10);
}
