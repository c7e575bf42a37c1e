//! The trial: what a module must pass before it goes live.
//!
//! Questions made here ([`golden`]) and recorded ones are asked in order, again in another
//! order, and in a third one on an instance that never saw any. A policy is a pure function, so
//! every time the answer must be the same, valid, and there within its budget. A module that
//! learns is tried with what it learns, too. A trial lives for one call, is bounded in time, and
//! leaves nothing behind: the instances that it asked are never those that go live.

mod error;
mod golden;

use std::time::{Duration, Instant};

use pointsman_core::policy::{Policy, Question, Role, Strike, Verdict};
use pointsman_sdk::{Manifest, Outcome, State};

use crate::error::LoadError;
use crate::module::{Module, Terms};
use crate::pace::Pace;
use crate::trial::golden::Asked;

pub use error::{LearnFault, Run, TrialError};

/// How long a trial may take, in milliseconds, its rests aside: a policy in Python answers all
/// questions in a tenth of it on a machine that is busy, and an operator does not wait much longer
/// without a word. No packet waits for a trial.
const TRIAL_MS_MAX: u64 = 10_000;

/// How often a question may run over its time before the policy is to blame for it: a busy
/// machine takes the processor away for longer than a budget, but not again and again.
const TIMEOUTS_MAX: u32 = 3;

/// What came out of a trial that was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Different questions, those that are made here and the recorded ones.
    pub questions: usize,
    /// Answers that were asked for in all.
    pub answers: u64,
    /// Time that an answer took on average, in nanoseconds.
    pub mean_ns: u64,
    /// Longest time that an answer took, in nanoseconds, the machine's own delays included.
    pub worst_ns: u64,
    /// Questions on which it has no opinion.
    pub abstained: usize,
    /// Bytes of the state that it made of outcomes; `None` where it learned nothing.
    pub learned_bytes: Option<usize>,
}

impl Module {
    /// Tries the module with golden and recorded questions; recorded ones for other roles are
    /// left out. Takes milliseconds for a policy in Rust and 10 s at most, the rests aside in
    /// which it gives way to packets: never on the loop.
    ///
    /// # Errors
    ///
    /// It failed a question, or gave two answers to equal questions, or learns two states from
    /// equal outcomes; or no instance of it starts on these terms.
    pub fn trial(&self, terms: &Terms<'_>, recorded: &[Question]) -> Result<Trial, TrialError> {
        run(&mut Tried { module: self, terms: *terms }, recorded)
    }
}

/// A module with the terms on which it is tried.
struct Tried<'a> {
    module: &'a Module,
    terms: Terms<'a>,
}

impl Candidate for Tried<'_> {
    fn role(&self) -> Role {
        self.module.inspection().role
    }

    fn manifest(&self) -> &Manifest {
        &self.module.inspection().manifest
    }

    fn fresh(&mut self, learned: Option<&State>) -> Result<Policy, LoadError> {
        let learned = learned.or(self.terms.learned);
        self.module.policy(&Terms { learned, ..self.terms })
    }

    fn learner(&mut self) -> Result<Learner, LoadError> {
        let mut learner = self.module.learner(&self.terms)?;
        Ok(Box::new(move |before, seen| learner.learn(before, seen)))
    }
}

/// What is tried.
trait Candidate {
    /// What it decides.
    fn role(&self) -> Role;

    /// What it says of itself.
    fn manifest(&self) -> &Manifest;

    /// A policy that was never asked anything; with this state, or with the one of its terms.
    fn fresh(&mut self, learned: Option<&State>) -> Result<Policy, LoadError>;

    /// What learns, as an instance that never learned anything.
    fn learner(&mut self) -> Result<Learner, LoadError>;
}

/// Gives the state after some outcomes.
type Learner = Box<dyn FnMut(Option<State>, &[Outcome]) -> Result<Option<State>, Strike>>;

/// Tries a candidate with golden and recorded questions; recorded ones of other roles are left
/// out.
fn run(candidate: &mut impl Candidate, recorded: &[Question]) -> Result<Trial, TrialError> {
    within(candidate, recorded, Duration::from_millis(TRIAL_MS_MAX))
}

