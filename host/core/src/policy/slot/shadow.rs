//! What two verdicts on the same question would lead to, as far as the question tells.
//!
//! The live policy and the warm one are asked the same; only where the warm one would have
//! done clearly better is the live one to blame for what happens. The estimate is the host's
//! own and a rough one: round trips, queues and room of the rows. It convicts nobody: outcomes
//! do, see `watch`.

use pointsman_sdk::failover::{self, Resend};
use pointsman_sdk::path::flags;
use pointsman_sdk::selector::{Class, Mode, Verdict};
use pointsman_sdk::{Path, Paths, UNKNOWN};

use crate::limits::URGENT_BYTES;
use crate::policy::{FailoverQuestion, SelectorQuestion};

/// A choice is clearly worse when it is expected later by this, in microseconds, and by a
/// quarter of the other: less is a matter of taste, and of the estimate.
const CLEARLY_US: u64 = 5_000;

/// Round-trip time that is assumed before the first measure, in microseconds (RFC 9002, 6.2.2).
const SRTT_GUESS_US: u64 = 333_000;

/// What is never expected.
const NEVER_US: u64 = 1 << 36;

/// What a selector's verdict leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// When the packet is expected to be acknowledged, in microseconds from the question.
    pub(crate) us: u64,
    /// Whether it leaves at once.
    pub(crate) leaves: bool,
    /// Whether it is held back, whatever room there is.
    pub(crate) holds: bool,
    /// Whether it is given up.
    pub(crate) gives_up: bool,
    /// On how many paths it leaves.
    pub(crate) copies: u32,
}

impl Outlook {
    /// What becomes of the packet in question.
    pub(crate) fn of(question: &SelectorQuestion, verdict: Verdict) -> Self {
        let view = View::of(question);
        let named = |position: usize| verdict.paths >> position & 1 == 1;
        match verdict.mode {
            Mode::Send => view.first(named),
            Mode::Stripe => view.widest(named),
            Mode::Duplicate => view.all(named),
            Mode::Hold => {
                let held_us = u64::from(verdict.hold_100us.max(1)) * 100;
                Self { holds: true, ..Self::waiting(held_us + view.best_us(|_| true)) }
            }
            Mode::Store | Mode::Abstain => Self { holds: true, ..Self::waiting(NEVER_US) },
            Mode::Expire => Self { gives_up: true, ..Self::waiting(NEVER_US) },
        }
    }

    fn leaving(us: u64, copies: u32) -> Self {
        Self { us, leaves: true, holds: false, gives_up: false, copies }
    }

    fn waiting(us: u64) -> Self {
        Self { us, leaves: false, holds: false, gives_up: false, copies: 0 }
    }

    /// Whether this is clearly worse for the packet than the other.
    pub(crate) fn is_worse_than(&self, other: &Self) -> bool {
        clearly_later(self.us, other.us)
    }

    /// Whether it keeps back what the other would have sent, and is not the earlier for it.
    /// Once may be a trifle; what it comes to is known when the packet leaves.
    pub(crate) fn keeps_from(&self, other: &Self) -> bool {
        other.leaves && !self.leaves && !self.gives_up && self.us >= other.us
    }

    /// Whether it gives up what the other would have brought there in time.
    pub(crate) fn wastes(&self, other: &Self, question: &SelectorQuestion) -> bool {
        let left_us = question.deadline_left_us;
        let in_time = left_us == UNKNOWN || other.us < u64::from(left_us);
        self.gives_up && other.leaves && in_time
    }
}

pub(crate) fn clearly_later(us: u64, than_us: u64) -> bool {
    us > than_us + CLEARLY_US.max(than_us / 4)
}

/// The paths of a selector's question, and what its packet needs.
struct View<'a> {
    paths: Paths<'a>,
    bytes: u32,
    extra: u64,
}

impl<'a> View<'a> {
    fn of(question: &'a SelectorQuestion) -> Self {
        let is_urgent = question.class == Class::Realtime as u32;
        Self {
            paths: Paths::new(&question.paths),
            bytes: question.head_bytes,
            extra: if is_urgent { URGENT_BYTES } else { 0 },
        }
    }

