//! Frames to bytes and back; the layout is told in [`crate::frame`].
//!
//! Encoding a data frame allocates nothing beyond the room that it reserves in the buffer.

use bytes::{BufMut, Bytes, BytesMut};
use pointsman_sdk::reputation::Standing;
use pointsman_sdk::selector::Class;

use super::varint::{self, Cursor};
use super::{Ack, ByeCode, Data, Frame, FrameError, Hello, Word};
use crate::id::PeerId;
use crate::limits::{
    ACK_RANGES_MAX, FRAME_BYTES_MAX, FRAME_TEXT_BYTES_MAX, MESSAGE_BYTES_MAX, NUMBER_MAX,
    PIECE_BYTES_MAX, WORDS_PER_FRAME_MAX,
};

/// Most bytes of a data frame before its piece: what a datagram must have to spare.
pub const DATA_HEADER_BYTES_MAX: usize = 1 + 10 + 1 + 10 + 10 + 10 + 5 + 5;

/// Bytes of the length before a frame.
pub(super) const LENGTH_BYTES: usize = size_of::<u32>();

const HELLO: u8 = 1;
const DATA: u8 = 2;
const ACK: u8 = 3;
const PROBE: u8 = 4;
const CREDIT: u8 = 5;
const BYE: u8 = 6;
const FLOOR: u8 = 7;
/// The first of the kinds that a version skips where it does not know them.
const HEARSAY: u8 = 64;
/// From here on this version knows none.
const SKIPPED_MIN: u8 = HEARSAY + 1;

const CLASS_BITS: u8 = 0b011;
const ORDERED_BIT: u8 = 0b100;

const LINKED_BIT: u8 = 0b01;
const SCORE_BIT: u8 = 0b10;
/// Fewest bytes of a word: whom it is about, and flags.
const WORD_BYTES_MIN: usize = size_of::<PeerId>() + 1;

/// Appends a frame, without a length before it.
///
/// A frame that breaks a bound told in [`crate::frame`] is encoded as it is, and the other
/// side refuses it. Of an ack with too many ranges the newest are told, of too many words the
/// first.
pub fn encode(frame: &Frame, out: &mut BytesMut) {
    match frame {
        Frame::Hello(hello) => encode_hello(hello, out),
        Frame::Data(data) => encode_data(data, out),
        Frame::Ack(ack) => encode_ack(ack, out),
        Frame::Probe { sequence } => {
            out.put_u8(PROBE);
            varint::put(out, *sequence);
        }
        Frame::Credit { class, bytes } => {
            out.put_slice(&[CREDIT, *class as u8]);
            varint::put(out, *bytes);
        }
        Frame::Bye(code) => out.put_slice(&[BYE, *code as u8]),
        Frame::Floor { class, message } => {
            out.put_slice(&[FLOOR, *class as u8]);
            varint::put(out, *message);
        }
        Frame::Hearsay(words) => encode_hearsay(words, out),
        Frame::Unknown(kind) => out.put_u8(*kind),
    }
}

/// Appends a frame behind its length, as it goes on a channel.
pub fn encode_framed(frame: &Frame, out: &mut BytesMut) {
    let start = out.len();
    out.put_u32(0);
    encode(frame, out);
    let length = out.len() - start - LENGTH_BYTES;
    debug_assert!(length <= FRAME_BYTES_MAX, "a frame of {length} bytes");
    // A length beyond `u32` is beyond what any reader takes, and so is its greatest value.
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + LENGTH_BYTES) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// How many bytes [`encode`] appends for a frame.
pub fn encoded_len(frame: &Frame) -> usize {
    let fields = match frame {
        Frame::Hello(hello) => hello_len(hello),
        Frame::Data(data) => data_len(data),
        Frame::Ack(ack) => ack_len(ack),
        Frame::Probe { sequence } => varint::len(*sequence),
        Frame::Credit { class: _, bytes } => 1 + varint::len(*bytes),
        Frame::Bye(_) => 1,
        Frame::Floor { class: _, message } => 1 + varint::len(*message),
        Frame::Hearsay(words) => hearsay_len(words),
        Frame::Unknown(_) => 0,
    };
    1 + fields
}

