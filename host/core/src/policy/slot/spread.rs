//! How times are spread: a count for each eighth of a power of two, so that any percentile is
//! known to an eighth and the memory is fixed.

/// Counts for each power of two.
const STEPS: usize = 8;
/// Times up to 2^40 µs, twelve days, are told apart.
const BUCKETS: usize = 38 * STEPS;

/// Microseconds, counted by size.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    counts: Box<[u32; BUCKETS]>,
    total: u64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl Spread {
    pub(super) fn count(&mut self, us: u64) {
        let count = &mut self.counts[bucket(us)];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }
}

/// Several spreads as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Together<'a>(pub(super) [&'a Spread; 2]);

impl Together<'_> {
    pub(super) fn total(self) -> u64 {
        self.0.iter().map(|spread| spread.total).sum()
    }

    /// At least so many of 100 are no longer than this, in microseconds. The two longest never
    /// decide it: what happens twice happens to any policy.
    pub(super) fn percentile(self, of_100: u64) -> u64 {
        let total = self.total();
        let rank = (total * of_100).div_ceil(100).min(total.saturating_sub(2)).max(1);
        let mut seen = 0;
        for index in 0..BUCKETS {
            seen += self.at(index);
            if seen >= rank {
                return edge(index + 1);
            }
        }
        0
    }

    /// How many are longer than this, in microseconds, by their bucket.
    pub(super) fn above(self, us: u64) -> u64 {
        (bucket(us) + 1..BUCKETS).map(|index| self.at(index)).sum()
    }

    fn at(self, index: usize) -> u64 {
        self.0.iter().map(|spread| u64::from(spread.counts[index])).sum()
    }
}

fn bucket(us: u64) -> usize {
    if us < STEPS as u64 {
        return us as usize;
    }
    let power = us.ilog2() as usize;
    let step = (us >> (power - 3)) as usize % STEPS;
    ((power - 2) * STEPS + step).min(BUCKETS - 1)
}

/// The least time that a bucket counts, in microseconds.
fn edge(index: usize) -> u64 {
    match index / STEPS {
        0 => index as u64,
        row => ((STEPS + index % STEPS) as u64) << (row - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_between_the_edges_of_its_bucket() {
        for us in (0..2_000).chain((11..40).map(|power| (1 << power) + 12_345 % (1 << power))) {
            let index = bucket(us);
            assert!((edge(index)..edge(index + 1)).contains(&us), "{us}");
        }
    }

    #[test]
    fn a_percentile_is_right_to_an_eighth_and_two_strays_do_not_decide_it() {
        let mut spread = Spread::default();
        let none = Spread::default();
        for us in 1..=50 {
            spread.count(us * 1_000);
        }
        for _ in 0..2 {
            spread.count(9_000_000);
        }
        let both = Together([&spread, &none]);
        assert!((50_000..57_000).contains(&both.percentile(99)), "{}", both.percentile(99));
        assert!((26_000..30_000).contains(&both.percentile(50)), "{}", both.percentile(50));
        assert_eq!(both.above(1_000_000), 2);
        assert_eq!(both.total(), 52);
    }
}
