//! A slot off the loop: the live policy of a role, the builtin that answers in its stead, and
//! the policy before, which stays warm until the live one has proven itself.
//!
//! On probation the first failure brings the policy before back, and so does what questions
//! cost on average. An answer that is late once or twice, and a single dear one, are the
//! machine's fault and forgiven. A policy has proven itself when its time is over and it has
//! answered; one that nobody asked, or that was late as often as not, is still on probation. Of
//! policies that come and go unproven nothing is kept: what comes back is always one that had
//! proven itself.

use std::time::{Duration, Instant};

use pointsman_core::output::Event;
use pointsman_core::policy::{
    Anomaly, AnomalyQuestion, Answerer, Misconduct, Reputation, ReputationQuestion, Role, Strike,
    Swap, vet_findings, vet_standing,
};
use pointsman_core::snapshot::SlotSnapshot;
use pointsman_engine::MeanCost;
use pointsman_sdk::anomaly::Finding;
use pointsman_sdk::reputation::Standing;

/// Answers without which the cost is not even judged at the end of a probation: fewer say
/// more of cold caches, and of who else was on the processor, than of a policy.
const PRICED_MIN: u64 = 3;

/// Answers that came too late: fewer than three, or than one in so many questions, are forgiven.
const TIMED_OUT_MIN: u64 = 3;
const TIMED_OUT_OF: u64 = 200;

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
    /// Of the live one.
    cost: MeanCost,
}

/// What a policy on probation must prove, and what comes back if it does not.
#[derive(Debug)]
struct Watch<P: ?Sized> {
    before: Option<Box<P>>,
    generation: u64,
    ends: Instant,
    mean_cost_ns_max: u32,
    answers: u64,
    timed_out: u64,
}

impl<P: ?Sized> Watch<P> {
    /// What such a cost means.
    fn verdict_on_cost(&self, mean_ns: Option<u32>) -> Option<Misconduct> {
        let bound_ns = self.mean_cost_ns_max;
        let mean_ns = mean_ns.filter(|&mean| mean > bound_ns)?;
        Some(Misconduct::Dear { mean_ns, bound_ns })
    }

    /// What a failure means: that it is being rebuilt is none, it was struck for that already.
    fn verdict_on(&self, strike: Strike) -> Option<Misconduct> {
        match strike {
            Strike::Unavailable => None,
            Strike::TimedOut if !self.is_often_late() => None,
            Strike::Trapped | Strike::TimedOut | Strike::Exhausted | Strike::Invalid => {
                Some(Misconduct::Struck(strike))
            }
        }
    }

    fn is_often_late(&self) -> bool {
        let asked = self.answers + self.timed_out;
        self.timed_out >= TIMED_OUT_MIN && self.timed_out * TIMED_OUT_OF >= asked
    }
}

impl<P: ?Sized + Asked> Slot<P> {
    pub(super) fn new(role: Role, builtin: Option<Box<P>>) -> Self {
        let (count, cost) = (SlotSnapshot::default(), MeanCost::default());
        Self { role, live: None, builtin, watch: None, count, cost, newest: 0 }
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
        self.cost = MeanCost::default();
        self.watch = probation.map(|probation| Watch {
            before: proven.0,
            generation: proven.1,
            ends: now + Duration::from_micros(probation.us),
            mean_cost_ns_max: probation.mean_cost_ns_max,
            answers: 0,
            timed_out: 0,
        });
        told.push(Event::Swapped { role: self.role, generation });
    }

    /// The answer of the live policy, or of the builtin where there is none or it fails, and
    /// whose it is; `None` where neither has one.
    pub(super) fn ask(
        &mut self,
        question: &P::Question,
        told: &mut Vec<Event>,
    ) -> Option<(P::Answer, Answerer)> {
        self.count.asked += 1;
        let mut by = Answerer::Builtin;
        if let Some(live) = &mut self.live {
            let began = Instant::now();
            match live.ask(question) {
                Ok(answer) => {
                    self.answered(began.elapsed(), told);
                    return Some((answer, Answerer::Module));
                }
                Err(strike) => {
                    self.struck(strike, told);
                    by = Answerer::InsteadOf(strike);
                }
            }
            self.count.answered_by_builtin += 1;
        }
        self.builtin.as_mut()?.ask(question).ok().map(|answer| (answer, by))
    }

    fn answered(&mut self, cost: Duration, told: &mut Vec<Event>) {
        self.cost.add(cost);
        let Some(watch) = &mut self.watch else { return };
        watch.answers += 1;
        if let Some(because) = watch.verdict_on_cost(self.cost.mean_ns()) {
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
        let Some(watch) = &mut self.watch else { return };
        watch.timed_out += u64::from(strike == Strike::TimedOut);
        if let Some(because) = watch.verdict_on(strike) {
            self.roll_back(because, told);
        }
    }

    /// Time passed: a probation may be over.
    pub(super) fn check(&mut self, now: Instant, told: &mut Vec<Event>) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        if let Some(because) = self.is_dear() {
            self.roll_back(because, told);
        } else {
            self.watch = None;
            let generation = self.count.generation;
            told.push(Event::Proven { role: self.role, generation });
        }
    }

    /// What the cost means so far, of however few answers.
    fn is_dear(&self) -> Option<Misconduct> {
        self.watch.as_ref()?.verdict_on_cost(self.cost.so_far_ns())
    }

    /// When [`Slot::check`] has something to do, if ever: where there is too little to judge by,
    /// the next answers come first.
    pub(super) fn due(&self) -> Option<Instant> {
        let watch = self.watch.as_ref()?;
        let is_asked = watch.answers > watch.timed_out || self.live.is_none();
        let is_clear = watch.answers >= PRICED_MIN || self.is_dear().is_none();
        (is_asked && is_clear).then_some(watch.ends)
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
        self.cost = MeanCost::default();
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
            mean_cost_ns: self.cost.mean_ns(),
            ..self.count.clone()
        }
    }
}

#[cfg(test)]
mod tests;
