//! Policies that learn: what became of their decisions goes in, a state comes out, and the
//! policy is made anew with it.
//!
//! The state belongs to the host. It is kept for each slot and generation: a generation that
//! is brought back gets the state that it had, and nothing of what the one after it learned.
//! What the live one learns is written to disk at times and at the end. A learner that fails
//! changes nothing; one that fails again and again is let be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pointsman_core::limits::{DECISIONS_AWAITED_MAX, LEARNERS_WARM_MAX, OUTCOMES_PER_LESSON_MAX};
use pointsman_core::policy::{Policy, Role, Strike};
use pointsman_sdk::{Manifest, Outcome, State};

use super::AsideFact;
use super::checkpoint::{self, Learned, most_bytes};
use super::inbox::Lesson;

/// How long outcomes wait for others to be learned from with, and how often a policy is made
/// anew at most.
const LESSON_TIME: Duration = Duration::from_secs(1);

/// How often what was learned is written to disk at most.
const SAVE_TIME: Duration = Duration::from_secs(10);

/// A learner that fails so often in a row is let be.
const FAILURES_MAX: u32 = 3;

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

/// What is kept for each slot, for those who configure the next policy.
pub(super) type Shelf = BTreeMap<Role, Learned>;

/// A policy at its lessons.
#[derive(Debug)]
struct Pupil {
    seat: LearnerSeat,
    state: Option<State>,
    /// What the policy in the slot was last made with.
    made_with: Option<State>,
    made_at: Option<Instant>,
    seen: Vec<Outcome>,
    first_seen_at: Option<Instant>,
    /// In a row.
    failures: u32,
}

impl Pupil {
    fn new(seat: LearnerSeat) -> Self {
        let state = seat.learned.clone();
        Self {
            seat,
            made_with: state.clone(),
            state,
            made_at: None,
            seen: Vec::new(),
            first_seen_at: None,
            failures: 0,
        }
    }

    fn learned(&self) -> Option<Learned> {
        let LearnerSeat { manifest, digest, .. } = &self.seat;
        let (name, digest) = (manifest.name.clone(), digest.clone());
        self.state.clone().map(|state| Learned { name, digest, state })
    }

    /// Tells whether the state changed. One that is too large or of another schema than the
    /// policy says counts as none.
    fn learn(&mut self) -> Result<bool, Strike> {
        let seen = std::mem::take(&mut self.seen);
        self.first_seen_at = None;
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

    fn lesson_due(&self) -> Option<Instant> {
        self.first_seen_at.map(|at| at + LESSON_TIME)
    }

    fn remake_due(&self, now: Instant) -> Option<Instant> {
        let changed = self.failures < FAILURES_MAX && self.made_with != self.state;
        changed.then(|| self.made_at.map_or(now, |at| at + LESSON_TIME))
    }
}

/// One slot's past: what was in it before, with what it had learned, in case it comes back.
#[derive(Debug)]
struct Earlier {
    generation: u64,
    pupil: Option<Pupil>,
    kept: Option<Learned>,
}

/// What is known of one slot.
#[derive(Debug, Default)]
struct Desk {
    generation: u64,
    pupil: Option<Pupil>,
    /// As it is on the shelf, and on disk once it is saved.
    kept: Option<Learned>,
    earlier: Vec<Earlier>,
    /// `None` where disk and shelf are the same.
    unsaved_since: Option<Instant>,
    saved_at: Option<Instant>,
}

impl Desk {
    /// Another generation came into the slot.
    fn seat(&mut self, generation: u64, seat: Option<LearnerSeat>) {
        let pupil = self.pupil.take();
        let kept = self.kept.clone();
        self.earlier.push(Earlier { generation: self.generation, pupil, kept });
        let excess = self.earlier.len().saturating_sub(LEARNERS_WARM_MAX);
        self.earlier.drain(..excess);
        self.generation = generation;
        self.pupil = seat.map(Pupil::new);
    }

