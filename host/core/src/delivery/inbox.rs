//! The receiver's side of one class from one peer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};

use crate::frame::Data;
use crate::limits::{
    CREDIT_BYTES, CREDIT_INITIAL_BYTES, MESSAGE_BYTES_MAX, MESSAGE_COST_BYTES, PIECE_BYTES_MAX,
    WINDOW_MESSAGES_MAX,
};
use crate::output::Violation;

/// What a peer may make us hold in one class, in bytes: what we granted, as much again that
/// is still on its way from before, and one message that may come without a grant.
const HELD_BYTES_MAX: u64 = 2 * CREDIT_BYTES + MESSAGE_BYTES_MAX as u64;

/// From this size on a message may keep the buffer that it was read into: at most four times
/// its size.
const KEEPS_BUFFER_BYTES: usize = 16 << 10;

/// A grant is told when it grew by this share of the credit.
const GRANT_STEP_BYTES: u64 = CREDIT_BYTES / 8;

/// A message of which pieces are missing.
#[derive(Debug)]
struct Partial {
    ordered: bool,
    bytes: BytesMut,
    /// The pieces that are there, a bit each.
    there: Vec<u64>,
    left: u32,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something new.
    New,
    /// It had been here before.
    Duplicate,
}

/// Messages that are not complete, or not yet in turn.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// All messages below are done with.
    next: u64,
    /// Messages from `next` on that are done with.
    done: BTreeSet<u64>,
    partial: BTreeMap<u64, Partial>,
    /// Complete, and waiting for the ones before them.
    waiting: BTreeMap<u64, Bytes>,
    /// Bytes of `partial`, `waiting` and what the application has not consumed.
    held: u64,
    /// End of the furthest message seen, as a position in the class.
    furthest: u64,
    granted: u64,
    grant_due: bool,
    /// Ready for the application, in the order of delivery.
    ready: Vec<(u64, Bytes)>,
    pub(crate) delivered: u64,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            next: 1,
            done: BTreeSet::new(),
            partial: BTreeMap::new(),
            waiting: BTreeMap::new(),
            held: 0,
            furthest: 0,
            granted: CREDIT_INITIAL_BYTES,
            grant_due: false,
            ready: Vec::new(),
            delivered: 0,
        }
    }
}

impl Inbox {
    /// Takes a packet in. What it completes is then given by [`Inbox::ready`].
    pub(crate) fn take(&mut self, data: Data) -> Result<Taken, Violation> {
        self.skip_to(data.floor);
        let number = data.message;
        if number >= self.next.saturating_add(2 * WINDOW_MESSAGES_MAX) {
            return Err(Violation::OverCredit);
        }
        if self.is_done(number) {
            return Ok(Taken::Duplicate);
        }
        let cost_bytes = u64::from(data.length) + MESSAGE_COST_BYTES;
        self.furthest = self.furthest.max(data.position.saturating_add(cost_bytes));
        if data.piece.len() == data.length as usize {
            return self.whole(number, data.ordered, data.piece);
        }
        self.piece(data)
    }

