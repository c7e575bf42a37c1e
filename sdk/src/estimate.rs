//! What follows from a path's row: what kind of choice it is, and when a packet would arrive.
//!
//! Selectors differ in what they want, not in how a row is read. What several of them read off
//! the rows stands here, so that "metered", "no room" or "arrives in 20 ms" mean the same in
//! all of them. Everything is integer arithmetic over one question, and holds for any row:
//! rates of 0, fields that are not known, the largest numbers.

use crate::path::flags;
use crate::selector::{Class, Question, Verdict};
use crate::{Path, UNKNOWN};

/// Codes below 16 mean the same in every shipped selector; each has its own from 16 on.
pub mod reason {
    /// The best path, by the measure of the policy.
    pub const BEST: u16 = 1;
    /// Another path is better, but not by enough to leave this one.
    pub const STICKY: u16 = 2;
    /// It has no room, and waiting for it is still the best.
    pub const WORTH_WAITING: u16 = 3;
    /// Several paths together are better than one.
    pub const STRIPED: u16 = 4;
    /// No sound path: the least silent one.
    pub const LAST_RESORT: u16 = 5;
    /// No path is up.
    pub const NO_PATH: u16 = 6;
    /// The fastest path has no room, and another one is better than waiting for it.
    pub const SECOND: u16 = 7;
}

/// Round-trip time that is assumed before the first measure, in microseconds (RFC 9002, 6.2.2).
pub const SRTT_GUESS_US: u32 = 333_000;

/// Paths that a verdict can name: a set has 16 bits.
pub const PATHS_MAX: usize = 16;

/// A path in use is not left for less than this, in microseconds.
const GAIN_MIN_US: u64 = 1_000;

/// What a path costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Price {
    /// Nothing.
    Free,
    /// Metered, or through somebody's relay.
    Costly,
}

/// How good a path is in kind, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Sound, and has carried traffic.
    Proven(Price),
    /// Sound, and has carried nothing yet.
    New(Price),
    /// An acknowledgement is overdue.
    Suspect,
}

impl Tier {
    /// `None` for a path that must carry nothing: down, draining or masked.
    pub fn of(path: &Path<'_>) -> Option<Self> {
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

    /// `None` for a suspect path: what it costs does not matter any more.
    pub fn price(self) -> Option<Price> {
        match self {
            Self::Proven(price) | Self::New(price) => Some(price),
            Self::Suspect => None,
        }
    }
}

/// A path that may carry the packet at the head, with what was worked out of its row.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its position in the question.
    pub position: usize,
    /// Its row.
    pub path: Path<'a>,
    /// What kind of choice it is.
    pub tier: Tier,
    /// Whether the head fits in what it can take now.
    pub has_room: bool,
    /// When the head arrives if it is given to it now, in microseconds from now.
    pub arrival_us: u64,
}

impl Candidate<'_> {
    /// Bytes on the way: they mark the path in use.
    pub fn inflight_bytes(&self) -> u32 {
        known(self.path.inflight_bytes(), 0)
    }

    /// Its round trip in microseconds; [`SRTT_GUESS_US`] before the first measure.
    pub fn srtt_us(&self) -> u64 {
        u64::from(known(self.path.srtt_us(), SRTT_GUESS_US))
    }

    /// To send on it: while it has room also the next packets, as many as a question costs
    /// little for (one for every 40 µs at 1 Gbit/s), and never for longer than the round trip
    /// of a fast local network. Without room it is waited for, and asked about again then.
    pub fn send(&self, reason: u16) -> Verdict {
        let verdict = Verdict::send(self.position);
        match self.has_room {
            true => verdict.lease(32, 5).because(reason),
            false => verdict.because(reason::WORTH_WAITING),
        }
    }

    /// How long so many bytes take behind what is under way, in microseconds: by the measured
    /// rate; and before there is one, by a window for each round trip.
    pub fn takes_us(&self, bytes: u64) -> u64 {
        let behind = bytes.saturating_add(self.inflight_bytes().into());
        let window = window_bytes(&self.path).max(1);
        let by_window = || self.srtt_us().saturating_mul(bytes) / window;
        drain_us(&self.path, behind).unwrap_or_else(by_window)
    }

    /// When the last of so many bytes would be there, the head among them, in microseconds;
    /// the head's arrival where no rate tells.
    pub fn finish_us(&self, bytes: u32) -> u64 {
        self.arrival_us + drain_us(&self.path, u64::from(bytes)).unwrap_or(0)
    }
}