fn within(
    candidate: &mut impl Candidate,
    recorded: &[Question],
    bound: Duration,
) -> Result<Trial, TrialError> {
    let mut asked = golden::questions(candidate.role());
    asked.extend(golden::recorded(candidate.role(), recorded));
    let mut court = Court::new(asked, bound);
    let answers = court.hear(candidate)?;
    let learned = court.hear_learner(candidate)?;
    let Clock { answers: count, total, worst, .. } = court.clock;
    Ok(Trial {
        questions: court.asked.len(),
        answers: count,
        mean_ns: nanoseconds(total) / count.max(1),
        worst_ns: nanoseconds(worst),
        abstained: answers.iter().filter(|answer| answer.is_none()).count(),
        learned_bytes: learned.map(|state| state.bytes.len()),
    })
}

/// What a question was answered with; `None` where the policy abstained.
type Answer = Option<Verdict>;

/// The questions, and the time that goes by.
struct Court {
    asked: Vec<Asked>,
    clock: Clock,
    pace: Pace,
}

struct Clock {
    /// Rests are as if it had begun later.
    began: Instant,
    /// When the last answer was there.
    now: Instant,
    bound: Duration,
    answers: u64,
    total: Duration,
    worst: Duration,
}

impl Court {
    fn new(asked: Vec<Asked>, bound: Duration) -> Self {
        let (total, worst) = (Duration::ZERO, Duration::ZERO);
        let began = Instant::now();
        let clock = Clock { began, now: began, bound, answers: 0, total, worst };
        Self { asked, clock, pace: Pace::new() }
    }

    /// Asks in every way; the answers in the order of the questions.
    fn hear(&mut self, candidate: &mut impl Candidate) -> Result<Vec<Answer>, TrialError> {
        let count = self.asked.len();
        let mut policy = candidate.fresh(None)?;
        let first = self.pass(candidate, &mut policy, None, Run::InOrder, in_order(count), &[])?;
        self.pass(candidate, &mut policy, None, Run::Shuffled, shuffled(count, 1), &first)?;
        let mut policy = candidate.fresh(None)?;
        self.pass(candidate, &mut policy, None, Run::Fresh, shuffled(count, 2), &first)?;
        Ok(first)
    }

    /// Asks all questions in an order, and compares with the answers before, where there are
    /// any.
    fn pass(
        &mut self,
        candidate: &mut impl Candidate,
        policy: &mut Policy,
        learned: Option<&State>,
        run: Run,
        order: Vec<usize>,
        before: &[Answer],
    ) -> Result<Vec<Answer>, TrialError> {
        let mut answers = vec![None; self.asked.len()];
        for index in order {
            let answer = self.ask(candidate, policy, learned, run, index)?;
            if let Some(first) = before.get(index)
                && *first != answer
            {
                let name = self.asked[index].name.clone();
                return Err(TrialError::impure(name, run, first, &answer));
            }
            answers[index] = answer;
        }
        Ok(answers)
    }

    /// Asks one question. A strike ends the trial, but for a timeout that does not come again.
    fn ask(
        &mut self,
        candidate: &mut impl Candidate,
        policy: &mut Policy,
        learned: Option<&State>,
        run: Run,
        index: usize,
    ) -> Result<Answer, TrialError> {
        let Asked { name, question } = &self.asked[index];
        let mut timeouts = 0;
        loop {
            self.clock.check(self.asked.len())?;
            self.clock.began += self.pace.keep(self.clock.now);
            let strike = match self.clock.time(|| policy.answer(question)) {
                Ok(answer) => return Ok(answer),
                Err(strike) => strike,
            };
            timeouts += 1;
            if strike != Strike::TimedOut || timeouts == TIMEOUTS_MAX {
                let (role, question) = (question.role(), name.clone());
                return Err(TrialError::Struck { question, run, strike, role });
            }
            *policy = candidate.fresh(learned)?;
        }
    }

