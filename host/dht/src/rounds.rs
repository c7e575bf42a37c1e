//! Which lookups of our own are due: joining, filling the table, keeping it fresh.
//!
//! Until somebody answered, a lookup of our own surroundings is tried again and again, with
//! waits that double. Then come the buckets, the far ones first, and some targets that nobody
//! chose, one after the other with a pause. After that one at a time, for as long as we live.
//! Every wait has jitter, so that nodes that start together do not stay together.

use std::collections::VecDeque;

use pointsman_core::id::Time;

use crate::chance::Chance;
use crate::query::Purpose;

/// Targets that nobody chose, when joining: as many as an estimate of the size needs.
const SAMPLES: usize = 6;

/// Buckets that are filled when joining: in a network of millions deeper ones are filled by the
/// lookup of our own surroundings.
const BUCKETS_MAX: u32 = 15;

/// Waits, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// See [`crate::Config::retry`].
    pub(crate) retry_us: u64,
    /// See [`crate::Config::retry_max`].
    pub(crate) retry_us_max: u64,
    /// See [`crate::Config::stagger`].
    pub(crate) stagger_us: u64,
    /// See [`crate::Config::refresh`].
    pub(crate) refresh_us: u64,
}

/// The plan.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    waits: Waits,
    next_at: Time,
    under_way: bool,
    failures: u32,
    joined: bool,
    /// Who was told of while nobody answered: there is a new reason to try.
    hopeful: bool,
    plan: VecDeque<Purpose>,
    turn: u32,
}

impl Rounds {
    /// Begins after a first wait.
    pub(crate) fn new(now: Time, waits: Waits, chance: &mut Chance) -> Self {
        Self {
            waits,
            next_at: now.after(chance.next() % waits.stagger_us.max(1)),
            under_way: false,
            failures: 0,
            joined: false,
            hopeful: false,
            plan: VecDeque::new(),
            turn: 0,
        }
    }

    /// When the next is due; `None` while one is under way.
    pub(crate) fn due(&self) -> Option<Time> {
        (!self.under_way).then_some(self.next_at)
    }

    /// The next, if it is due. `deepest` is the deepest bucket that has anybody.
    pub(crate) fn next(&mut self, now: Time, deepest: Option<u32>) -> Option<Purpose> {
        if self.under_way || now < self.next_at {
            return None;
        }
        self.under_way = true;
        if !self.joined {
            return Some(Purpose::Own);
        }
        Some(self.plan.pop_front().unwrap_or_else(|| self.turn(deepest)))
    }

    /// By turns: our surroundings, a target that nobody chose, and a bucket.
    fn turn(&mut self, deepest: Option<u32>) -> Purpose {
        self.turn = self.turn.wrapping_add(1);
        let buckets = deepest.map_or(1, |deepest| deepest + 1).min(BUCKETS_MAX);
        match self.turn % 3 {
            0 => Purpose::Own,
            1 => Purpose::Bucket((self.turn / 3) % buckets),
            _ => Purpose::Sample,
        }
    }

    /// One ended. `answered` is how many peers did, `known` how many are in the table.
    pub(crate) fn ended(
        &mut self,
        now: Time,
        answered: usize,
        known: usize,
        deepest: Option<u32>,
        chance: &mut Chance,
    ) {
        self.under_way = false;
        if answered == 0 {
            return self.failed(now, known, chance);
        }
        self.failures = 0;
        if !self.joined {
            self.joined = true;
            let buckets = deepest.map_or(1, |deepest| deepest + 1).min(BUCKETS_MAX);
            self.plan = (0..buckets).map(Purpose::Bucket).collect();
            self.plan.extend([Purpose::Sample; SAMPLES]);
            self.plan.push_back(Purpose::Own);
        }
        let wait_us =
            if self.plan.is_empty() { self.waits.refresh_us } else { self.waits.stagger_us };
        self.next_at = now.after(chance.about(wait_us));
    }

