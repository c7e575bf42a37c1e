//! The receiving half: bytes until they are in order and read, and what is owed to the sender.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::offset::{nearest, position};
use super::wire::Ack;
use crate::id::Time;
use crate::limits::{RADIO_RECEIVE_BYTES_MAX, RADIO_SEGMENTS_MAX};

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
    /// What came before it was its turn, by position; no two overlap. Together with the buffer
    /// it is never more than the window.
    early: BTreeMap<u64, Bytes>,
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
    /// Something before it is lacking.
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
        Self {
            buffer: VecDeque::new(),
            next,
            early: BTreeMap::new(),
            edge,
            ended: false,
            owed: Owed::default(),
        }
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
            if arrival == Arrival::Early {
                self.keep(start, bytes);
            }
            return arrival;
        }
        let repairs = !self.early.is_empty();
        self.append(start, bytes);
        self.catch_up();
        self.owed.frames += 1;
        let at_once = repairs || self.owed.frames >= FRAMES_PER_ACK;
        let wait = if at_once { 0 } else { ACK_DELAY_US };
        self.owe(now.after(wait));
        Arrival::Useful
    }

    /// Keeps the part that is not kept yet, up to the next part that is.
    fn keep(&mut self, start: u64, bytes: &[u8]) {
        let before = self.early.range(..=start).next_back();
        let covered = before.map_or(0, |(at, kept)| (at + kept.len() as u64).saturating_sub(start));
        let start = start + covered;
        let after = self.early.range(start..).next().map_or(u64::MAX, |(at, _)| *at);
        let left = bytes.get(covered as usize..).unwrap_or_default();
        let length = left.len().min(usize::try_from(after - start).unwrap_or(usize::MAX));
        if length > 0 && self.early.len() < RADIO_SEGMENTS_MAX {
            self.early.insert(start, Bytes::copy_from_slice(&left[..length]));
        }
    }

    /// What is lacking begins in these bytes.
    fn append(&mut self, start: u64, bytes: &[u8]) {
        let known = (self.next - start) as usize;
        self.buffer.extend(bytes.iter().skip(known));
        self.next = self.next.max(start + bytes.len() as u64);
    }

    /// Takes what was early and is no longer.
    fn catch_up(&mut self) {
        while let Some(first) = self.early.first_entry() {
            if *first.key() > self.next {
                break;
            }
            let (start, bytes) = first.remove_entry();
            self.append(start, &bytes);
        }
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
        self.early.clear();
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
        let gap = core::mem::take(&mut self.owed).gap || !self.early.is_empty();
        // It was told to no more than this, so the cast cuts nothing off.
        Ack { next: self.next as u32, window: (self.edge - self.next.min(self.edge)) as u16, gap }
    }

    fn allowed(&self) -> u64 {
        self.next + (RADIO_RECEIVE_BYTES_MAX - self.buffer.len()) as u64
    }
}
