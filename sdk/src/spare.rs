//! Which path stands in for which: what failover policies read off paths and dialables.
//!
//! As in [`crate::estimate`], what several policies have in common stands here: which path is
//! meant, which of the others is its best spare, how long a silence is no mere pause, and when
//! a path that was left may come back. When to copy and when to move is the policy's own.

use crate::estimate::{PATHS_MAX, known};
use crate::failover::{Dialable, Question, Resend, Verdict};
use crate::path::flags;
use crate::{Fault, Path, Settings, UNKNOWN};

/// Codes below 16 mean the same in every shipped failover policy; each has its own from 16 on.
pub mod reason {
    /// Nothing to do.
    pub const FINE: u32 = 1;
    /// An acknowledgement is late.
    pub const LATE: u32 = 2;
    /// The path is silent while others progress.
    pub const SILENT: u32 = 3;
    /// The path is gone.
    pub const LOST: u32 = 4;
    /// The path is about to go.
    pub const FADING: u32 = 5;
    /// The path is well again.
    pub const BACK: u32 = 6;
    /// The path is well again, and must stay so for a while.
    pub const HELD_DOWN: u32 = 7;
    /// No other path is well: it may be the whole network.
    pub const ALONE: u32 = 8;
}

/// Longest hold-down, in milliseconds.
const HOLD_DOWN_MAX_MS: u32 = 30_000;

/// How well a path stands in for another, best first; after the kind the shorter round trip
/// decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spare {
    /// Sound, and fails for other reasons.
    Apart,
    /// Sound, but in the same risk group.
    Together,
    /// Out of use, but not known to be ill.
    Masked,
}

/// How long a silence is borne, and how long a path that was left stays out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Silence that moves traffic, in microseconds.
    pub move_after_us: u32,
    /// Wait before a path is used again, in milliseconds.
    pub hold_down_ms: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { move_after_us: 400_000, hold_down_ms: 2_000 }
    }
}

impl Patience {
    /// Its settings, for the manifest.
    pub const SCHEMA: &str = "\
        move_after_ms: integer 50..=60000 = 400  silence that moves traffic, in milliseconds\n\
        hold_down_ms: integer 0..=30000 = 2000  wait before a path that was left is used again\n";

    /// The names of its settings.
    pub const KEYS: [&str; 2] = ["move_after_ms", "hold_down_ms"];

    /// Takes its settings.
    pub fn configured(settings: &Settings) -> Result<Self, Fault> {
        let ms = |key, range, default| {
            settings.integer(key, range, default).map(|ms| u32::try_from(ms).unwrap_or(u32::MAX))
        };
        Ok(Self {
            move_after_us: ms("move_after_ms", 50..=60_000, 400)?.saturating_mul(1_000),
            hold_down_ms: ms("hold_down_ms", 0..=i64::from(HOLD_DOWN_MAX_MS), 2_000)?,
        })
    }

    /// Silent for so long that it is no mere pause: our own lateness taken off, and at least
    /// three round trips.
    pub fn is_silent(&self, question: &Question<'_>, path: &Path<'_>) -> bool {
        let silent = path.silent_us().saturating_sub(question.loop_lag_us);
        silent > self.move_after_us.max(known(path.srtt_us(), 0).saturating_mul(3))
    }

    /// What to do with a path out of use: back into use when it is well and the hold-down is
    /// over, which doubles with every move of the last minute but the one that it follows.
    /// Where nothing else is sound, the hold-down is void.
    pub fn readmit(&self, question: &Question<'_>, at: usize, path: &Path<'_>) -> Verdict {
        let doublings = question.moves_last_60s.saturating_sub(1).min(16);
        let hold_down = self.hold_down_ms.saturating_mul(1 << doublings).min(HOLD_DOWN_MAX_MS);
        let over = question.since_move_ms >= hold_down && !self.is_silent(question, path);
        let alone = !question.paths.iter().any(|path| path.is_sound());
        if is_well(path) && (alone || over) {
            let onto = set_of(question, |_, path| is_well(path));
            return Verdict::Move { onto, resend: Resend::None, reason: reason::BACK };
        }
        Verdict::Probe { paths: 1 << at, reason: reason::HELD_DOWN }
    }

    /// Whether traffic must leave a suspect path: it is silent, and another one made progress
    /// meanwhile. A pause so moves nothing, and a network that is down as a whole neither.
    pub fn is_over(&self, question: &Question<'_>, path: &Path<'_>) -> bool {
        question.others_progressed > 0 && self.is_silent(question, path)
    }
}

