//! The only place of the program that reads a clock or draws entropy.
//!
//! Time is `CLOCK_BOOTTIME`: it never runs backwards and counts suspended time too. Whoever
//! must know that the machine slept keeps a [`Clock`] and asks [`Clock::asleep_us`].

use pointsman_core::id::Time;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// A growth of the gap between the clocks below this is the noise of reading one after the
/// other, in microseconds.
const SLEEP_US_MIN: u64 = 10_000;

/// Tells the time, and how much of it the machine slept.
#[derive(Debug)]
pub struct Clock {
    gap_us: u64,
}

impl Clock {
    /// A clock that counts sleep from now on.
    pub fn new() -> Self {
        Self { gap_us: gap_us() }
    }

    /// Now.
    pub fn now() -> Time {
        Time(us(clock_gettime(ClockId::Boottime)))
    }

    /// How long the machine was suspended since this was asked last, in microseconds; 0 where
    /// that is under 10 ms.
    pub fn asleep_us(&mut self) -> u64 {
        self.slept(gap_us())
    }

    fn slept(&mut self, gap_us: u64) -> u64 {
        let grown = gap_us.saturating_sub(self.gap_us);
        if grown < SLEEP_US_MIN {
            return 0;
        }
        self.gap_us = gap_us;
        grown
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Fills the buffer with random bytes that nobody can foretell.
pub fn fill_random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("Linux has had getrandom(2) since 3.17, and it does not fail");
}

/// A random number that nobody can foretell.
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    fill_random(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// A number for this run of the node: greater than that of any run before it, and not to be
/// guessed. Wall time in milliseconds above 20 random bits.
pub fn session() -> u64 {
    let wall_ms = us(clock_gettime(ClockId::Realtime)) / 1000;
    wall_ms << 20 | random_u64() & 0xf_ffff
}

/// How far the clock that counts sleep is ahead of the one that does not.
fn gap_us() -> u64 {
    let awake = us(clock_gettime(ClockId::Monotonic));
    us(clock_gettime(ClockId::Boottime)).saturating_sub(awake)
}

fn us(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_backwards() {
        let mut last = Clock::now();
        for _ in 0..1000 {
            let now = Clock::now();
            assert!(now >= last);
            last = now;
        }
        assert!(last > Time(0));
    }

    #[test]
    fn sleep_is_told_once_and_noise_never() {
        let mut clock = Clock { gap_us: 1_000_000 };
        assert_eq!(clock.slept(1_000_200), 0);
        assert_eq!(clock.slept(61_000_000), 60_000_000);
        assert_eq!(clock.slept(61_000_300), 0);
        assert_eq!(clock.slept(60_999_000), 0);
    }

    #[test]
    fn a_machine_that_is_awake_tells_of_no_sleep_at_all() {
        assert_eq!(Clock::new().asleep_us(), 0);
    }

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random_u64(), random_u64());
    }
}
