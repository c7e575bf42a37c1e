//! The watch over a slot: how messages fared with who is in it, and with who was before.
//!
//! While nobody is on probation it keeps the last seconds as the measure of what is usual.
//! When a probation begins these are set aside, and what follows is counted anew, for the live
//! policy alone. Misconduct takes both: outcomes that are clearly worse than before, and
//! questions that the warm policy would have answered clearly better. So a network that gets
//! worse is not held against whoever came that moment.

use std::collections::BTreeMap;

use super::spread::{Spread, Together};
use crate::id::{PeerNumber, Time};
use crate::limits::STALLS_MAX;
use crate::policy::{Misconduct, Probation};

/// The usual is that of the last one to two of these, in microseconds.
const USUAL_US: u64 = 5_000_000;
/// A probation is judged by its last one to two of these, in microseconds, so that what was
/// well for long does not hide what is bad now;
const RECENT_US: u64 = 1_000_000;
/// and by so many questions at least.
const RECENT_MIN: u64 = 32;

/// Messages that must have been acknowledged before, so that their times are a measure.
const USUAL_MESSAGES_MIN: u64 = 20;
/// Questions of which the warm one's expected times are a measure.
const EXPECTED_MIN: u64 = 8;
/// Where the warm one is expected later than was usual by so much, in thousandths and
/// microseconds, the network is another.
const SLOWER_PERMILLE: u64 = 1_500;
const SLOWER_US: u64 = 10_000;
/// So many messages must have taken so long.
const SLOW_MIN: u64 = 3;

/// Questions that the warm one would have answered clearly better: so many,
const WORSE_MIN: u64 = 8;
/// which is so much of all, in thousandths;
const WORSE_PERMILLE: u64 = 50;
/// and so much where there were few questions.
const WORSE_OF_FEW_PERMILLE: u64 = 250;
const FEW: u64 = 64;

/// Questions to which the live one said to hold, so much of all, in thousandths, tell that it is
/// what packets wait for.
const HELD_PERMILLE: u64 = 250;

/// Packets and messages after which the late ones count.
const LATE_OF_MIN: u64 = 20;
/// Messages that expired: more than twice as before, and by so many thousandths.
const EXPIRED_PERMILLE: u64 = 50;
/// The same for packets, which are late on any path that becomes slower: so they count only
/// against one that mostly did worse.
const LATER_PERMILLE: u64 = 200;
/// So many of them.
const LATE_MIN: u64 = 8;
/// Messages that it would have given up and that would have arrived: three are no accident.
const WASTED_MIN: u64 = 3;

/// Copies that nobody needed: so many packets,
const COPIED_MIN: u64 = 10;
/// so much of the bytes sent, and so much more than before, in thousandths.
const COPIED_PERMILLE: u64 = 300;
const COPIED_MORE_PERMILLE: u64 = 200;

/// Questions of which the warm one would not have made copies: a lease may cover many packets.
const NEEDLESS_MIN: u64 = 4;

/// Moves that the warm one would not have made: a path that flaps is moved away from and back
/// to once or twice.
const RESTLESS_MIN: u64 = 6;

/// What was counted in a while.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// From hand-over to acknowledgement.
    took: Spread,
    /// The same as expected of the warm one,
    expected: Spread,
    /// and without the time that the packets had waited already.
    expected_bare: Spread,
    packets: u64,
    late: u64,
    expired: u64,
    /// Given up although the warm one would have sent it.
    wasted: u64,
    sent_bytes: u64,
    copied_bytes: u64,
    copied: u64,
    /// Times that copies were asked for where the warm one asked for none.
    needless: u64,
    judged: u64,
    worse: u64,
    /// Held back where the warm one would have sent.
    held: u64,
    restless: u64,
}

impl Tally {
    fn clear(&mut self) {
        let mut spreads = [&mut self.took, &mut self.expected, &mut self.expected_bare];
        let [took, expected, expected_bare] = spreads.each_mut().map(|spread| {
            spread.clear();
            core::mem::take(*spread)
        });
        *self = Self { took, expected, expected_bare, ..Self::default() };
    }
}

/// Two whiles: the one that goes on and the one before.
#[derive(Clone, Debug, Default)]
struct Record {
    now: Tally,
    last: Tally,
    turned_at: Time,
}

