//! A record: what was seen of somebody, first hand, and the standing that a policy made of it.
//!
//! Observations are counted as traffic brings them, a number for each kind. At times the
//! counts are handed out as one question; until its answer comes, new ones are counted apart.
//! An answer that never comes loses nothing: the counts go into the next question.
//!
//! Policies get a clock that begins [`ORIGIN_MS`] before the Node's, so that what was folded in
//! an earlier run has a time of its own.

use pointsman_sdk::reputation::{Kind, Observation, Standing};

use super::{Cause, Level, Recollection, RememberedCause, Subject};
use crate::id::Time;
use crate::limits::CAUSES_PER_PEER_MAX;
use crate::policy::ReputationQuestion;

/// How many kinds of observations there are.
pub(super) const KINDS: usize = Kind::ALL.len();

/// Observations of a peer wait so long for others to be folded with, in microseconds.
const FOLD_US: u64 = 5_000_000;

/// A standing is folded so often although nothing was seen, in microseconds: time alone may
/// change it.
const FOLD_IDLE_US: u64 = 60_000_000;

/// The time before the start that policies can still tell apart, in milliseconds: two years.
/// What is older is forgotten.
pub(super) const ORIGIN_MS: u64 = 2 * 365 * 24 * 3_600_000;

/// An answer that takes so long does not come any more, in microseconds.
const ANSWER_US: u64 = 10_000_000;

/// The clock that policies see.
fn clock_ms(at: Time) -> u64 {
    ORIGIN_MS + at.0 / 1000
}

/// Counts of what was seen, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    weights: [u32; KINDS],
    newest: [Time; KINDS],
}

impl Evidence {
    fn note(&mut self, now: Time, kind: Kind, weight: u32) {
        let at = kind as usize;
        self.weights[at] = self.weights[at].saturating_add(weight);
        self.newest[at] = self.newest[at].max(now);
    }

    fn is_empty(&self) -> bool {
        self.weights == [0; KINDS]
    }

    /// Whether the peer broke the protocol: that does not wait.
    fn is_urgent(&self) -> bool {
        self.weights[Kind::Invalid as usize] > 0 || self.weights[Kind::Spam as usize] > 0
    }

    fn add(&mut self, other: &Self) {
        for kind in Kind::ALL {
            self.note(other.newest[kind as usize], kind, other.weights[kind as usize]);
        }
    }

    /// An observation for each kind that was seen, in the order of the newest of each.
    fn observations(&self) -> Vec<Observation> {
        let seen = Kind::ALL.into_iter().filter(|&kind| self.weights[kind as usize] > 0);
        let mut list: Vec<Observation> = seen
            .map(|kind| Observation {
                kind,
                weight: self.weights[kind as usize],
                at_ms: clock_ms(self.newest[kind as usize]),
            })
            .collect();
        list.sort_by_key(|seen| (seen.at_ms, seen.kind));
        list
    }
}

/// How often a peer was seen to do one thing, and when last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) cause: Cause,
    pub(crate) count: u64,
    /// Before this run where it is negative, in microseconds of the Node's clock.
    pub(crate) newest_us: i64,
}

impl Noted {
    /// What speaks against a peer is kept longest, and of equals the newest.
    fn worth(&self) -> (bool, i64) {
        (self.cause.is_bad(), self.newest_us)
    }
}

/// What is kept of one peer or subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    standing: Standing,
    /// Seen, and in no question yet.
    fresh: Evidence,
    /// In a question that was asked then.
    asked: Option<(Time, Evidence)>,
    folded_at: Time,
    /// Time passed unseen: folded as soon as may be.
    is_stale: bool,
    /// Changed since it was exported.
    is_changed: bool,
    /// All that was ever seen, by kind.
    seen: [u64; KINDS],
    causes: Vec<Noted>,
}

