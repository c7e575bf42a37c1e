//! The sender's side of one class towards one peer.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::frame::Data;
use crate::id::{LinkId, Time, Token};
use crate::input::Send;
use crate::limits::{CREDIT_INITIAL_BYTES, MESSAGE_COST_BYTES, PIECE_BYTES_MAX};
use crate::links::PieceId;
use pointsman_sdk::selector::Class;

/// A message that is not done.
#[derive(Debug)]
struct Message {
    token: Token,
    ordered: bool,
    deadline: Option<Time>,
    queued_at: Time,
    payload: Bytes,
    /// What the messages of this class and session cost that were sent before this one; set
    /// when its first piece is sent.
    position: u64,
    /// Pieces that were not acknowledged; 0 when the message is done.
    left: u32,
    /// Acknowledged pieces, a bit each; not kept for a message of one piece.
    acked: Vec<u64>,
    given_up: bool,
}

/// A piece to be sent again, before anything new.
#[derive(Clone, Copy, Debug)]
struct Again {
    message: u64,
    index: u32,
    tried: Option<LinkId>,
}

/// The piece that is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Which.
    pub(crate) piece: PieceId,
    /// Its size in bytes.
    pub(crate) bytes: u32,
    /// When its message was handed over.
    pub(crate) queued_at: Time,
    /// When its message is worth nothing any more.
    pub(crate) deadline: Option<Time>,
    /// Whether its message must arrive in order.
    pub(crate) ordered: bool,
    /// The link that it was sent on before.
    pub(crate) tried: Option<LinkId>,
    /// Whether it was sent before.
    is_again: bool,
}

/// Messages that wait or are not acknowledged.
#[derive(Debug)]
pub(crate) struct Outbox {
    class: Class,
    first: u64,
    messages: VecDeque<Message>,
    /// The position of the next message that is sent.
    next_position: u64,
    /// End of the furthest message of which the receiver has something, as a position.
    known_position: u64,
    /// The next piece that was never sent.
    cursor: (u64, u32),
    again: VecDeque<Again>,
    /// Bytes of messages that are not done.
    bytes: u64,
    /// Bytes of pieces that were never sent.
    unsent_bytes: u64,
    granted: u64,
    /// No message expires before this.
    earliest: Option<Time>,
    /// The receiver must be told which messages never come.
    pub(crate) floor_due: bool,
    pub(crate) delivered: u64,
    pub(crate) expired: u64,
}

impl Outbox {
    pub(crate) fn new(class: Class) -> Self {
        Self {
            class,
            first: 1,
            messages: VecDeque::new(),
            next_position: 0,
            known_position: 0,
            cursor: (1, 0),
            again: VecDeque::new(),
            bytes: 0,
            unsent_bytes: 0,
            granted: CREDIT_INITIAL_BYTES,
            earliest: None,
            floor_due: false,
            delivered: 0,
            expired: 0,
        }
    }

    /// Messages that it keeps, done ones behind an undone one included.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Messages that are not done.
    pub(crate) fn open(&self) -> usize {
        self.messages.iter().filter(|message| message.left > 0).count()
    }

    /// Bytes of messages that are not done.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that were never sent.
    pub(crate) fn unsent_bytes(&self) -> u64 {
        self.unsent_bytes
    }

    /// Takes a message in. The caller has checked the limits.
    pub(crate) fn push(&mut self, now: Time, send: Send) {
        let length = send.payload.len();
        let left = piece_count(length);
        let acked = if left > 1 { vec![0; left.div_ceil(64) as usize] } else { Vec::new() };
        self.bytes += length as u64;
        self.unsent_bytes += length as u64;
        if let Some(deadline) = send.deadline {
            self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        }
        self.messages.push_back(Message {
            token: send.token,
            ordered: send.ordered,
            deadline: send.deadline,
            queued_at: now,
            payload: send.payload,
            position: 0,
            left,
            acked,
            given_up: false,
        });
    }

    /// The piece that is next, if there is one and the receiver granted its message.
    pub(crate) fn head(&mut self) -> Option<Head> {
        while let Some(&again) = self.again.front() {
            if self.is_open(again.message, again.index) {
                let head = self.describe(again.message, again.index);
                return Some(Head { tried: again.tried, is_again: true, ..head });
            }
            self.again.pop_front();
        }
        self.skip_done();
        let (number, index) = self.cursor;
        let message = self.message(number)?;
        (index > 0 || self.may_begin(number, message)).then(|| self.describe(number, index))
    }

    /// Where a message begins, or begins if it is the next.
    fn position(&self, number: u64, message: &Message) -> u64 {
        if (number, 0) < self.cursor { message.position } else { self.next_position }
    }

