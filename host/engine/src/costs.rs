//! What answers cost: a histogram of fixed size, however many there are.

/// Buckets for each doubling: a value is told to within 3 %.
const STEPS: u64 = 32;
/// Enough for every `u64`.
const BUCKETS: usize = (64 - 4) * STEPS as usize;

/// Times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Costs {
    counts: Vec<u64>,
    sum: u128,
    count: u64,
    most: u64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], sum: 0, count: 0, most: 0 }
    }
}

/// What times amount to, in nanoseconds; all 0 where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The mean.
    pub mean_ns: u64,
    /// The median, to within 3 %.
    pub p50_ns: u64,
    /// The 99th percentile, to within 3 %.
    pub p99_ns: u64,
    /// The largest.
    pub max_ns: u64,
}

impl Costs {
    /// Counts one.
    pub fn add(&mut self, ns: u64) {
        if let Some(count) = self.counts.get_mut(bucket(ns)) {
            *count += 1;
        }
        self.sum += u128::from(ns);
        self.count += 1;
        self.most = self.most.max(ns);
    }

    /// What they amount to.
    pub fn cost(&self) -> Cost {
        let mean = self.sum.checked_div(u128::from(self.count)).unwrap_or_default();
        Cost {
            mean_ns: u64::try_from(mean).unwrap_or(u64::MAX),
            p50_ns: self.permille(500),
            p99_ns: self.permille(990),
            max_ns: self.most,
        }
    }

    /// The least time that so many thousandths don't exceed.
    fn permille(&self, permille: u64) -> u64 {
        let rank = (self.count * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(index).min(self.most);
            }
        }
        self.most
    }
}

/// Small values have a bucket each; then each doubling has as many.
fn bucket(ns: u64) -> usize {
    if ns < 2 * STEPS {
        return ns as usize;
    }
    let shift = 58 - u64::from(ns.leading_zeros());
    (shift * STEPS + (ns >> shift)) as usize
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    let low = index % STEPS + STEPS;
    (low << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_to_within_three_percent() {
        for ns in (0..64).flat_map(|bit| [1 << bit, (1 << bit) + (1 << bit) / 3, u64::MAX >> bit]) {
            let told = upper(bucket(ns));
            assert!(told >= ns && told - ns <= ns / 31, "{ns} is told as {told}");
        }
    }

    #[test]
    fn percentiles_are_of_what_was_counted() {
        let mut costs = Costs::default();
        assert_eq!(costs.cost(), Cost::default());
        (1..=1_000).for_each(|ns| costs.add(ns));
        let cost = costs.cost();
        assert_eq!((cost.mean_ns, cost.max_ns), (500, 1_000));
        assert!((500..=516).contains(&cost.p50_ns), "{cost:?}");
        assert!((990..=1_000).contains(&cost.p99_ns), "{cost:?}");
    }
}
