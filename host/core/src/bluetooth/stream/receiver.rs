//! The receiving half: bytes in order until they are read, and what is owed to the sender.

use std::collections::VecDeque;

use super::offset::{nearest, position};
use super::wire::Ack;
use crate::id::Time;
use crate::limits::RADIO_RECEIVE_BYTES_MAX;

/// Longest wait of an acknowledgement for data to travel with.
const ACK_DELAY_US: u64 = 15_000;
/// Data frames that one acknowledgement answers.
const FRAMES_PER_ACK: u8 = 2;
/// Room that is worth telling a sender on its own.
const WINDOW_STEP_BYTES: u64 = RADIO_RECEIVE_BYTES_MAX as u64 / 4;

/// What is received of one direction.
#[derive(Debug)]
pub(super) struct Receiver {
    buffer: VecDeque<u8>,
    /// Position of the first byte that is lacking.
    next: u64,
    /// Position up to which the sender was ever allowed to send. It never falls.
    edge: u64,
    ended: bool,
    owed: Owed,
}

#[derive(Debug, Default)]
struct Owed {
    frames: u8,
    at: Option<Time>,
    gap: bool,
}

/// What a frame was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It brought something new, or asked for nothing but an answer.
    Useful,
    /// All of it was here.
    Known,
    /// Something before it is lacking, so it was dropped.
    Early,
    /// Its offset is nowhere near.
    Stray,
    /// It goes beyond what was ever allowed.
    Overrun,
}

impl Receiver {
    /// The sender's first offset is `start`, and it was told [`Receiver::WINDOW`].
    pub(super) fn new(start: u32) -> Self {
        let next = position(start);
        let edge = next + u64::from(Self::WINDOW);
        Self { buffer: VecDeque::new(), next, edge, ended: false, owed: Owed::default() }
    }

    /// What a sender may send at first.
    pub(super) const WINDOW: u16 = RADIO_RECEIVE_BYTES_MAX as u16;

    /// Takes the new part of what came.
    pub(super) fn data(&mut self, now: Time, offset: u32, bytes: &[u8]) -> Arrival {
        let start = nearest(self.next, offset);
        let end = start + bytes.len() as u64;
        if start > self.edge {
            return Arrival::Stray;
        }
        if end > self.edge {
            return Arrival::Overrun;
        }
        if bytes.is_empty() {
            self.owe(now);
            return Arrival::Useful;
        }
        if let Some(arrival) = self.misplaced(now, start, end) {
            return arrival;
        }
        let known = (self.next - start) as usize;
        self.buffer.extend(bytes.iter().skip(known));
        self.next = end;
        self.owed.frames += 1;
        let wait = if self.owed.frames >= FRAMES_PER_ACK { 0 } else { ACK_DELAY_US };
        self.owe(now.after(wait));
        Arrival::Useful
    }

    /// The sender has nothing from `offset` on.
    pub(super) fn close(&mut self, now: Time, offset: u32) -> Arrival {
        let start = nearest(self.next, offset);
        if start > self.edge {
            return Arrival::Stray;
        }
        if let Some(arrival) = self.misplaced(now, start, start + 1) {
            return arrival;
        }
        self.ended = true;
        self.next += 1;
        self.owe(now);
        Arrival::Useful
    }

    fn misplaced(&mut self, now: Time, start: u64, end: u64) -> Option<Arrival> {
        if start > self.next {
            self.owed.gap = !self.ended;
            self.owe(now);
            return Some(Arrival::Early);
        }
        if end <= self.next || self.ended {
            self.owe(now);
            return Some(Arrival::Known);
        }
        None
    }

    /// Takes what is there, in order.
    pub(super) fn read(&mut self, now: Time, out: &mut [u8]) -> usize {
        let length = out.len().min(self.buffer.len());
        for (place, byte) in out.iter_mut().zip(self.buffer.drain(..length)) {
            *place = byte;
        }
        if !self.ended && self.allowed() >= self.edge + WINDOW_STEP_BYTES {
            self.owe(now);
        }
        length
    }

    /// Bytes that can be read.
    pub(super) fn readable(&self) -> usize {
        self.buffer.len()
    }

    /// The sender's last byte is here.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// An acknowledgement is owed at this time.
    pub(super) fn owed_at(&self) -> Option<Time> {
        self.owed.at
    }

    /// An acknowledgement is owed from `at` on.
    pub(super) fn owe(&mut self, at: Time) {
        self.owed.at = Some(self.owed.at.map_or(at, |earlier| earlier.min(at)));
    }

    /// The acknowledgement that is owed; after it nothing is.
    pub(super) fn acknowledge(&mut self) -> Ack {
        self.edge = self.edge.max(self.allowed());
        let gap = core::mem::take(&mut self.owed).gap;
        // It was told to no more than this, so the cast cuts nothing off.
        Ack { next: self.next as u32, window: (self.edge - self.next.min(self.edge)) as u16, gap }
    }

    fn allowed(&self) -> u64 {
        self.next + (RADIO_RECEIVE_BYTES_MAX - self.buffer.len()) as u64
    }
}
