//! The wire: frames to bytes and back, hostile bytes, and bytes that come in any portions.

mod chance;
mod reader;

use bytes::{Bytes, BytesMut};
use pointsman_core::frame::{
    Ack, ByeCode, DATA_HEADER_BYTES_MAX, Data, Frame, FrameError, Hello, Word, decode, encode,
    encode_framed,
};
use pointsman_core::id::PeerId;
use pointsman_core::limits::{
    ACK_RANGES_MAX, FRAME_BYTES_MAX, FRAME_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, NUMBER_MAX,
    PIECE_BYTES_MAX, WORDS_PER_FRAME_MAX,
};
use pointsman_sdk::selector::Class;

fn bytes_of(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    encode(frame, &mut out);
    out.freeze()
}

fn decoded(bytes: &[u8]) -> Result<Frame, FrameError> {
    decode(Bytes::copy_from_slice(bytes))
}

fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 2,
        features: 0x81,
        network: "bitcraps".into(),
        session: u64::MAX,
        link: 300,
        dial: 7,
        uplink: "wlan0".into(),
        uplink_flags: 1,
    }
}

/// The last piece of a message of two.
fn data(piece: &'static [u8]) -> Data {
    Data {
        sequence: 300,
        class: Class::Bulk,
        ordered: true,
        message: 5,
        floor: 3,
        position: 200,
        length: (PIECE_BYTES_MAX + piece.len()) as u32,
        offset: PIECE_BYTES_MAX as u32,
        piece: Bytes::from_static(piece),
    }
}

fn ack() -> Ack {
    Ack { link: 9, delay_us: 200, ranges: vec![(900, 1000), (10, 898), (1, 1)] }
}

/// About the peer of this number, which stands so.
fn word(n: u8, linked: bool, score: Option<i32>) -> Word {
    Word { about: PeerId([n; 32]), linked, score }
}

/// One frame of each kind, and the bytes that version 1 means by it.
fn golden() -> Vec<(Frame, Vec<u8>)> {
    let mut hello_bytes = vec![1, 1, 2, 0x81, 0x01, 8];
    hello_bytes.extend_from_slice(b"bitcraps");
    hello_bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    hello_bytes.extend_from_slice(&[0xac, 0x02, 7, 5]);
    hello_bytes.extend_from_slice(b"wlan0\x01");
    let mut data_bytes = vec![2, 0xac, 0x02, 0b110, 5, 2, 0xc8, 0x01];
    data_bytes.extend_from_slice(&[0x83, 0x80, 0x01, 0x80, 0x80, 0x01, b'a', b'b', b'c']);
    let words = vec![word(1, true, None), word(2, true, Some(-1000)), word(3, false, Some(1000))];
    let mut words_bytes = vec![64, 3];
    words_bytes.extend_from_slice(&[1; 32]);
    words_bytes.push(0b01);
    words_bytes.extend_from_slice(&[2; 32]);
    words_bytes.extend_from_slice(&[0b11, 0]);
    words_bytes.extend_from_slice(&[3; 32]);
    words_bytes.extend_from_slice(&[0b10, 0xd0, 0x0f]);
    vec![
        (Frame::Hello(hello()), hello_bytes),
        (Frame::Data(data(b"abc")), data_bytes),
        (Frame::Ack(ack()), vec![3, 9, 0xc8, 0x01, 3, 0xe8, 0x07, 100, 0, 0xf8, 0x06, 7, 0]),
        (Frame::Probe { sequence: 128 }, vec![4, 0x80, 0x01]),
        (Frame::Credit { class: Class::Interactive, bytes: 1 << 20 }, vec![5, 1, 0x80, 0x80, 0x40]),
        (Frame::Bye(ByeCode::Network), vec![6, 6]),
        (Frame::Floor { class: Class::Bulk, message: 300 }, vec![7, 2, 0xac, 0x02]),
        (Frame::Hearsay(words), words_bytes),
        (Frame::Unknown(65), vec![65]),
    ]
}

#[test]
fn the_bytes_of_every_kind_are_those_of_version_1() {
    for (frame, bytes) in golden() {
        assert_eq!(bytes_of(&frame), bytes, "{frame:?}");
        assert_eq!(decoded(&bytes), Ok(frame));
    }
}

#[test]
fn the_length_before_a_frame_is_big_endian() {
    let mut out = BytesMut::from(&b"before"[..]);
    encode_framed(&Frame::Bye(ByeCode::Done), &mut out);
    assert_eq!(&out[..], b"before\0\0\0\x02\x06\0");
}

