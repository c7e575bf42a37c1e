//! The share of the time that a link was usable.

use super::Link;
use crate::id::Time;
use crate::snapshot::LinkState;

/// After this many microseconds of history the older half counts half in the reliability.
const RELIABILITY_HORIZON_US: u64 = 2 * 3600 * 1_000_000;

impl Link {
    /// Brings the reliability up to date before the state changes, and at times.
    pub(crate) fn judge(&mut self, now: Time) {
        let elapsed_us = now.since(self.judged_at);
        self.judged_at = now;
        self.judged_us += elapsed_us;
        if self.state == LinkState::Up {
            self.usable_us += elapsed_us;
        }
        if self.judged_us > RELIABILITY_HORIZON_US {
            self.judged_us /= 2;
            self.usable_us /= 2;
        }
    }

    /// Share of the time that it was usable, per million.
    pub(crate) fn reliability_ppm(&self) -> u32 {
        match self.judged_us {
            0 => 1_000_000,
            judged_us => (self.usable_us.saturating_mul(1_000_000) / judged_us) as u32,
        }
    }
}
