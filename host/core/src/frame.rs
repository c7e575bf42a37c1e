//! What travels on a link: typed frames and their bytes.
//!
//! A link has a [`Channel`] for control and one for each class. On a channel frames follow
//! each other, each behind its length (`u32`, big-endian, 1 to
//! [`crate::limits::FRAME_BYTES_MAX`]); a QUIC datagram is one frame without a length. A frame
//! is its kind (one byte) and its fields, in this order:
//!
//! | kind | frame | fields |
//! | --- | --- | --- |
//! | 1 | hello | `version_min`, `version_max`, `features`, `network` (text), `session`, `link`, `dial`, `uplink` (text), `uplink_flags`; what a later version appends is skipped |
//! | 2 | data | `sequence`, flags (byte), `message`, `message - floor`, `position`, `length`, `offset`, then the piece up to the frame's end |
//! | 3 | ack | `link`, `delay_us`, number of ranges, newest `end`, its `end - start`; then for each older range: the gap, `end - start` |
//! | 4 | probe | `sequence` |
//! | 5 | credit | class (byte), `bytes` |
//! | 6 | bye | code (byte) |
//! | 7 | floor | class (byte), `message` |
//! | 64 | hearsay | number of words; then for each: `about` (32 bytes), flags (byte), and where they say so `score` + 1000 |
//! | 65 to 255 | unknown | anything; skipped |
//!
//! - Integers are LEB128 varints of at most 10 bytes, in their shortest form only: the last
//!   byte is 0 only where it is the first.
//! - A text is its length in bytes and UTF-8, at most
//!   [`crate::limits::FRAME_TEXT_BYTES_MAX`] bytes.
//! - A data frame's flags are the class (bits 0 and 1) and `ordered` (bit 2); the others are 0.
//! - The gap between two ranges of an ack is the number of packets missing between them less
//!   one, since one is always missing: `newer start - older end - 2`, as in QUIC (RFC 9000,
//!   19.3.1).
//! - Numbers of packets and messages begin at 1; they, `position` and a grant's `bytes` are at
//!   most [`crate::limits::NUMBER_MAX`]; `floor` is at most `message`.
//! - A message is at most [`crate::limits::MESSAGE_BYTES_MAX`] bytes and never empty. Its pieces
//!   lie on a grid: `offset` is a multiple of [`crate::limits::PIECE_BYTES_MAX`], and the piece
//!   has as many bytes as that or, at the message's end, `length - offset`.
//! - Hearsay has 1 to [`crate::limits::WORDS_PER_FRAME_MAX`] words, in the order of the peers
//!   that they are about, of each at most one. A word's flags are `linked` (bit 0) and whether
//!   it has a score (bit 1); the others are 0. A score is within the range of
//!   [`Standing`](pointsman_sdk::reputation::Standing). Nothing else may rest on this frame:
//!   versions that do not know it skip it.
//! - Hello alone may be longer than its fields, because it is read before the two sides have
//!   agreed on a version. Any other frame that goes on behind its last field is an error.
//!
//! Decoding is total: any bytes give a frame or a [`FrameError`], never a panic, and never
//! an allocation beyond the bytes that are there. The piece of a decoded data frame is a slice
//! of the buffer that it was read into and keeps that whole buffer alive: whoever stores small
//! pieces for long copies them.

mod codec;
mod reader;
mod varint;

use bytes::Bytes;
use pointsman_sdk::selector::Class;

use crate::id::PeerId;

pub use codec::{DATA_HEADER_BYTES_MAX, decode, encode, encode_framed, encoded_len};
pub use reader::FrameReader;

/// The version of the protocol that this build speaks.
pub const VERSION: u16 = 1;
/// The oldest version that it still understands.
pub const VERSION_MIN: u16 = 1;

/// One of a link's substreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Hellos, acknowledgements, probes, grants and hearsay.
    Control,
    /// Data of a class.
    Data(Class),
}

impl Channel {
    /// All of them; the index is the number used in protocol names.
    pub const ALL: [Self; 4] = [
        Self::Control,
        Self::Data(Class::Realtime),
        Self::Data(Class::Interactive),
        Self::Data(Class::Bulk),
    ];

    /// Its place in [`Channel::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::Control => 0,
            Self::Data(class) => 1 + class as usize,
        }
    }
}