/// Reads one whole frame. The piece of a data frame is a slice of `bytes`.
pub fn decode(bytes: Bytes) -> Result<Frame, FrameError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong(u32::try_from(bytes.len()).unwrap_or(u32::MAX)));
    }
    let Some((&kind, body)) = bytes.split_first() else { return Err(FrameError::Empty) };
    let mut cursor = Cursor::new(body);
    let frame = match kind {
        // Looked at first: nearly all frames are data.
        DATA => return decode_data(bytes),
        HELLO => return decode_hello(&mut cursor).map(Frame::Hello),
        ACK => Frame::Ack(decode_ack(&mut cursor)?),
        PROBE => Frame::Probe { sequence: cursor.number("sequence")? },
        CREDIT => Frame::Credit {
            class: class_of(cursor.byte()?).ok_or(FrameError::BadField("class"))?,
            bytes: cursor.count("bytes")?,
        },
        FLOOR => Frame::Floor {
            class: class_of(cursor.byte()?).ok_or(FrameError::BadField("class"))?,
            message: cursor.number("message")?,
        },
        BYE => Frame::Bye(bye_code(cursor.byte()?).ok_or(FrameError::BadField("code"))?),
        HEARSAY => Frame::Hearsay(decode_hearsay(&mut cursor)?),
        SKIPPED_MIN.. => return Ok(Frame::Unknown(kind)),
        _ => return Err(FrameError::UnknownKind(kind)),
    };
    cursor.end()?;
    Ok(frame)
}

fn encode_hello(hello: &Hello, out: &mut BytesMut) {
    let Hello {
        version_min,
        version_max,
        features,
        network,
        session,
        link,
        dial,
        uplink,
        uplink_flags,
    } = hello;
    out.put_u8(HELLO);
    varint::put(out, u64::from(*version_min));
    varint::put(out, u64::from(*version_max));
    varint::put(out, *features);
    put_text(out, network);
    varint::put(out, *session);
    varint::put(out, u64::from(*link));
    varint::put(out, *dial);
    put_text(out, uplink);
    varint::put(out, *uplink_flags);
}

fn hello_len(hello: &Hello) -> usize {
    let Hello {
        version_min,
        version_max,
        features,
        network,
        session,
        link,
        dial,
        uplink,
        uplink_flags,
    } = hello;
    varint::len(u64::from(*version_min))
        + varint::len(u64::from(*version_max))
        + varint::len(*features)
        + text_len(network)
        + varint::len(*session)
        + varint::len(u64::from(*link))
        + varint::len(*dial)
        + text_len(uplink)
        + varint::len(*uplink_flags)
}

fn decode_hello(cursor: &mut Cursor<'_>) -> Result<Hello, FrameError> {
    let version_min = cursor.narrow("version_min")?;
    let version_max = cursor.narrow("version_max")?;
    if version_min == 0 {
        return Err(FrameError::BadField("version_min"));
    }
    if version_max < version_min {
        return Err(FrameError::BadField("version_max"));
    }
    Ok(Hello {
        version_min,
        version_max,
        features: cursor.varint("features")?,
        network: text(cursor, "network")?,
        session: cursor.varint("session")?,
        link: cursor.narrow("link")?,
        dial: cursor.varint("dial")?,
        uplink: text(cursor, "uplink")?,
        uplink_flags: cursor.varint("uplink_flags")?,
    })
}

fn encode_data(data: &Data, out: &mut BytesMut) {
    let Data { sequence, class, ordered, message, floor, position, length, offset, piece } = data;
    out.reserve(DATA_HEADER_BYTES_MAX + piece.len());
    out.put_u8(DATA);
    varint::put(out, *sequence);
    out.put_u8(*class as u8 | if *ordered { ORDERED_BIT } else { 0 });
    varint::put(out, *message);
    // A floor above the message wraps to a distance that no message has: refused over there.
    varint::put(out, message.wrapping_sub(*floor));
    varint::put(out, *position);
    varint::put(out, u64::from(*length));
    varint::put(out, u64::from(*offset));
    out.put_slice(piece);
}