impl Record {
    /// Counts something that the peer did.
    pub(crate) fn note(&mut self, now: Time, cause: Cause, weight: u32) {
        if weight == 0 {
            return;
        }
        self.count(now, cause.kind(), weight);
        let (count, newest_us) = (u64::from(weight), signed(now.0));
        if let Some(noted) = self.causes.iter_mut().find(|noted| noted.cause == cause) {
            noted.count = noted.count.saturating_add(count);
            noted.newest_us = newest_us;
            return;
        }
        if self.causes.len() >= CAUSES_PER_PEER_MAX {
            let least = (0..self.causes.len()).min_by_key(|&at| self.causes[at].worth());
            least.map(|at| self.causes.swap_remove(at));
        }
        self.causes.push(Noted { cause, count, newest_us });
    }

    /// The same where only the kind is known.
    fn count(&mut self, now: Time, kind: Kind, weight: u32) {
        self.fresh.note(now, kind, weight);
        let seen = &mut self.seen[kind as usize];
        *seen = seen.saturating_add(weight.into());
    }

    /// Counts one in `share` of what somebody else did; `owed` keeps what is left over.
    pub(crate) fn share(&mut self, evidence: &Evidence, share: u32, owed: &mut [u32; KINDS]) {
        for kind in Kind::ALL {
            let at = kind as usize;
            let sum = owed[at].saturating_add(evidence.weights[at]);
            owed[at] = sum % share;
            if sum >= share {
                self.count(evidence.newest[at], kind, sum / share);
            }
        }
    }

    /// What it was seen to do, the newest first.
    pub(crate) fn causes(&self) -> Vec<Noted> {
        let mut causes = self.causes.clone();
        causes.sort_by_key(|noted| (core::cmp::Reverse(noted.newest_us), noted.cause));
        causes
    }

    /// What the policy made of it.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// Where it stands; `None` before anything was judged.
    pub(crate) fn opinion(&self) -> Option<i32> {
        (self.standing != Standing::default()).then_some(self.standing.score)
    }

    /// All that was ever seen, in the order of [`Kind::ALL`].
    pub(crate) fn seen(&self) -> [u64; KINDS] {
        self.seen
    }

    /// The question that is due, if one is.
    pub(crate) fn ask(&mut self, now: Time) -> Option<ReputationQuestion> {
        if let Some((at, lost)) = self.asked {
            if now.since(at) < ANSWER_US {
                return None;
            }
            self.fresh.add(&lost);
            self.asked = None;
        }
        if !self.is_due(now) {
            return None;
        }
        let evidence = std::mem::take(&mut self.fresh);
        self.asked = Some((now, evidence));
        self.folded_at = now;
        self.is_stale = false;
        let (now_ms, was) = (clock_ms(now), self.standing);
        Some(ReputationQuestion { now_ms, was, seen: evidence.observations() })
    }

    fn is_due(&self, now: Time) -> bool {
        let waited_us = now.since(self.folded_at);
        if self.is_stale && self.standing != Standing::default() {
            return true;
        }
        if self.fresh.is_empty() {
            self.standing != Standing::default() && waited_us >= FOLD_IDLE_US
        } else {
            self.fresh.is_urgent() || waited_us >= FOLD_US
        }
    }

    /// Takes the answer; gives what it was asked about, `None` where none was awaited.
    pub(crate) fn stood(&mut self, standing: Standing) -> Option<Evidence> {
        let (_, evidence) = self.asked.take()?;
        self.is_changed |= self.standing.score != standing.score || !evidence.is_empty();
        self.standing = standing;
        Some(evidence)
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.standing == Standing::default() && self.fresh.is_empty() && self.asked.is_none()
    }

    /// The further from unknown and the newer, the more it is worth to keep.
    pub(crate) fn worth(&self) -> (bool, u32, Time) {
        (self.fresh.is_urgent(), self.standing.score.unsigned_abs(), self.folded_at)
    }

    /// The level of whoever stands so and is not linked: at worst discouraged.
    pub(crate) fn level(&self) -> Level {
        Level::default().after(self.standing.score, self.standing.score)
    }

