//! Sends each packet where it is expected to arrive first.
//!
//! Paths fall into tiers (see `Tier`), and only the best tier that has a path is looked at:
//! a metered or relayed path carries nothing while a free one is sound. Inside the tier the
//! smallest expected arrival wins, with two refinements:
//!
//! - **Stickiness.** Questions carry no memory, so the path in use is read off the paths
//!   themselves: it is the one with most bytes in flight. Another one must be expected
//!   clearly earlier to take over (`stickiness_percent`, and at least 1 ms), unless the path
//!   in use has no room, when anything that beats waiting for it does.
//! - **Striping.** Bulk, and interactive traffic with a long backlog, is spread over the
//!   paths of the tier's price that help, one of each risk group: those that deliver their next packet before the
//!   best path alone would be done with the backlog. The tail of a transfer so stays on the
//!   fast path, and a slow path never holds it up.
//!
//! Without a sound path the least silent suspect one is tried; without any path that is up,
//! the packet is kept.

use pointsman_sdk::path::flags;
use pointsman_sdk::selector::{Class, Question, Selector, Verdict};
use pointsman_sdk::{Fault, Manifest, Path, Settings, UNKNOWN};

#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod cases;

/// Codes that say why, as logs show them.
pub mod reason {
    /// The earliest expected arrival.
    pub const FASTEST: u16 = 1;
    /// Another path is faster, but not by enough to leave this one.
    pub const STICKY: u16 = 2;
    /// It has no room, and waiting for it is still the fastest.
    pub const WORTH_WAITING: u16 = 3;
    /// Several paths together are faster than one.
    pub const STRIPED: u16 = 4;
    /// No sound path: the least silent one.
    pub const LAST_RESORT: u16 = 5;
    /// No path is up.
    pub const NO_PATH: u16 = 6;
}

/// Round-trip time that is assumed before the first measure, in microseconds (RFC 9002, 6.2.2).
const SRTT_GUESS_US: u32 = 333_000;
/// A path in use is not left for less than this, in microseconds.
const GAIN_MIN_US: u64 = 1_000;
/// Interactive traffic is striped from this backlog on, in bytes.
const STRIPE_BACKLOG_MIN: u32 = 64 << 10;
/// Where no rate tells when a stripe would be done: a path helps up to so many times the
/// arrival of the best one.
const STRIPE_SPREAD_MAX: u64 = 4;
/// A path that loses more than this, per million, slows a stripe down by what it sends again.
const STRIPE_LOSS_MAX_PPM: u32 = 100_000;
/// Packets and milliseconds for which a verdict on sound paths holds: at 1 Gbit/s a question
/// for every 40 µs, and never older than the round trip of a fast local network.
const LEASE: (u8, u8) = (32, 5);

/// What a path costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Price {
    Free,
    /// Metered, or through somebody's relay.
    Costly,
}

/// How good a path is in kind, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// Sound, and has carried traffic.
    Proven(Price),
    /// Sound, and has carried nothing yet.
    New(Price),
    /// An acknowledgement is overdue.
    Suspect,
}

impl Tier {
    /// `None` for a path that must carry nothing.
    fn of(path: &Path<'_>) -> Option<Self> {
        let has = |flag| path.flags() & flag != 0;
        if !path.is_up() || has(flags::DRAINING | flags::MASKED) {
            return None;
        }
        let price = if has(flags::METERED | flags::RELAYED) { Price::Costly } else { Price::Free };
        Some(match (has(flags::SUSPECT), has(flags::PROBATION)) {
            (true, _) => Self::Suspect,
            (false, true) => Self::New(price),
            (false, false) => Self::Proven(price),
        })
    }

    fn price(self) -> Option<Price> {
        match self {
            Self::Proven(price) | Self::New(price) => Some(price),
            Self::Suspect => None,
        }
    }
}

/// A path with what was worked out of it.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    position: usize,
    path: Path<'a>,
    has_room: bool,
    /// When a packet given to it now arrives, in microseconds; for a suspect path how long it
    /// has been silent, because its measures are of another time.
    arrival_us: u64,
}

