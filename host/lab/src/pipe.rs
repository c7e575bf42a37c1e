//! One direction of one interface: what happens to a frame between the host and the segment.
//!
//! A pipe is arithmetic only: it is offered a frame's length at an instant and answers when
//! the frame comes out, if ever. A frame first passes the cut and the loss, then waits in a
//! queue with a tail drop for a transmitter of limited rate, then travels for the delay.
//! Frames never overtake each other, jitter or not, as on a wire or in a radio's queue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::dice::Dice;

/// Most frames that travel in one pipe: the product of 1 Gbit/s and 150 ms in full frames,
/// rounded up.
pub const FRAMES_MAX: usize = 16_384;

/// How a pipe treats its frames. The default is a perfect wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Time on the way, one direction.
    pub delay: Duration,
    /// Additional time on the way, drawn evenly from zero to this.
    pub jitter: Duration,
    /// Frames lost, per million.
    pub loss_ppm: u32,
    /// Transmitter's rate in kbit/s; 0 for unlimited.
    pub rate_kbps: u32,
    /// Bytes that may wait for the transmitter; what comes on top is dropped.
    pub queue_bytes: u32,
    /// Swallows everything, without loss of carrier.
    pub cut: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss_ppm: 0,
            rate_kbps: 0,
            queue_bytes: 1 << 20,
            cut: false,
        }
    }
}

/// What happened to the frames of a pipe so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that came in.
    pub frames: u64,
    /// Their bytes, Ethernet headers included.
    pub bytes: u64,
    /// Swallowed by a cut.
    pub cut: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Dropped at a full queue.
    pub overflowed: u64,
}

/// One direction of one interface.
#[derive(Debug)]
pub struct Pipe {
    /// How it treats frames from now on.
    pub conditions: Conditions,
    counters: Counters,
    /// When each frame that still waits for the transmitter will have left it, and its length.
    waiting: VecDeque<(Instant, u32)>,
    waiting_bytes: u64,
    transmitter_free: Instant,
    last_exit: Instant,
    travelling: usize,
}

impl Pipe {
    /// An empty pipe.
    pub fn new(now: Instant) -> Self {
        Self {
            conditions: Conditions::default(),
            counters: Counters::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            transmitter_free: now,
            last_exit: now,
            travelling: 0,
        }
    }

    /// When a frame of `length` bytes that enters at `now` comes out; `None`: never. What
    /// comes out must be reported to [`Pipe::came_out`].
    pub fn enter(&mut self, now: Instant, length: usize, dice: &mut Dice) -> Option<Instant> {
        self.counters.frames += 1;
        self.counters.bytes += length as u64;
        if self.conditions.cut {
            self.counters.cut += 1;
            return None;
        }
        if dice.below(1_000_000) < u64::from(self.conditions.loss_ppm) {
            self.counters.lost += 1;
            return None;
        }
        self.transmitted(now);
        let full = self.waiting_bytes + length as u64 > u64::from(self.conditions.queue_bytes);
        if (full && !self.waiting.is_empty()) || self.travelling >= FRAMES_MAX {
            self.counters.overflowed += 1;
            return None;
        }
        self.travelling += 1;
        Some(self.transmit(now, length, dice))
    }

    /// A frame reached the end of the pipe.
    pub fn came_out(&mut self) {
        self.travelling = self.travelling.saturating_sub(1);
    }

