//! The way that a lookup took, for people to follow.

use super::{Question, RecordFact, Why};
use crate::id::{PeerId, Time};

/// A question, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it was asked.
    pub at: Time,
    /// On which path.
    pub path: u8,
    /// Who was asked.
    pub peer: PeerId,
    /// Who told of this peer; `None` for one of our own table.
    pub told_by: Option<PeerId>,
    /// How far it is from the target: see [`crate::dht::key::Distance::bits`].
    pub distance_bits: u32,
    /// What it was asked for.
    pub question: Question,
    /// What came of it.
    pub result: StepResult,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// Nothing yet.
    Waiting,
    /// Nothing in time; its place was given to another, and it may yet answer.
    Late,
    /// A reply.
    Answered {
        /// How long it took.
        took_us: u64,
        /// Contacts in it that can be used.
        usable: u32,
        /// Of these, how many the lookup had not heard of.
        new: u32,
        /// What it said of the record.
        record: Option<RecordFact>,
    },
    /// No reply.
    Failed {
        /// How long it took.
        took_us: u64,
        /// Why.
        why: Why,
    },
}
