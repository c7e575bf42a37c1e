//! The sending half: bytes until they are acknowledged, and when to send them again.
//!
//! When the receiver misses something, the first piece of it goes out again, and the next one with
//! each acknowledgement that something is missing still (as in NewReno, RFC 6582). When nothing
//! comes back for too long, it goes back to the first byte that was not acknowledged.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Carrier;
use super::offset::{nearest, position};
use super::pace::Pace;
use super::wire::Ack;
use crate::id::Time;
use crate::limits::{RADIO_SEGMENTS_MAX, RADIO_SEND_BYTES_MAX};

/// Timeouts in a row after which the other side is given up: about 20 s.
pub(super) const TIMEOUTS_MAX: u32 = 8;
/// Timeouts that a question for room waits like: the receiver tells of room by itself, unless
/// that was lost.
const PROBE_TIMEOUTS: u32 = 3;
/// Acknowledgements that something is missing, until it is believed: two carriers have no order
/// among each other.
const GAPS_MAX: u32 = 2;

/// What is sent of one direction.
#[derive(Debug)]
pub(super) struct Sender {
    /// From [`Sender::acked`] on.
    buffer: VecDeque<u8>,
    /// Positions: first not acknowledged, next to send, first never sent, end of the buffer.
    acked: u64,
    next: u64,
    fresh: u64,
    end: u64,
    /// Position up to which the receiver has room.
    edge: u64,
    finishing: bool,
    segments: VecDeque<Segment>,
    carrier: Carrier,
    pace: Pace,
    timer: Option<Time>,
    timeouts: u32,
    gaps: u32,
    /// When and up to where missing pieces were last gone back for.
    repaired: Option<(Time, u64)>,
    /// The first piece is to go out again.
    repairing: bool,
    probing: bool,
    sent_again: u64,
}

#[derive(Debug)]
struct Segment {
    end: u64,
    at: Time,
    carrier: Carrier,
    value_bytes: usize,
    first_time: bool,
}

/// What is to be sent next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes at an offset, or none, to be told how much room there is.
    Data(u32, Bytes),
    /// The end.
    Close(u32),
}

/// What a timeout led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    /// None was due.
    None,
    /// The receiver will be asked for room.
    Probe,
    /// Everything in flight goes out again; the largest value in it.
    Again { in_a_row: u32, value_bytes: usize },
    /// The other side is given up.
    GivenUp,
}

/// The largest value that certainly arrived, and over what.
pub(super) type Proof = Option<(Carrier, usize)>;

impl Sender {
    /// The first byte has the offset `start`. Nothing goes out before there is room.
    pub(super) fn new(start: u32, carrier: Carrier, pace: Pace) -> Self {
        let start = position(start);
        Self {
            buffer: VecDeque::new(),
            acked: start,
            next: start,
            fresh: start,
            end: start,
            edge: start,
            finishing: false,
            segments: VecDeque::new(),
            carrier,
            pace,
            timer: None,
            timeouts: 0,
            gaps: 0,
            repaired: None,
            repairing: false,
            probing: false,
            sent_again: 0,
        }
    }

    /// The receiver's first window is known.
    pub(super) fn begin(&mut self, window: u16) {
        self.edge = self.acked + u64::from(window);
    }

    /// Bytes that can be written now: twice the window may be here, so that a next one is ready
    /// and little more waits where nothing overtakes it.
    pub(super) fn room(&self) -> usize {
        let most = (2 * self.pace.window()).min(RADIO_SEND_BYTES_MAX);
        if self.finishing { 0 } else { most.saturating_sub(self.buffer.len()) }
    }