    /// The transmitter stands still until `until`, as a radio that scans or sleeps: frames
    /// wait in the queue and leave in a burst. What travels already arrives.
    pub fn pause(&mut self, until: Instant) {
        self.transmitter_free = self.transmitter_free.max(until);
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn transmitted(&mut self, now: Instant) {
        while let Some((gone, length)) = self.waiting.front().copied()
            && gone <= now
        {
            self.waiting.pop_front();
            self.waiting_bytes -= u64::from(length);
        }
    }

    fn transmit(&mut self, now: Instant, length: usize, dice: &mut Dice) -> Instant {
        let sent = self.transmitter_free.max(now) + self.airtime(length);
        self.transmitter_free = sent;
        if sent > now {
            self.waiting.push_back((sent, length as u32));
            self.waiting_bytes += length as u64;
        }
        let jitter_us = dice.below(self.conditions.jitter.as_micros() as u64 + 1);
        let exit = sent + self.conditions.delay + Duration::from_micros(jitter_us);
        self.last_exit = self.last_exit.max(exit);
        self.last_exit
    }

    fn airtime(&self, length: usize) -> Duration {
        match u64::from(self.conditions.rate_kbps) {
            0 => Duration::ZERO,
            kbps => Duration::from_nanos(length as u64 * 8 * 1_000_000 / kbps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pipe(conditions: Conditions) -> (Pipe, Instant, Dice) {
        let now = Instant::now();
        let mut pipe = Pipe::new(now);
        pipe.conditions = conditions;
        (pipe, now, Dice::new(3))
    }

    #[test]
    fn a_perfect_wire_delivers_at_once() {
        let (mut pipe, now, mut dice) = pipe(Conditions::default());
        assert_eq!(pipe.enter(now, 1_500, &mut dice), Some(now));
    }

    #[test]
    fn delay_comes_after_the_time_on_the_transmitter() {
        let conditions = Conditions { delay: 10 * MS, rate_kbps: 8_000, ..Conditions::default() };
        let (mut pipe, now, mut dice) = pipe(conditions);
        assert_eq!(pipe.enter(now, 1_000, &mut dice), Some(now + 11 * MS));
        assert_eq!(pipe.enter(now, 1_000, &mut dice), Some(now + 12 * MS));
        assert_eq!(pipe.enter(now + 5 * MS, 1_000, &mut dice), Some(now + 16 * MS));
    }

    #[test]
    fn a_full_queue_drops_at_its_tail_and_takes_again_when_it_drained() {
        let conditions =
            Conditions { rate_kbps: 8_000, queue_bytes: 3_000, ..Conditions::default() };
        let (mut pipe, now, mut dice) = pipe(conditions);
        let taken = (0..10).filter(|_| pipe.enter(now, 1_000, &mut dice).is_some()).count();
        assert_eq!(taken, 3);
        assert_eq!(pipe.counters().overflowed, 7);
        assert_eq!(pipe.enter(now + MS, 1_000, &mut dice), Some(now + 4 * MS));
    }

    #[test]
    fn jitter_never_reorders() {
        let conditions = Conditions { delay: MS, jitter: 20 * MS, ..Conditions::default() };
        let (mut pipe, now, mut dice) = pipe(conditions);
        let exits: Vec<_> =
            (0..100).map(|i| pipe.enter(now + i * MS / 10, 100, &mut dice).unwrap()).collect();
        assert!(exits.is_sorted());
        assert!(exits.last().unwrap().duration_since(now) > 15 * MS);
    }

    #[test]
    fn a_pause_holds_frames_back_and_loses_none() {
        let (mut pipe, now, mut dice) = pipe(Conditions::default());
        pipe.pause(now + 200 * MS);
        assert_eq!(pipe.enter(now + 50 * MS, 1_000, &mut dice), Some(now + 200 * MS));
        assert_eq!(pipe.enter(now + 250 * MS, 1_000, &mut dice), Some(now + 250 * MS));
        assert_eq!(pipe.counters().frames, 2);
    }

    #[test]
    fn a_cut_swallows_all_and_loss_its_share() {
        let (mut pipe, now, mut dice) = pipe(Conditions { cut: true, ..Conditions::default() });
        assert_eq!(pipe.enter(now, 100, &mut dice), None);
        pipe.conditions = Conditions { loss_ppm: 300_000, ..Conditions::default() };
        for _ in 0..10_000 {
            if pipe.enter(now, 100, &mut dice).is_some() {
                pipe.came_out();
            }
        }
        let Counters { cut, lost, .. } = pipe.counters();
        assert_eq!(cut, 1);
        assert!((2_800..3_200).contains(&lost), "{lost}");
    }

    #[test]
    fn frames_on_the_way_are_bounded() {
        let conditions =
            Conditions { delay: 1_000 * MS, queue_bytes: u32::MAX, ..Conditions::default() };
        let (mut pipe, now, mut dice) = pipe(conditions);
        let taken =
            (0..2 * FRAMES_MAX).filter(|_| pipe.enter(now, 60, &mut dice).is_some()).count();
        assert_eq!(taken, FRAMES_MAX);
    }
}
