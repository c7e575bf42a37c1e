//! What is known of the slots: what is live, what was, and what must stay out.
//!
//! Reading it never waits for a module that is being compiled, so that status and history
//! answer at once while a swap is under way; what is in the slots does not wait for the disk
//! either. Writing the rest goes to the disk and is done off the loop, by whoever holds the
//! node's setup.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pointsman_core::policy::Role;

use super::history::{Cause, Entry, History};
use super::quarantine::{Held, Mark, Quarantine};
use super::seat::Seated;
use crate::shell::journal::unix_ms;

/// A policy in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its number in the slot: grows with every swap, over restarts too.
    pub generation: u64,
    /// What it is.
    pub seated: Seated,
    /// What brought it.
    pub from: Cause,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub since_unix_ms: u64,
}

/// A slot as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// What is in it.
    pub live: Live,
    /// What is kept warm until the live one has proven itself.
    pub before: Option<Live>,
    /// What the config names.
    pub configured: String,
    /// What an operator should know.
    pub note: Option<String>,
    /// The candidate that answers beside it.
    pub shadow: Option<Seated>,
}

/// See the module.
#[derive(Debug)]
pub struct Book {
    /// Never held while the disk is written.
    slots: Mutex<Vec<Now>>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    history: History,
    quarantine: Quarantine,
}

impl Book {
    /// What earlier runs left in this folder.
    pub(crate) fn open(folder: &Path) -> Self {
        let history = History::open(&folder.join("policy-history.jsonl"));
        let quarantine = Quarantine::open(&folder.join("policy-quarantine.json"));
        Self { slots: Mutex::default(), pages: Mutex::new(Pages { history, quarantine }) }
    }

    /// The slots, in the order of [`Role::ALL`].
    pub(crate) fn slots(&self) -> Vec<Now> {
        self.shown().clone()
    }

    /// The history of a slot, or of all, oldest first.
    pub(crate) fn history(&self, role: Option<Role>) -> Vec<Entry> {
        self.pages().history.entries(role)
    }

    /// The highest generation that a slot ever had.
    pub(crate) fn generation(&self, role: Role) -> u64 {
        self.pages().history.generation(role)
    }

    /// Shows a slot as it is from now on.
    pub(crate) fn show(&self, now: Now) {
        let mut slots = self.shown();
        slots.retain(|one| one.live.seated.role != now.live.seated.role);
        slots.push(now);
        slots.sort_by_key(|one| one.live.seated.role);
    }

    pub(crate) fn add(&self, entry: Entry) {
        self.pages().history.add(entry);
    }

    /// Whether a policy stays out now.
    pub(crate) fn held(&self, role: Role, mark: &Mark) -> Option<Held> {
        self.pages().quarantine.held(role, mark, unix_ms())
    }

    /// Whether it was rolled back and has not proven itself since.
    pub(crate) fn doubts(&self, role: Role, mark: &Mark) -> bool {
        self.pages().quarantine.doubts(role, mark)
    }

    /// Keeps a policy out; tells for how long.
    pub(crate) fn hold(&self, role: Role, mark: &Mark, why: &str) -> Duration {
        self.pages().quarantine.hold(role, mark, unix_ms(), why)
    }

    pub(crate) fn release(&self, role: Role, mark: &Mark) {
        self.pages().quarantine.release(role, mark);
    }

    fn shown(&self) -> MutexGuard<'_, Vec<Now>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