impl<'a> Candidate<'a> {
    fn new(position: usize, path: Path<'a>, tier: Tier, head_bytes: u32) -> Self {
        let has_room = path.room_bytes() >= head_bytes;
        let arrival_us = match tier {
            Tier::Suspect => u64::from(path.silent_us()),
            Tier::Proven(_) | Tier::New(_) => arrival_us(&path, head_bytes, has_room),
        };
        Self { position, path, has_room, arrival_us }
    }

    /// Bytes on the way: what marks the path in use.
    fn inflight(&self) -> u32 {
        known(self.path.inflight_bytes(), 0)
    }
}

/// Round trip, and the time that the packet and what is ahead of it take to leave.
///
/// A rate that was not tried out says nothing about what the path can do: then it is taken to
/// be empty while it has room, and to need one round trip to have room again.
fn arrival_us(path: &Path<'_>, head_bytes: u32, has_room: bool) -> u64 {
    let srtt = u64::from(known(path.srtt_us(), SRTT_GUESS_US));
    let ahead = [path.inflight_bytes(), path.queued_bytes()].map(|bytes| known(bytes, 0));
    let bytes = u64::from(head_bytes) + ahead.map(u64::from).iter().sum::<u64>();
    srtt + match drain_us(path, bytes) {
        Some(drain) => drain,
        None if has_room => 0,
        None => srtt,
    }
}

/// How long so many bytes take on a path, in microseconds; `None` where its rate is not known.
fn drain_us(path: &Path<'_>, bytes: u64) -> Option<u64> {
    let rate = known(path.rate_kbps(), 0);
    let measured = rate > 0 && path.flags() & flags::APP_LIMITED == 0;
    measured.then(|| bytes * 8_000 / u64::from(rate))
}

fn known(field: u32, otherwise: u32) -> u32 {
    if field == UNKNOWN { otherwise } else { field }
}

/// The policy.
#[derive(Clone, Debug)]
pub struct FastestFirst {
    stickiness_percent: u64,
    stripe: bool,
}

impl Default for FastestFirst {
    fn default() -> Self {
        Self { stickiness_percent: 10, stripe: true }
    }
}

impl Selector for FastestFirst {
    fn manifest() -> Manifest {
        Manifest::new("fastest-first", env!("CARGO_PKG_VERSION")).with_settings(
            "stickiness_percent: integer 0..=100 = 10  how much earlier another path must be\n\
             stripe: boolean = true  whether long backlogs use several paths at once\n",
        )
    }

    fn configure(&mut self, settings: &Settings) -> Result<(), Fault> {
        settings.only(&["stickiness_percent", "stripe"])?;
        let percent = settings.integer("stickiness_percent", 0..=100, 10)?;
        *self = Self {
            stickiness_percent: percent.unsigned_abs(),
            stripe: settings.boolean("stripe", true)?,
        };
        Ok(())
    }

    fn choose(&self, question: &Question<'_>) -> Verdict {
        let Some((tier, best, in_use)) = survey(question) else {
            return Verdict::store().because(reason::NO_PATH);
        };
        let Some(price) = tier.price() else {
            return Verdict::send(best.position).because(reason::LAST_RESORT);
        };
        let (packets, ms) = LEASE;
        if self.stripe && wants_stripe(question) {
            let set = stripe_set(question, price, &best);
            if set.count_ones() > 1 {
                return Verdict::stripe(set).lease(packets, ms).because(reason::STRIPED);
            }
        }
        let chosen = self.stick(best, in_use);
        let verdict = Verdict::send(chosen.position);
        match (chosen.has_room, chosen.position == best.position) {
            (false, _) => verdict.because(reason::WORTH_WAITING),
            (true, true) => verdict.lease(packets, ms).because(reason::FASTEST),
            (true, false) => verdict.lease(packets, ms).because(reason::STICKY),
        }
    }
}