    fn is_done(&self, number: u64) -> bool {
        number < self.next || self.done.contains(&number) || self.waiting.contains_key(&number)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Violation> {
        let held = self.held + bytes as u64 + MESSAGE_COST_BYTES;
        if held > HELD_BYTES_MAX {
            return Err(Violation::OverCredit);
        }
        self.held = held;
        Ok(())
    }

    fn whole(&mut self, number: u64, ordered: bool, payload: Bytes) -> Result<Taken, Violation> {
        if self.partial.contains_key(&number) {
            return Err(Violation::BadPiece);
        }
        self.hold(payload.len())?;
        self.complete(number, ordered, payload);
        Ok(Taken::New)
    }

    fn piece(&mut self, data: Data) -> Result<Taken, Violation> {
        let Data { message: number, ordered, length, offset, piece, .. } = data;
        if !self.partial.contains_key(&number) {
            self.hold(length as usize)?;
            self.partial.insert(number, Partial::new(ordered, length as usize));
        }
        let Some(partial) = self.partial.get_mut(&number) else { return Ok(Taken::Duplicate) };
        let taken = partial.put(length, offset, &piece)?;
        if partial.left == 0
            && let Some(partial) = self.partial.remove(&number)
        {
            self.complete(number, partial.ordered, partial.bytes.freeze());
        }
        Ok(taken)
    }

    fn complete(&mut self, number: u64, ordered: bool, payload: Bytes) {
        let payload = own(payload);
        if number == self.next {
            self.deliver(number, payload);
            self.next += 1;
            self.release();
        } else if ordered {
            self.waiting.insert(number, payload);
        } else {
            self.deliver(number, payload);
            self.done.insert(number);
        }
    }

    fn deliver(&mut self, number: u64, payload: Bytes) {
        self.delivered += 1;
        self.ready.push((number, payload));
    }

    /// Hands out what is in turn now.
    fn release(&mut self) {
        loop {
            if self.done.remove(&self.next) {
                self.next += 1;
            } else if let Some(payload) = self.waiting.remove(&self.next) {
                self.deliver(self.next, payload);
                self.next += 1;
            } else {
                return;
            }
        }
    }

    /// The sender is done with all messages below `floor`: those that are not here never
    /// come, or come in vain.
    pub(crate) fn skip_to(&mut self, floor: u64) {
        if floor <= self.next {
            return;
        }
        let later = self.partial.split_off(&floor);
        for partial in std::mem::replace(&mut self.partial, later).into_values() {
            self.held -= partial.bytes.len() as u64 + MESSAGE_COST_BYTES;
        }
        let later = self.waiting.split_off(&floor);
        for (number, payload) in std::mem::replace(&mut self.waiting, later) {
            self.deliver(number, payload);
        }
        self.done = self.done.split_off(&floor);
        self.next = floor;
        self.release();
    }

    /// Messages for the application, in the order of delivery.
    pub(crate) fn ready(&mut self) -> Vec<(u64, Bytes)> {
        std::mem::take(&mut self.ready)
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// The application consumed so many messages, and so many bytes of them.
    pub(crate) fn consumed(&mut self, messages: u32, bytes: u64) {
        let cost_bytes = u64::from(messages) * MESSAGE_COST_BYTES;
        self.held = self.held.saturating_sub(bytes + cost_bytes);
    }

    /// The grant to tell, when it has grown enough to be worth a frame, or must be told again.
    /// `room_bytes` is what all inboxes together leave to this one.
    pub(crate) fn grant_due(&mut self, room_bytes: u64) -> Option<u64> {
        let credit_bytes = CREDIT_BYTES.saturating_sub(self.held).min(room_bytes);
        let grant = self.furthest.saturating_add(credit_bytes);
        let grown = grant >= self.granted.saturating_add(GRANT_STEP_BYTES);
        self.granted = if grown { grant } else { self.granted };
        (grown || std::mem::take(&mut self.grant_due)).then_some(self.granted)
    }

    /// The link that told the grant is gone, perhaps with it.
    pub(crate) fn tell_grant_again(&mut self) {
        self.grant_due = true;
    }

    /// The sender began anew: what is incomplete or waits for its turn never comes. What the
    /// application has not consumed stays held.
    pub(crate) fn begin_anew(&mut self) {
        let incomplete = self.partial.values().map(|partial| partial.bytes.len());
        let waiting = self.waiting.values().map(Bytes::len);
        let gone: u64 = incomplete.chain(waiting).map(|n| n as u64 + MESSAGE_COST_BYTES).sum();
        let (held, delivered) = (self.held - gone, self.delivered);
        *self = Self { held, delivered, grant_due: true, ..Self::default() };
    }
}

impl Partial {
    fn new(ordered: bool, length: usize) -> Self {
        let pieces = length.div_ceil(PIECE_BYTES_MAX);
        Self {
            ordered,
            bytes: BytesMut::zeroed(length),
            there: vec![0; pieces.div_ceil(64)],
            left: pieces as u32,
        }
    }

    /// Puts a piece in its place. The codec has seen to it that pieces meet at multiples of
    /// their size.
    fn put(&mut self, length: u32, offset: u32, piece: &[u8]) -> Result<Taken, Violation> {
        if self.bytes.len() != length as usize {
            return Err(Violation::BadPiece);
        }
        let from = offset as usize;
        let index = from / PIECE_BYTES_MAX;
        let bit = 1 << (index % 64);
        let word = self.there.get_mut(index / 64).ok_or(Violation::BadPiece)?;
        let place = self.bytes.get_mut(from..from + piece.len()).ok_or(Violation::BadPiece)?;
        if *word & bit != 0 {
            return Ok(Taken::Duplicate);
        }
        *word |= bit;
        place.copy_from_slice(piece);
        self.left -= 1;
        Ok(Taken::New)
    }
}

/// A piece is a slice of the buffer that it was read into. A small one must not keep that
/// whole buffer for as long as it waits for its turn or for the application.
fn own(payload: Bytes) -> Bytes {
    if payload.len() < KEEPS_BUFFER_BYTES { Bytes::copy_from_slice(&payload) } else { payload }
}
