//! A probation: who is warm meanwhile, until when it lasts, how the live one answered, and at
//! what cost.
//!
//! Cost is held against two bounds. One is for a question: it delays what the loop does next,
//! however seldom it is asked. The other is for all of them: what costs little and is asked for
//! every packet may cost more than what costs much and is asked once a second.

use crate::id::Time;
use crate::policy::{Misconduct, Probation, Strike};

/// Questions after which their mean cost counts: the cheapest of so many came from no colder
/// cache than the next ones will, and they are fewer than a failover policy is asked within
/// [`NOTICED_US`] of a fault.
const PRICED_MIN: u64 = 8;

/// The loop's time is shared out in spells of so long, in microseconds: long enough that a burst
/// of packets is none, and short enough that who takes too much is noticed by the second one.
const SPELL_US: u64 = 1_000_000;

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
    spell: Spell,
}

/// What questions cost in a spell.
#[derive(Debug)]
struct Spell {
    began: Time,
    /// How many had been asked when their cost was reckoned last.
    priced: u64,
    spent_ns: u64,
}

impl Spell {
    fn spend(&mut self, asked: u64, mean_ns: u32) {
        let cost_ns = (asked - self.priced).saturating_mul(mean_ns.into());
        self.spent_ns = self.spent_ns.saturating_add(cost_ns);
        self.priced = asked;
    }

    /// The part of the loop's time, in thousandths: of a whole spell, also while it goes on.
    fn permille(&self, now: Time) -> u64 {
        self.spent_ns / now.since(self.began).max(SPELL_US)
    }

    fn turn(&mut self, now: Time) {
        if now.since(self.began) >= SPELL_US {
            (self.began, self.spent_ns) = (now, 0);
        }
    }
}

impl<P: ?Sized> Trial<P> {
    pub(super) fn new(now: Time, since: Time, terms: Probation, before: Tenant<P>) -> Self {
        let (began, unproven_since) = (now, since);
        let spell = Spell { began, priced: 0, spent_ns: 0 };
        let (asked, unavailable, timed_out) = (0, 0, 0);
        Self { before, terms, began, unproven_since, asked, unavailable, timed_out, spell }
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

    /// What the mean cost means: for each question, and for as many as were asked.
    pub(super) fn verdict_on_cost(&mut self, now: Time, mean_ns: u32) -> Option<Misconduct> {
        self.spell.spend(self.asked, mean_ns);
        let permille = self.spell.permille(now);
        self.spell.turn(now);
        let Probation { mean_cost_ns_max: bound_ns, loop_permille: bound_permille, .. } =
            self.terms;
        if mean_ns > bound_ns && self.asked >= PRICED_MIN {
            return Some(Misconduct::Dear { mean_ns, bound_ns });
        }
        let permille = u32::try_from(permille).unwrap_or(u32::MAX);
        let is_greedy = bound_permille > 0 && permille > bound_permille;
        is_greedy.then_some(Misconduct::Greedy { permille, bound_permille })
    }
}
