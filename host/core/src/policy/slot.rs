//! A slot: the live module of a role, the builtin that answers whenever it does not, and the
//! policy before it, kept warm while the live one must prove itself.
//!
//! A slot lives as long as the Node; modules come and go in it between two questions. It
//! never lets a verdict out that was not vetted, and never leaves a question unanswered: what
//! the module does not answer, the builtin does, in the same call. It judges nobody: it hands
//! over what is asked of it, and who was warm comes back when it is told so.

pub(crate) mod heads;
mod probation;
mod role;
pub(crate) mod shadow;
mod spread;
pub(in crate::policy) mod vetting;
pub(crate) mod watch;

use super::{Answerer, Failover, Misconduct, Selector, Strike, Swap, builtin};
use crate::id::Time;
use crate::snapshot::SlotSnapshot;
use probation::{Tenant, Trial};
pub use role::InLine;

/// The selector's slot.
pub type SelectorSlot = Slot<dyn Selector>;

/// The failover policy's slot.
pub type FailoverSlot = Slot<dyn Failover>;

/// A vetted answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<V> {
    /// The verdict: only what the question offered.
    pub verdict: V,
    /// Why the builtin answered in the module's stead; `None` when the module answered, when
    /// there is none, or when it abstained.
    pub strike: Option<Strike>,
    /// Who answered.
    pub by: Answerer,
}

/// A slot of one role.
#[derive(Debug)]
pub struct Slot<P: ?Sized> {
    live: Tenant<P>,
    builtin: Box<P>,
    trial: Option<Trial<P>>,
    count: Count,
}

impl Default for SelectorSlot {
    fn default() -> Self {
        Self::new(builtin::default_selector())
    }
}

impl Default for FailoverSlot {
    fn default() -> Self {
        Self::new(builtin::default_failover())
    }
}

impl<P: InLine + ?Sized> Slot<P> {
    /// Without a module, and with this builtin.
    pub fn new(builtin: Box<P>) -> Self {
        let live = Tenant { module: None, generation: 0 };
        Self { live, builtin, trial: None, count: Count::default() }
    }

    /// Puts a module in for good, or takes it out; gives back the one before.
    pub fn swap(&mut self, module: Option<Box<P>>) -> Option<Box<P>> {
        self.trial = None;
        core::mem::replace(&mut self.live.module, module)
    }

    /// Has another native policy answer where the module does not; gives back the one before.
    pub fn swap_builtin(&mut self, builtin: Box<P>) -> Box<P> {
        core::mem::replace(&mut self.builtin, builtin)
    }

    /// Puts a policy in. On probation, what has proven itself last stays warm: whatever comes
    /// and goes meanwhile, it is that one which comes back.
    pub(crate) fn install(&mut self, now: Time, swap: Swap<P>) {
        let Swap { module, generation, probation } = swap;
        let left = core::mem::replace(&mut self.live, Tenant { module, generation });
        let (since, warm) = match self.trial.take() {
            Some(trial) => (trial.unproven_since, trial.before),
            None => (now, left),
        };
        self.trial = probation.map(|terms| Trial::new(now, since, terms, warm));
    }

    /// Puts a fresh instance of the same policy in the place of one that is live or warm; it
    /// is dropped where that generation is gone.
    pub(crate) fn learned(&mut self, module: Box<P>, generation: u64) {
        let warm = self.trial.as_mut().map(|trial| &mut trial.before);
        let mut tenants = [Some(&mut self.live), warm].into_iter().flatten();
        let tenant = tenants.find(|tenant| tenant.generation == generation);
        if let Some(tenant) = tenant.filter(|tenant| tenant.module.is_some()) {
            tenant.module = Some(module);
        }
    }

    /// Brings back who is warm: the generation that went, and the one that is back.
    pub(crate) fn roll_back(&mut self) -> Option<(u64, u64)> {
        let trial = self.trial.take()?;
        let went = core::mem::replace(&mut self.live, trial.before);
        Some((went.generation, self.live.generation))
    }

