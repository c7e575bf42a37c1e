//! A policy at its lessons: what it learned, and the outcomes that it will learn from next.
//!
//! It lives as long as the generation that it learns for is live or may come back. It never
//! keeps a state that its policy does not take.

use std::time::{Duration, Instant};

use pointsman_core::limits::OUTCOMES_PER_LESSON_MAX;
use pointsman_core::policy::{Policy, Role, Strike};
use pointsman_sdk::{Manifest, Outcome, State};

use super::AsideFact;
use super::checkpoint::{Learned, most_bytes};

/// How long outcomes wait for others to be learned from with, and how often a policy is made
/// anew at most.
pub(super) const LESSON_TIME: Duration = Duration::from_secs(1);

/// A learner that fails so often in a row is let be.
pub(super) const FAILURES_MAX: u32 = 3;

/// Something that learns.
pub trait Learner: Send + std::fmt::Debug {
    /// The state after these outcomes.
    fn learn(&mut self, before: Option<State>, seen: &[Outcome]) -> Result<Option<State>, Strike>;
}

/// Makes the policy anew with what it learned, or says why that can't be.
pub type Remake = Box<dyn Fn(Option<&State>) -> Result<Policy, String> + Send>;

/// What learns for a policy in a slot.
pub struct LearnerSeat {
    /// Of the selector or of the failover policy.
    pub role: Role,
    /// Generation of the policy in its slot.
    pub generation: u64,
    /// What the policy says of itself.
    pub manifest: Manifest,
    /// SHA-256 of its module, in hexadecimal; empty for a native policy.
    pub digest: String,
    /// What it was configured with.
    pub learned: Option<State>,
    /// What learns.
    pub learner: Box<dyn Learner>,
    /// Makes the policy anew.
    pub remake: Remake,
}

impl std::fmt::Debug for LearnerSeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (role, generation) = (self.role, self.generation);
        f.debug_struct("LearnerSeat")
            .field("role", &role)
            .field("generation", &generation)
            .field("policy", &self.manifest.name)
            .finish_non_exhaustive()
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) lessons: u64,
    pub(super) learned: u64,
    pub(super) unknown: u64,
    pub(super) failures: u64,
    pub(super) checkpoints: u64,
}

/// A policy at its lessons.
#[derive(Debug)]
pub(super) struct Pupil {
    seat: LearnerSeat,
    state: Option<State>,
    /// What the policy in the slot was last made with.
    made_with: Option<State>,
    made_at: Option<Instant>,
    seen: Vec<Outcome>,
    /// When its next lesson is due.
    lesson_due: Option<Instant>,
    /// In a row.
    failures: u32,
}

impl Pupil {
    pub(super) fn new(seat: LearnerSeat) -> Self {
        let state = seat.learned.clone();
        Self {
            seat,
            made_with: state.clone(),
            state,
            made_at: None,
            seen: Vec::new(),
            lesson_due: None,
            failures: 0,
        }
    }

    /// What it has learned.
    pub(super) fn learned(&self) -> Option<Learned> {
        let LearnerSeat { manifest, digest, .. } = &self.seat;
        let (name, digest) = (manifest.name.clone(), digest.clone());
        self.state.clone().map(|state| Learned { name, digest, state })
    }

    /// Keeps an outcome for the next lesson, which is at once where that is a whole one. False
    /// where it learns no more.
    pub(super) fn take(&mut self, now: Instant, outcome: Outcome) -> bool {
        if self.failures >= FAILURES_MAX {
            return false;
        }
        self.seen.push(outcome);
        if self.is_full() {
            self.lesson_due = Some(now);
        }
        self.lesson_due.get_or_insert(now + LESSON_TIME);
        true
    }

    /// Whether its next lesson should not wait for more.
    pub(super) fn is_full(&self) -> bool {
        self.seen.len() >= OUTCOMES_PER_LESSON_MAX
    }

    /// When it has something to do, if ever.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.lesson_due.into_iter().chain(self.remake_due(now)).min()
    }

    /// Does what is due; tells whether what it has learned changed.
    pub(super) fn work(
        &mut self,
        now: Instant,
        tally: &mut Tally,
        facts: &mut Vec<AsideFact>,
    ) -> bool {
        let mut changed = false;
        if self.lesson_due.is_some_and(|due| due <= now) {
            changed |= self.teach(tally, facts);
        }
        if self.remake_due(now).is_some_and(|due| due <= now) {
            changed |= self.remake(now, tally, facts);
        }
        changed
    }

    fn remake_due(&self, now: Instant) -> Option<Instant> {
        let changed = self.failures < FAILURES_MAX && self.made_with != self.state;
        changed.then(|| self.made_at.map_or(now, |at| at + LESSON_TIME))
    }

    /// Gives a lesson; tells whether the state changed.
    fn teach(&mut self, tally: &mut Tally, facts: &mut Vec<AsideFact>) -> bool {
        let outcomes = self.seen.len() as u64;
        match self.learn() {
            Ok(changed) => {
                self.failures = 0;
                tally.lessons += 1;
                tally.learned += outcomes;
                changed
            }
            // It is being rebuilt after a failure that was counted: this lesson is lost.
            Err(Strike::Unavailable) => false,
            Err(
                strike @ (Strike::Trapped | Strike::TimedOut | Strike::Exhausted | Strike::Invalid),
            ) => {
                self.failed(&strike.to_string(), tally, facts);
                false
            }
        }
    }

    /// Tells whether the state changed. One that is too large or of another schema than the
    /// policy says counts as none.
    fn learn(&mut self) -> Result<bool, Strike> {
        let seen = std::mem::take(&mut self.seen);
        self.lesson_due = None;
        let state = self.seat.learner.learn(self.state.clone(), &seen)?;
        if state == self.state {
            return Ok(false);
        }
        let manifest = &self.seat.manifest;
        let is_fine = state.as_ref().is_none_or(|state| {
            state.schema == manifest.state_schema && state.bytes.len() <= most_bytes(manifest)
        });
        if !is_fine {
            return Err(Strike::Invalid);
        }
        self.state = state;
        Ok(true)
    }

    /// Makes the policy anew; tells whether the state changed. A policy that refuses the state
    /// that it made forgets what it learned since the last one that it took.
    fn remake(&mut self, now: Instant, tally: &mut Tally, facts: &mut Vec<AsideFact>) -> bool {
        self.made_at = Some(now);
        match (self.seat.remake)(self.state.as_ref()) {
            Ok(policy) => {
                self.made_with = self.state.clone();
                let generation = self.seat.generation;
                facts.push(AsideFact::Learned { policy, generation });
                false
            }
            Err(why) => {
                self.state = self.made_with.clone();
                self.failed(&why, tally, facts);
                true
            }
        }
    }

    fn failed(&mut self, why: &str, tally: &mut Tally, facts: &mut Vec<AsideFact>) {
        self.failures += 1;
        tally.failures += 1;
        let rest = if self.failures < FAILURES_MAX { "" } else { "; it learns no more" };
        let (role, generation) = (self.seat.role, self.seat.generation);
        facts.push(AsideFact::LearnFailed { role, generation, why: format!("{why}{rest}") });
    }
}
