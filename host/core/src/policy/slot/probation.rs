//! A probation: who is warm meanwhile, until when it lasts, and how the live one answered.

use crate::id::Time;
use crate::policy::{Misconduct, Probation, Strike};

/// Questions after which a mean cost counts: fewer say more of a cold cache than of a policy.
const PRICED_MIN: u64 = 100;

/// Questions for which the live one was not ready. A module that is rebuilt once misses far
/// fewer.
const UNAVAILABLE_MAX: u64 = 256;

/// Answers that came too late: three may be the machine's fault, which takes the processor away
/// in the middle of an answer; more than one in so many questions is not.
const TIMED_OUT_MIN: u64 = 3;
const TIMED_OUT_OF: u64 = 200;

/// Within this time a bad policy that is asked is noticed, in microseconds.
const NOTICED_US: u64 = 2_000_000;

/// Who is in a slot, or was.
#[derive(Debug)]
pub(crate) struct Tenant<P: ?Sized> {
    /// `None`: the builtin.
    pub(crate) module: Option<Box<P>>,
    pub(crate) generation: u64,
}

/// A probation under way.
#[derive(Debug)]
pub(crate) struct Trial<P: ?Sized> {
    /// The last one that has proven itself.
    pub(super) before: Tenant<P>,
    terms: Probation,
    began: Time,
    /// Since when nobody in the slot had proven itself: earlier than `began` where another one
    /// was on probation before.
    pub(crate) unproven_since: Time,
    asked: u64,
    unavailable: u64,
    timed_out: u64,
}

impl<P: ?Sized> Trial<P> {
    pub(super) fn new(now: Time, since: Time, terms: Probation, before: Tenant<P>) -> Self {
        let (began, unproven_since) = (now, since);
        Self { before, terms, began, unproven_since, asked: 0, unavailable: 0, timed_out: 0 }
    }

    /// The live one was asked, and failed so if it did.
    pub(super) fn count(&mut self, strike: Option<Strike>) {
        self.asked += 1;
        self.unavailable += u64::from(strike == Some(Strike::Unavailable));
        self.timed_out += u64::from(strike == Some(Strike::TimedOut));
    }

    /// When its time is over.
    pub(crate) fn ends(&self) -> Time {
        self.began.after(self.terms.us)
    }

    /// The same, where the live one had its first to do at that time: what came at the end of
    /// an idle time is watched for as long as a bad policy may take to be noticed.
    pub(crate) fn ends_after(&self, first: Option<Time>) -> Time {
        let watched_us = self.terms.us.min(NOTICED_US);
        first.map_or(self.ends(), |first| self.ends().max(first.after(watched_us)))
    }

    /// What a failure means: one is enough. That it was not ready is none, unless it never is,
    /// nor is an answer that is late once in a while.
    pub(crate) fn verdict_on(&self, strike: Strike) -> Option<Misconduct> {
        match strike {
            Strike::Unavailable if self.unavailable < UNAVAILABLE_MAX => None,
            Strike::TimedOut if !self.is_often_late() => None,
            Strike::Unavailable
            | Strike::Trapped
            | Strike::TimedOut
            | Strike::Exhausted
            | Strike::Invalid => Some(Misconduct::Struck(strike)),
        }
    }

    fn is_often_late(&self) -> bool {
        self.timed_out >= TIMED_OUT_MIN && self.timed_out * TIMED_OUT_OF >= self.asked
    }

    /// What the mean cost means.
    pub(crate) fn verdict_on_cost(&self, mean_ns: Option<u32>) -> Option<Misconduct> {
        let bound_ns = self.terms.mean_cost_ns_max;
        let mean_ns = mean_ns.filter(|&mean| mean > bound_ns && self.asked >= PRICED_MIN)?;
        Some(Misconduct::Dear { mean_ns, bound_ns })
    }
}