    /// This generation is back; tells whether that changed anything.
    fn roll_back(&mut self, to: u64) -> bool {
        if self.generation == to {
            return false;
        }
        let at = self.earlier.iter().position(|earlier| earlier.generation == to);
        let mut earlier = at.map(|at| self.earlier.split_off(at)).unwrap_or_default();
        self.generation = to;
        self.pupil = None;
        if !earlier.is_empty() {
            let Earlier { pupil, kept, .. } = earlier.swap_remove(0);
            self.pupil = pupil;
            self.kept = kept;
        }
        true
    }

    fn save_due(&self) -> Option<Instant> {
        let since = self.unsaved_since?;
        Some(self.saved_at.map_or(since, |at| at + SAVE_TIME))
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

/// All who learn.
#[derive(Debug)]
pub(super) struct Learning {
    folder: Option<PathBuf>,
    desks: BTreeMap<Role, Desk>,
    /// Decisions whose outcomes are awaited: role and generation by number.
    awaited: BTreeMap<u64, (Role, u64)>,
    /// Something is kept that is not on the shelf yet.
    is_unshelved: bool,
    pub(super) tally: Tally,
}

impl Learning {
    /// With what is on disk in this folder.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let mut desks = BTreeMap::new();
        for role in [Role::Selector, Role::Failover] {
            let loaded = folder.as_deref().map(|folder| checkpoint::load(folder, role));
            let kept = loaded.and_then(|loaded| {
                loaded.unwrap_or_else(|error| {
                    tracing::warn!("what was learned is lost: {error}");
                    None
                })
            });
            desks.insert(role, Desk { kept, ..Desk::default() });
        }
        let (awaited, tally) = (BTreeMap::new(), Tally::default());
        Self { folder, desks, awaited, is_unshelved: true, tally }
    }

    /// Whether anybody learns.
    pub(super) fn is_on(&self) -> bool {
        self.desks.values().any(|desk| desk.pupil.is_some())
    }

    /// Puts on the shelf what is kept now, if that changed.
    pub(super) fn fill(&mut self, shelf: &Mutex<Shelf>) {
        if std::mem::take(&mut self.is_unshelved) {
            let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = |(&role, desk): (&Role, &Desk)| Some((role, desk.kept.clone()?));
            *shelf = self.desks.iter().filter_map(kept).collect();
        }
    }

    pub(super) fn seat(&mut self, role: Role, generation: u64, seat: Option<LearnerSeat>) {
        self.desks.entry(role).or_default().seat(generation, seat);
    }

    /// A generation has proven itself: those before it do not come back.
    pub(super) fn proven(&mut self, role: Role, generation: u64) {
        if let Some(desk) = self.desks.get_mut(&role).filter(|desk| desk.generation == generation) {
            desk.earlier.clear();
        }
    }

    /// A generation is back, with what it had learned.
    pub(super) fn rolled_back(&mut self, now: Instant, role: Role, to: u64) {
        if let Some(desk) = self.desks.get_mut(&role)
            && desk.roll_back(to)
        {
            desk.unsaved_since = Some(now);
            self.is_unshelved = true;
        }
    }

    pub(super) fn take(&mut self, now: Instant, lesson: Lesson) {
        match lesson {
            Lesson::Decided { number, role, generation } => {
                if self.awaited.len() >= DECISIONS_AWAITED_MAX {
                    self.awaited.pop_first();
                }
                self.awaited.insert(number, (role, generation));
            }
            Lesson::Outcome(outcome) => self.outcome(now, outcome),
        }
    }

    fn outcome(&mut self, now: Instant, outcome: Outcome) {
        let of = self.awaited.get(&outcome.decision);
        let pupil = of.and_then(|(role, generation)| {
            let desk = self.desks.get_mut(role).filter(|desk| desk.generation == *generation);
            desk.and_then(|desk| desk.pupil.as_mut())
        });
        let Some(pupil) = pupil.filter(|pupil| pupil.failures < FAILURES_MAX) else {
            self.tally.unknown += 1;
            return;
        };
        pupil.seen.push(outcome);
        pupil.first_seen_at.get_or_insert(now);
        if pupil.seen.len() >= OUTCOMES_PER_LESSON_MAX {
            pupil.first_seen_at = now.checked_sub(LESSON_TIME).or(pupil.first_seen_at);
        }
    }

    /// Whether a batch is whole, so that its lesson should not wait for more.
    pub(super) fn is_full(&self) -> bool {
        let pupils = self.desks.values().filter_map(|desk| desk.pupil.as_ref());
        pupils.map(|pupil| pupil.seen.len()).any(|seen| seen >= OUTCOMES_PER_LESSON_MAX)
    }

    /// When there is something to do, if ever.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let of = |desk: &Desk| {
            let pupil = desk.pupil.as_ref();
            let lesson = pupil.and_then(Pupil::lesson_due);
            let remake = pupil.and_then(|pupil| pupil.remake_due(now));
            lesson.into_iter().chain(remake).chain(desk.save_due()).min()
        };
        self.desks.values().filter_map(of).min()
    }

