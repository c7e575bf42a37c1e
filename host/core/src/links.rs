//! Links: one connection each, what is in flight on it, and how good it is.
//!
//! A link is born when its handshake is done, greets, is up, may become suspect and
//! recover any number of times, and ends when the shell says that it is down. It numbers
//! every packet that it carries; the acknowledgements of those numbers are all that its
//! measures are made of.

mod number;
mod ranges;
mod rate;
mod reliability;
mod row;
mod rtt;

use std::collections::VecDeque;

use pointsman_sdk::selector::Class;
use pointsman_sdk::{Transport, UNKNOWN};

use crate::frame::{Ack, Hello};
use crate::id::{LinkId, PeerNumber, Time};
use crate::input::{Address, LinkSample, NewLink};
use crate::limits::INFLIGHT_PACKETS_MAX;
use crate::snapshot::LinkState;
use ranges::Received;
use rate::{Rate, SentMark};
use rtt::Rtt;

/// What a packet carries: what becomes acknowledged with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// Nothing but the question whether the link is alive.
    Probe,
    /// A piece of a message.
    Piece(PieceId),
}

/// Which piece of which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PieceId {
    /// Index of the class.
    pub(crate) class: u8,
    /// Number of the message.
    pub(crate) message: u64,
    /// Number of the piece in it, from 0.
    pub(crate) index: u32,
}

/// A packet in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Time,
    pub(crate) bytes: u32,
    pub(crate) carried: Carried,
    /// Where a copy of it went later, when this link became suspect.
    pub(crate) copied_to: Option<LinkId>,
    acked: bool,
    lost: bool,
    /// The machine slept meanwhile: its age says nothing of the path.
    slept: bool,
    mark: SentMark,
}

impl Sent {
    /// The piece that it carries, if that is one of the realtime class.
    fn urgent(&self) -> Option<PieceId> {
        match self.carried {
            Carried::Piece(piece) if piece.class == Class::Realtime as u8 => Some(piece),
            Carried::Piece(_) | Carried::Probe => None,
        }
    }
}

/// What an acknowledgement brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acked {
    /// Pieces that arrived, oldest first.
    pub(crate) pieces: Vec<PieceId>,
    /// Pieces that were sent as datagrams and have been overtaken: lost.
    pub(crate) lost: Vec<PieceId>,
    /// When the newest of the acknowledged packets was sent.
    pub(crate) newest_sent_at: Option<Time>,
    /// How many packets.
    pub(crate) packets: u32,
    /// How many of them later than their timeout, the machine being awake.
    pub(crate) late: u32,
    /// How many of those that carried a piece later than their timeout.
    pub(crate) late_pieces: u32,
}

/// A link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) new: NewLink,
    pub(crate) peer: PeerNumber,
    /// By what policies know it; 0 before the other side's hello.
    pub(crate) path: u32,
    pub(crate) state: LinkState,
    pub(crate) masked: bool,
    pub(crate) since: Time,
    /// The other side's hello, once it came.
    pub(crate) hello: Option<Hello>,
    /// The address that was dialled; `None` where the peer dialled.
    pub(crate) dialled: Option<Address>,
    /// Ranked against a duplicate: who dialled, then in which order.
    pub(crate) dial_number: u64,
    /// When something arrived last.
    pub(crate) heard_at: Time,
    /// When a packet was sent last.
    pub(crate) sent_at: Time,
    /// When something in flight was acknowledged last.
    progressed_at: Time,
    /// Timeouts in a row.
    pub(crate) misses: u32,
    /// When the next timeout of a suspect link counts as a miss.
    pub(crate) next_miss: Time,
    /// When it became suspect.
    pub(crate) suspect_since: Time,
    /// When the probe was sent whose result the failover policy waits for.
    pub(crate) probed_at: Option<Time>,
    /// Packets that other links delivered meanwhile.
    pub(crate) others_progressed: u32,
    /// Packets arrived that are not acknowledged to the peer yet.
    pub(crate) ack_due: bool,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    pub(crate) duplicate_bytes: u64,
    pub(crate) sample: LinkSample,
    arrived: Received,
    arrived_at: Time,
    next_sequence: u64,
    first_unacked: u64,
    flight: VecDeque<Sent>,
    inflight_bytes: u64,
    /// Packets of the realtime class in flight.
    urgent_inflight: u64,
    rtt: Rtt,
    rate: Rate,
    late_ppm: u32,
    proven: bool,
    usable_us: u64,
    judged_us: u64,
    judged_at: Time,
}