#[test]
fn a_frame_cut_anywhere_is_refused_where_its_end_is_not_the_pieces() {
    for (frame, bytes) in golden().into_iter().filter(|(frame, _)| !matches!(frame, Frame::Data(_)))
    {
        for end in 0..bytes.len() {
            let expected = if end == 0 { FrameError::Empty } else { FrameError::Truncated };
            assert_eq!(decoded(&bytes[..end]), Err(expected), "{frame:?} cut at {end}");
        }
    }
}

#[test]
fn a_data_frame_cut_in_its_header_or_its_piece_is_refused() {
    let bytes = bytes_of(&Frame::Data(data(b"abc")));
    let header = bytes.len() - 3;
    for end in 1..header {
        assert_eq!(decoded(&bytes[..end]), Err(FrameError::Truncated), "cut at {end}");
    }
    assert_eq!(decoded(&bytes[..header]), Err(FrameError::BadField("piece")));
    for end in header + 1..bytes.len() {
        assert_eq!(decoded(&bytes[..end]), Err(FrameError::BadField("offset")), "cut at {end}");
    }
}

#[test]
fn bytes_behind_the_last_field_are_refused_except_in_a_hello() {
    for (frame, mut bytes) in golden() {
        bytes.push(0);
        let read = decoded(&bytes);
        match &frame {
            Frame::Hello(_) | Frame::Unknown(_) => assert_eq!(read, Ok(frame)),
            Frame::Data(_) => assert_eq!(read, Err(FrameError::BadField("offset"))),
            Frame::Ack(_)
            | Frame::Probe { .. }
            | Frame::Credit { .. }
            | Frame::Bye(_)
            | Frame::Floor { .. }
            | Frame::Hearsay(_) => {
                assert_eq!(read, Err(FrameError::Trailing), "{frame:?}");
            }
        }
    }
}

#[test]
fn kinds_below_64_must_be_known_and_those_above_are_skipped() {
    for kind in 0..=u8::MAX {
        let read = decoded(&[kind, 0xff, 0xff]);
        match kind {
            65.. => assert_eq!(read, Ok(Frame::Unknown(kind))),
            1..=7 | 64 => assert!(read.is_err()),
            0 | 8..64 => assert_eq!(read, Err(FrameError::UnknownKind(kind))),
        }
    }
}

#[test]
fn a_data_frame_outside_its_bounds_names_the_field() {
    let (max, grid) = (MESSAGE_BYTES_MAX as u32, PIECE_BYTES_MAX as u32);
    let cases = [
        ("sequence", Data { sequence: 0, ..data(b"a") }),
        ("sequence", Data { sequence: 1 << 62, ..data(b"a") }),
        ("message", Data { message: 1 << 62, ..data(b"a") }),
        ("position", Data { position: 1 << 62, ..data(b"a") }),
        ("message", Data { message: 0, floor: 0, ..data(b"a") }),
        ("floor", Data { floor: 6, ..data(b"a") }),
        ("floor", Data { floor: u64::MAX, ..data(b"a") }),
        ("length", Data { length: max + 1, ..data(b"a") }),
        ("piece", data(b"")),
        ("piece", data(&[7; PIECE_BYTES_MAX + 1])),
        ("offset", Data { offset: 2 * grid, ..data(b"a") }),
        ("offset", Data { length: grid, ..data(b"a") }),
        ("offset", Data { offset: u32::MAX, length: max, ..data(b"a") }),
        ("offset", Data { length: 0, offset: 0, ..data(b"a") }),
    ];
    for (field, data) in cases {
        assert_eq!(decode(bytes_of(&Frame::Data(data))), Err(FrameError::BadField(field)));
    }
    for flags in [0b011, 0b111, 0b1000, 0x80] {
        let mut bytes = bytes_of(&Frame::Data(data(b"a"))).to_vec();
        bytes[3] = flags;
        assert_eq!(decoded(&bytes), Err(FrameError::BadField("flags")), "{flags:b}");
    }
}

#[test]
fn a_piece_off_the_grid_or_of_another_size_than_its_place_has_is_refused() {
    let grid = PIECE_BYTES_MAX as u32;
    let cases = [
        ("between two places", Data { offset: 1, length: 2, ..data(b"a") }),
        ("before a place", Data { offset: grid - 1, length: grid, ..data(b"a") }),
        ("behind a place", Data { offset: grid + 1, length: grid + 2, ..data(b"a") }),
        ("short at the end", Data { length: grid + 2, ..data(b"a") }),
        ("short in the middle", Data { length: 3 * grid, ..data(&[7; PIECE_BYTES_MAX - 1]) }),
        ("short in a small message", Data { offset: 0, length: 2, ..data(b"a") }),
        ("beyond the end", Data { length: grid + 1, ..data(b"ab") }),
    ];
    for (place, data) in cases {
        let read = decode(bytes_of(&Frame::Data(data)));
        assert_eq!(read, Err(FrameError::BadField("offset")), "{place}");
    }
    for whole in [data(b"a"), Data { offset: 0, length: 1, ..data(b"a") }] {
        assert_eq!(decode(bytes_of(&Frame::Data(whole.clone()))), Ok(Frame::Data(whole)));
    }
}