/// Paths of a question in their order. Each was worked out once, however often a policy looks
/// through them: an arrival takes a division.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    list: [Option<Candidate<'a>>; PATHS_MAX],
    count: usize,
}

impl<'a> Candidates<'a> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate<'a>> + Clone {
        self.list.iter().take(self.count).flatten()
    }
}

/// The paths of a question whose tier is wanted, among the first [`PATHS_MAX`].
pub fn candidates<'a>(question: &Question<'a>, wanted: impl Fn(Tier) -> bool) -> Candidates<'a> {
    let mut found = Candidates { list: [None; PATHS_MAX], count: 0 };
    let head_bytes = question.head_bytes;
    for (position, path) in question.paths.iter().enumerate().take(PATHS_MAX) {
        let Some(tier) = Tier::of(&path).filter(|&tier| wanted(tier)) else { continue };
        let has_room = path.room_bytes() >= head_bytes;
        let arrival_us = arrival_us(&path, head_bytes);
        found.list[found.count] = Some(Candidate { position, path, tier, has_room, arrival_us });
        found.count += 1;
    }
    found
}

/// The best tier that has a path; `None` where no path may carry anything.
pub fn best_tier(question: &Question<'_>) -> Option<Tier> {
    question.paths.iter().take(PATHS_MAX).filter_map(|path| Tier::of(&path)).min()
}

/// The paths that a packet of this class is spread over: those of the best tier, and for bulk
/// also new ones of the same price, which so are tried. `None` where no path is sound.
pub fn field<'a>(question: &Question<'a>) -> Option<Candidates<'a>> {
    let best = best_tier(question).filter(|tier| tier.price().is_some())?;
    let is_bulk = question.class == Class::Bulk as u32;
    Some(candidates(question, move |tier| tier == best || is_bulk && tier.price() == best.price()))
}

/// What the schedulers of multipath transports have in common: the path with the shortest
/// round trip while it has room; then the next one that has room and is of another risk group,
/// unless the scheduler says of the two, the fast one first, that waiting is better.
pub fn fast_or_second(
    question: &Question<'_>,
    waits: impl Fn(&Candidate<'_>, &Candidate<'_>) -> bool,
) -> Verdict {
    let Some(field) = field(question) else { return last_resort(question) };
    let Some(fast) = shortest(&field) else { return last_resort(question) };
    let others = field.iter().filter(|path| path.has_room && !together(&path.path, &fast.path));
    let slow = others.min_by_key(|path| path.srtt_us());
    match slow.filter(|slow| !fast.has_room && !waits(fast, slow)) {
        Some(slow) => Verdict::send(slow.position).because(reason::SECOND),
        None => fast.send(reason::BEST),
    }
}

/// The answer where no path is sound: the least silent of those that are suspect, since the
/// measures of a suspect path are of another time; and where there is none either, the packet
/// is kept until a path appears.
pub fn last_resort(question: &Question<'_>) -> Verdict {
    let suspects = candidates(question, |tier| tier == Tier::Suspect);
    match suspects.iter().min_by_key(|path| path.path.silent_us()) {
        Some(path) => Verdict::send(path.position).because(reason::LAST_RESORT),
        None => Verdict::store().because(reason::NO_PATH),
    }
}

/// The path in use: questions carry no memory, so it is read off the paths as the one with
/// most bytes in flight.
pub fn in_use<'c, 'a>(paths: impl Iterator<Item = &'c Candidate<'a>>) -> Option<&'c Candidate<'a>> {
    let active = paths.filter(|path| path.inflight_bytes() > 0);
    active.min_by_key(|path| core::cmp::Reverse(path.inflight_bytes()))
}