fn data_len(data: &Data) -> usize {
    let Data { sequence, class: _, ordered: _, message, floor, position, length, offset, piece } =
        data;
    varint::len(*sequence)
        + 1
        + varint::len(*message)
        + varint::len(message.wrapping_sub(*floor))
        + varint::len(*position)
        + varint::len(u64::from(*length))
        + varint::len(u64::from(*offset))
        + piece.len()
}

fn decode_data(mut bytes: Bytes) -> Result<Frame, FrameError> {
    let mut cursor = Cursor::new(bytes.get(1..).unwrap_or_default());
    let sequence = cursor.number("sequence")?;
    let flags = cursor.byte()?;
    let class = class_of(flags & CLASS_BITS).filter(|_| flags & !(CLASS_BITS | ORDERED_BIT) == 0);
    let class = class.ok_or(FrameError::BadField("flags"))?;
    let message = cursor.number("message")?;
    let distance = cursor.varint("floor")?;
    let floor = message.checked_sub(distance).ok_or(FrameError::BadField("floor"))?;
    let position = cursor.count("position")?;
    let length: u32 = cursor.narrow("length")?;
    let offset: u32 = cursor.narrow("offset")?;
    let header = bytes.len() - cursor.left();
    let piece = bytes.split_off(header);
    if length as usize > MESSAGE_BYTES_MAX {
        return Err(FrameError::BadField("length"));
    }
    if piece.is_empty() || piece.len() > PIECE_BYTES_MAX {
        return Err(FrameError::BadField("piece"));
    }
    let rest = u64::from(length).saturating_sub(u64::from(offset));
    let on_grid = (offset as usize).is_multiple_of(PIECE_BYTES_MAX);
    if !on_grid || piece.len() as u64 != rest.min(PIECE_BYTES_MAX as u64) {
        return Err(FrameError::BadField("offset"));
    }
    let ordered = flags & ORDERED_BIT != 0;
    let data = Data { sequence, class, ordered, message, floor, position, length, offset, piece };
    Ok(Frame::Data(data))
}

fn encode_ack(ack: &Ack, out: &mut BytesMut) {
    let Ack { link, delay_us, ranges } = ack;
    let told = first(ranges, ACK_RANGES_MAX);
    out.put_u8(ACK);
    varint::put(out, u64::from(*link));
    varint::put(out, *delay_us);
    varint::put(out, told.len() as u64);
    for (before, length) in range_fields(told) {
        varint::put(out, before);
        varint::put(out, length);
    }
}

fn ack_len(ack: &Ack) -> usize {
    let Ack { link, delay_us, ranges } = ack;
    let told = first(ranges, ACK_RANGES_MAX);
    let fields =
        range_fields(told).map(|(before, length)| varint::len(before) + varint::len(length));
    varint::len(u64::from(*link))
        + varint::len(*delay_us)
        + varint::len(told.len() as u64)
        + fields.sum::<usize>()
}

/// At most so many.
fn first<T>(list: &[T], most: usize) -> &[T] {
    list.get(..most).unwrap_or(list)
}

/// The two integers that tell each range. Ranges out of order wrap, and are refused over there.
fn range_fields(ranges: &[(u64, u64)]) -> impl Iterator<Item = (u64, u64)> + '_ {
    let mut newer_start = None;
    ranges.iter().map(move |&(start, end)| {
        let before = match newer_start.replace(start) {
            None => end,
            Some(newer) => u64::wrapping_sub(newer, end).wrapping_sub(2),
        };
        (before, end.wrapping_sub(start))
    })
}

