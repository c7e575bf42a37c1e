//! A rate that may not be exceeded for long: so many at once, then one every so often.

use crate::id::Time;

/// The generic cell rate algorithm (ITU-T I.371, annex A): one number is its whole state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// Time that one takes.
    period_us: u64,
    /// How far ahead the bucket may be booked.
    slack_us: u64,
    /// Until when it is booked.
    booked_to: Time,
}

impl Bucket {
    /// `burst` at once, then one every `period_us`.
    pub(super) fn new(period_us: u64, burst: u64) -> Self {
        let period_us = period_us.max(1);
        let slack_us = period_us.saturating_mul(burst.saturating_sub(1));
        Self { period_us, slack_us, booked_to: Time(0) }
    }

    /// When the next may be taken.
    pub(super) fn ready_at(&self) -> Time {
        Time(self.booked_to.0.saturating_sub(self.slack_us))
    }

    /// Takes one, if it is ready.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let is_ready = self.ready_at() <= now;
        if is_ready {
            self.booked_to = self.booked_to.max(now).after(self.period_us);
        }
        is_ready
    }

    /// Another rate from now on; what is booked stays booked.
    pub(super) fn set(&mut self, period_us: u64, burst: u64) {
        let booked_to = self.booked_to;
        *self = Self { booked_to, ..Self::new(period_us, burst) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_a_period() {
        let mut bucket = Bucket::new(100, 3);
        let passed = (0..10).filter(|_| bucket.take(Time(1000))).count();
        assert_eq!((passed, bucket.ready_at()), (3, Time(1100)));
        let passed: Vec<u64> = (1001..=1300).filter(|us| bucket.take(Time(*us))).collect();
        assert_eq!(passed, [1100, 1200, 1300]);
    }

    #[test]
    fn a_rest_fills_it_up_to_the_burst_and_no_further() {
        let mut bucket = Bucket::new(100, 3);
        assert_eq!((0..10).filter(|_| bucket.take(Time(0))).count(), 3);
        assert_eq!((0..10).filter(|_| bucket.take(Time(1_000_000))).count(), 3);
    }
}
