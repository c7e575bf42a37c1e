//! The opening of a connection: who it is, and what is said until both sides know.

use bytes::Bytes;

use super::receiver::Receiver;
use super::wire::{self, Frame, VERSION};
use super::{ResetCode, State};
use crate::id::Time;

/// Longest time until both sides know of each other.
const OPENING_US_MAX: u64 = 5_000_000;
/// Time until an Open or an Accept is said again.
const AGAIN_US: u64 = 500_000;

/// Names a connection among those of one peripheral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Which of the notifications belong to it.
    pub tag: u16,
    /// What its central drew. A peripheral hears it and never says it.
    pub nonce: u64,
}

impl Connection {
    fn drawn(chance: u64) -> Self {
        let tag = (0..4).fold(0, |tag, part| tag ^ (chance >> (16 * part)) as u16);
        Self { tag, nonce: chance }
    }

    /// The half of the nonce that both sides say.
    pub(super) fn key(self) -> u32 {
        self.nonce as u32
    }
}

/// What a value or packet belongs to, as far as that can be told without any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hail {
    /// A central opens a connection, or repeats that it does.
    Open(Connection),
    /// The channel belongs to this connection.
    Join(Connection),
    /// It belongs to a connection with this tag.
    Other(u16),
}

/// What a value or packet belongs to; `None` where it is no frame.
pub fn hail(value: &[u8]) -> Option<Hail> {
    let (tag, frame) = wire::decode(value)?;
    Some(match frame {
        Frame::Open { nonce, .. } => Hail::Open(Connection { tag, nonce }),
        Frame::Join { nonce } => Hail::Join(Connection { tag, nonce }),
        Frame::Accept { .. }
        | Frame::Data { .. }
        | Frame::Ack(_)
        | Frame::Close { .. }
        | Frame::Reset { .. } => Hail::Other(tag),
    })
}

/// The value that refuses a connection which no [`super::Stream`] was made for.
pub fn refusal(connection: Connection, code: ResetCode) -> Bytes {
    wire::encode(connection.tag, &Frame::Reset { key: connection.key(), code })
}

/// One side's part in the opening.
#[derive(Debug)]
pub(super) struct Greeting {
    role: Role,
    until: Time,
    again: Time,
}

#[derive(Debug)]
enum Role {
    Central { connection: Connection, can_l2cap: bool },
    Peripheral { connection: Option<Connection>, start: u32, psm: u16 },
}

impl Greeting {
    pub(super) fn central(now: Time, chance: u64, can_l2cap: bool) -> Self {
        let connection = Connection::drawn(chance);
        Self { until: NEVER, ..Self::new(now, Role::Central { connection, can_l2cap }) }
    }

    /// Values can travel now. How long a radio takes to connect is no matter of ours.
    pub(super) fn begin(&mut self, now: Time) {
        if self.until == NEVER {
            self.until = now.after(OPENING_US_MAX);
        }
    }

    pub(super) fn peripheral(now: Time, start: u32, psm: Option<u16>) -> Self {
        Self::new(now, Role::Peripheral { connection: None, start, psm: psm.unwrap_or(0) })
    }

    fn new(now: Time, role: Role) -> Self {
        Self { role, until: now.after(OPENING_US_MAX), again: now }
    }

    pub(super) fn is_central(&self) -> bool {
        matches!(self.role, Role::Central { .. })
    }

    pub(super) fn wants_l2cap(&self) -> bool {
        matches!(self.role, Role::Central { can_l2cap: true, .. })
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        match self.role {
            Role::Central { connection, .. } => Some(connection),
            Role::Peripheral { connection, .. } => connection,
        }
    }

    /// When something is to be said again, and when it took too long.
    pub(super) fn deadlines(&self) -> [Option<Time>; 3] {
        [self.connection().map(|_| self.again), Some(self.until), None]
    }

    pub(super) fn is_overdue(&self, now: Time) -> bool {
        self.until <= now
    }

    /// Whether an Accept answers our Open.
    pub(super) fn is_answer(&self, version: u8, key: u32) -> bool {
        let Role::Central { connection, .. } = self.role else { return false };
        version == VERSION && connection.key() == key
    }

    /// An Open came. `None` where it is another connection's; else whether it is the first.
    pub(super) fn opened(
        &mut self,
        now: Time,
        opener: Connection,
        version: u8,
        l2cap: bool,
    ) -> Option<Result<bool, ResetCode>> {
        let Role::Peripheral { connection, psm, .. } = &mut self.role else { return None };
        let first = connection.is_none();
        if *connection.get_or_insert(opener) != opener {
            return None;
        }
        if version != VERSION {
            return Some(Err(ResetCode::Version));
        }
        if first && !l2cap {
            *psm = 0;
        }
        self.again = now;
        Some(Ok(first))
    }

    /// What is to be said now.
    pub(super) fn transmit(&mut self, now: Time, state: State) -> Option<Frame<'static>> {
        if self.again > now {
            return None;
        }
        match (&self.role, state) {
            (&Role::Central { connection, can_l2cap }, State::Opening) => {
                self.again = now.after(AGAIN_US);
                let (nonce, window) = (connection.nonce, Receiver::WINDOW);
                Some(Frame::Open { version: VERSION, l2cap: can_l2cap, nonce, window })
            }
            (&Role::Peripheral { connection, start, psm }, State::Opening | State::Open) => {
                let (key, window) = (connection?.key(), Receiver::WINDOW);
                self.again = if state == State::Opening { now.after(AGAIN_US) } else { NEVER };
                Some(Frame::Accept { version: VERSION, key, start, window, psm })
            }
            (Role::Central { .. }, State::Open | State::Closed | State::Broken(_))
            | (Role::Peripheral { .. }, State::Closed | State::Broken(_)) => None,
        }
    }

    /// Nothing more is to be said, unless it is asked for.
    pub(super) fn done(&mut self) {
        self.again = NEVER;
    }
}

const NEVER: Time = Time(u64::MAX);
