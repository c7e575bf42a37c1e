//! Reputation: what was seen of a peer, first hand, and the standing that a policy made of it.
//!
//! Observations are counted as traffic brings them, a number for each kind. At times the
//! counts are handed out as one question; until its answer comes, new ones are counted apart.
//! An answer that never comes loses nothing: the counts go into the next question. A peer that
//! makes room for another leaves its record in [`Memory`], so that going and coming back
//! washes nobody clean.
//!
//! Nothing here is hearsay, nothing rests on what a frame says of its sender, and no count
//! grows with more than its number.

use std::collections::BTreeMap;

use pointsman_sdk::reputation::{Kind, Observation, Standing};

use crate::id::{PeerId, Time};
use crate::limits::STANDINGS_MAX;
use crate::policy::ReputationQuestion;

/// How many kinds of observations there are.
pub(crate) const KINDS: usize = Kind::ALL.len();

/// Observations of a peer wait so long for others to be folded with, in microseconds.
const FOLD_US: u64 = 5_000_000;

/// A standing is folded so often although nothing was seen, in microseconds: time alone may
/// change it.
const FOLD_IDLE_US: u64 = 60_000_000;

/// An answer that takes so long does not come any more, in microseconds.
const ANSWER_US: u64 = 10_000_000;

/// Counts of what was seen, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Evidence {
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
                at_ms: self.newest[kind as usize].0 / 1000,
            })
            .collect();
        list.sort_by_key(|seen| (seen.at_ms, seen.kind));
        list
    }
}

/// What is kept of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    standing: Standing,
    /// Seen, and in no question yet.
    fresh: Evidence,
    /// In a question that was asked then.
    asked: Option<(Time, Evidence)>,
    folded_at: Time,
    /// All that was ever seen, by kind.
    seen: [u64; KINDS],
}

impl Record {
    /// Counts something that the peer did.
    pub(crate) fn note(&mut self, now: Time, kind: Kind, weight: u32) {
        if weight > 0 {
            self.fresh.note(now, kind, weight);
            self.seen[kind as usize] += u64::from(weight);
        }
    }

    /// What the policy made of it.
    pub(crate) fn standing(&self) -> Standing {
        self.standing
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
        let (now_ms, was) = (now.0 / 1000, self.standing);
        Some(ReputationQuestion { now_ms, was, seen: evidence.observations() })
    }

    fn is_due(&self, now: Time) -> bool {
        let waited_us = now.since(self.folded_at);
        if self.fresh.is_empty() {
            self.standing != Standing::default() && waited_us >= FOLD_IDLE_US
        } else {
            self.fresh.is_urgent() || waited_us >= FOLD_US
        }
    }

    /// Takes the answer; tells whether one was awaited.
    pub(crate) fn stood(&mut self, standing: Standing) -> bool {
        let awaited = self.asked.take().is_some();
        if awaited {
            self.standing = standing;
        }
        awaited
    }

    fn is_blank(&self) -> bool {
        self.standing == Standing::default() && self.fresh.is_empty() && self.asked.is_none()
    }

    /// The further from unknown and the newer, the more it is worth to keep.
    fn worth(&self) -> (bool, u32, Time) {
        (self.fresh.is_urgent(), self.standing.score.unsigned_abs(), self.folded_at)
    }
}

/// Records of peers that are not kept any more.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    records: BTreeMap<PeerId, Record>,
}

impl Memory {
    /// Keeps the record of a peer that goes; the one that is worth least makes room.
    pub(crate) fn keep(&mut self, id: PeerId, mut record: Record) {
        if record.is_blank() {
            return;
        }
        if let Some((_, lost)) = record.asked.take() {
            record.fresh.add(&lost);
        }
        if self.records.len() >= STANDINGS_MAX {
            let worth = |(id, record): (&PeerId, &Record)| (record.worth(), *id);
            let Some((least, id)) = self.records.iter().map(worth).min() else { return };
            if least > record.worth() {
                return;
            }
            self.records.remove(&id);
        }
        self.records.insert(id, record);
    }

    /// The record of a peer that comes back; a blank one for a stranger.
    pub(crate) fn recall(&mut self, id: &PeerId) -> Record {
        self.records.remove(id).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        record.note(seconds(7), Kind::Timeout, 1);
        record.note(seconds(6), Kind::Ack, 3);
        record.note(seconds(8), Kind::Ack, 4);
        let question = record.ask(seconds(9)).expect("nothing was asked for long");
        let ack = Observation { kind: Kind::Ack, weight: 7, at_ms: 8_000 };
        let timeout = Observation { kind: Kind::Timeout, weight: 1, at_ms: 7_000 };
        assert_eq!(question.seen, [timeout, ack]);
    }

    #[test]
    fn one_question_is_open_at_a_time_and_its_answer_is_taken_once() {
        let mut record = Record::default();
        record.note(seconds(5), Kind::Ack, 1);
        assert!(record.ask(seconds(5)).is_some());
        record.note(seconds(6), Kind::Invalid, 1);
        assert_eq!(record.ask(seconds(11)), None);
        assert!(record.stood(standing(10)));
        assert!(!record.stood(standing(20)), "nothing is open");
        let question = record.ask(seconds(11)).expect("it is open no more");
        assert_eq!((question.was.score, question.seen.len()), (10, 1));
    }

    #[test]
    fn what_a_lost_question_held_is_asked_again() {
        let mut record = Record::default();
        record.note(seconds(5), Kind::Ack, 1);
        record.ask(seconds(5)).expect("due");
        record.note(seconds(6), Kind::Ack, 2);
        let again = record.ask(seconds(15)).expect("the answer did not come");
        assert_eq!(again.seen[0].weight, 3);
    }

    #[test]
    fn a_broken_protocol_does_not_wait_and_the_rest_does() {
        let mut record = Record::default();
        record.note(seconds(5), Kind::Ack, 1);
        record.ask(seconds(5)).expect("due");
        record.stood(standing(1));
        record.note(seconds(6), Kind::Ack, 1);
        assert_eq!(record.ask(seconds(6)), None);
        record.note(seconds(6), Kind::Spam, 1);
        assert!(record.ask(seconds(6)).is_some());
    }

    #[test]
    fn time_alone_is_asked_about_where_there_is_a_standing() {
        assert_eq!(Record::default().ask(seconds(600)), None);
        assert_eq!(record(5).ask(seconds(59)), None);
        assert_eq!(record(5).ask(seconds(60)).map(|question| question.seen), Some(Vec::new()));
    }

    #[test]
    fn the_memory_keeps_those_furthest_from_unknown() {
        let mut memory = Memory::default();
        let id = |n: usize| PeerId(core::array::from_fn(|at| (n >> (8 * at.min(2))) as u8));
        memory.keep(id(0), Record::default());
        assert!(memory.records.is_empty(), "a blank record is none");
        for n in 1..=STANDINGS_MAX {
            memory.keep(id(n), record(if n == 7 { 1 } else { 100 }));
        }
        memory.keep(id(STANDINGS_MAX + 1), record(-900));
        assert_eq!(memory.records.len(), STANDINGS_MAX);
        assert_eq!(memory.recall(&id(7)), Record::default());
        assert_eq!(memory.recall(&id(STANDINGS_MAX + 1)).standing().score, -900);
    }
}