    /// The probation ends well: its generation, where its time is over. `first`: when the live
    /// one first had something to do.
    pub(crate) fn prove(&mut self, now: Time, first: Option<Time>) -> Option<u64> {
        self.trial.take_if(|trial| now >= trial.ends_after(first))?;
        Some(self.live.generation)
    }

    /// The probation that is under way.
    pub(crate) fn trial(&self) -> Option<&Trial<P>> {
        self.trial.as_ref()
    }

    /// Its generation.
    pub(crate) fn generation(&self) -> u64 {
        self.live.generation
    }

    /// Whether what questions to the live one cost is more than a policy on probation may.
    pub(crate) fn misconduct_of_cost(&mut self, now: Time) -> Option<Misconduct> {
        let mean_ns = self.cost_ns()?;
        self.trial.as_mut()?.verdict_on_cost(now, mean_ns)
    }

    /// What a question to the module costs on average, in nanoseconds, where it is measured.
    pub(crate) fn cost_ns(&self) -> Option<u32> {
        self.live.module.as_ref().and_then(|module| module.cost_ns())
    }

    /// Asks the module; the builtin answers the same question where it fails or abstains, and
    /// where that has no answer either the answer is the role's [`InLine::LAST_RESORT`].
    pub fn ask(&mut self, question: &P::Question) -> Answer<P::Verdict> {
        let first = self.live.module.as_mut().map(|module| module.answer(question));
        let strike = self.count.outcome(first.as_ref());
        if let Some(trial) = &mut self.trial {
            trial.count(strike);
        }
        if let Some(Ok(Some(verdict))) = first {
            return Answer { verdict, strike: None, by: Answerer::Module };
        }
        let verdict = last_answer(&mut self.builtin, question);
        Answer { verdict, strike, by: strike.map_or(Answerer::Builtin, Answerer::InsteadOf) }
    }

    /// What the warm one would answer; `None` where nobody is.
    pub(crate) fn ask_warm(&mut self, question: &P::Question) -> Option<P::Verdict> {
        let before = &mut self.trial.as_mut()?.before;
        self.count.shadowed += 1;
        let first = before.module.as_mut().and_then(|module| module.answer(question).ok());
        Some(match first.flatten() {
            Some(verdict) => verdict,
            None => last_answer(&mut self.builtin, question),
        })
    }

    /// What it counted.
    pub fn snapshot(&self) -> SlotSnapshot {
        SlotSnapshot {
            has_module: self.live.module.is_some(),
            asked: self.count.asked,
            answered_by_builtin: self.count.answered_by_builtin,
            strikes: self.count.strikes,
            last_strike: self.count.last_strike,
            generation: self.live.generation,
            on_probation: self.trial.is_some(),
            mean_cost_ns: self.cost_ns(),
            shadowed: self.count.shadowed,
        }
    }
}

fn last_answer<P: InLine + ?Sized>(builtin: &mut Box<P>, question: &P::Question) -> P::Verdict {
    builtin.answer(question).ok().flatten().unwrap_or(P::LAST_RESORT)
}

#[derive(Debug, Default)]
struct Count {
    asked: u64,
    answered_by_builtin: u64,
    strikes: u64,
    last_strike: Option<Strike>,
    shadowed: u64,
}

impl Count {
    /// Counts what the module did, if there is one; tells how it failed.
    fn outcome<V>(&mut self, module: Option<&Result<Option<V>, Strike>>) -> Option<Strike> {
        self.asked += 1;
        match module {
            None | Some(Ok(Some(_))) => None,
            Some(Ok(None)) => {
                self.answered_by_builtin += 1;
                None
            }
            Some(&Err(strike)) => {
                self.answered_by_builtin += 1;
                self.strikes += 1;
                self.last_strike = Some(strike);
                Some(strike)
            }
        }
    }
}

#[cfg(test)]
mod tests;
