//! How long a question of this lookup may take until its place goes to another.

/// Until there is anything to go by: a connection has to come about first.
const INITIAL_US: u64 = 3_000_000;

/// Shorter ones strike the innocent: peers are busy, and behind bad links.
const US_MIN: u64 = 500_000;

/// Longer ones let a few dead contacts hold a lookup up.
const US_MAX: u64 = 5_000_000;

/// The smoothed time that answers take, and how much it varies (RFC 6298, section 2).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeout {
    smoothed_us: Option<(u64, u64)>,
}

impl Timeout {
    pub(super) fn took(&mut self, us: u64) {
        let us = us.min(US_MAX);
        self.smoothed_us = Some(match self.smoothed_us {
            None => (us, us / 2),
            Some((mean, spread)) => ((7 * mean + us) / 8, (3 * spread + mean.abs_diff(us)) / 4),
        });
    }

    pub(super) fn after_us(&self) -> u64 {
        let us = self.smoothed_us.map_or(INITIAL_US, |(mean, spread)| mean + 4 * spread);
        us.clamp(US_MIN, US_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_what_answers_take() {
        let mut timeout = Timeout::default();
        assert_eq!(timeout.after_us(), INITIAL_US);
        timeout.took(400_000);
        assert_eq!(timeout.after_us(), 1_200_000);
        for _ in 0..40 {
            timeout.took(10_000);
        }
        assert_eq!(timeout.after_us(), US_MIN);
        for _ in 0..40 {
            timeout.took(u64::MAX);
        }
        assert_eq!(timeout.after_us(), US_MAX);
    }
}