fn decode_ack(cursor: &mut Cursor<'_>) -> Result<Ack, FrameError> {
    const BAD: FrameError = FrameError::BadField("ranges");
    let link = cursor.narrow("link")?;
    let delay_us = cursor.varint("delay_us")?;
    let count: usize = cursor.narrow("ranges")?;
    if count == 0 || count > ACK_RANGES_MAX {
        return Err(BAD);
    }
    if cursor.left() < 2 * count {
        return Err(FrameError::Truncated);
    }
    let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(count);
    for _ in 0..count {
        let before = cursor.varint("ranges")?;
        let end = match ranges.last() {
            None => (before <= NUMBER_MAX).then_some(before).ok_or(BAD)?,
            Some((newer_start, _)) => {
                newer_start.checked_sub(before).and_then(|end| end.checked_sub(2)).ok_or(BAD)?
            }
        };
        let length = cursor.varint("ranges")?;
        let start = end.checked_sub(length).filter(|&start| start > 0).ok_or(BAD)?;
        ranges.push((start, end));
    }
    Ok(Ack { link, delay_us, ranges })
}

fn encode_hearsay(words: &[Word], out: &mut BytesMut) {
    let told = first(words, WORDS_PER_FRAME_MAX);
    out.put_u8(HEARSAY);
    varint::put(out, told.len() as u64);
    for Word { about, linked, score } in told {
        let linked_bit = if *linked { LINKED_BIT } else { 0 };
        let score_bit = if score.is_some() { SCORE_BIT } else { 0 };
        out.put_slice(&about.0);
        out.put_u8(linked_bit | score_bit);
        if let Some(score) = score {
            varint::put(out, score_field(*score));
        }
    }
}

fn hearsay_len(words: &[Word]) -> usize {
    let told = first(words, WORDS_PER_FRAME_MAX);
    let scores = told.iter().filter_map(|word| word.score);
    varint::len(told.len() as u64)
        + told.len() * WORD_BYTES_MIN
        + scores.map(|score| varint::len(score_field(score))).sum::<usize>()
}

/// A score below the range wraps to one above it, and is refused over there.
fn score_field(score: i32) -> u64 {
    (i64::from(score) - i64::from(Standing::SCORE_MIN)).cast_unsigned()
}

fn decode_hearsay(cursor: &mut Cursor<'_>) -> Result<Vec<Word>, FrameError> {
    const BAD: FrameError = FrameError::BadField("words");
    let count: usize = cursor.narrow("words")?;
    if count == 0 || count > WORDS_PER_FRAME_MAX {
        return Err(BAD);
    }
    if cursor.left() < WORD_BYTES_MIN * count {
        return Err(FrameError::Truncated);
    }
    let mut words: Vec<Word> = Vec::with_capacity(count);
    for _ in 0..count {
        let word = decode_word(cursor)?;
        if words.last().is_some_and(|last| last.about >= word.about) {
            return Err(BAD);
        }
        words.push(word);
    }
    Ok(words)
}

fn decode_word(cursor: &mut Cursor<'_>) -> Result<Word, FrameError> {
    let about = PeerId(cursor.array()?);
    let flags = cursor.byte()?;
    if flags & !(LINKED_BIT | SCORE_BIT) != 0 {
        return Err(FrameError::BadField("flags"));
    }
    let score = if flags & SCORE_BIT != 0 { Some(score(cursor)?) } else { None };
    Ok(Word { about, linked: flags & LINKED_BIT != 0, score })
}

fn score(cursor: &mut Cursor<'_>) -> Result<i32, FrameError> {
    let above_min: u16 = cursor.narrow("score")?;
    match Standing::SCORE_MIN + i32::from(above_min) {
        score @ ..=Standing::SCORE_MAX => Ok(score),
        _ => Err(FrameError::BadField("score")),
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    varint::put(out, text.len() as u64);
    out.put_slice(text.as_bytes());
}

fn text_len(text: &str) -> usize {
    varint::len(text.len() as u64) + text.len()
}

fn text(cursor: &mut Cursor<'_>, field: &'static str) -> Result<String, FrameError> {
    let length: usize = cursor.narrow(field)?;
    if length > FRAME_TEXT_BYTES_MAX {
        return Err(FrameError::BadField(field));
    }
    let text = core::str::from_utf8(cursor.take(length)?);
    text.map(str::to_owned).map_err(|_| FrameError::BadField(field))
}

fn class_of(number: u8) -> Option<Class> {
    Class::from_number(u32::from(number))
}

fn bye_code(number: u8) -> Option<ByeCode> {
    ByeCode::ALL.get(usize::from(number)).copied()
}