/// Before any rate was measured, the first packets may queue on a slow path for so long
/// between two acknowledgements, in microseconds: a piece takes 131 ms at 1 Mbit/s.
const FIRST_FLIGHT_US: u64 = 300_000;

/// The same on a narrow path: two pieces take 800 ms at 40 kB/s.
const NARROW_FIRST_FLIGHT_US: u64 = 1_000_000;

/// Weight of one packet in the running share of late ones: 1/64.
const LATE_SHIFT: u32 = 6;

/// Packets of the same kind that overtake a datagram before it counts as lost (RFC 9002, 6.1.1).
const REORDERING: u64 = 3;

impl Link {
    pub(crate) fn new(new: NewLink, peer: PeerNumber, dialled: Option<Address>, now: Time) -> Self {
        let is_narrow = new.transport == Transport::Bluetooth;
        Self {
            dialled,
            dial_number: new.dial.map_or(0, |dial| dial.0),
            new,
            peer,
            path: 0,
            state: LinkState::Greeting,
            masked: false,
            since: now,
            hello: None,
            heard_at: now,
            sent_at: now,
            progressed_at: now,
            misses: 0,
            next_miss: now,
            suspect_since: now,
            probed_at: None,
            others_progressed: 0,
            ack_due: false,
            sent_bytes: 0,
            received_bytes: 0,
            duplicate_bytes: 0,
            sample: LinkSample::default(),
            arrived: Received::default(),
            arrived_at: now,
            next_sequence: 1,
            first_unacked: 1,
            flight: VecDeque::new(),
            inflight_bytes: 0,
            urgent_inflight: 0,
            rtt: Rtt::default(),
            rate: if is_narrow { Rate::narrow() } else { Rate::default() },
            late_ppm: 0,
            proven: false,
            usable_us: 0,
            judged_us: 0,
            judged_at: now,
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> LinkId {
        self.new.link
    }

    /// Whether packets may be put on it at all.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, LinkState::Up | LinkState::Suspect)
    }

    /// Whether it leads through a relay.
    pub(crate) fn is_relayed(&self) -> bool {
        self.new.transport == Transport::Relay
    }

    /// Whether anything on it was acknowledged.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether it is up and nothing speaks against it.
    pub(crate) fn is_sound(&self) -> bool {
        self.state == LinkState::Up && !self.masked
    }

    /// What the sender's copy of a packet is kept for: numbers it and starts its clock.
    pub(crate) fn send(&mut self, now: Time, bytes: u32, carried: Carried) -> u64 {
        let mark = self.rate.mark(now, self.flight.is_empty());
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.flight.push_back(Sent {
            at: now,
            bytes,
            carried,
            copied_to: None,
            acked: false,
            lost: false,
            slept: false,
            mark,
        });
        self.urgent_inflight += u64::from(self.flight.back().and_then(Sent::urgent).is_some());
        self.inflight_bytes += u64::from(bytes);
        self.sent_bytes += u64::from(bytes);
        self.sent_at = now;
        sequence
    }

    /// Takes an acknowledgement. `None` where it names a packet that was never sent.
    pub(crate) fn acknowledge(&mut self, now: Time, ack: &Ack, floor_us: u64) -> Option<Acked> {
        let newest = ack.ranges.first()?.1;
        if newest >= self.next_sequence {
            return None;
        }
        let timeout_us = self.rtt.timeout_us(floor_us);
        let mut acked = Acked::default();
        let mut newest_sent = None;
        for &(first, last) in ack.ranges.iter().rev() {
            for sequence in first.max(self.first_unacked)..=last {
                if let Some(sent) = self.take(sequence) {
                    self.count(now, sent, timeout_us, &mut acked);
                    newest_sent = Some((sequence, sent));
                }
            }
        }
        if let Some((sequence, sent)) = newest_sent {
            if sequence == newest && !sent.slept {
                let delay_us = ack.delay_us.min(now.since(sent.at));
                self.rtt.sample(now, now.since(sent.at) - delay_us);
            }
            acked.newest_sent_at = Some(sent.at);
            self.progressed_at = now;
            self.find_lost(now, newest, timeout_us, &mut acked);
        }
        self.forget_front();
        Some(acked)
    }

    fn take(&mut self, sequence: u64) -> Option<Sent> {
        let index = usize::try_from(sequence.checked_sub(self.first_unacked)?).ok()?;
        let sent = self.flight.get_mut(index)?;
        if sent.acked {
            return None;
        }
        sent.acked = true;
        if !sent.lost {
            self.urgent_inflight -= u64::from(sent.urgent().is_some());
            self.inflight_bytes -= u64::from(sent.bytes);
        }
        Some(*sent)
    }

    fn count(&mut self, now: Time, sent: Sent, timeout_us: u64, acked: &mut Acked) {
        if !sent.slept {
            self.rate.delivered(now, sent.at, u64::from(sent.bytes), sent.mark);
        }
        let late = if now.since(sent.at) > timeout_us { 1_000_000 } else { 0 };
        self.late_ppm = self.late_ppm - (self.late_ppm >> LATE_SHIFT) + (late >> LATE_SHIFT);
        self.proven = true;
        acked.packets += 1;
        acked.late += u32::from(late > 0 && !sent.slept);
        if let Carried::Piece(piece) = sent.carried {
            acked.pieces.push(piece);
            acked.late_pieces += u32::from(late > 0);
        }
    }

    /// Realtime packets travel as datagrams, which nobody sends again: those that three later
    /// ones overtook are lost, and those that are overdue when anything later arrived.
    fn find_lost(&mut self, now: Time, newest: u64, timeout_us: u64, acked: &mut Acked) {
        if self.new.datagram_bytes == 0 || self.urgent_inflight == 0 {
            return;
        }
        let patience_us = self.rtt.srtt_us().unwrap_or_default() * 9 / 8;
        let mut overtaken = 0;
        let upto = (newest + 1).saturating_sub(self.first_unacked) as usize;
        for sent in self.flight.iter_mut().take(upto).rev() {
            let Some(piece) = sent.urgent() else { continue };
            let age_us = now.since(sent.at);
            let by_order = overtaken >= REORDERING && age_us > patience_us;
            if sent.acked {
                overtaken += 1;
            } else if !sent.lost && (by_order || age_us > timeout_us.max(patience_us)) {
                sent.lost = true;
                self.urgent_inflight -= 1;
                self.inflight_bytes -= u64::from(sent.bytes);
                acked.lost.push(piece);
            }
        }
    }

    fn forget_front(&mut self) {
        while self.flight.front().is_some_and(|sent| sent.acked || sent.lost) {
            self.flight.pop_front();
            self.first_unacked += 1;
        }
    }

    /// What is in flight, oldest first.
    pub(crate) fn unacked(&mut self) -> impl Iterator<Item = &mut Sent> {
        self.flight.iter_mut().filter(|sent| !sent.acked && !sent.lost)
    }

    /// Counts the age of what is in flight from now on.
    pub(crate) fn restart_clock(&mut self, now: Time) {
        for sent in &mut self.flight {
            sent.at = now;
            sent.slept = true;
        }
        self.progressed_at = now;
        self.next_miss = self.next_miss.max(now);
    }

    /// Forgets what is in flight: it was given to others.
    pub(crate) fn forget_flight(&mut self) {
        self.first_unacked = self.next_sequence;
        self.flight.clear();
        self.inflight_bytes = 0;
        self.urgent_inflight = 0;
    }

    /// When the oldest packet in flight was sent.
    pub(crate) fn oldest_unacked_at(&self) -> Option<Time> {
        self.flight.front().map(|sent| sent.at)
    }

    /// Whether a further packet may be put on it.
    pub(crate) fn takes_packets(&self) -> bool {
        self.is_live() && self.flight.len() < INFLIGHT_PACKETS_MAX
    }

    /// What is in flight, in bytes, by class.
    pub(crate) fn unacked_bytes(&self) -> [u32; 3] {
        let mut bytes = [0u32; 3];
        for sent in self.flight.iter().filter(|sent| !sent.acked && !sent.lost) {
            if let Carried::Piece(piece) = sent.carried {
                let class = &mut bytes[usize::from(piece.class)];
                *class = class.saturating_add(sent.bytes);
            }
        }
        bytes
    }

    /// Notes a packet that arrived; tells whether it is new.
    pub(crate) fn arrive(&mut self, now: Time, sequence: u64, bytes: usize) -> bool {
        self.received_bytes += bytes as u64;
        self.ack_due = true;
        self.arrived_at = now;
        self.arrived.insert(sequence)
    }

    /// The acknowledgement that is due, if one ever was.
    pub(crate) fn ack(&mut self, now: Time) -> Option<Ack> {
        self.ack_due = false;
        let link = self.hello.as_ref()?.link;
        if self.arrived.is_empty() {
            return None;
        }
        let delay_us = now.since(self.arrived_at);
        Some(Ack { link, delay_us, ranges: self.arrived.newest() })
    }

    /// When the oldest acknowledgement is overdue, if any is awaited. While others come in,
    /// however late, the link is alive: it must also have been still for `floor_us`.
    pub(crate) fn overdue_at(&self, floor_us: u64) -> Option<Time> {
        let oldest = self.flight.front()?.at;
        let due = oldest.after(self.rtt.timeout_us(floor_us));
        Some(due.max(self.progressed_at.after(self.patience_us(floor_us))))
    }

    /// How long a link with packets in flight may be still. On a narrow path what is in flight
    /// takes longer than a round trip to be sent at all: twice that time, at the measured rate.
    fn patience_us(&self, floor_us: u64) -> u64 {
        let is_narrow = self.new.transport == Transport::Bluetooth;
        match self.rate.bytes_per_s() {
            0 if is_narrow => NARROW_FIRST_FLIGHT_US,
            0 => FIRST_FLIGHT_US,
            rate if is_narrow => floor_us.max(2_000_000 * self.inflight_bytes / rate),
            _ => floor_us,
        }
    }

    /// After how many microseconds an acknowledgement is overdue.
    pub(crate) fn timeout_us(&self, floor_us: u64) -> u64 {
        self.rtt.timeout_us(floor_us)
    }

    /// Smoothed round-trip time in microseconds.
    pub(crate) fn srtt_us(&self) -> Option<u64> {
        self.rtt.srtt_us()
    }

    /// What it can take now without queueing, in bytes. A link on which an acknowledgement is
    /// overdue has none: what it holds already is too much. A new one has none before its
    /// first probe came back: channels have no order among each other, and data must not
    /// overtake the hello.
    pub(crate) fn room_bytes(&self) -> u64 {
        let is_full = self.flight.len() >= INFLIGHT_PACKETS_MAX;
        if self.state != LinkState::Up || !self.proven || is_full {
            return 0;
        }
        self.rate.window_bytes(self.rtt.min_us()).saturating_sub(self.inflight_bytes)
    }

    /// There was room and nothing to send.
    pub(crate) fn app_limited(&mut self) {
        self.rate.app_limited(self.inflight_bytes);
    }

    /// Packets acknowledged later than their timeout, per million.
    pub(crate) fn late_ppm(&self) -> u32 {
        self.late_ppm
    }

    /// In flight, in bytes.
    pub(crate) fn inflight_bytes(&self) -> u64 {
        self.inflight_bytes
    }

    /// Delivery rate in kilobits per second, once measured.
    pub(crate) fn rate_kbps(&self) -> Option<u32> {
        let bytes_per_s = self.rate.bytes_per_s();
        (bytes_per_s > 0).then(|| saturate(bytes_per_s / 125))
    }

    /// Mean deviation of the round-trip time in microseconds.
    pub(crate) fn rttvar_us(&self) -> u64 {
        self.rtt.rttvar_us()
    }

    /// Least round-trip time in microseconds.
    pub(crate) fn min_rtt_us(&self) -> Option<u64> {
        self.rtt.min_us()
    }
}

/// As `u32`, short of [`UNKNOWN`].
pub(crate) fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(UNKNOWN).min(UNKNOWN - 1)
}