    /// Whether the receiver granted this message. One that is larger than the grant goes alone,
    /// and so does one after messages of which the receiver got nothing: it can't grant beyond
    /// what it knows of. A receiver that grants nothing more gets no second one so.
    fn may_begin(&self, number: u64, message: &Message) -> bool {
        let begin = self.next_position;
        let alone = begin < self.granted || self.known_position < begin;
        begin + message.cost_bytes() <= self.granted || number == self.first && alone
    }

    fn describe(&self, number: u64, index: u32) -> Head {
        let message = &self.messages[(number - self.first) as usize];
        let (start, end) = piece_bounds(message.payload.len(), index);
        Head {
            piece: PieceId { class: self.class as u8, message: number, index },
            bytes: (end - start) as u32,
            queued_at: message.queued_at,
            deadline: message.deadline,
            ordered: message.ordered,
            tried: None,
            is_again: false,
        }
    }

    /// Moves the cursor over messages that were given up before they were sent.
    fn skip_done(&mut self) {
        let (number, _) = self.cursor;
        if number < self.first {
            self.cursor = (self.first, 0);
        }
        while self.message(self.cursor.0).is_some_and(|message| message.left == 0) {
            self.cursor = (self.cursor.0 + 1, 0);
        }
    }

    /// The head goes out: the next call of [`Outbox::head`] gives another.
    pub(crate) fn advance(&mut self, head: &Head) {
        if head.is_again {
            self.again.pop_front();
            return;
        }
        self.unsent_bytes -= u64::from(head.bytes);
        let PieceId { message: number, index, .. } = head.piece;
        let at = usize::try_from(number.saturating_sub(self.first)).ok();
        let message = at.and_then(|at| self.messages.get_mut(at));
        let pieces = message.map_or(1, |message| {
            if index == 0 {
                message.position = self.next_position;
                self.next_position += message.cost_bytes();
            }
            piece_count(message.payload.len())
        });
        self.cursor = if index + 1 < pieces { (number, index + 1) } else { (number + 1, 0) };
    }

    /// The packet of a piece, its sequence number still to be filled in; `None` where the
    /// piece is done.
    pub(crate) fn packet(&self, piece: PieceId) -> Option<Data> {
        if !self.is_open(piece.message, piece.index) {
            return None;
        }
        let message = self.message(piece.message)?;
        let (start, end) = piece_bounds(message.payload.len(), piece.index);
        Some(Data {
            sequence: 0,
            class: self.class,
            ordered: message.ordered,
            message: piece.message,
            floor: self.first,
            position: self.position(piece.message, message),
            length: message.payload.len() as u32,
            offset: start as u32,
            piece: message.payload.slice(start..end),
        })
    }

    /// A piece must be sent again: it was lost on this link.
    pub(crate) fn again(&mut self, piece: PieceId, tried: LinkId) {
        if self.is_open(piece.message, piece.index) {
            let PieceId { message, index, .. } = piece;
            self.again.push_back(Again { message, index, tried: Some(tried) });
        }
    }

    /// A piece arrived. When its message is done with it: the message's name and the time
    /// that it waited in microseconds.
    pub(crate) fn acknowledge(&mut self, now: Time, piece: PieceId) -> Option<(Token, u64)> {
        let at = usize::try_from(piece.message.checked_sub(self.first)?).ok()?;
        let message = self.messages.get_mut(at)?;
        if message.left == 0 || !message.mark(piece.index) {
            return None;
        }
        self.known_position = self.known_position.max(message.position + message.cost_bytes());
        if message.left > 0 {
            return None;
        }
        self.bytes -= message.payload.len() as u64;
        self.delivered += 1;
        let done = (message.token, now.since(message.queued_at));
        message.payload = Bytes::new();
        self.forget_front();
        Some(done)
    }

    fn forget_front(&mut self) {
        while let Some(done) = self.messages.pop_front_if(|message| message.left == 0) {
            self.first += 1;
            self.floor_due |= done.given_up;
        }
    }

