//! A slot off the loop: the live policy of a role, the builtin that answers in its stead, and
//! the policy before, which stays warm until the live one has proven itself.
//!
//! On probation the first failure brings the policy before back, and so does what questions
//! cost on average. A policy has proven itself when its time is over and it has answered; one
//! that nobody asked is still on probation. Of policies that come and go unproven nothing is
//! kept: what comes back is always one that had proven itself.

use std::time::{Duration, Instant};

use pointsman_core::output::Event;
use pointsman_core::policy::{
    Anomaly, AnomalyQuestion, Misconduct, Reputation, ReputationQuestion, Role, Strike, Swap,
    vet_findings, vet_standing,
};
use pointsman_core::snapshot::SlotSnapshot;
use pointsman_sdk::anomaly::Finding;
use pointsman_sdk::reputation::Standing;

/// The mean cost is judged after so many questions, or at the end of the probation: the first
/// ones find nothing in any cache.
const JUDGED_AFTER: u32 = 8;

/// A policy that is asked off the loop.
pub(super) trait Asked {
    /// What it is asked.
    type Question;
    /// What it answers.
    type Answer;

    /// A vetted answer.
    fn ask(&mut self, question: &Self::Question) -> Result<Self::Answer, Strike>;
}

impl Asked for dyn Reputation {
    type Question = ReputationQuestion;
    type Answer = Standing;

    fn ask(&mut self, question: &ReputationQuestion) -> Result<Standing, Strike> {
        vet_standing(self.fold(question)?)
    }
}

impl Asked for dyn Anomaly {
    type Question = AnomalyQuestion;
    type Answer = Vec<Finding>;

    fn ask(&mut self, question: &AnomalyQuestion) -> Result<Vec<Finding>, Strike> {
        vet_findings(question, self.inspect(question)?)
    }
}

/// The slot of a role.
#[derive(Debug)]
pub(super) struct Slot<P: ?Sized> {
    role: Role,
    /// `None`: the builtin answers.
    live: Option<Box<P>>,
    builtin: Option<Box<P>>,
    watch: Option<Watch<P>>,
    count: SlotSnapshot,
    newest: u64,
}

/// What a policy on probation must prove, and what comes back if it does not.
#[derive(Debug)]
struct Watch<P: ?Sized> {
    before: Option<Box<P>>,
    generation: u64,
    ends: Instant,
    mean_cost_ns_max: u32,
    answers: u32,
    cost: Duration,
}

impl<P: ?Sized> Watch<P> {
    fn mean_ns(&self) -> u32 {
        let mean = self.cost.as_nanos() / u128::from(self.answers.max(1));
        u32::try_from(mean).unwrap_or(u32::MAX)
    }

    fn is_dear(&self) -> Option<Misconduct> {
        let (mean_ns, bound_ns) = (self.mean_ns(), self.mean_cost_ns_max);
        (mean_ns > bound_ns).then_some(Misconduct::Dear { mean_ns, bound_ns })
    }
}

impl<P: ?Sized + Asked> Slot<P> {
    pub(super) fn new(role: Role, builtin: Option<Box<P>>) -> Self {
        Self { role, live: None, builtin, watch: None, count: SlotSnapshot::default(), newest: 0 }
    }

    /// Puts a policy in.
    pub(super) fn swap(&mut self, now: Instant, swap: Swap<P>, told: &mut Vec<Event>) {
        let Swap { module, generation, probation } = swap;
        let replaced = std::mem::replace(&mut self.live, module);
        let proven = match self.watch.take() {
            Some(watch) => (watch.before, watch.generation),
            None => (replaced, self.count.generation),
        };
        self.count.generation = generation;
        self.newest = generation;
        self.watch = probation.map(|probation| Watch {
            before: proven.0,
            generation: proven.1,
            ends: now + Duration::from_micros(probation.us),
            mean_cost_ns_max: probation.mean_cost_ns_max,
            answers: 0,
            cost: Duration::ZERO,
        });
        told.push(Event::Swapped { role: self.role, generation });
    }

    /// The answer of the live policy, or of the builtin where there is none or it fails;
    /// `None` where neither has one.
    pub(super) fn ask(
        &mut self,
        question: &P::Question,
        told: &mut Vec<Event>,
    ) -> Option<P::Answer> {
        self.count.asked += 1;
        if let Some(live) = &mut self.live {
            let began = Instant::now();
            match live.ask(question) {
                Ok(answer) => {
                    self.answered(began.elapsed(), told);
                    return Some(answer);
                }
                Err(strike) => self.struck(strike, told),
            }
            self.count.answered_by_builtin += 1;
        }
        self.builtin.as_mut()?.ask(question).ok()
    }

    fn answered(&mut self, cost: Duration, told: &mut Vec<Event>) {
        let Some(watch) = &mut self.watch else { return };
        watch.answers += 1;
        watch.cost += cost;
        if watch.answers >= JUDGED_AFTER
            && let Some(because) = watch.is_dear()
        {
            self.roll_back(because, told);
        }
    }

    fn struck(&mut self, strike: Strike, told: &mut Vec<Event>) {
        self.count.strikes += 1;
        self.count.last_strike = Some(strike);
        let (role, strikes) = (self.role, self.count.strikes);
        // A policy that fails at every question is told of once a turn, with its count.
        let others =
            |event: &Event| !matches!(event, Event::Struck { role: of, .. } if *of == role);
        told.retain(others);
        told.push(Event::Struck { role, strike, strikes });
        // One that is being rebuilt was struck for that already.
        if strike != Strike::Unavailable {
            self.roll_back(Misconduct::Struck(strike), told);
        }
    }

    /// Time passed: a probation may be over.
    pub(super) fn check(&mut self, now: Instant, told: &mut Vec<Event>) {
        let Some(watch) = self.watch.as_ref().filter(|watch| watch.ends <= now) else { return };
        if let Some(because) = watch.is_dear() {
            self.roll_back(because, told);
        } else if watch.answers > 0 || self.live.is_none() {
            self.watch = None;
            let generation = self.count.generation;
            told.push(Event::Proven { role: self.role, generation });
        }
    }

    /// When [`Slot::check`] has something to do, if ever.
    pub(super) fn due(&self) -> Option<Instant> {
        let watch = self.watch.as_ref()?;
        (watch.answers > 0 || self.live.is_none()).then_some(watch.ends)
    }

    /// Brings the policy before back, if it is still warm; gives the generation that went and
    /// the one that is back.
    pub(super) fn roll_back(
        &mut self,
        because: Misconduct,
        told: &mut Vec<Event>,
    ) -> Option<(u64, u64)> {
        let watch = self.watch.take()?;
        self.live = watch.before;
        let generation = std::mem::replace(&mut self.count.generation, watch.generation);
        let (role, to) = (self.role, watch.generation);
        told.push(Event::RolledBack { role, generation, to, because });
        Some((generation, to))
    }

    /// The generation that came in last, whether it is live or was rolled back.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// What it counted.
    pub(super) fn snapshot(&self) -> SlotSnapshot {
        SlotSnapshot {
            has_module: self.live.is_some(),
            on_probation: self.watch.is_some(),
            ..self.count.clone()
        }
    }
}

#[cfg(test)]
mod tests;