impl FastestFirst {
    /// The path in use, unless the best one is better by enough.
    fn stick<'a>(&self, best: Candidate<'a>, in_use: Option<Candidate<'a>>) -> Candidate<'a> {
        let Some(in_use) = in_use.filter(|path| path.has_room) else { return best };
        let margin = (in_use.arrival_us * self.stickiness_percent / 100).max(GAIN_MIN_US);
        if best.arrival_us + margin <= in_use.arrival_us { best } else { in_use }
    }
}

/// The best tier that has a path, in it the path that is earliest, and the one in use.
fn survey<'a>(question: &Question<'a>) -> Option<(Tier, Candidate<'a>, Option<Candidate<'a>>)> {
    let mut found: Option<(Tier, Candidate<'a>, Option<Candidate<'a>>)> = None;
    for (position, path) in question.paths.iter().enumerate().take(16) {
        let Some(tier) = Tier::of(&path) else { continue };
        let candidate = Candidate::new(position, path, tier, question.head_bytes);
        let active = (candidate.inflight() > 0).then_some(candidate);
        match &mut found {
            Some((best_tier, ..)) if tier > *best_tier => {}
            Some((best_tier, best, in_use)) if tier == *best_tier => {
                if candidate.arrival_us < best.arrival_us {
                    *best = candidate;
                }
                let most = in_use.map_or(0, |path| path.inflight());
                if candidate.inflight() > most {
                    *in_use = active;
                }
            }
            Some(_) | None => found = Some((tier, candidate, active)),
        }
    }
    found
}

fn wants_stripe(question: &Question<'_>) -> bool {
    match Class::from_number(question.class) {
        Some(Class::Bulk) => true,
        Some(Class::Interactive) => question.backlog_bytes > STRIPE_BACKLOG_MIN,
        Some(Class::Realtime) | None => false,
    }
}

/// The best path and, of each other risk group, the earliest of the same price that helps it:
/// a new path helps by being tried.
fn stripe_set(question: &Question<'_>, price: Price, best: &Candidate<'_>) -> u16 {
    let alone = drain_us(&best.path, u64::from(question.backlog_bytes));
    let done_us = match alone {
        Some(drain) => best.arrival_us + drain,
        None => best.arrival_us * STRIPE_SPREAD_MAX,
    };
    let helpers = || {
        let paths = question.paths.iter().enumerate().take(16);
        paths.filter_map(|(position, path)| {
            let tier = Tier::of(&path).filter(|tier| tier.price() == Some(price))?;
            Some(Candidate::new(position, path, tier, question.head_bytes))
        })
    };
    let mut set = 1 << best.position;
    for helper in helpers().filter(|helper| !together(helper, best)) {
        let rank = |path: &Candidate<'_>| (path.arrival_us, path.position);
        let outdone =
            |other: Candidate<'_>| together(&other, &helper) && rank(&other) < rank(&helper);
        let is_lossy = known(helper.path.loss_ppm(), 0) > STRIPE_LOSS_MAX_PPM;
        if helper.arrival_us < done_us && !is_lossy && !helpers().any(outdone) {
            set |= 1 << helper.position;
        }
    }
    set
}

/// Whether two paths share what limits them: then both carry no more than the better one.
fn together(one: &Candidate<'_>, other: &Candidate<'_>) -> bool {
    let group = one.path.risk_group();
    group != UNKNOWN && group == other.path.risk_group()
}

#[cfg(target_arch = "wasm32")]
pointsman_sdk::export_selector!(FastestFirst);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_the_table_gets_its_verdict() {
        for case in cases::all() {
            let mut policy = FastestFirst::default();
            policy.configure(&case.settings).expect(case.name);
            let list = case.list();
            assert_eq!(policy.choose(&case.question(&list)), case.verdict, "{}", case.name);
        }
    }

    #[test]
    fn settings_that_it_does_not_take_are_refused() {
        let mut policy = FastestFirst::default();
        for (key, value) in [("stickiness_percent", 101), ("stickiness_percent", -1), ("stripe", 1)]
        {
            let settings = Settings::new(vec![(key.into(), pointsman_sdk::Value::Integer(value))]);
            assert!(policy.configure(&settings).is_err(), "{key} = {value}");
        }
    }
}
