//! The reputation policy's question and verdict.

use pointsman_core::policy::ReputationQuestion;
use pointsman_sdk::reputation::{Kind, Observation, Standing};

use super::field::{Field, Takes, Test, U32, U64, write_fields};
use super::reading::{Reading, joined};
use super::tree::{Entry, value};
use super::write::Writer;

/// Observations in one question that are read.
const SEEN_MAX: usize = 4096;

/// The names of what a peer does, by their numbers.
const KINDS: [&str; Kind::ALL.len()] = {
    let mut names = [""; Kind::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Kind::ALL[at].name();
        at += 1;
    }
    names
};

const SCORE: Takes = Takes::Whole(Standing::SCORE_MIN as i128, Standing::SCORE_MAX as i128);

/// All but the standing and the observations.
pub(crate) const QUESTION: [Field<ReputationQuestion>; 1] = [field!(now_ms, U64, u64)];

/// The standing: a question's, and the verdict.
pub(crate) const STANDING: [Field<Standing>; 7] = [
    field!(score, SCORE, i32),
    field!(a, U32, u32),
    field!(b, U32, u32),
    field!(c, U32, u32),
    field!(updated_ms, U64, u64),
    Field { name: "score_min", test: Test::Least, ..field!(score, SCORE, i32) },
    Field { name: "score_max", test: Test::Most, ..field!(score, SCORE, i32) },
];

const OBSERVATION: [Field<Observation>; 3] = [
    Field {
        name: "kind",
        takes: Takes::Name(&KINDS),
        get: |seen| Some(seen.kind as i128),
        set: |seen, value| seen.kind = Kind::ALL.get(value as usize).copied().unwrap_or(seen.kind),
        test: Test::Equal,
    },
    field!(weight, U32, u32),
    field!(at_ms, U64, u64),
];

/// Reads `was` and `seen`, where a table has them.
pub(crate) fn read_parts(
    reading: &mut Reading,
    entries: &[Entry],
    shown: &str,
    question: &mut ReputationQuestion,
) {
    if let Some(given) = value(entries, "was") {
        let shown = joined(shown, "was");
        if let Some(table) = reading.table(given, &shown) {
            let plain = STANDING.len() - 2;
            reading.fields(table, &shown, &STANDING[..plain], &[], &mut question.was);
        }
    }
    let Some(given) = value(entries, "seen") else { return };
    let shown = joined(shown, "seen");
    question.seen.clear();
    let list = reading.list(given, &shown, SEEN_MAX, "a list of observations");
    for (index, item) in list.iter().enumerate() {
        let shown = format!("{shown}[{index}]");
        let Some(table) = reading.table(item, &shown) else { continue };
        let mut seen = Observation { kind: Kind::Ack, weight: 1, at_ms: question.now_ms };
        if value(table, "kind").is_none() {
            reading.missing(item.at, &joined(&shown, "kind"), &Takes::Name(&KINDS).told());
        }
        reading.fields(table, &shown, &OBSERVATION, &[], &mut seen);
        question.seen.push(seen);
    }
}

/// Writes them.
pub(crate) fn write_parts(writer: &mut Writer, question: &ReputationQuestion) {
    writer.key("was");
    writer.table(|w| write_fields(w, &STANDING, &question.was));
    writer.key("seen");
    writer.list(|w| {
        for seen in &question.seen {
            w.item();
            w.table(|w| write_fields(w, &OBSERVATION, seen));
        }
    });
}