    fn named(&self, named: impl Fn(usize) -> bool) -> impl Iterator<Item = Path<'a>> {
        let paths = self.paths.iter().enumerate().take(16);
        paths.filter(move |(position, path)| named(*position) && path.is_up()).map(|(_, path)| path)
    }

    /// As the Node decides it when it carries a verdict out.
    fn has_room(&self, path: &Path<'_>) -> bool {
        let room = u64::from(path.room_bytes());
        path.is_sound() && room + self.extra >= u64::from(self.bytes) && room + self.extra > 0
    }

    fn best_us(&self, named: impl Fn(usize) -> bool) -> u64 {
        let arrivals = self.named(named).map(|path| self.arrival_us(&path));
        arrivals.min().unwrap_or(NEVER_US)
    }

    fn first(&self, named: impl Fn(usize) -> bool + Copy) -> Outlook {
        let first = self.named(named).find(|path| self.has_room(path));
        let leaving = |path| Outlook::leaving(self.arrival_us(&path), 1);
        first.map_or_else(|| Outlook::waiting(self.best_us(named)), leaving)
    }

    fn widest(&self, named: impl Fn(usize) -> bool + Copy) -> Outlook {
        let fitting = self.named(named).filter(|path| self.has_room(path));
        let widest = fitting.max_by_key(|path| (path.room_bytes(), core::cmp::Reverse(path.id())));
        let leaving = |path| Outlook::leaving(self.arrival_us(&path), 1);
        widest.map_or_else(|| Outlook::waiting(self.best_us(named)), leaving)
    }

    fn all(&self, named: impl Fn(usize) -> bool + Copy) -> Outlook {
        let fitting = || self.named(named).filter(|path| self.has_room(path));
        match fitting().map(|path| self.arrival_us(&path)).min() {
            Some(us) => Outlook::leaving(us, fitting().count() as u32),
            None => Outlook::waiting(self.best_us(named)),
        }
    }

    /// Round trip and queue; a path without room needs one more round trip to have some where
    /// its rate is not known, and a suspect one has already taken too long.
    fn arrival_us(&self, path: &Path<'_>) -> u64 {
        let srtt_us = srtt_us(path);
        let known = |field: u32| if field == UNKNOWN { 0 } else { u64::from(field) };
        let ahead = known(path.inflight_bytes()) + known(path.queued_bytes());
        let rate = known(path.rate_kbps());
        let is_measured = rate > 0 && path.flags() & flags::APP_LIMITED == 0;
        let queue_us = if is_measured {
            (ahead + u64::from(self.bytes)) * 8_000 / rate
        } else if self.has_room(path) {
            0
        } else {
            srtt_us
        };
        let is_suspect = path.flags() & flags::SUSPECT != 0;
        let silent_us = if is_suspect { known(path.silent_us()) } else { 0 };
        srtt_us + queue_us + silent_us
    }
}

fn srtt_us(path: &Path<'_>) -> u64 {
    match path.srtt_us() {
        UNKNOWN => SRTT_GUESS_US,
        srtt_us => u64::from(srtt_us),
    }
}

/// What a failover policy's verdict leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stance {
    /// The paths left in use.
    mask: u16,
    /// Whether that is another set than before.
    pub(crate) changes: bool,
    /// The shortest round trip of a sound path in use, in microseconds.
    pub(crate) best_us: u64,
    /// Whether what is in flight on the path in question goes again elsewhere.
    pub(crate) rescues: bool,
    /// Bytes that are sent again because traffic moves.
    pub(crate) resent_bytes: u64,
}

impl Stance {
    /// Where the verdict leaves a peer's traffic.
    pub(crate) fn of(question: &FailoverQuestion, verdict: failover::Verdict) -> Self {
        let paths = Paths::new(&question.paths);
        let set = |is: &dyn Fn(&Path<'_>) -> bool| {
            let paths = paths.iter().enumerate().take(16);
            paths.filter(|(_, path)| is(path)).fold(0u16, |set, (at, _)| set | 1 << at)
        };
        let before = set(&|path| path.is_up() && path.flags() & flags::MASKED == 0);
        let at = 1u16.checked_shl(question.at).unwrap_or(0);
        let mask = match verdict {
            failover::Verdict::Move { onto, .. } => onto,
            failover::Verdict::Close(position) => before & !1u16.checked_shl(position).unwrap_or(0),
            failover::Verdict::Stay { .. }
            | failover::Verdict::Hedge { .. }
            | failover::Verdict::Probe { .. }
            | failover::Verdict::Dial(_)
            | failover::Verdict::Store
            | failover::Verdict::Abstain => before,
        };
        let well = set(&|path| path.is_up() && !is_ill(path));
        let (rescues, resent_bytes) = match verdict {
            failover::Verdict::Hedge { onto, budget_bytes, .. } => {
                (onto & well & !at != 0 && budget_bytes > 0, 0)
            }
            failover::Verdict::Move { onto, resend, .. } if resend != Resend::None => {
                let left = before & !onto;
                (onto & well != 0 && left & at != 0, inflight_bytes(paths, left))
            }
            failover::Verdict::Move { .. }
            | failover::Verdict::Stay { .. }
            | failover::Verdict::Probe { .. }
            | failover::Verdict::Dial(_)
            | failover::Verdict::Close(_)
            | failover::Verdict::Store
            | failover::Verdict::Abstain => (false, 0),
        };
        let best = (0..16).filter(|at| (mask & well) >> at & 1 == 1).filter_map(|at| paths.at(at));
        let best_us = best.map(|path| srtt_us(&path)).min().unwrap_or(NEVER_US);
        Self { mask, changes: mask != before, best_us, rescues, resent_bytes }
    }

    /// Whether traffic is left on clearly worse paths than by the other.
    pub(crate) fn is_worse_than(&self, other: &Self) -> bool {
        clearly_later(self.best_us, other.best_us)
    }

    /// Whether it moves traffic where the other would not.
    pub(crate) fn moves_unlike(&self, other: &Self) -> bool {
        self.changes && self.mask != other.mask
    }
}

fn is_ill(path: &Path<'_>) -> bool {
    path.flags() & (flags::SUSPECT | flags::DRAINING) != 0
}

fn inflight_bytes(paths: Paths<'_>, set: u16) -> u64 {
    let named = (0..16).filter(|at| set >> at & 1 == 1).filter_map(|at| paths.at(at));
    let known = |bytes: u32| if bytes == UNKNOWN { 0 } else { u64::from(bytes) };
    named.map(|path| known(path.inflight_bytes())).sum()
}
