//! What a question costs on average: a few calls are timed, and what interrupted one of them
//! hardly counts.

use std::time::Duration;

/// Calls that are all timed, so that there is an answer soon; also the fewest that give one.
const FIRST: u32 = 8;
/// Afterwards one of so many is timed, because looking at the clock twice costs a fifth of a
/// question.
const EVERY: u32 = 8;
/// How many samples a new one counts for: the average follows within some tens of them.
const WEIGHT: u64 = 16;
/// A sample counts for at most so many times the average: a call during which the scheduler
/// took the processor away is no measure of the policy, and one that stays dear is believed
/// within some tens of samples all the same.
const OUTLIER: u64 = 4;

/// What a question to one policy costs on average: begin it anew with the policy.
#[derive(Debug, Default)]
pub struct MeanCost {
    calls: u32,
    samples: u32,
    /// In 1/256 ns, so that the average of small costs does not get stuck.
    mean: u64,
}

impl MeanCost {
    /// Whether the call that begins now is to be timed.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.calls = self.calls.wrapping_add(1);
        self.samples < FIRST || self.calls.is_multiple_of(EVERY)
    }

    /// Takes the time of a call into account.
    pub fn add(&mut self, took: Duration) {
        let sample =
            u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).min(u64::from(u32::MAX)) << 8;
        self.mean = match self.samples {
            0 => sample,
            // The first calls run through cold caches: the cheapest of them is the measure.
            1..FIRST => self.mean.min(sample),
            FIRST.. => {
                let sample = sample.min(self.mean * OUTLIER + (1 << 8));
                (self.mean * (WEIGHT - 1) + sample) / WEIGHT
            }
        };
        self.samples = self.samples.saturating_add(1);
    }

    /// In nanoseconds; `None` before there are enough samples.
    pub fn mean_ns(&self) -> Option<u32> {
        self.so_far_ns().filter(|_| self.samples >= FIRST)
    }

    /// The same of whatever samples there are: of few it is the cheapest. `None` without any.
    pub fn so_far_ns(&self) -> Option<u32> {
        (self.samples > 0).then(|| u32::try_from(self.mean >> 8).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(samples: impl IntoIterator<Item = u64>) -> MeanCost {
        let mut cost = MeanCost::default();
        samples.into_iter().for_each(|ns| cost.add(Duration::from_nanos(ns)));
        cost
    }

    #[test]
    fn a_few_samples_are_no_average() {
        assert_eq!(fed([]).so_far_ns(), None);
        assert_eq!(fed([100; 7]).mean_ns(), None);
        assert_eq!(fed([9_000_000, 100, 5_000]).so_far_ns(), Some(100));
        assert_eq!(fed([100; 8]).mean_ns(), Some(100));
    }

    #[test]
    fn an_interrupted_call_hardly_counts() {
        let one_in_a_hundred = (0..1_000).map(|n| if n % 100 == 50 { 10_000_000 } else { 200 });
        let mean = fed(one_in_a_hundred).mean_ns().expect("there are samples");
        assert!((200..300).contains(&mean), "{mean}");
    }

    #[test]
    fn a_policy_that_gets_dear_is_found_out() {
        let dear = fed([200; 100].into_iter().chain([50_000; 100]));
        assert!(dear.mean_ns() > Some(45_000), "{:?}", dear.mean_ns());
    }

    #[test]
    fn after_the_first_calls_one_of_eight_is_timed() {
        let mut cost = MeanCost::default();
        let mut timed = 0;
        for _ in 0..808 {
            if cost.is_due() {
                cost.add(Duration::from_nanos(1));
                timed += 1;
            }
        }
        assert_eq!(timed, 8 + 100);
    }
}