    /// Has it learn from golden outcomes, and asks it with what it learned. The state.
    fn hear_learner(
        &mut self,
        candidate: &mut impl Candidate,
    ) -> Result<Option<State>, TrialError> {
        let outcomes = golden::outcomes();
        if candidate.manifest().state_schema == 0 {
            // Nobody will ask it to learn. But a state that it gives was meant to be kept.
            let mut learner = candidate.learner()?;
            let gave = learner(None, &outcomes);
            let is_state = matches!(gave, Ok(Some(_)) | Err(Strike::Invalid));
            return if is_state { Err(LearnFault::Undeclared.into()) } else { Ok(None) };
        }
        let state = self.learn(candidate, None, &outcomes)?;
        let Some(state) = state else { return Ok(None) };
        let later = self.learn(candidate, Some(&state), &outcomes)?;
        for state in [Some(&state), later.as_ref()].into_iter().flatten() {
            let mut policy = candidate.fresh(Some(state)).map_err(LearnFault::Unreadable)?;
            let count = self.asked.len();
            let (order, learned) = (in_order(count), Some(state));
            let first = self.pass(candidate, &mut policy, learned, Run::Learned, order, &[])?;
            let mut policy = candidate.fresh(Some(state)).map_err(LearnFault::Unreadable)?;
            let order = shuffled(count, 3);
            self.pass(candidate, &mut policy, learned, Run::Learned, order, &first)?;
        }
        Ok(Some(state))
    }

    /// Learns from the same again, and on a fresh instance: the state, if it is always the same
    /// and one that it may have.
    fn learn(
        &mut self,
        candidate: &mut impl Candidate,
        before: Option<&State>,
        seen: &[Outcome],
    ) -> Result<Option<State>, TrialError> {
        let mut learner = candidate.learner()?;
        let first = self.learn_once(candidate, &mut learner, before, seen)?;
        let again = self.learn_once(candidate, &mut learner, before, seen)?;
        let mut fresh = candidate.learner()?;
        let anew = self.learn_once(candidate, &mut fresh, before, seen)?;
        if let Some(other) = [&again, &anew].into_iter().find(|other| **other != first) {
            return Err(LearnFault::impure(first.as_ref(), other.as_ref()).into());
        }
        if let Some(state) = &first {
            LearnFault::check(candidate.manifest(), state)?;
        }
        Ok(first)
    }

    fn learn_once(
        &mut self,
        candidate: &mut impl Candidate,
        learner: &mut Learner,
        before: Option<&State>,
        seen: &[Outcome],
    ) -> Result<Option<State>, TrialError> {
        let mut timeouts = 0;
        loop {
            self.clock.now = Instant::now();
            self.clock.check(self.asked.len())?;
            let strike = match learner(before.cloned(), seen) {
                Ok(state) => return Ok(state),
                Err(strike) => strike,
            };
            timeouts += 1;
            if strike != Strike::TimedOut || timeouts == TIMEOUTS_MAX {
                return Err(LearnFault::Struck(strike).into());
            }
            *learner = candidate.learner()?;
        }
    }
}

impl Clock {
    fn check(&self, questions: usize) -> Result<(), TrialError> {
        if self.now.duration_since(self.began) < self.bound {
            return Ok(());
        }
        let mean_us = nanoseconds(self.total) / self.answers.max(1) / 1_000;
        let bound_ms = nanoseconds(self.bound) / 1_000_000;
        Err(TrialError::TooSlow { questions, answers: self.answers, bound_ms, mean_us })
    }

    fn time<T>(&mut self, answer: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let answer = answer();
        self.now = Instant::now();
        let took = self.now.duration_since(began);
        self.answers += 1;
        self.total += took;
        self.worst = self.worst.max(took);
        answer
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn in_order(count: usize) -> Vec<usize> {
    (0..count).collect()
}

/// An order that is always the same for a seed, and never begins as the plain one: what the
/// first question leaves behind in an instance shows only where another one is first.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order = in_order(count);
    let mut state = seed;
    for last in (1..count).rev() {
        // The step of splitmix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let pick = (mixed ^ mixed >> 31) % (last as u64 + 1);
        order.swap(last, pick as usize);
    }
    if order.first() == Some(&0) {
        order.swap(0, count - 1);
    }
    order
}

#[cfg(test)]
mod tests;
