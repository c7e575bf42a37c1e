//! How much each of many may do: token buckets by name, in a bounded table.
//!
//! A bucket that is full again says nothing. Where the table is full, the one that is full soonest
//! makes room: its owner used the least, and gets a fresh one. So whoever used up his own keeps
//! it empty, however many other names he comes by. Everything takes time that grows with the
//! logarithm of the table.

use std::collections::{BTreeMap, BTreeSet};

use pointsman_core::id::Time;

/// What one may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How often at once.
    pub burst: u32,
    /// Time for one more, in microseconds.
    pub refill_us: u64,
}

impl Rate {
    fn full_us(self) -> u64 {
        self.refill_us.saturating_mul(u64::from(self.burst))
    }
}

/// Buckets of one rate.
#[derive(Clone, Debug)]
pub struct Quota<K> {
    rate: Rate,
    names_max: usize,
    /// When each bucket is full again: all that there is to know of it.
    full_at: BTreeMap<K, Time>,
    /// The same, the soonest first.
    order: BTreeSet<(Time, K)>,
}

impl<K: Ord + Copy> Quota<K> {
    /// At most so many names are remembered.
    pub fn new(rate: Rate, names_max: usize) -> Self {
        Self { rate, names_max, full_at: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Takes one from the bucket of this name; `false` where it is empty.
    pub fn take(&mut self, now: Time, name: K) -> bool {
        let known = self.full_at.get(&name).copied();
        let full_at = known.map_or(now, |at| at.max(now)).after(self.rate.refill_us);
        if full_at.since(now) > self.rate.full_us() {
            return false;
        }
        match known {
            Some(known) => drop(self.order.remove(&(known, name))),
            None => self.make_room(),
        }
        self.full_at.insert(name, full_at);
        self.order.insert((full_at, name));
        true
    }

    /// How many names are remembered.
    pub fn count(&self) -> usize {
        self.full_at.len()
    }

    fn make_room(&mut self) {
        if self.full_at.len() >= self.names_max
            && let Some((_, soonest)) = self.order.pop_first()
        {
            self.full_at.remove(&soonest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, refill_us: 1_000 };

    #[test]
    fn a_burst_is_allowed_and_then_one_for_each_refill() {
        let mut quota = Quota::new(RATE, 10);
        let taken = (0..5).filter(|_| quota.take(Time(0), 1)).count();
        assert_eq!(taken, 3);
        assert!(!quota.take(Time(999), 1) && quota.take(Time(1_000), 1));
        assert!(!quota.take(Time(1_500), 1) && quota.take(Time(2_000), 1));
    }

    #[test]
    fn one_name_takes_nothing_from_another() {
        let mut quota = Quota::new(RATE, 10);
        while quota.take(Time(0), 1) {}
        assert!(quota.take(Time(0), 2));
    }

    #[test]
    fn a_million_names_take_no_more_memory_than_the_table_and_the_newest_keep_their_bounds() {
        let mut quota = Quota::new(RATE, 100);
        for name in 0..1_000_u64 {
            assert!(quota.take(Time(name), name));
            assert!(quota.count() <= 100);
        }
        while quota.take(Time(1_000), 999) {}
        assert!(!quota.take(Time(1_000), 999));
    }

    #[test]
    fn who_used_up_his_bucket_gets_no_fresh_one_by_crowding_the_table() {
        let mut quota = Quota::new(RATE, 100);
        while quota.take(Time(0), 0) {}
        for name in 1..100_000_u64 {
            assert!(quota.take(Time(name / 1_000), name));
        }
        assert_eq!((quota.count(), quota.order.len()), (100, 100));
        assert!(!quota.take(Time(100), 0));
        assert!(quota.take(Time(1_000), 0), "it refills like any other");
    }
}