    /// Does what is due.
    pub(super) fn work(&mut self, now: Instant, facts: &mut Vec<AsideFact>) {
        for (&role, desk) in &mut self.desks {
            let tally = &mut self.tally;
            if let Some(pupil) = &mut desk.pupil {
                let mut changed = false;
                if pupil.lesson_due().is_some_and(|due| due <= now) {
                    changed |= teach(pupil, tally, facts);
                }
                if pupil.remake_due(now).is_some_and(|due| due <= now) {
                    changed |= remake(now, pupil, tally, facts);
                }
                if changed {
                    desk.kept = pupil.learned();
                    desk.unsaved_since.get_or_insert(now);
                    self.is_unshelved = true;
                }
            }
            if desk.save_due().is_some_and(|due| due <= now) {
                save(now, self.folder.as_deref(), role, desk, tally);
            }
        }
    }

    /// Writes down what is not on disk yet.
    pub(super) fn finish(&mut self, now: Instant) {
        for (&role, desk) in &mut self.desks {
            if desk.unsaved_since.is_some() {
                save(now, self.folder.as_deref(), role, desk, &mut self.tally);
            }
        }
    }
}

/// Gives a lesson; tells whether the state changed.
fn teach(pupil: &mut Pupil, tally: &mut Tally, facts: &mut Vec<AsideFact>) -> bool {
    let outcomes = pupil.seen.len() as u64;
    match pupil.learn() {
        Ok(changed) => {
            pupil.failures = 0;
            tally.lessons += 1;
            tally.learned += outcomes;
            changed
        }
        Err(strike) => {
            failed(pupil, &strike.to_string(), tally, facts);
            false
        }
    }
}

/// Makes the policy anew; tells whether the state changed. A policy that refuses the state that
/// it made forgets what it learned since the last one that it took.
fn remake(now: Instant, pupil: &mut Pupil, tally: &mut Tally, facts: &mut Vec<AsideFact>) -> bool {
    pupil.made_at = Some(now);
    match (pupil.seat.remake)(pupil.state.as_ref()) {
        Ok(policy) => {
            pupil.made_with = pupil.state.clone();
            let generation = pupil.seat.generation;
            facts.push(AsideFact::Learned { policy, generation });
            false
        }
        Err(why) => {
            pupil.state = pupil.made_with.clone();
            failed(pupil, &why, tally, facts);
            true
        }
    }
}

fn failed(pupil: &mut Pupil, why: &str, tally: &mut Tally, facts: &mut Vec<AsideFact>) {
    pupil.failures += 1;
    tally.failures += 1;
    let rest = if pupil.failures < FAILURES_MAX { "" } else { "; it learns no more" };
    let (role, generation) = (pupil.seat.role, pupil.seat.generation);
    facts.push(AsideFact::LearnFailed { role, generation, why: format!("{why}{rest}") });
}

fn save(now: Instant, folder: Option<&Path>, role: Role, desk: &mut Desk, tally: &mut Tally) {
    desk.unsaved_since = None;
    desk.saved_at = Some(now);
    let Some(folder) = folder else { return };
    match checkpoint::save(folder, role, desk.kept.as_ref()) {
        Ok(()) => tally.checkpoints += 1,
        Err(error) => tracing::warn!("what was learned is not on disk: {error}"),
    }
}

#[cfg(test)]
mod tests;