    /// Takes as much as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.len().min(self.room());
        self.buffer.extend(bytes.iter().take(length));
        self.end += length as u64;
        length
    }

    /// Nothing more will be written.
    pub(super) fn finish(&mut self) {
        self.finishing = true;
    }

    /// The receiver has everything, and knows that it has.
    pub(super) fn finished(&self) -> bool {
        self.finishing && self.acked > self.end
    }

    /// The receiver has every byte, and was told that there are no more.
    pub(super) fn delivered(&self) -> bool {
        self.finishing && self.acked >= self.end && self.fresh > self.end
    }

    /// Bytes that were sent and not acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        (self.next - self.acked) as usize
    }

    /// Bytes that were written and not acknowledged.
    pub(super) fn queued(&self) -> usize {
        self.buffer.len()
    }

    /// Frames that were sent again.
    pub(super) fn sent_again(&self) -> u64 {
        self.sent_again
    }

    /// The window and the round trips.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Values carry this many bytes from now on.
    pub(super) fn resize(&mut self, chunk: usize) {
        self.pace.resize(chunk);
    }

    /// When [`Sender::tick`] has something to do.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.timer
    }

    /// Whether what is in flight went over another carrier: it is waited for, because between
    /// two carriers there is no order.
    fn flies_elsewhere(&self) -> bool {
        self.segments.front().is_some_and(|segment| segment.carrier != self.carrier)
    }

    /// What goes out next in a value that carries at most `chunk` bytes. `header_bytes` is what
    /// the value has besides.
    pub(super) fn piece(&mut self, now: Time, chunk: usize, header_bytes: usize) -> Option<Piece> {
        if let Some(piece) = self.repair(now, chunk) {
            return Some(piece);
        }
        if self.segments.len() >= RADIO_SEGMENTS_MAX || self.flies_elsewhere() {
            return None;
        }
        let offset = self.next as u32;
        let length = self.sendable(chunk);
        if length > 0 {
            let from = (self.next - self.acked) as usize;
            let bytes = self.buffer.range(from..from + length).copied().collect();
            self.sent(now, length as u64, length + header_bytes);
            return Some(Piece::Data(offset, bytes));
        }
        if self.finishing && self.next == self.end {
            self.sent(now, 1, header_bytes);
            return Some(Piece::Close(offset));
        }
        self.probe(now).then_some(Piece::Data(offset, Bytes::new()))
    }

    /// The first piece in flight, or as much of it as fits, once more if it is missing.
    fn repair(&mut self, now: Time, chunk: usize) -> Option<Piece> {
        let first = self.segments.front_mut().filter(|_| core::mem::take(&mut self.repairing))?;
        (first.first_time, first.carrier) = (false, self.carrier);
        let length = chunk.min((first.end.min(self.end) - self.acked) as usize);
        self.sent_again += 1;
        self.timer = Some(now.after(self.pace.rto_us(self.timeouts)));
        let offset = self.acked as u32;
        if length == 0 {
            return Some(Piece::Close(offset));
        }
        Some(Piece::Data(offset, self.buffer.range(..length).copied().collect()))
    }

    /// Bytes that may go out now: no small piece while more would fit behind what is in flight.
    fn sendable(&mut self, chunk: usize) -> usize {
        let left = self.end.saturating_sub(self.next);
        let window = self.acked + self.pace.window() as u64;
        let allowed = self.edge.min(window).saturating_sub(self.next);
        let wanted = left.min(chunk as u64);
        if window.saturating_sub(self.next) <= wanted {
            self.pace.limited();
        }
        let waits = allowed < wanted && self.next > self.acked;
        if waits { 0 } else { wanted.min(allowed) as usize }
    }

    fn sent(&mut self, now: Time, length: u64, value_bytes: usize) {
        let first_time = self.next >= self.fresh;
        self.sent_again += u64::from(!first_time);
        self.next += length;
        self.fresh = self.fresh.max(self.next);
        let (end, carrier) = (self.next, self.carrier);
        self.segments.push_back(Segment { end, at: now, carrier, value_bytes, first_time });
        self.arm(now);
    }

    /// Whether the receiver is to be asked for room now; else the time for it is set.
    fn probe(&mut self, now: Time) -> bool {
        let stuck = self.next == self.acked && self.next < self.end && self.edge <= self.next;
        if stuck && self.timer.is_none() {
            self.timer = Some(now.after(self.pace.rto_us(self.timeouts.max(PROBE_TIMEOUTS))));
        }
        core::mem::take(&mut self.probing) && stuck
    }

    fn arm(&mut self, now: Time) {
        if self.timer.is_none() {
            self.timer = Some(now.after(self.pace.rto_us(self.timeouts)));
        }
    }

    /// The receiver told how far it is. `None` where this can't be true and never was.
    pub(super) fn acknowledged(&mut self, now: Time, ack: Ack) -> Option<Proof> {
        let next = nearest(self.acked, ack.next);
        if next > self.fresh || self.acked.saturating_sub(next) > RADIO_SEND_BYTES_MAX as u64 {
            return None;
        }
        if next < self.acked {
            return Some(None);
        }
        self.edge = self.edge.max(next + u64::from(ack.window));
        if next > self.acked {
            return Some(self.advance(now, next, ack.gap));
        }
        if self.fresh == self.acked {
            (self.timer, self.timeouts) = (None, 0);
        } else if ack.gap {
            self.missed(now);
        }
        Some(None)
    }

    fn advance(&mut self, now: Time, next: u64, gap: bool) -> Proof {
        let bytes = next.min(self.end).saturating_sub(self.acked) as usize;
        self.buffer.drain(..bytes);
        self.acked = next;
        self.next = self.next.max(next);
        let mut newest = None;
        while let Some(segment) = self.segments.pop_front_if(|segment| segment.end <= next) {
            newest = Some(segment);
        }
        (self.timer, self.timeouts, self.gaps) = (None, 0, 0);
        self.repairing = gap && self.repaired.is_some_and(|(_, until)| next < until);
        if self.next > self.acked {
            self.arm(now);
        }
        let newest = newest.filter(|segment| segment.first_time)?;
        if newest.carrier == self.carrier {
            self.pace.measured(now, now.since(newest.at));
            self.pace.progressed(next, self.next);
        }
        Some((newest.carrier, newest.value_bytes))
    }

    fn missed(&mut self, now: Time) {
        self.gaps += 1;
        // What was under way when it went back is told to be early for a round trip still.
        let echo_us = self.pace.srtt_us().map_or(self.pace.rto_us(0), |srtt_us| 2 * srtt_us);
        let settled = self.repaired.is_none_or(|(at, _)| now.since(at) > echo_us);
        if self.gaps >= GAPS_MAX && settled {
            self.pace.lost();
            self.gaps = 0;
            self.repairing = true;
            self.repaired = Some((now, self.next));
        }
    }

    /// Everything in flight goes out again.
    pub(super) fn rewind(&mut self, now: Time) {
        self.next = self.acked;
        self.segments.clear();
        self.timer = None;
        self.gaps = 0;
        self.repairing = false;
        self.repaired = Some((now, self.acked));
    }

    /// Notices that an acknowledgement is overdue.
    pub(super) fn tick(&mut self, now: Time) -> Timeout {
        if self.timer.is_none_or(|at| at > now) {
            return Timeout::None;
        }
        self.timer = None;
        self.timeouts += 1;
        if self.timeouts > TIMEOUTS_MAX {
            return Timeout::GivenUp;
        }
        if self.next == self.acked {
            self.probing = true;
            return Timeout::Probe;
        }
        let value_bytes = self.segments.iter().map(|segment| segment.value_bytes).max();
        self.pace.timed_out();
        self.rewind(now);
        Timeout::Again { in_a_row: self.timeouts, value_bytes: value_bytes.unwrap_or(0) }
    }

    /// Another carrier is used from now on; where the last one is gone, what it carried goes out
    /// again.
    pub(super) fn change_carrier(&mut self, now: Time, carrier: Carrier, pace: Pace, gone: bool) {
        (self.carrier, self.pace) = (carrier, pace);
        self.timeouts = 0;
        if gone {
            self.rewind(now);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.buffer = VecDeque::new();
        self.segments = VecDeque::new();
        (self.acked, self.next) = (self.fresh, self.fresh);
        self.end = self.fresh;
        self.timer = None;
    }
}