impl Record {
    fn turn(&mut self, now: Time, after_us: u64, judged_min: u64) {
        if now.since(self.turned_at) >= after_us && self.now.judged >= judged_min {
            self.turned_at = now;
            core::mem::swap(&mut self.now, &mut self.last);
            self.now.clear();
        }
    }

    fn sum(&self, of: impl Fn(&Tally) -> u64) -> u64 {
        of(&self.now) + of(&self.last)
    }

    fn took(&self) -> Together<'_> {
        Together([&self.now.took, &self.last.took])
    }

    /// What was expected of the warm one. Where the live one often holds packets back, that
    /// they have waited is its own doing.
    fn expected(&self) -> Together<'_> {
        let (held, judged) = (self.sum(|tally| tally.held), self.sum(|tally| tally.judged));
        if held * 1000 >= judged * HELD_PERMILLE {
            return Together([&self.now.expected_bare, &self.last.expected_bare]);
        }
        Together([&self.now.expected, &self.last.expected])
    }

    fn late_permille(&self) -> (u64, u64) {
        let of = self.sum(|tally| tally.packets + tally.expired);
        let late = self.sum(|tally| tally.late + tally.expired);
        (late * 1000 / of.max(1), of)
    }

    fn copied_permille(&self) -> u64 {
        self.sum(|tally| tally.copied_bytes) * 1000 / self.sum(|tally| tally.sent_bytes).max(1)
    }
}

/// Something that waits although the warm policy would have had it on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall<T> {
    /// What.
    pub(crate) what: T,
    pub(crate) since: Time,
    /// From then on it is too long.
    pub(crate) until: Time,
}

/// What became of a question that both were asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Comparison {
    /// The packet was compared before: it counts once.
    pub(crate) again: bool,
    /// The warm one would have done clearly better.
    pub(crate) worse: bool,
    /// The live one held the packet back instead.
    pub(crate) held: bool,
    /// How long the packet had waited, in microseconds.
    pub(crate) age_us: u64,
    /// How long from then the warm one would have needed to have it acknowledged, in
    /// microseconds.
    pub(crate) expected_us: u64,
    /// The live one asked for copies, and the warm one would not have.
    pub(crate) needless: bool,
}

/// The watch over one slot. `K` and `T` tell what may stall: where, and what.
#[derive(Debug)]
pub(crate) struct Watch<K, T> {
    record: Record,
    /// What was usual before the probation; `None` without one.
    before: Option<Record>,
    /// Messages handed over before this are not the doing of who is in the slot.
    since: Time,
    /// See [`Probation::slower_permille`].
    slower_permille: u64,
    /// When something was first judged on this probation.
    pub(crate) first: Option<Time>,
    pub(crate) stalls: BTreeMap<K, Stall<T>>,
    /// Peers whose traffic is on clearly worse paths than with the warm one, since when.
    misplaced: BTreeMap<PeerNumber, Time>,
}

impl<K: Ord, T> Default for Watch<K, T> {
    fn default() -> Self {
        Self {
            record: Record::default(),
            before: None,
            since: Time::default(),
            slower_permille: 0,
            first: None,
            stalls: BTreeMap::new(),
            misplaced: BTreeMap::new(),
        }
    }
}

impl<K: Ord, T: Copy + PartialEq> Watch<K, T> {
    /// Another policy is in the slot, on probation or for good.
    pub(crate) fn swapped(&mut self, now: Time, probation: Option<&Probation>) {
        let on_probation = probation.is_some();
        self.slower_permille = probation.map_or(0, |terms| terms.slower_permille.into());
        let usual = core::mem::take(&mut self.record);
        self.before = on_probation.then(|| self.before.take().unwrap_or(usual));
        self.begin(now);
    }

    /// The probation ended well: what it showed is what is usual now.
    pub(crate) fn proven(&mut self) {
        self.before = None;
        self.stalls.clear();
        self.misplaced.clear();
    }

    /// The one before is back, and with it what was usual.
    pub(crate) fn rolled_back(&mut self, now: Time) {
        self.record = self.before.take().unwrap_or_default();
        self.begin(now);
    }

