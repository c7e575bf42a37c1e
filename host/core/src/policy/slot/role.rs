//! What the roles that are asked in line have in common.

use core::fmt;

use pointsman_sdk::failover::Verdict as FailoverVerdict;
use pointsman_sdk::selector::Verdict as SelectorVerdict;

use super::vetting::{vet, vet_failover};
use crate::policy::{Failover, FailoverQuestion, Selector, SelectorQuestion, Strike};

/// How long a packet is held when not even the builtin has an answer, in microseconds: long
/// enough not to spin, short enough not to be felt.
const HOLD_US: u32 = 10_000;

/// A policy that is asked in line, whichever role it has.
pub trait InLine: fmt::Debug + 'static {
    /// What it is asked.
    type Question;
    /// What it answers.
    type Verdict: Copy;
    /// The answer where there is none: a packet is held for 10 ms, traffic stays where it is.
    const LAST_RESORT: Self::Verdict;

    /// The vetted verdict; `None` where it abstains.
    fn answer(&mut self, question: &Self::Question) -> Result<Option<Self::Verdict>, Strike>;

    /// What a question costs on average, in nanoseconds, where it is measured.
    fn cost_ns(&self) -> Option<u32>;
}

impl InLine for dyn Selector {
    type Question = SelectorQuestion;
    type Verdict = SelectorVerdict;
    const LAST_RESORT: SelectorVerdict = SelectorVerdict::hold(HOLD_US);

    fn answer(&mut self, question: &SelectorQuestion) -> Result<Option<SelectorVerdict>, Strike> {
        self.choose(question).and_then(|bits| vet(question, bits))
    }

    fn cost_ns(&self) -> Option<u32> {
        self.mean_cost_ns()
    }
}

impl InLine for dyn Failover {
    type Question = FailoverQuestion;
    type Verdict = FailoverVerdict;
    const LAST_RESORT: FailoverVerdict = FailoverVerdict::Stay { reason: 0 };

    fn answer(&mut self, question: &FailoverQuestion) -> Result<Option<FailoverVerdict>, Strike> {
        self.decide(question).and_then(|verdict| vet_failover(question, verdict))
    }

    fn cost_ns(&self) -> Option<u32> {
        self.mean_cost_ns()
    }
}