    fn failed(&mut self, now: Time, known: usize, chance: &mut Chance) {
        self.failures = self.failures.saturating_add(1);
        self.joined &= known > 0;
        let wait_us = if std::mem::take(&mut self.hopeful) {
            self.waits.retry_us
        } else {
            let doubled = self.waits.retry_us.saturating_mul(1 << self.failures.min(20));
            doubled.min(self.waits.retry_us_max)
        };
        self.next_at = now.after(chance.about(wait_us));
    }

    /// There is somebody new to ask: as long as nobody answers, the wait is cut short.
    pub(crate) fn encourage(&mut self, now: Time) {
        if self.joined {
            return;
        }
        self.hopeful = true;
        if !self.under_way {
            let wait_us = if self.failures == 0 { 0 } else { self.waits.retry_us };
            self.next_at = self.next_at.min(now.after(wait_us));
        }
    }

    /// Whether anybody answered, and is still there.
    pub(crate) fn is_joined(&self) -> bool {
        self.joined
    }

    /// Whether the table was filled after joining.
    pub(crate) fn is_settled(&self) -> bool {
        self.joined && self.plan.is_empty()
    }

    /// How often in a row nobody answered.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Waits =
        Waits { retry_us: 100, retry_us_max: 3_000, stagger_us: 50, refresh_us: 9_000 };

    fn rounds() -> (Rounds, Chance) {
        let mut chance = Chance::default();
        (Rounds::new(Time(0), WAITS, &mut chance), chance)
    }

    #[test]
    fn while_nobody_answers_the_waits_double_up_to_a_bound() {
        let (mut rounds, mut chance) = rounds();
        let mut now = Time(1_000);
        for failures in 1..12_u32 {
            assert_eq!(rounds.next(now, None), Some(Purpose::Own));
            rounds.ended(now, 0, 0, None, &mut chance);
            let wait_us = rounds.due().unwrap().since(now);
            let mean_us = (100_u64 << failures).min(3_000);
            assert!((mean_us / 2..=mean_us * 3 / 2).contains(&wait_us), "{wait_us} at {failures}");
            assert_eq!((rounds.failures(), rounds.is_joined()), (failures, false));
            now = rounds.due().unwrap();
        }
        rounds.encourage(now);
        assert!(rounds.due().unwrap().since(now) <= 100, "a new contact is no reason to wait");
    }

    #[test]
    fn after_joining_every_bucket_gets_its_turn_and_then_again_and_again() {
        let (mut rounds, mut chance) = rounds();
        let mut now = Time(1_000);
        let mut seen = Vec::new();
        for _ in 0..40 {
            seen.push(rounds.next(now, Some(3)).unwrap());
            assert_eq!(rounds.next(now, Some(3)), None, "one at a time");
            rounds.ended(now, 5, 9, Some(3), &mut chance);
            now = rounds.due().unwrap();
        }
        let first: Vec<_> = (0..4).map(Purpose::Bucket).collect();
        assert_eq!(seen[0], Purpose::Own);
        assert_eq!(seen[1..5], first);
        for bucket in 0..4 {
            assert!(seen[12..].contains(&Purpose::Bucket(bucket)));
        }
        assert!(seen[12..].contains(&Purpose::Own) && seen[12..].contains(&Purpose::Sample));
    }

    #[test]
    fn one_lookup_in_vain_is_no_end_as_long_as_somebody_is_known() {
        let (mut rounds, mut chance) = rounds();
        let now = Time(1_000);
        rounds.next(now, None);
        rounds.ended(now, 1, 1, Some(0), &mut chance);
        rounds.next(rounds.due().unwrap(), Some(0));
        rounds.ended(now, 0, 1, Some(0), &mut chance);
        assert!(rounds.is_joined());
        rounds.next(rounds.due().unwrap(), None);
        rounds.ended(now, 0, 0, None, &mut chance);
        assert!(!rounds.is_joined());
    }
}