/// The one in use while it has room, unless the best arrives earlier by so many percent, and
/// by at least 1 ms.
pub fn stick<'c, 'a>(
    best: &'c Candidate<'a>,
    in_use: Option<&'c Candidate<'a>>,
    percent: u64,
) -> &'c Candidate<'a> {
    let Some(in_use) = in_use.filter(|path| path.has_room) else { return best };
    let margin = (in_use.arrival_us * percent / 100).max(GAIN_MIN_US);
    if best.arrival_us + margin <= in_use.arrival_us { best } else { in_use }
}

/// The path with the shortest round trip, by which schedulers of multipath transports order
/// paths. Of those within a tenth of it the one with most in flight, so that two like paths
/// don't change places with every measure.
pub fn shortest<'c, 'a>(paths: &'c Candidates<'a>) -> Option<&'c Candidate<'a>> {
    let least = paths.iter().map(|path| path.srtt_us()).min()?;
    let like = paths.iter().filter(|path| path.srtt_us() <= least + least / 10);
    like.min_by_key(|path| (core::cmp::Reverse(path.inflight_bytes()), path.srtt_us()))
}

/// When so many bytes given to a path now arrive, in microseconds: a round trip, and the time
/// that they and what is ahead of them take to leave.
///
/// A rate that was not tried out says nothing about what the path can do: then it is taken to
/// be empty while it has room, and to need one round trip to have room again.
pub fn arrival_us(path: &Path<'_>, bytes: u32) -> u64 {
    let srtt = u64::from(known(path.srtt_us(), SRTT_GUESS_US));
    let ahead = [path.inflight_bytes(), path.queued_bytes()].map(|bytes| known(bytes, 0));
    let all = u64::from(bytes) + ahead.map(u64::from).iter().sum::<u64>();
    srtt + match drain_us(path, all) {
        Some(drain) => drain,
        None if path.room_bytes() >= bytes => 0,
        None => srtt,
    }
}

/// How long so many bytes take on a path, in microseconds; `None` where its rate is not known,
/// or is only what was offered to it.
pub fn drain_us(path: &Path<'_>, bytes: u64) -> Option<u64> {
    let rate = known(path.rate_kbps(), 0);
    let measured = rate > 0 && path.flags() & flags::APP_LIMITED == 0;
    measured.then(|| bytes.saturating_mul(8_000) / u64::from(rate))
}

/// What a path can have under way at once, in bytes: what it has, and its room.
pub fn window_bytes(path: &Path<'_>) -> u64 {
    [path.inflight_bytes(), path.room_bytes()].map(|bytes| u64::from(known(bytes, 0))).iter().sum()
}

/// Whether two paths share what limits them, and fail together: then both carry no more than
/// the better one.
pub fn together(one: &Path<'_>, other: &Path<'_>) -> bool {
    one.risk_group() != UNKNOWN && one.risk_group() == other.risk_group()
}

/// The field, or another value where it is not known.
pub fn known(field: u32, otherwise: u32) -> u32 {
    if field == UNKNOWN { otherwise } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PathRow;
    use crate::harness::{list_of, selector_question};

    #[test]
    fn what_is_ahead_of_a_packet_is_waited_for() {
        let row = PathRow { srtt_us: 10_000, rate_kbps: 8_000, room_bytes: 9_000, ..up() };
        let list = list_of(&[row, PathRow { inflight_bytes: 5_000, queued_bytes: 2_000, ..row }]);
        let question = selector_question(&list);
        let arrivals: Vec<u64> =
            candidates(&question, |_| true).iter().map(|c| c.arrival_us).collect();
        assert_eq!(arrivals, [11_200, 18_200]);
    }

    #[test]
    fn tiers_are_in_the_order_in_which_paths_are_taken() {
        let flags = [flags::UP | flags::METERED, flags::UP | flags::PROBATION, flags::UP];
        let list = list_of(&flags.map(|flags| PathRow { flags, ..up() }));
        assert_eq!(best_tier(&selector_question(&list)), Some(Tier::Proven(Price::Free)));
        let mut tiers: Vec<Tier> =
            crate::Paths::new(&list).iter().filter_map(|p| Tier::of(&p)).collect();
        tiers.sort();
        let costly = Tier::Proven(Price::Costly);
        assert_eq!(tiers, [Tier::Proven(Price::Free), costly, Tier::New(Price::Free)]);
    }

    fn up() -> PathRow {
        PathRow { flags: flags::UP, ..PathRow::default() }
    }
}