    /// Gives up all messages whose time has come.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<Token> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let due =
            |message: &Message| message.left > 0 && message.deadline.is_some_and(|d| d <= now);
        let numbers: Vec<u64> =
            (self.first..).zip(&self.messages).filter(|(_, m)| due(m)).map(|(n, _)| n).collect();
        let tokens = numbers.into_iter().filter_map(|number| self.give_up(number)).collect();
        self.earliest =
            self.messages.iter().filter(|m| m.left > 0).filter_map(|m| m.deadline).min();
        tokens
    }

    /// When a message may expire next.
    pub(crate) fn earliest_deadline(&self) -> Option<Time> {
        self.earliest
    }

    /// Gives up one message.
    pub(crate) fn give_up(&mut self, number: u64) -> Option<Token> {
        let (cursor, cursor_index) = self.cursor;
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let message = self.messages.get_mut(at)?;
        if message.left == 0 {
            return None;
        }
        let length = message.payload.len();
        let sent = match number.cmp(&cursor) {
            core::cmp::Ordering::Less => length,
            core::cmp::Ordering::Equal => (cursor_index as usize * PIECE_BYTES_MAX).min(length),
            core::cmp::Ordering::Greater => 0,
        };
        self.unsent_bytes -= (length - sent) as u64;
        self.bytes -= length as u64;
        message.left = 0;
        message.given_up = true;
        message.payload = Bytes::new();
        let token = message.token;
        self.expired += 1;
        self.forget_front();
        Some(token)
    }

    /// All messages below this number are done with.
    pub(crate) fn floor(&self) -> u64 {
        self.first
    }

    /// The receiver grants more.
    pub(crate) fn grant(&mut self, bytes: u64) {
        self.granted = self.granted.max(bytes);
    }

    /// The receiver began anew: it has granted nothing yet, and the pieces that it had of
    /// incomplete messages are gone.
    pub(crate) fn receiver_began_anew(&mut self) {
        for (number, message) in (self.first..).zip(&mut self.messages) {
            if message.left == 0 {
                continue;
            }
            for index in 0..piece_count(message.payload.len()) {
                if message.is_acked(index) {
                    self.again.push_back(Again { message: number, index, tried: None });
                    message.left += 1;
                }
            }
            message.acked.fill(0);
        }
        let front = self.messages.front();
        let start = front.map_or(self.next_position, |front| self.position(self.first, front));
        self.known_position = start;
        self.granted = start + CREDIT_INITIAL_BYTES;
    }

    /// Gives up everything.
    pub(crate) fn give_up_all(&mut self) -> Vec<Token> {
        let end = self.first + self.messages.len() as u64;
        (self.first..end).filter_map(|number| self.give_up(number)).collect()
    }

    fn message(&self, number: u64) -> Option<&Message> {
        self.messages.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Whether a piece was neither acknowledged nor given up.
    pub(crate) fn waits_for(&self, piece: PieceId) -> bool {
        self.is_open(piece.message, piece.index)
    }

    fn is_open(&self, number: u64, index: u32) -> bool {
        self.message(number).is_some_and(|message| message.left > 0 && !message.is_acked(index))
    }
}

impl Message {
    /// What it takes of the credit.
    fn cost_bytes(&self) -> u64 {
        self.payload.len() as u64 + MESSAGE_COST_BYTES
    }

    fn is_acked(&self, index: u32) -> bool {
        self.acked.get((index / 64) as usize).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Marks a piece as arrived; tells whether it had not been.
    fn mark(&mut self, index: u32) -> bool {
        if self.is_acked(index) {
            return false;
        }
        if let Some(word) = self.acked.get_mut((index / 64) as usize) {
            *word |= 1 << (index % 64);
        }
        self.left -= 1;
        true
    }
}

fn piece_count(length: usize) -> u32 {
    length.div_ceil(PIECE_BYTES_MAX) as u32
}

fn piece_bounds(length: usize, index: u32) -> (usize, usize) {
    let start = index as usize * PIECE_BYTES_MAX;
    (start, (start + PIECE_BYTES_MAX).min(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = CREDIT_INITIAL_BYTES as usize;

    /// Two messages, each larger than what is granted; all pieces of the first were sent.
    fn first_sent() -> Outbox {
        let mut outbox = Outbox::new(Class::Bulk);
        for token in 0..2 {
            let payload = Bytes::from(vec![0; LENGTH]);
            let (peer, class) = (crate::id::PeerId([1; 32]), Class::Bulk);
            let token = Token(token);
            outbox.push(
                Time(0),
                Send { token, peer, class, ordered: false, deadline: None, payload },
            );
        }
        while let Some(head) = outbox.head().filter(|head| head.piece.message == 1) {
            outbox.advance(&head);
        }
        outbox
    }

    #[test]
    fn after_a_message_beyond_the_grant_nothing_is_sent_until_more_is_granted() {
        let mut outbox = first_sent();
        for index in 0..piece_count(LENGTH) {
            assert_eq!(outbox.head(), None);
            let piece = PieceId { class: Class::Bulk as u8, message: 1, index };
            outbox.acknowledge(Time(0), piece);
        }
        assert_eq!(outbox.head(), None);
        outbox.grant(outbox.granted + MESSAGE_COST_BYTES + 1);
        assert_eq!(outbox.head().map(|head| head.piece.message), Some(2));
    }

    #[test]
    fn credit_that_was_spent_on_what_never_arrived_does_not_stop_the_next_message() {
        let mut outbox = first_sent();
        outbox.give_up(1);
        assert_eq!(outbox.head().map(|head| head.piece.message), Some(2));
    }
}
