//! How long an answer may take, and how much may be in flight meanwhile.
//!
//! The window follows the delay, as TCP Vegas does (Brakmo and Peterson, 1995): a round trip that
//! takes longer than the shortest one means that bytes wait in a queue below us, where nothing
//! urgent can overtake them. So it grows only while hardly any do.

use crate::id::Time;

/// Before anything was measured: several of the longest usual connection intervals.
const RTO_US_INITIAL: u64 = 1_000_000;
/// A connection interval with the other side's late acknowledgement and some repetitions.
const RTO_US_MIN: u64 = 200_000;
/// Also after back-off: a radio that comes back is not kept waiting for longer.
const RTO_US_MAX: u64 = 4_000_000;
/// How long the shortest round trip is believed: connection intervals change.
const BASE_US: u64 = 10_000_000;
/// Least window, in bytes: some of the smallest values.
const WINDOW_BYTES_MIN: usize = 256;
/// Window before anything was measured, in bytes.
const WINDOW_BYTES_INITIAL: usize = 2 << 10;
/// Chunks that may wait below us before the window stops growing.
const QUEUED_CHUNKS_LOW: usize = 2;
/// Chunks that may wait below us before it shrinks.
const QUEUED_CHUNKS_HIGH: usize = 4;

/// Round trips and the window of one carrier. A change of carrier begins a new one.
#[derive(Debug)]
pub(super) struct Pace {
    srtt_us: Option<u64>,
    rttvar_us: u64,
    /// Shortest round trip of this and of the last while.
    base_us: [u64; 2],
    base_since: Option<Time>,
    window: usize,
    chunk: usize,
    window_max: usize,
    round: Round,
    steep: bool,
}

/// From when a window was full of new bytes until they are acknowledged.
#[derive(Debug, Default)]
struct Round {
    end: u64,
    rtt_us_min: Option<u64>,
    limited: bool,
}

impl Pace {
    /// For values that carry `chunk` bytes, with at most `window_max` bytes in flight.
    pub(super) fn new(chunk: usize, window_max: usize) -> Self {
        let mut pace = Self {
            srtt_us: None,
            rttvar_us: 0,
            base_us: [u64::MAX; 2],
            base_since: None,
            window: 0,
            chunk,
            window_max,
            round: Round::default(),
            steep: true,
        };
        pace.window = (8 * chunk).min(WINDOW_BYTES_INITIAL).max(pace.floor());
        pace
    }

    /// Values carry this many bytes from now on.
    pub(super) fn resize(&mut self, chunk: usize) {
        self.chunk = chunk;
        self.window = self.window.max(self.floor());
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Smoothed round trip.
    pub(super) fn srtt_us(&self) -> Option<u64> {
        self.srtt_us
    }

    /// How long to wait for an acknowledgement after this many timeouts in a row. From RFC 6298.
    pub(super) fn rto_us(&self, timeouts: u32) -> u64 {
        let measured = self.srtt_us.map_or(RTO_US_INITIAL, |srtt| srtt + 4 * self.rttvar_us);
        (measured.max(RTO_US_MIN) << timeouts.min(8)).min(RTO_US_MAX)
    }

    /// A round trip was measured.
    pub(super) fn measured(&mut self, now: Time, rtt_us: u64) {
        let rtt_us = rtt_us.max(1);
        match self.srtt_us {
            None => (self.srtt_us, self.rttvar_us) = (Some(rtt_us), rtt_us / 2),
            Some(srtt) => {
                self.rttvar_us = (3 * self.rttvar_us + srtt.abs_diff(rtt_us)) / 4;
                self.srtt_us = Some((7 * srtt + rtt_us) / 8);
            }
        }
        if self.base_since.is_none_or(|since| now.since(since) > BASE_US) {
            self.base_since = Some(now);
            self.base_us = [u64::MAX, self.base_us[0]];
        }
        self.base_us[0] = self.base_us[0].min(rtt_us);
        let least = self.round.rtt_us_min.get_or_insert(rtt_us);
        *least = (*least).min(rtt_us);
    }

    /// The window was full, or nearly so.
    pub(super) fn limited(&mut self) {
        self.round.limited = true;
    }

    /// Everything before `acked` has arrived; `sent` is where the next new byte is. Once a round
    /// this adapts the window.
    pub(super) fn progressed(&mut self, acked: u64, sent: u64) {
        if acked < self.round.end {
            return;
        }
        let round = core::mem::replace(&mut self.round, Round { end: sent, ..Round::default() });
        if let Some(rtt_us) = round.rtt_us_min {
            self.adapt(rtt_us, round.limited);
        }
    }

    fn adapt(&mut self, rtt_us: u64, limited: bool) {
        let base_us = self.base_us[0].min(self.base_us[1]);
        let waited = rtt_us.saturating_sub(base_us);
        let queued = (self.window as u64 * waited / rtt_us) as usize;
        if queued > QUEUED_CHUNKS_HIGH * self.chunk {
            self.steep = false;
            self.shrink(self.window - self.chunk.min(self.window));
        } else if queued < QUEUED_CHUNKS_LOW * self.chunk && limited {
            let more = if self.steep { self.window / 2 } else { 0 };
            self.window = (self.window + more.max(self.chunk)).min(self.window_max);
        }
    }

    /// Something was lost.
    pub(super) fn lost(&mut self) {
        self.steep = false;
        self.shrink(self.window / 2);
    }

    /// Nothing came back for as long as [`Pace::rto_us`].
    pub(super) fn timed_out(&mut self) {
        self.steep = false;
        self.shrink(0);
    }

    fn shrink(&mut self, window: usize) {
        self.window = window.max(self.floor());
    }

    fn floor(&self) -> usize {
        (4 * self.chunk).max(WINDOW_BYTES_MIN).min(self.window_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(pace: &mut Pace, count: u64, rtt_us: impl Fn(usize) -> u64) {
        for round in 0..count {
            pace.limited();
            pace.measured(Time(round * 100_000), rtt_us(pace.window()));
            pace.progressed(pace.round.end, pace.round.end + 1);
        }
    }

    #[test]
    fn the_window_grows_while_the_delay_stays_and_no_further_than_told() {
        let mut pace = Pace::new(237, 8192);
        rounds(&mut pace, 50, |_| 30_000);
        assert_eq!(pace.window(), 8192);
    }

    #[test]
    fn a_queue_below_us_stays_within_a_few_chunks() {
        let mut pace = Pace::new(237, 1 << 20);
        // 50 bytes a millisecond and 30 ms of way: 1500 bytes are on their way, the rest waits.
        rounds(&mut pace, 80, |window| (window as u64 * 20).max(30_000));
        assert!((1500..1500 + 6 * 237).contains(&pace.window()), "{}", pace.window());
    }

    #[test]
    fn losses_leave_four_chunks_and_an_answer_may_take_ever_longer() {
        let mut pace = Pace::new(500, 8192);
        assert_eq!(pace.rto_us(0), RTO_US_INITIAL);
        pace.measured(Time(0), 10_000);
        assert_eq!(pace.rto_us(0), RTO_US_MIN);
        assert_eq!(pace.rto_us(2), 4 * RTO_US_MIN);
        assert_eq!(pace.rto_us(u32::MAX), RTO_US_MAX);
        pace.timed_out();
        assert_eq!(pace.window(), 2000);
    }
}