/// The first frame on a link's control channel, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Oldest version understood.
    pub version_min: u16,
    /// Newest version understood. The link speaks the newest that both understand.
    pub version_max: u16,
    /// Optional abilities, a bit each; unknown bits are ignored.
    pub features: u64,
    /// Name of the network; another one ends the link.
    pub network: String,
    /// Random number of this run of the node: message numbers begin anew with it.
    pub session: u64,
    /// What the sender of this hello calls the link; acknowledgements name it so.
    pub link: u32,
    /// The sender's number of the dial that made the link; 0 where the other side dialled.
    pub dial: u64,
    /// What the sender calls its interface of this link.
    pub uplink: String,
    /// Bit 0: the sender's interface is metered.
    pub uplink_flags: u64,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Number of the packet on this link, from 1 to [`crate::limits::NUMBER_MAX`].
    pub sequence: u64,
    /// Of which class. Must be the channel's.
    pub class: Class,
    /// Whether the message waits for the one before it.
    pub ordered: bool,
    /// Number of the message in its class and session, from 1 to
    /// [`crate::limits::NUMBER_MAX`].
    pub message: u64,
    /// All messages below this number are done with: delivered, or given up. At most
    /// `message`.
    pub floor: u64,
    /// Bytes of the messages of this class and session before this one, at most
    /// [`crate::limits::NUMBER_MAX`].
    pub position: u64,
    /// Whole length of the message in bytes, from 1 to [`crate::limits::MESSAGE_BYTES_MAX`].
    pub length: u32,
    /// Where in the message the piece begins, in bytes: a multiple of
    /// [`crate::limits::PIECE_BYTES_MAX`] below `length`.
    pub offset: u32,
    /// The piece: [`crate::limits::PIECE_BYTES_MAX`] bytes, or the fewer that the message has
    /// left.
    pub piece: Bytes,
}

/// Which packets of a link arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The link's number in the hello of the side that gets the acknowledgement.
    pub link: u32,
    /// From the arrival of the newest packet to the sending of this, in microseconds.
    pub delay_us: u64,
    /// Ranges of packet numbers, both ends included, newest first, each below the one before
    /// with a gap between them, within 1 and [`crate::limits::NUMBER_MAX`]. At least one, at
    /// most [`crate::limits::ACK_RANGES_MAX`].
    pub ranges: Vec<(u64, u64)>,
}

/// What a peer says of another one, from what it saw itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Of whom.
    pub about: PeerId,
    /// Whether the sender has a link to it.
    pub linked: bool,
    /// Where it stands with the sender first hand; `None` where that was never judged.
    pub score: Option<i32>,
}

/// Why a peer ends a link, as told to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ByeCode {
    /// Closed in good order.
    Done = 0,
    /// Another link with the same interfaces stays.
    Duplicate = 1,
    /// Not welcome here.
    NotAllowed = 2,
    /// Too many links.
    Limited = 3,
    /// The other side broke the protocol.
    Violation = 4,
    /// No common version.
    Version = 5,
    /// Another network.
    Network = 6,
}

impl ByeCode {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Done,
        Self::Duplicate,
        Self::NotAllowed,
        Self::Limited,
        Self::Violation,
        Self::Version,
        Self::Network,
    ];
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Kind 1, control channel.
    Hello(Hello),
    /// Kind 2, data channels and datagrams.
    Data(Data),
    /// Kind 3, control channel.
    Ack(Ack),
    /// Kind 4, control channel: asks for an acknowledgement, carries nothing.
    Probe {
        /// Number of the packet on this link, from 1, counted together with data.
        sequence: u64,
    },
    /// Kind 5, control channel: how much of a class the peer may have sent since the session
    /// began, in bytes of messages.
    Credit {
        /// Of which class.
        class: Class,
        /// The bound, at most [`crate::limits::NUMBER_MAX`].
        bytes: u64,
    },
    /// Kind 6, control channel: the sender closes the link and reads no more.
    Bye(ByeCode),
    /// Kind 7, control channel: all messages of a class below this number are done with.
    Floor {
        /// Of which class.
        class: Class,
        /// The number.
        message: u64,
    },
    /// Kind 64, control channel: what the sender says of others, all that is new or a part of
    /// it. A word replaces the sender's earlier one about the same peer.
    Hearsay(Vec<Word>),
    /// A kind of 65 or above, that this version does not know: skipped.
    Unknown(u8),
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameError {
    /// The length says more than a frame may have.
    TooLong(u32),
    /// The length says zero.
    Empty,
    /// The bytes end before the frame does.
    Truncated,
    /// Bytes are left behind the frame's end.
    Trailing,
    /// A kind below 64 that this version does not know.
    UnknownKind(u8),
    /// A field has a value that it can't have.
    BadField(&'static str),
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong(length) => write!(f, "a frame of {length} bytes is longer than allowed"),
            Self::Empty => f.write_str("a frame of no bytes"),
            Self::Truncated => f.write_str("the frame ends too early"),
            Self::Trailing => f.write_str("bytes behind the frame's end"),
            Self::UnknownKind(kind) => write!(f, "unknown frame kind {kind}"),
            Self::BadField(field) => write!(f, "field `{field}` has an impossible value"),
        }
    }
}