/// The path that the question is about; a tick that names none is about the first one in use
/// that is suspect.
pub fn subject<'a>(question: &Question<'a>) -> Option<(usize, Path<'a>)> {
    let named = question.at as usize;
    let ill = |path: &Path<'_>| has(path, flags::SUSPECT) && !has(path, flags::MASKED);
    match question.paths.at(named).filter(|_| named < PATHS_MAX) {
        Some(path) => Some((named, path)),
        None => question.paths.iter().enumerate().take(PATHS_MAX).find(|(_, path)| ill(path)),
    }
}

/// The path that stands in best for the one at this position, if there is one that is well.
pub fn best_spare(question: &Question<'_>, at: usize) -> Option<usize> {
    let group = question.paths.at(at).map(|path| path.risk_group());
    let kind = |path: &Path<'_>| match () {
        () if !is_well(path) => None,
        () if has(path, flags::MASKED) => Some(Spare::Masked),
        () if Some(path.risk_group()) == group => Some(Spare::Together),
        () => Some(Spare::Apart),
    };
    let all = question.paths.iter().enumerate().take(PATHS_MAX);
    let ranked = all.filter(|&(position, _)| position != at).filter_map(|(position, path)| {
        Some((kind(&path)?, has(&path, flags::PROBATION), path.srtt_us(), position))
    });
    ranked.min().map(|(.., position)| position)
}

/// The dialable to dial first, of those wanted: the cheapest, then the one that takes least
/// time to succeed, its failures included.
pub fn best_dial(question: &Question<'_>, wanted: impl Fn(&Dialable) -> bool) -> Option<Verdict> {
    let cost = |dial: &Dialable| {
        let success = u64::from(known(dial.success_ppm, 500_000).max(1_000));
        let setup_ms = u64::from(known(dial.setup_ms, 1_000));
        (known(dial.price_per_mib, 0), setup_ms * 1_000_000 / success, dial.id)
    };
    let best = Dialable::read(question.dialables).filter(wanted).min_by_key(cost);
    best.map(|dial| Verdict::Dial(dial.id))
}

/// A path is gone: everything that was on it goes to what remains, those in use first; a path
/// that was out of use leaves nothing behind.
pub fn lost(question: &Question<'_>) -> Verdict {
    let at = question.at as usize;
    if question.paths.at(at).is_some_and(|path| has(&path, flags::MASKED)) {
        return unless_alone(question);
    }
    let sets = [
        set_of(question, |position, path| position != at && path.is_sound()),
        set_of(question, |position, path| position != at && is_well(path)),
        set_of(question, |position, path| position != at && path.is_up()),
    ];
    match sets.into_iter().find(|&set| set != 0) {
        Some(onto) => Verdict::Move { onto, resend: Resend::Unacked, reason: reason::LOST },
        None => best_dial(question, |_| true).unwrap_or(Verdict::Store),
    }
}

/// Hands over from a path that is about to go, before it does: to the sound ones, else to one
/// that is dialled.
pub fn leave(question: &Question<'_>, at: usize) -> Verdict {
    match set_of(question, |position, path| position != at && path.is_sound()) {
        0 => best_dial(question, |_| true).unwrap_or_else(stay),
        onto => Verdict::Move { onto, resend: Resend::None, reason: reason::FADING },
    }
}

/// Nothing to do while a path is sound; otherwise dial, or ask those that are left.
pub fn unless_alone(question: &Question<'_>) -> Verdict {
    if question.paths.iter().any(|path| path.is_sound()) {
        return stay();
    }
    let up = set_of(question, |_, path| path.is_up());
    best_dial(question, |_| true).unwrap_or(match up {
        0 => Verdict::Store,
        paths => Verdict::Probe { paths, reason: reason::ALONE },
    })
}

/// Changes nothing.
pub fn stay() -> Verdict {
    Verdict::Stay { reason: reason::FINE }
}

/// Up and not known to be ill, whether in use or not.
pub fn is_well(path: &Path<'_>) -> bool {
    path.is_up() && !has(path, flags::SUSPECT | flags::DRAINING)
}

/// Whether any of these flags is set.
pub fn has(path: &Path<'_>, flags: u32) -> bool {
    path.flags() & flags != 0
}

/// The positions of the paths that are wanted, as a set.
pub fn set_of(question: &Question<'_>, wanted: impl Fn(usize, &Path<'_>) -> bool) -> u16 {
    let paths = question.paths.iter().enumerate().take(PATHS_MAX);
    paths.filter(|(at, path)| wanted(*at, path)).fold(0, |set, (at, _)| set | 1 << at)
}

/// Whether two paths are known to fail for different reasons.
pub fn apart(one: &Path<'_>, other: &Path<'_>) -> bool {
    let groups = [one.risk_group(), other.risk_group()];
    !groups.contains(&UNKNOWN) && groups[0] != groups[1]
}
