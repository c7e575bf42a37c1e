//! Keeps the other paths ready, and moves traffic only when it is sure.
//!
//! A late acknowledgement is answered at once with copies on another path (a *hedge*), which
//! costs a few bytes and commits to nothing. Traffic *moves* when the path has been silent
//! for long and another one made progress meanwhile: a pause of 200 ms so moves nothing, and
//! a network that is down as a whole moves nothing either. A path that was moved away from
//! comes back after a hold-down that doubles with every recent move, so that a flapping path
//! is used less and less.
//!
//! For spares, a path that does not fail together with the faulty one goes first; see
//! `Spare`.

use pointsman_sdk::failover::{Dialable, Event, Failover, Question, Resend, Verdict};
use pointsman_sdk::path::flags;
use pointsman_sdk::{Fault, Manifest, Path, Settings, UNKNOWN};

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod cases;

/// Codes that say why, as logs show them.
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spare {
    /// Sound, and fails for other reasons.
    Apart,
    /// Sound, but in the same risk group.
    Together,
    /// Out of use, but not known to be ill.
    Masked,
}

/// The policy.
#[derive(Clone, Debug)]
pub struct Standby {
    move_after_us: u32,
    hold_down_ms: u32,
}

impl Default for Standby {
    fn default() -> Self {
        Self { move_after_us: 400_000, hold_down_ms: 2_000 }
    }
}

impl Failover for Standby {
    fn manifest() -> Manifest {
        Manifest::new("standby", env!("CARGO_PKG_VERSION")).with_settings(
            "move_after_ms: integer 50..=60000 = 400  silence that moves traffic\n\
             hold_down_ms: integer 0..=30000 = 2000  wait before a path is used again\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["move_after_ms", "hold_down_ms"])?;
        let ms = |key, range, default| {
            settings.integer(key, range, default).map(|ms| u32::try_from(ms).unwrap_or(u32::MAX))
        };
        *self = Self {
            move_after_us: ms("move_after_ms", 50..=60_000, 400)? * 1_000,
            hold_down_ms: ms("hold_down_ms", 0..=i64::from(HOLD_DOWN_MAX_MS), 2_000)?,
        };
        Ok(())
    }

    fn decide(&self, question: &Question<'_>) -> Verdict {
        let subject = subject(question);
        match question.event {
            Event::Lost => lost(question),
            Event::Fading => fading(question),
            Event::Suspect | Event::Recovered | Event::Tick | Event::ProbeResult => match subject {
                Some((at, path)) if has(&path, flags::SUSPECT) && !has(&path, flags::MASKED) => {
                    self.suspect(question, at, &path)
                }
                Some((at, path)) if has(&path, flags::MASKED) => self.readmit(question, at, &path),
                Some(_) | None => unless_alone(question),
            },
            Event::Appeared => match subject {
                Some((at, path)) if has(&path, flags::MASKED) => self.readmit(question, at, &path),
                Some(_) | None => stay(),
            },
            Event::UplinkChanged | Event::DialFailed => unless_alone(question),
        }
    }
}

impl Standby {
    /// A path in use is late: hedge, and move once that is warranted.
    fn suspect(&self, question: &Question<'_>, at: usize, path: &Path<'_>) -> Verdict {
        let Some(spare) = best_spare(question, at) else {
            let probe = Verdict::Probe { paths: 1 << at, reason: reason::ALONE };
            return best_dial(question).unwrap_or(probe);
        };
        let onto = set_of(question, |position, path| position != at && is_well(path));
        if question.others_progressed > 0 && self.is_silent(question, path) {
            return Verdict::Move { onto, resend: Resend::Unacked, reason: reason::SILENT };
        }
        let unacked = question.unacked_bytes.iter().fold(0_u32, |sum, &b| sum.saturating_add(b));
        match unacked.min(question.hedge_budget_bytes) {
            0 => Verdict::Probe { paths: 1 << at, reason: reason::LATE },
            budget_bytes => Verdict::Hedge { onto: 1 << spare, budget_bytes, reason: reason::LATE },
        }
    }

    /// A path out of use: back into use when it is well and the hold-down is over.
    fn readmit(&self, question: &Question<'_>, at: usize, path: &Path<'_>) -> Verdict {
        let alone = !question.paths.iter().any(|path| path.is_sound());
        let over = question.since_move_ms >= self.hold_down_ms(question.moves_last_60s);
        if is_well(path) && (alone || (over && !self.is_silent(question, path))) {
            let onto = set_of(question, |_, path| is_well(path));
            return Verdict::Move { onto, resend: Resend::None, reason: reason::BACK };
        }
        Verdict::Probe { paths: 1 << at, reason: reason::HELD_DOWN }
    }

    /// Silent for so long that it is no mere pause, our own lateness taken off.
    fn is_silent(&self, question: &Question<'_>, path: &Path<'_>) -> bool {
        let srtt = if path.srtt_us() == UNKNOWN { 0 } else { path.srtt_us() };
        let silent = path.silent_us().saturating_sub(question.loop_lag_us);
        silent > self.move_after_us.max(srtt.saturating_mul(3))
    }