    /// Takes what was stored, unless something was folded since.
    pub(crate) fn recall(&mut self, stored: Self) {
        if self.standing != Standing::default() {
            return;
        }
        self.rest();
        self.standing = stored.standing;
        for kind in 0..KINDS {
            self.seen[kind] = self.seen[kind].saturating_add(stored.seen[kind]);
        }
        for noted in stored.causes {
            if let Some(known) = self.causes.iter_mut().find(|known| known.cause == noted.cause) {
                known.count = known.count.saturating_add(noted.count);
            } else if self.causes.len() < CAUSES_PER_PEER_MAX {
                self.causes.push(noted);
            }
        }
    }

    /// Nobody folds it from now on: what was asked is not answered.
    pub(crate) fn rest(&mut self) {
        if let Some((_, lost)) = self.asked.take() {
            self.fresh.add(&lost);
        }
        self.is_stale = true;
    }

    /// As it is to be stored, if that changed since it was last given.
    pub(crate) fn export(&mut self, now: Time, about: Subject) -> Option<Recollection> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let age_ms =
            |newest_us| signed(now.0).saturating_sub(newest_us).max(0).cast_unsigned() / 1000;
        let remembered = |noted: &Noted| RememberedCause {
            cause: noted.cause,
            count: noted.count,
            age_ms: age_ms(noted.newest_us),
        };
        Some(Recollection {
            about,
            standing: self.standing,
            seen: self.seen,
            causes: self.causes.iter().map(remembered).collect(),
            age_ms: clock_ms(now).saturating_sub(self.standing.updated_ms),
        })
    }

    /// What was stored so long ago; `None` where it is too old.
    pub(crate) fn recalled(now: Time, stored: Recollection) -> Option<Self> {
        let updated_ms = clock_ms(now).checked_sub(stored.age_ms)?;
        let noted = |remembered: RememberedCause| Noted {
            cause: remembered.cause,
            count: remembered.count,
            newest_us: signed(now.0).saturating_sub(signed(remembered.age_ms.saturating_mul(1000))),
        };
        Some(Self {
            standing: Standing { updated_ms, ..stored.standing },
            seen: stored.seen,
            causes: stored.causes.into_iter().take(CAUSES_PER_PEER_MAX).map(noted).collect(),
            is_stale: true,
            ..Self::default()
        })
    }
}