    fn begin(&mut self, now: Time) {
        self.record.turned_at = now;
        self.since = now;
        self.first = None;
        self.stalls.clear();
        self.misplaced.clear();
    }

    /// Where what happens now is counted.
    fn tally(&mut self, now: Time) -> &mut Tally {
        let (after_us, judged_min) =
            if self.before.is_some() { (RECENT_US, RECENT_MIN) } else { (USUAL_US, 0) };
        self.record.turn(now, after_us, judged_min);
        &mut self.record.now
    }

    /// A message to a peer was acknowledged, so long after it was handed over.
    pub(crate) fn completed(&mut self, now: Time, took_us: u64) {
        if now.0.saturating_sub(took_us) >= self.since.0 {
            self.tally(now).took.count(took_us);
        }
    }

    /// The same, where a policy is judged by where it has put a peer's traffic.
    pub(crate) fn placed(&mut self, now: Time, number: PeerNumber, took_us: u64) {
        let queued_at = now.0.saturating_sub(took_us);
        if self.before.is_none() || queued_at < self.since.0 {
            return;
        }
        let worse = self.misplaced.get(&number).is_some_and(|since| queued_at >= since.0);
        self.first.get_or_insert(now);
        let tally = self.tally(now);
        tally.judged += 1;
        tally.worse += u64::from(worse);
    }

    /// Whether a peer's traffic is on clearly worse paths than with the warm one.
    pub(crate) fn misplace(&mut self, now: Time, number: PeerNumber, worse: bool) {
        if !worse {
            self.misplaced.remove(&number);
        } else if self.misplaced.len() < STALLS_MAX {
            self.misplaced.entry(number).or_insert(now);
        }
    }

    /// Packets were acknowledged, some of them late.
    pub(crate) fn acknowledged(&mut self, now: Time, packets: u64, late: u64) {
        let tally = self.tally(now);
        tally.packets += packets;
        tally.late += late;
    }

    /// Messages expired, or were given up.
    pub(crate) fn expired(&mut self, now: Time, messages: u64) {
        self.tally(now).expired += messages;
    }

    /// A packet went out for the first time.
    pub(crate) fn sent(&mut self, now: Time, bytes: u64) {
        self.tally(now).sent_bytes += bytes;
    }

    /// Copies were asked for that nothing called for.
    pub(crate) fn copied(&mut self, now: Time, bytes: u64) {
        let tally = self.tally(now);
        tally.copied_bytes += bytes;
        tally.copied += 1;
    }

    /// Both were asked the same.
    pub(crate) fn compared(&mut self, now: Time, comparison: Comparison) {
        self.first.get_or_insert(now);
        let tally = self.tally(now);
        tally.worse += u64::from(comparison.worse);
        tally.needless += u64::from(comparison.needless);
        tally.held += u64::from(comparison.held);
        if comparison.again {
            return;
        }
        tally.judged += 1;
        // What a packet waited may be the doing of the live one, where that is the worse one.
        let age_us = if comparison.worse { 0 } else { comparison.age_us };
        tally.expected.count(age_us + comparison.expected_us);
        tally.expected_bare.count(comparison.expected_us);
    }

    /// The live one gave up what the warm one would have sent.
    pub(crate) fn wasted_one(&mut self, now: Time) {
        let tally = self.tally(now);
        tally.wasted += 1;
        tally.expired += 1;
    }

    /// Packets were copied or sent again where the warm one would have done neither.
    pub(crate) fn copied_needlessly(&mut self, now: Time, bytes: u64) {
        self.copied(now, bytes);
        self.record.now.needless += 1;
    }

    /// Traffic was moved where the warm one would not have moved it.
    pub(crate) fn restless(&mut self, now: Time) {
        self.tally(now).restless += 1;
    }

    /// Something waits that the warm one would have sent; its first time counts.
    pub(crate) fn stalled(&mut self, key: K, stall: Stall<T>) {
        if self.stalls.len() < STALLS_MAX || self.stalls.contains_key(&key) {
            let first = self.stalls.entry(key).or_insert(stall);
            if first.what != stall.what {
                *first = stall;
            }
        }
    }

