//! Round-trip time, after RFC 6298: a smoothed mean, its deviation, and a windowed minimum.

use crate::id::Time;

/// The minimum is taken over the current window and the one before, in microseconds: a path
/// that became longer is believed after 5 to 10 s.
const WINDOW_US: u64 = 5_000_000;

/// What is assumed before the first sample, in microseconds (RFC 6298, 2.1).
const TIMEOUT_INITIAL_US: u64 = 1_000_000;

/// Round-trip times of one link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rtt {
    srtt_us: Option<u64>,
    rttvar_us: u64,
    window_began: Time,
    window_min_us: Option<u64>,
    last_window_min_us: Option<u64>,
    sampled_at: Time,
}

impl Rtt {
    /// Takes a sample in microseconds.
    pub(crate) fn sample(&mut self, now: Time, rtt_us: u64) {
        match self.srtt_us {
            None => {
                self.srtt_us = Some(rtt_us);
                self.rttvar_us = rtt_us / 2;
            }
            Some(srtt_us) => {
                let error_us = srtt_us.abs_diff(rtt_us);
                self.rttvar_us = (3 * self.rttvar_us + error_us) / 4;
                self.srtt_us = Some((7 * srtt_us + rtt_us) / 8);
            }
        }
        if now.since(self.window_began) > WINDOW_US {
            self.last_window_min_us = self.window_min_us.take();
            self.window_began = now;
        }
        self.window_min_us = Some(self.window_min_us.map_or(rtt_us, |min| min.min(rtt_us)));
        self.sampled_at = now;
    }

    /// The smoothed round-trip time in microseconds, once there was a sample.
    pub(crate) fn srtt_us(&self) -> Option<u64> {
        self.srtt_us
    }

    /// Its mean deviation in microseconds.
    pub(crate) fn rttvar_us(&self) -> u64 {
        self.rttvar_us
    }

    /// The least of the last 5 to 10 s in microseconds.
    pub(crate) fn min_us(&self) -> Option<u64> {
        match (self.window_min_us, self.last_window_min_us) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// When the newest sample was taken.
    pub(crate) fn sampled_at(&self) -> Time {
        self.sampled_at
    }

    /// After how many microseconds an acknowledgement is overdue: `srtt + 4 rttvar`, at least
    /// `floor_us`, and never closer to `srtt` than half the floor, because a path whose
    /// round trips hardly vary still shares its machines with others.
    pub(crate) fn timeout_us(&self, floor_us: u64) -> u64 {
        match self.srtt_us {
            None => TIMEOUT_INITIAL_US.max(floor_us),
            Some(srtt_us) => (srtt_us + (4 * self.rttvar_us).max(floor_us / 2)).max(floor_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_samples_bring_the_timeout_down_to_its_floor() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout_us(50_000), 1_000_000);
        for i in 0..100 {
            rtt.sample(Time(i * 1000), 5_000);
        }
        assert_eq!(rtt.timeout_us(50_000), 50_000);
        assert_eq!(rtt.srtt_us(), Some(5_000));
    }

    #[test]
    fn a_longer_path_is_believed_after_the_window() {
        let mut rtt = Rtt::default();
        rtt.sample(Time(0), 1_000);
        for s in 1..=12 {
            rtt.sample(Time(s * 1_000_000), 9_000);
        }
        assert_eq!(rtt.min_us(), Some(9_000));
    }
}
