//! How much each of many may do: token buckets by name, in a bounded table.
//!
//! A bucket that is full again says nothing, and is forgotten. Where the table is full of others,
//! the one that was used longest ago makes room: its owner gets a fresh one, which costs it a
//! connection from somewhere else.

use std::collections::BTreeMap;

use pointsman_core::id::Time;

/// What one may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How often at once.
    pub burst: u32,
    /// Time for one more, in microseconds.
    pub refill_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What is left, in microseconds of refilling.
    left_us: u64,
    at: Time,
}

/// Buckets of one rate.
#[derive(Clone, Debug)]
pub struct Quota<K> {
    rate: Rate,
    names_max: usize,
    buckets: BTreeMap<K, Bucket>,
}

impl<K: Ord + Copy> Quota<K> {
    /// At most so many names are remembered.
    pub fn new(rate: Rate, names_max: usize) -> Self {
        Self { rate, names_max, buckets: BTreeMap::new() }
    }

    /// Takes one from the bucket of this name; `false` where it is empty.
    pub fn take(&mut self, now: Time, name: K) -> bool {
        let full_us = self.full_us();
        let left_us = match self.buckets.get(&name) {
            Some(bucket) => refilled(bucket, now, full_us),
            None => {
                self.make_room(now);
                full_us
            }
        };
        let taken = left_us.checked_sub(self.rate.refill_us);
        let left_us = taken.unwrap_or(left_us);
        self.buckets.insert(name, Bucket { left_us, at: now });
        taken.is_some()
    }

    /// How many names are remembered.
    pub fn count(&self) -> usize {
        self.buckets.len()
    }

    fn full_us(&self) -> u64 {
        self.rate.refill_us.saturating_mul(u64::from(self.rate.burst))
    }

    fn make_room(&mut self, now: Time) {
        if self.buckets.len() < self.names_max {
            return;
        }
        let full_us = self.full_us();
        self.buckets.retain(|_, bucket| refilled(bucket, now, full_us) < full_us);
        while self.buckets.len() >= self.names_max {
            let oldest = self.buckets.iter().min_by_key(|(_, bucket)| bucket.at);
            let Some(name) = oldest.map(|(&name, _)| name) else { return };
            self.buckets.remove(&name);
        }
    }
}

fn refilled(bucket: &Bucket, now: Time, full_us: u64) -> u64 {
    bucket.left_us.saturating_add(now.since(bucket.at)).min(full_us)
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
}
