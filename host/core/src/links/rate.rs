//! Delivery rate and room: how fast a link delivers, and how much it may hold at once.
//!
//! The rate is estimated as in draft-cheng-iccrg-delivery-rate-estimation: each packet
//! remembers how much had been delivered when it was sent; its acknowledgement gives a
//! sample; the greatest of the last rounds counts. The room follows from it: a little more
//! than the bandwidth-delay product, so that what is sent is under way and not in a queue,
//! and a decision made now is carried out now.

use crate::id::Time;
use crate::limits::PIECE_BYTES_MAX;

/// Rounds over which the greatest sample counts, as BBR has it.
const ROUNDS: usize = 10;

/// Room before anything was measured, and the least at any time, in bytes: one piece of the
/// largest size can always be under way while another is acknowledged.
const FLOOR_BYTES: u64 = 2 * PIECE_BYTES_MAX as u64;

/// The same on a narrow path, which a second piece would only queue on: one of them is a
/// fifth of a second at 80 kB/s, what Bluetooth LE carries in practice.
const NARROW_FLOOR_BYTES: u64 = PIECE_BYTES_MAX as u64;

/// What two event loops add to a round trip when they handle packets in batches, in
/// microseconds. Without it a fast short path would never fill.
const BATCHING_US: u64 = 5_000;

/// A round without growth of a quarter is one of the three that end the start (BBR's rule).
const START_ROUNDS: u8 = 3;

/// What a packet remembers of the moment it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentMark {
    delivered: u64,
    delivered_at: Time,
    first_sent_at: Time,
    app_limited: bool,
}

/// The estimate for one link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    delivered: u64,
    delivered_at: Time,
    first_sent_at: Time,
    app_limited_until: u64,
    round_ends_at: u64,
    rounds: [u64; ROUNDS],
    round: usize,
    start_best: u64,
    start_stalls: u8,
    last_sample_app_limited: bool,
    is_narrow: bool,
}

impl Rate {
    /// Of a path on which a piece of the largest size takes long.
    pub(crate) fn narrow() -> Self {
        Self { is_narrow: true, ..Self::default() }
    }

    /// What the next packet must remember. `idle` says that nothing is in flight.
    pub(crate) fn mark(&mut self, now: Time, idle: bool) -> SentMark {
        if idle {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        SentMark {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            app_limited: self.app_limited_until > self.delivered,
        }
    }

    /// The sender had nothing more to send although there was room: what is measured until
    /// the packets now in flight are delivered says nothing of what the link can do.
    pub(crate) fn app_limited(&mut self, inflight_bytes: u64) {
        self.app_limited_until = self.delivered + inflight_bytes.max(1);
    }

    /// A packet of `bytes`, sent at `sent_at`, was acknowledged.
    pub(crate) fn delivered(&mut self, now: Time, sent_at: Time, bytes: u64, mark: SentMark) {
        self.delivered += bytes;
        self.delivered_at = now;
        self.first_sent_at = sent_at;
        if mark.delivered >= self.round_ends_at {
            self.next_round();
        }
        let sent_us = sent_at.since(mark.first_sent_at);
        let acked_us = now.since(mark.delivered_at);
        let elapsed_us = sent_us.max(acked_us).max(1);
        let sample = (self.delivered - mark.delivered).saturating_mul(1_000_000) / elapsed_us;
        self.last_sample_app_limited = mark.app_limited;
        if !mark.app_limited || sample > self.bytes_per_s() {
            let best = &mut self.rounds[self.round];
            *best = sample.max(*best);
        }
    }

    fn next_round(&mut self) {
        self.round_ends_at = self.delivered;
        if self.last_sample_app_limited {
            return;
        }
        let best = self.bytes_per_s();
        if best > self.start_best + self.start_best / 4 {
            self.start_best = best;
            self.start_stalls = 0;
        } else if best > 0 {
            self.start_stalls = self.start_stalls.saturating_add(1);
        }
        self.round = (self.round + 1) % ROUNDS;
        self.rounds[self.round] = 0;
    }

    /// The estimate in bytes per second; 0 before the first sample.
    pub(crate) fn bytes_per_s(&self) -> u64 {
        self.rounds.iter().copied().max().unwrap_or_default()
    }

    /// Whether the newest sample was limited by what there was to send.
    pub(crate) fn is_app_limited(&self) -> bool {
        self.last_sample_app_limited
    }

    /// How much may be in flight at once, in bytes: twice the bandwidth-delay product while
    /// the rate still grows, then 1.25 times.
    pub(crate) fn window_bytes(&self, min_rtt_us: Option<u64>) -> u64 {
        let floor_bytes = if self.is_narrow { NARROW_FLOOR_BYTES } else { FLOOR_BYTES };
        let Some(min_rtt_us) = min_rtt_us else { return 2 * floor_bytes };
        let product = self.bytes_per_s().saturating_mul(min_rtt_us + BATCHING_US) / 1_000_000;
        let gained = if self.start_stalls < START_ROUNDS { 2 * product } else { product * 5 / 4 };
        gained + floor_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten packets of 1 kB in flight over a path of 10 ms that serves one per millisecond.
    #[test]
    fn the_rate_of_a_steady_path_is_found() {
        let mut rate = Rate::default();
        let mut flying = std::collections::VecDeque::new();
        for ms in 0..200u64 {
            let now = Time(ms * 1000);
            if ms >= 10 {
                let (sent_at, mark) = flying.pop_front().expect("ten in flight");
                rate.delivered(now, sent_at, 1000, mark);
            }
            let idle = flying.is_empty();
            flying.push_back((now, rate.mark(now, idle)));
        }
        let found = rate.bytes_per_s();
        assert!((950_000..=1_050_000).contains(&found), "{found}");
    }

    #[test]
    fn a_narrow_path_is_given_one_piece_at_a_time() {
        let piece = PIECE_BYTES_MAX as u64;
        assert_eq!(Rate::narrow().window_bytes(Some(0)), piece);
        assert_eq!(Rate::default().window_bytes(Some(0)), 2 * piece);
    }

    #[test]
    fn a_trickle_does_not_shrink_what_was_measured() {
        let mut rate = Rate { rounds: [1_000_000; ROUNDS], ..Rate::default() };
        for s in 0..50u64 {
            let sent_at = Time(s * 1_000_000);
            rate.app_limited(0);
            let mark = rate.mark(sent_at, true);
            rate.delivered(sent_at.after(10_000), sent_at, 100, mark);
        }
        assert_eq!(rate.bytes_per_s(), 1_000_000);
    }
}
