//! Policies that learn: what became of their decisions goes in, a state comes out, and the
//! policy is made anew with it.
//!
//! The state belongs to the host. It is kept for each slot and generation: a generation that
//! is brought back gets the state that it had, and nothing of what those after it learned,
//! however many of them came and went unproven.
//! What the live one learns is written to disk at times and at the end. A learner that fails
//! changes nothing; one that fails again and again is let be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pointsman_core::limits::DECISIONS_AWAITED_MAX;
use pointsman_core::policy::Role;
use pointsman_sdk::Outcome;

use super::AsideFact;
use super::checkpoint::{self, Learned};
use super::inbox::Lesson;
use super::pupil::{LearnerSeat, Pupil, Tally};

/// How often what was learned is written to disk at most.
const SAVE_TIME: Duration = Duration::from_secs(10);

/// What is kept for each slot, for those who configure the next policy.
pub(super) type Shelf = BTreeMap<Role, Learned>;

/// One slot's past: what was in it before, with what it had learned, in case it comes back.
#[derive(Debug)]
struct Earlier {
    generation: u64,
    is_proven: bool,
    pupil: Option<Pupil>,
    kept: Option<Learned>,
}

/// What is known of one slot.
#[derive(Debug)]
struct Desk {
    generation: u64,
    /// What comes back in its stead is none of those that are not.
    is_proven: bool,
    pupil: Option<Pupil>,
    /// As it is on the shelf, and on disk once it is saved.
    kept: Option<Learned>,
    /// The last one that was proven, and after it the one before the live one.
    earlier: Vec<Earlier>,
    /// `None` where disk and shelf are the same.
    unsaved_since: Option<Instant>,
    saved_at: Option<Instant>,
}

impl Desk {
    /// Nothing has come into the slot yet, and this was learned in it before.
    fn new(kept: Option<Learned>) -> Self {
        Self {
            generation: 0,
            is_proven: true,
            pupil: None,
            kept,
            earlier: Vec::new(),
            unsaved_since: None,
            saved_at: None,
        }
    }

    /// Another generation came into the slot. This is known here before the slot has it: what
    /// is said of the one before may come afterwards, so that is kept although it is unproven.
    fn seat(&mut self, generation: u64, seat: Option<LearnerSeat>, on_probation: bool) {
        let (pupil, kept) = (self.pupil.take(), self.kept.clone());
        let before =
            Earlier { generation: self.generation, is_proven: self.is_proven, pupil, kept };
        self.earlier.retain(|earlier| earlier.is_proven && !before.is_proven);
        self.earlier.push(before);
        if !on_probation {
            self.earlier.clear();
        }
        self.generation = generation;
        self.is_proven = !on_probation;
        self.pupil = seat.map(Pupil::new);
    }

    /// A generation has proven itself: those before it do not come back.
    fn prove(&mut self, generation: u64) {
        if self.generation == generation {
            self.is_proven = true;
            self.earlier.clear();
        } else if let Some(at) = self.place(generation) {
            self.earlier.drain(..at);
            self.earlier[0].is_proven = true;
        }
    }

    /// A generation went and another one is back; tells whether that changed anything. Where
    /// the one that went had given way already, who is in the slot stays.
    fn roll_back(&mut self, gone: u64, to: u64) -> bool {
        if self.generation != gone {
            self.earlier.retain(|earlier| earlier.generation != gone);
            return false;
        }
        let at = self.place(to);
        self.generation = to;
        self.is_proven = true;
        self.pupil = None;
        if let Some(at) = at {
            let Earlier { pupil, kept, .. } = self.earlier.swap_remove(at);
            (self.pupil, self.kept) = (pupil, kept);
        }
        self.earlier.clear();
        true
    }

    fn place(&self, generation: u64) -> Option<usize> {
        self.earlier.iter().position(|earlier| earlier.generation == generation)
    }

    fn save_due(&self) -> Option<Instant> {
        let since = self.unsaved_since?;
        Some(self.saved_at.map_or(since, |at| at + SAVE_TIME))
    }
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
            desks.insert(role, Desk::new(kept));
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

    /// Another generation came into a slot, and this learns for it.
    pub(super) fn seat(
        &mut self,
        role: Role,
        generation: u64,
        seat: Option<LearnerSeat>,
        on_probation: bool,
    ) {
        let desk = self.desks.entry(role).or_insert_with(|| Desk::new(None));
        desk.seat(generation, seat, on_probation);
    }

    /// A generation has proven itself: those before it do not come back.
    pub(super) fn proven(&mut self, role: Role, generation: u64) {
        if let Some(desk) = self.desks.get_mut(&role) {
            desk.prove(generation);
        }
    }

    /// A generation went, and another one is back with what it had learned.
    pub(super) fn rolled_back(&mut self, now: Instant, role: Role, gone: u64, to: u64) {
        if let Some(desk) = self.desks.get_mut(&role)
            && desk.roll_back(gone, to)
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
        if !pupil.is_some_and(|pupil| pupil.take(now, outcome)) {
            self.tally.unknown += 1;
        }
    }

    /// Whether a batch is whole, so that its lesson should not wait for more.
    pub(super) fn is_full(&self) -> bool {
        self.desks.values().filter_map(|desk| desk.pupil.as_ref()).any(Pupil::is_full)
    }

    /// When there is something to do, if ever.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let of = |desk: &Desk| {
            let pupil = desk.pupil.as_ref().and_then(|pupil| pupil.due(now));
            pupil.into_iter().chain(desk.save_due()).min()
        };
        self.desks.values().filter_map(of).min()
    }

    /// Does what is due.
    pub(super) fn work(&mut self, now: Instant, facts: &mut Vec<AsideFact>) {
        for (&role, desk) in &mut self.desks {
            let tally = &mut self.tally;
            if let Some(pupil) = &mut desk.pupil
                && pupil.work(now, tally, facts)
            {
                desk.kept = pupil.learned();
                desk.unsaved_since.get_or_insert(now);
                self.is_unshelved = true;
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