/// Time as a number that may lie before the start.
fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PeerId;

    const SECOND: u64 = 1_000_000;

    fn seconds(s: u64) -> Time {
        Time(s * SECOND)
    }

    fn standing(score: i32) -> Standing {
        Standing { score, ..Standing::default() }
    }

    /// Of a peer that stands so.
    fn record(score: i32) -> Record {
        Record { standing: standing(score), ..Record::default() }
    }

    #[test]
    fn observations_are_folded_by_kind_in_the_order_of_time() {
        let mut record = Record::default();
        record.note(seconds(7), Cause::AckedLate, 1);
        record.note(seconds(6), Cause::Acked, 3);
        record.note(seconds(8), Cause::Acked, 4);
        let question = record.ask(seconds(9)).expect("nothing was asked for long");
        let ack = Observation { kind: Kind::Ack, weight: 7, at_ms: ORIGIN_MS + 8_000 };
        let timeout = Observation { kind: Kind::Timeout, weight: 1, at_ms: ORIGIN_MS + 7_000 };
        assert_eq!(question.seen, [timeout, ack]);
    }

    #[test]
    fn one_question_is_open_at_a_time_and_its_answer_is_taken_once() {
        let mut record = Record::default();
        record.note(seconds(5), Cause::Acked, 1);
        assert!(record.ask(seconds(5)).is_some());
        record.note(seconds(6), Cause::Malformed, 1);
        assert_eq!(record.ask(seconds(11)), None);
        assert!(record.stood(standing(10)).is_some());
        assert!(record.stood(standing(20)).is_none(), "nothing is open");
        let question = record.ask(seconds(11)).expect("it is open no more");
        assert_eq!((question.was.score, question.seen.len()), (10, 1));
    }

    #[test]
    fn what_a_lost_question_held_is_asked_again() {
        let mut record = Record::default();
        record.note(seconds(5), Cause::Acked, 1);
        record.ask(seconds(5)).expect("due");
        record.note(seconds(6), Cause::Acked, 2);
        let again = record.ask(seconds(15)).expect("the answer did not come");
        assert_eq!(again.seen[0].weight, 3);
    }

    #[test]
    fn a_broken_protocol_does_not_wait_and_the_rest_does() {
        let mut record = Record::default();
        record.note(seconds(5), Cause::Acked, 1);
        record.ask(seconds(5)).expect("due");
        record.stood(standing(1));
        record.note(seconds(6), Cause::Acked, 1);
        assert_eq!(record.ask(seconds(6)), None);
        record.note(seconds(6), Cause::OverCredit, 1);
        assert!(record.ask(seconds(6)).is_some());
    }

    #[test]
    fn time_alone_is_asked_about_where_there_is_a_standing() {
        assert_eq!(Record::default().ask(seconds(600)), None);
        assert_eq!(record(5).ask(seconds(59)), None);
        assert_eq!(record(5).ask(seconds(60)).map(|question| question.seen), Some(Vec::new()));
    }

    #[test]
    fn a_cause_is_counted_once_and_the_bad_ones_stay_longest() {
        let mut record = Record::default();
        for (n, &cause) in Cause::ALL.iter().enumerate() {
            record.note(seconds(n as u64), cause, 2);
            record.note(seconds(n as u64), cause, 1);
        }
        let causes = record.causes();
        assert_eq!(causes.len(), CAUSES_PER_PEER_MAX);
        assert!(causes.iter().all(|noted| noted.cause.is_bad() && noted.count == 3), "{causes:?}");
        assert!(causes.is_sorted_by(|a, b| a.newest_us > b.newest_us));
    }

    #[test]
    fn a_share_of_what_others_did_adds_up_without_loss() {
        let (mut subnet, mut owed) = (Record::default(), [0; KINDS]);
        let mut one = Evidence::default();
        one.note(seconds(1), Kind::Invalid, 1);
        (0..9).for_each(|_| subnet.share(&one, 4, &mut owed));
        assert_eq!((subnet.seen[Kind::Invalid as usize], owed[Kind::Invalid as usize]), (2, 1));
    }

    #[test]
    fn what_is_stored_comes_back_as_old_as_it_is() {
        let mut record = Record::default();
        record.note(seconds(90), Cause::Malformed, 3);
        record.ask(seconds(100)).expect("due");
        record.stood(Standing { score: -800, updated_ms: clock_ms(seconds(100)), ..standing(0) });
        let about = Subject::Peer(PeerId([1; 32]));
        let stored = record.export(seconds(160), about).expect("it changed");
        assert_eq!(stored.age_ms, 60_000);
        assert_eq!(record.export(seconds(160), about), None, "nothing changed since");
        let stored = Recollection { age_ms: 3_600_000, ..stored };
        let mut again = Record::recalled(seconds(1), stored).expect("not too old");
        let question = again.ask(seconds(1)).expect("time passed unseen");
        assert_eq!(question.now_ms - question.was.updated_ms, 3_600_000);
        assert_eq!(again.causes()[0].newest_us, -69_000_000);
    }

    #[test]
    fn what_is_older_than_policies_can_tell_is_forgotten() {
        let stored = Recollection {
            about: Subject::Peer(PeerId([1; 32])),
            standing: standing(-800),
            seen: [0; KINDS],
            causes: Vec::new(),
            age_ms: ORIGIN_MS + 1,
        };
        assert_eq!(Record::recalled(seconds(0), stored), None);
    }
}
