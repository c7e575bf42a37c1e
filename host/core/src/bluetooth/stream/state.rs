//! What a stream tells of itself.

/// What carries frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// Values of a characteristic.
    Gatt,
    /// Packets of a connection-oriented channel.
    L2cap,
}

/// How far a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The sides have not agreed yet. What is written waits.
    Opening,
    /// Bytes flow.
    Open,
    /// Both sides have everything. What is readable stays so.
    Closed,
    /// It is over, and bytes may be lost. What is readable stays so.
    Broken(Reason),
}

/// Why a stream broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The other side did not finish the opening in time.
    TimedOut,
    /// The other side acknowledged nothing for about 20 s.
    Stalled,
    /// No carrier was left.
    Lost,
    /// The other side sent more than it was allowed to.
    Overrun,
    /// The other side says so.
    Reset(ResetCode),
    /// [`super::Stream::abort`].
    Aborted,
}

/// What a side tells the other when it ends a connection, or refuses one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetCode {
    /// It does not speak this version.
    Version,
    /// It has enough connections.
    Busy,
    /// Another central uses that tag: choose another.
    TagTaken,
    /// More was sent than allowed.
    Overrun,
    /// It no longer wants it.
    Aborted,
    /// For a reason of a later version.
    Unknown(u8),
}

impl ResetCode {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Version => 1,
            Self::Busy => 2,
            Self::TagTaken => 3,
            Self::Overrun => 4,
            Self::Aborted => 5,
            Self::Unknown(byte) => byte,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Version,
            2 => Self::Busy,
            3 => Self::TagTaken,
            4 => Self::Overrun,
            5 => Self::Aborted,
            _ => Self::Unknown(byte),
        }
    }
}

/// A stream in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// What frames go out over now.
    pub carrier: Option<Carrier>,
    /// Bytes of the largest value that goes out now.
    pub value_bytes: usize,
    /// Smoothed round trip over this carrier.
    pub srtt_us: Option<u64>,
    /// Bytes that may be in flight.
    pub window_bytes: usize,
    /// Bytes that are.
    pub in_flight_bytes: usize,
    /// Bytes that were written and not acknowledged, in flight or not.
    pub queued_bytes: usize,
    /// Bytes that wait to be read.
    pub readable_bytes: usize,
    /// Frames that were sent again.
    pub retransmissions: u64,
    /// Frames that brought nothing new.
    pub duplicates: u64,
    /// Frames that came before one that was lacking.
    pub early: u64,
    /// Frames of other connections, or at a time or place where none make sense.
    pub strays: u64,
    /// Values that are no frame.
    pub malformed: u64,
}