    /// What the outcomes say against the live one.
    pub(crate) fn misconduct(&self) -> Option<Misconduct> {
        let before = self.before.as_ref()?;
        self.wasted(before)
            .or_else(|| self.wasteful(before))
            .or_else(|| self.moving())
            .or_else(|| self.slow(before))
            .or_else(|| self.late(before))
    }

    /// Whether the warm one would have done clearly better in a fair share of the questions.
    fn is_to_blame(&self) -> bool {
        let judged = self.record.sum(|tally| tally.judged);
        let worse = self.record.sum(|tally| tally.worse);
        let permille = if judged < FEW { WORSE_OF_FEW_PERMILLE } else { WORSE_PERMILLE };
        worse >= WORSE_MIN && worse * 1000 >= judged * permille
    }

    /// Whether the warm one would have done clearly better in most of the questions.
    fn is_mostly_worse(&self) -> bool {
        let judged = self.record.sum(|tally| tally.judged);
        let worse = self.record.sum(|tally| tally.worse);
        worse >= WORSE_MIN && 2 * worse > judged
    }

    fn slow(&self, before: &Record) -> Option<Misconduct> {
        if self.slower_permille == 0 || !self.is_to_blame() {
            return None;
        }
        let (usual, expected) = (before.took(), self.record.expected());
        let usual_us = (usual.total() >= USUAL_MESSAGES_MIN).then(|| usual.percentile(99));
        let expected_us = (expected.total() >= EXPECTED_MIN).then(|| expected.percentile(99));
        let before_us = usual_us.max(expected_us)?;
        // Where the warm one itself would take clearly longer than was usual, the network is
        // another: what takes long may have many causes, and only one who mostly did worse is.
        let has_changed = usual_us.zip(expected_us).is_some_and(|(usual, now)| now > slower(usual));
        if has_changed && !self.is_mostly_worse() {
            return None;
        }
        let bound_us = before_us.saturating_mul(self.slower_permille) / 1000 + SLOWER_US;
        let took = self.record.took();
        let p99_us = took.percentile(99);
        let is_slow = p99_us > bound_us && took.above(bound_us) >= SLOW_MIN;
        is_slow.then_some(Misconduct::Slow { p99_us, before_us })
    }

    fn late(&self, before: &Record) -> Option<Misconduct> {
        let ((now, of), (usual, _)) = (self.record.late_permille(), before.late_permille());
        let expired = self.record.sum(|tally| tally.expired) * 1000 / of.max(1);
        let late = self.record.sum(|tally| tally.late);
        let is_late = expired > 2 * usual + EXPIRED_PERMILLE && self.is_to_blame()
            || self.slower_permille > 0
                && now > 2 * usual + LATER_PERMILLE
                && late >= LATE_MIN
                && self.is_mostly_worse();
        let why = Misconduct::Late { permille: narrow(now), before: narrow(usual) };
        (of >= LATE_OF_MIN && is_late).then_some(why)
    }

    fn wasted(&self, before: &Record) -> Option<Misconduct> {
        let ((now, _), (usual, _)) = (self.record.late_permille(), before.late_permille());
        let is_enough = self.record.sum(|tally| tally.wasted) >= WASTED_MIN;
        is_enough.then(|| Misconduct::Late { permille: narrow(now), before: narrow(usual) })
    }

    fn wasteful(&self, before: &Record) -> Option<Misconduct> {
        let (now, usual) = (self.record.copied_permille(), before.copied_permille());
        let is_wasteful = self.record.sum(|tally| tally.copied) >= COPIED_MIN
            && self.record.sum(|tally| tally.needless) >= NEEDLESS_MIN
            && now >= COPIED_PERMILLE.max(usual + COPIED_MORE_PERMILLE);
        is_wasteful.then(|| Misconduct::Wasteful { permille: narrow(now), before: narrow(usual) })
    }

    fn moving(&self) -> Option<Misconduct> {
        let moves = self.record.sum(|tally| tally.restless);
        (moves >= RESTLESS_MIN).then(|| Misconduct::Restless { moves: narrow(moves) })
    }
}

/// What is clearly slower than this, in microseconds.
fn slower(us: u64) -> u64 {
    us * SLOWER_PERMILLE / 1000 + SLOWER_US
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