    /// Doubles with every move of the last minute but the one that it follows.
    fn hold_down_ms(&self, moves_last_60s: u32) -> u32 {
        let doublings = moves_last_60s.saturating_sub(1).min(16);
        self.hold_down_ms.saturating_mul(1 << doublings).min(HOLD_DOWN_MAX_MS)
    }
}

/// The path that the question is about; a tick that names none is about the first one in use
/// that is suspect.
fn subject<'a>(question: &Question<'a>) -> Option<(usize, Path<'a>)> {
    let named = question.at as usize;
    let ill = |path: &Path<'_>| has(path, flags::SUSPECT) && !has(path, flags::MASKED);
    match question.paths.at(named).filter(|_| named < 16) {
        Some(path) => Some((named, path)),
        None => question.paths.iter().enumerate().take(16).find(|(_, path)| ill(path)),
    }
}

/// A path is gone: everything that was on it goes to what remains.
fn lost(question: &Question<'_>) -> Verdict {
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
        None => best_dial(question).unwrap_or(Verdict::Store),
    }
}

/// A path is about to go: hand over before it does.
fn fading(question: &Question<'_>) -> Verdict {
    let at = question.at as usize;
    match set_of(question, |position, path| position != at && path.is_sound()) {
        0 => best_dial(question).unwrap_or_else(stay),
        onto => Verdict::Move { onto, resend: Resend::None, reason: reason::FADING },
    }
}

/// Nothing to do while a path is sound; otherwise dial, or ask those that are left.
fn unless_alone(question: &Question<'_>) -> Verdict {
    if question.paths.iter().any(|path| path.is_sound()) {
        return stay();
    }
    let up = set_of(question, |_, path| path.is_up());
    best_dial(question).unwrap_or(match up {
        0 => Verdict::Store,
        paths => Verdict::Probe { paths, reason: reason::ALONE },
    })
}

fn best_spare(question: &Question<'_>, at: usize) -> Option<usize> {
    let group = question.paths.at(at).map(|path| path.risk_group());
    let rank = |path: &Path<'_>| match () {
        () if !is_well(path) => None,
        () if has(path, flags::MASKED) => Some(Spare::Masked),
        () if Some(path.risk_group()) == group => Some(Spare::Together),
        () => Some(Spare::Apart),
    };
    let others = question.paths.iter().enumerate().take(16).filter(|&(position, _)| position != at);
    let ranked = others.filter_map(|(position, path)| {
        Some((rank(&path)?, has(&path, flags::PROBATION), path.srtt_us(), position))
    });
    ranked.min().map(|(.., position)| position)
}

/// Cheapest first; then the least time that it takes to succeed, failures included.
fn best_dial(question: &Question<'_>) -> Option<Verdict> {
    let cost = |dial: &Dialable| {
        let known = |field, otherwise| if field == UNKNOWN { otherwise } else { field };
        let success = u64::from(known(dial.success_ppm, 500_000).max(1_000));
        let setup_ms = u64::from(known(dial.setup_ms, 1_000));
        (known(dial.price_per_mib, 0), setup_ms * 1_000_000 / success, dial.id)
    };
    Dialable::read(question.dialables).min_by_key(cost).map(|dial| Verdict::Dial(dial.id))
}

/// Up and not known to be ill, whether in use or not.
fn is_well(path: &Path<'_>) -> bool {
    path.is_up() && !has(path, flags::SUSPECT | flags::DRAINING)
}

fn has(path: &Path<'_>, flag: u32) -> bool {
    path.flags() & flag != 0
}

fn set_of(question: &Question<'_>, wanted: impl Fn(usize, &Path<'_>) -> bool) -> u16 {
    let paths = question.paths.iter().enumerate().take(16);
    paths.filter(|(at, path)| wanted(*at, path)).fold(0, |set, (at, _)| set | 1 << at)
}

fn stay() -> Verdict {
    Verdict::Stay { reason: reason::FINE }
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_failover!(Standby);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_the_table_gets_its_verdict() {
        for case in cases::all() {
            let mut policy = Standby::default();
            policy.configure(&case.settings).expect(case.name);
            let (paths, dialables) = case.lists();
            let verdict = policy.decide(&case.question(&paths, &dialables));
            assert_eq!(verdict, case.verdict, "{}", case.name);
        }
    }

    #[test]
    fn settings_that_it_does_not_take_are_refused() {
        let mut policy = Standby::default();
        for (key, value) in [("move_after_ms", 49), ("hold_down_ms", 30_001), ("colour", 1)] {
            let value = pointsman_sdk::Value::Integer(value);
            let settings = Settings::new(vec![(key.into(), value.clone())]);
            assert!(policy.configure(&settings).is_err(), "{key} = {value:?}");
        }
    }
}