#[test]
fn a_data_frame_at_its_bounds_is_taken_and_fits() {
    let length = MESSAGE_BYTES_MAX as u32;
    let largest = Frame::Data(Data {
        sequence: NUMBER_MAX,
        message: NUMBER_MAX,
        floor: 0,
        position: NUMBER_MAX,
        length,
        offset: length - PIECE_BYTES_MAX as u32,
        piece: Bytes::from_static(&[7; PIECE_BYTES_MAX]),
        ..data(b"")
    });
    let bytes = bytes_of(&largest);
    assert!(bytes.len() <= DATA_HEADER_BYTES_MAX + PIECE_BYTES_MAX);
    assert!(bytes.len() <= FRAME_BYTES_MAX);
    assert_eq!(decode(bytes), Ok(largest));
}

#[test]
fn the_piece_is_a_slice_of_the_bytes_that_were_read() {
    let bytes = bytes_of(&Frame::Data(data(b"abc")));
    let place = bytes[bytes.len() - 3..].as_ptr();
    let Ok(Frame::Data(data)) = decode(bytes) else { panic!("no data") };
    assert_eq!(data.piece.as_ptr(), place);
}

#[test]
fn ranges_that_touch_overlap_or_run_below_one_are_refused() {
    let bad = [
        vec![],
        vec![(0, 5)],
        vec![(5, 4)],
        vec![(5, 9), (1, 4)],
        vec![(5, 9), (1, 7)],
        vec![(5, 9), (5, 9)],
        vec![(1, 9), (0, 0)],
        vec![(5, 9), (20, 30)],
        vec![(5, 9), (0, 3)],
        vec![(1 << 62, 1 << 62)],
        vec![(1, 1 << 62)],
        vec![(1, u64::MAX)],
    ];
    for ranges in bad {
        let frame = Frame::Ack(Ack { ranges, ..ack() });
        assert_eq!(decode(bytes_of(&frame)), Err(FrameError::BadField("ranges")), "{frame:?}");
    }
}

#[test]
fn an_ack_tells_the_newest_ranges_and_more_than_allowed_are_refused() {
    let ranges: Vec<_> = (0..40).rev().map(|i| (i * 10 + 1, i * 10 + 5)).collect();
    let told = Ack { ranges: ranges[..ACK_RANGES_MAX].to_vec(), ..ack() };
    let frame = Frame::Ack(Ack { ranges, ..ack() });
    assert_eq!(decode(bytes_of(&frame)), Ok(Frame::Ack(told)));

    let mut bytes = vec![3, 9, 0, ACK_RANGES_MAX as u8 + 1];
    bytes.extend_from_slice(&[0xff, 0xff, 0x03, 0]);
    bytes.extend_from_slice(&[0; 2 * ACK_RANGES_MAX]);
    assert_eq!(decoded(&bytes), Err(FrameError::BadField("ranges")));
}

#[test]
fn an_ack_at_the_edges_of_its_numbers_comes_back() {
    let newest = NUMBER_MAX;
    for ranges in [vec![(newest, newest), (1, 1)], vec![(1, newest)], vec![(4, 4), (1, 2)]] {
        let frame = Frame::Ack(Ack { link: u32::MAX, delay_us: u64::MAX, ranges });
        assert_eq!(decode(bytes_of(&frame)), Ok(frame));
    }
}

#[test]
fn a_hello_outside_its_bounds_names_the_field() {
    let long = "x".repeat(FRAME_TEXT_BYTES_MAX + 1);
    let cases = [
        ("version_min", Hello { version_min: 0, ..hello() }),
        ("version_max", Hello { version_min: 3, ..hello() }),
        ("network", Hello { network: long.clone(), ..hello() }),
        ("uplink", Hello { uplink: long.clone(), ..hello() }),
    ];
    for (field, hello) in cases {
        assert_eq!(decode(bytes_of(&Frame::Hello(hello))), Err(FrameError::BadField(field)));
    }
    let longest = Hello { network: long[1..].into(), uplink: long[1..].into(), ..hello() };
    assert_eq!(decode(bytes_of(&Frame::Hello(longest.clone()))), Ok(Frame::Hello(longest)));

    let mut bytes = bytes_of(&Frame::Hello(hello())).to_vec();
    bytes[6] = 0xff;
    assert_eq!(decoded(&bytes), Err(FrameError::BadField("network")));
    let wide = [1, 0x80, 0x80, 0x04];
    assert_eq!(decoded(&wide), Err(FrameError::BadField("version_min")));
}

#[test]
fn hearsay_outside_its_bounds_names_the_field() {
    let cases = [
        ("words", vec![]),
        ("words", vec![word(2, true, None), word(1, true, None)]),
        ("words", vec![word(1, true, None), word(1, false, Some(3))]),
        ("score", vec![word(1, true, Some(1001))]),
        ("score", vec![word(1, true, Some(-1001))]),
        ("score", vec![word(1, true, Some(i32::MIN))]),
        ("score", vec![word(1, true, Some(i32::MAX))]),
    ];
    for (field, words) in cases {
        let frame = Frame::Hearsay(words);
        assert_eq!(decode(bytes_of(&frame)), Err(FrameError::BadField(field)), "{frame:?}");
    }
    for flags in [0b100, 0x80, 0xff] {
        let mut bytes = bytes_of(&Frame::Hearsay(vec![word(1, true, None)])).to_vec();
        bytes[34] = flags;
        assert_eq!(decoded(&bytes), Err(FrameError::BadField("flags")), "{flags:b}");
    }
}

#[test]
fn hearsay_has_so_many_words_and_no_more() {
    let words = |count: usize| (1..=count as u8).map(|n| word(n, true, Some(1000))).collect();
    let whole = Frame::Hearsay(words(WORDS_PER_FRAME_MAX));
    let bytes = bytes_of(&whole);
    assert!(bytes.len() <= 1_200, "{} bytes are small", bytes.len());
    assert_eq!(bytes_of(&Frame::Hearsay(words(WORDS_PER_FRAME_MAX + 1))), bytes);
    let mut more = bytes.to_vec();
    more[1] += 1;
    more.extend_from_slice(&[0xff; 33]);
    assert_eq!(decoded(&more), Err(FrameError::BadField("words")));
    assert_eq!(decode(bytes), Ok(whole));
}

#[test]
fn a_word_that_takes_all_back_is_one() {
    let frame = Frame::Hearsay(vec![word(1, false, None)]);
    assert_eq!(decode(bytes_of(&frame)), Ok(frame));
}

#[test]
fn other_impossible_fields_are_named() {
    assert_eq!(decoded(&[4, 0]), Err(FrameError::BadField("sequence")));
    assert_eq!(decoded(&[4, 0x81, 0]), Err(FrameError::BadField("sequence")));
    assert_eq!(decoded(&[5, 3, 0]), Err(FrameError::BadField("class")));
    assert_eq!(decoded(&[6, 7]), Err(FrameError::BadField("code")));
    assert_eq!(decoded(&[7, 3, 1]), Err(FrameError::BadField("class")));
    assert_eq!(decoded(&[7, 0, 0]), Err(FrameError::BadField("message")));
    assert_eq!(decoded(&[3, 0xff, 0xff, 0xff, 0xff, 0x10]), Err(FrameError::BadField("link")));
}

#[test]
fn numbers_end_below_2_to_the_62() {
    let class = Class::Bulk;
    let frames = |number| {
        [
            ("sequence", Frame::Probe { sequence: number }),
            ("bytes", Frame::Credit { class, bytes: number }),
            ("message", Frame::Floor { class, message: number }),
        ]
    };
    for (_, frame) in frames(NUMBER_MAX) {
        assert_eq!(decode(bytes_of(&frame)), Ok(frame));
    }
    for (field, frame) in frames(1 << 62).into_iter().chain(frames(u64::MAX)) {
        assert_eq!(decode(bytes_of(&frame)), Err(FrameError::BadField(field)), "{frame:?}");
    }
}

#[test]
fn the_numbers_of_bye_codes_are_their_places() {
    for (place, code) in ByeCode::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, place);
    }
}

#[test]
fn a_datagram_longer_than_a_frame_is_refused() {
    let bytes = vec![65; FRAME_BYTES_MAX + 1];
    assert_eq!(decoded(&bytes), Err(FrameError::TooLong(FRAME_BYTES_MAX as u32 + 1)));
    assert_eq!(decoded(&bytes[1..]), Ok(Frame::Unknown(65)));
}
