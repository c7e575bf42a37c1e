//! Records: decisions and what became of them, one line of JSON each.
//!
//! ```json
//! {"v":1,"run":{"started_unix_ms":1764131000000,"pointsman":"0.1.0"}}
//! {"v":1,"decision":{"number":7,"generation":2,"by":"module","role":"selector","question":{…},"verdict":{…}}}
//! {"v":1,"outcome":{"decision":7,"path":3,"bytes":1200,"queue_us":40,"ack_us":20100,"late":false,"duplicate_won":false}}
//! ```
//!
//! Numbers of decisions begin anew with each run of a node, so what follows a run's line
//! belongs to it. A log may be hostile: a line is read up to [`LINE_BYTES_MAX`], and whatever
//! is not exactly a record of this version is an error that names the line.

mod reader;

use pointsman_core::policy::{Answerer, Decision, Role, Strike};
use pointsman_sdk::Outcome;

use crate::forms::{
    Entry, Field, Reading, Spot, Style, Takes, U32, U64, Writer, of_json, read_question,
    read_verdict, value, write_fields, write_question, write_verdict,
};

pub use reader::{BadLine, Reader};

/// The version of the records that this crate writes and reads.
pub const VERSION: u32 = 1;

/// Bytes of a line. The largest question has 16 paths, which take 10 KiB.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// A line of a decision log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A run of a node begins.
    Run(Run),
    /// A decision.
    Decision(Box<Decision>),
    /// What became of one.
    Outcome(Outcome),
}

/// A run of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// When it began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// The version of the program.
    pub pointsman: String,
}

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is no JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// It is longer than any record.
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It was written by another version.
    #[error("a record of version {0}; this program reads version {VERSION}")]
    Version(String),
    /// It is JSON, and no record.
    #[error("{key} {message}")]
    Wrong {
        /// The key at fault.
        key: String,
        /// What is wrong with it.
        message: String,
    },
}

const RUN: [Field<Run>; 1] = [field!(started_unix_ms, U64, u64)];

const OUTCOME: [Field<Outcome>; 7] = [
    field!(decision, U64, u64),
    field!(path, U32, u32),
    field!(bytes, U32, u32),
    field!(queue_us, U32, u32),
    field!(unknown ack_us),
    field!(flag late),
    field!(flag duplicate_won),
];

/// A decision without its question and verdict.
#[derive(Clone, Copy, Debug)]
struct Head {
    number: u64,
    generation: u64,
    by: u8,
    strike: Option<u8>,
    role: u8,
}

const ROLES: [&str; 4] =
    [Role::Selector.name(), Role::Failover.name(), Role::Reputation.name(), Role::Anomaly.name()];
const ANSWERERS: [&str; 2] = ["module", "builtin"];
const STRIKES: [Strike; 5] =
    [Strike::Trapped, Strike::TimedOut, Strike::Exhausted, Strike::Invalid, Strike::Unavailable];
const STRIKE_NAMES: [&str; 5] = ["trapped", "timed-out", "exhausted", "invalid", "unavailable"];

const HEAD: [Field<Head>; 5] = [
    field!(number, U64, u64),
    field!(generation, U64, u64),
    field!(by, Takes::Name(&ANSWERERS), u8),
    field!(optional strike, Takes::Name(&STRIKE_NAMES), u8),
    field!(role, Takes::Name(&ROLES), u8),
];

/// The name of a strike in records and reports.
pub fn strike_name(strike: Strike) -> &'static str {
    match strike {
        Strike::Trapped => "trapped",
        Strike::TimedOut => "timed-out",
        Strike::Exhausted => "exhausted",
        Strike::Invalid => "invalid",
        Strike::Unavailable => "unavailable",
    }
}

/// A record as a line, without its end.
pub fn line(record: &Record) -> String {
    match record {
        Record::Run(run) => written("run", |w| {
            write_fields(w, &RUN, run);
            w.key("pointsman");
            w.text(&run.pointsman);
        }),
        Record::Decision(decision) => decision_line(decision),
        Record::Outcome(outcome) => outcome_line(outcome),
    }
}

/// A decision as a line, without its end.
pub fn decision_line(decision: &Decision) -> String {
    let role = decision.question.role();
    let (by, strike) = match decision.by {
        Answerer::Module => (0, None),
        Answerer::Builtin => (1, None),
        Answerer::InsteadOf(strike) => {
            (1, STRIKES.iter().position(|known| *known == strike).map(|at| at as u8))
        }
    };
    let head = Head {
        number: decision.number,
        generation: decision.generation,
        by,
        strike,
        role: ROLES.iter().position(|name| *name == role.name()).unwrap_or_default() as u8,
    };
    written("decision", |w| {
        write_fields(w, &HEAD, &head);
        w.key("question");
        write_question(w, &decision.question);
        w.key("verdict");
        write_verdict(w, &decision.verdict);
    })
}

/// An outcome as a line, without its end.
pub fn outcome_line(outcome: &Outcome) -> String {
    written("outcome", |w| write_fields(w, &OUTCOME, outcome))
}

fn written(kind: &str, fill: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::new(Style::Json);
    writer.table(|w| {
        w.key("v");
        w.number(VERSION.into());
        w.key(kind);
        w.table(fill);
    });
    writer.end()
}

/// Reads a line, without its end.
pub fn parse(line: &str) -> Result<Record, RecordError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(RecordError::TooLong);
    }
    let json = serde_json::from_str(line).map_err(|e| RecordError::NotJson(e.to_string()))?;
    let spot = of_json(json);
    let mut reading = Reading::default();
    let record = match reading.table(&spot, "record") {
        None => None,
        Some(entries) => {
            let version = value(entries, "v");
            if version.and_then(|version| U32.read(version)) != Some(VERSION.into()) {
                return Err(RecordError::Version(version.map_or("none".to_owned(), Spot::told)));
            }
            record(&mut reading, entries)
        }
    };
    match (record, reading.faults.into_iter().next()) {
        (Some(record), None) => Ok(record),
        (_, Some(fault)) => Err(RecordError::Wrong { key: fault.key, message: fault.message }),
        (None, None) => Err(RecordError::Wrong {
            key: "record".to_owned(),
            message: "is neither a run, a decision nor an outcome".to_owned(),
        }),
    }
}

fn record(reading: &mut Reading, entries: &[Entry]) -> Option<Record> {
    reading.only(entries, "", &["v", "run", "decision", "outcome"]);
    if entries.len() != 2 {
        return None;
    }
    if let Some(spot) = value(entries, "outcome") {
        let table = reading.table(spot, "outcome")?;
        let mut outcome = Outcome { ack_us: pointsman_sdk::UNKNOWN, ..Outcome::default() };
        reading.fields(table, "outcome", &OUTCOME, &[], &mut outcome);
        need(reading, table, "outcome", &["decision", "path", "bytes"]);
        return Some(Record::Outcome(outcome));
    }
    if let Some(spot) = value(entries, "run") {
        let table = reading.table(spot, "run")?;
        let mut run = Run::default();
        reading.fields(table, "run", &RUN, &["pointsman"], &mut run);
        run.pointsman = value(table, "pointsman").and_then(Spot::text).unwrap_or_default().into();
        return Some(Record::Run(run));
    }
    let spot = value(entries, "decision")?;
    let table = reading.table(spot, "decision")?;
    decision(reading, table).map(|decision| Record::Decision(Box::new(decision)))
}

fn decision(reading: &mut Reading, table: &[Entry]) -> Option<Decision> {
    let mut head = Head { number: 0, generation: 0, by: 0, strike: None, role: 0 };
    reading.fields(table, "decision", &HEAD, &["question", "verdict"], &mut head);
    let keys = ["number", "generation", "by", "role", "question", "verdict"];
    need(reading, table, "decision", &keys);
    let role = Role::ALL.get(usize::from(head.role)).copied()?;
    let question = read_question(reading, role, value(table, "question")?, "decision.question")?;
    let verdict = read_verdict(reading, role, value(table, "verdict")?, "decision.verdict")?;
    let strike = head.strike.and_then(|at| STRIKES.get(usize::from(at)).copied());
    let by = match (head.by, strike) {
        (0, None) => Answerer::Module,
        (1, None) => Answerer::Builtin,
        (1, Some(strike)) => Answerer::InsteadOf(strike),
        (_, _) => {
            let message = "belongs to an answer of the builtin only".to_owned();
            reading.fault(0, "decision.strike", message);
            return None;
        }
    };
    let Head { number, generation, .. } = head;
    Some(Decision { number, generation, question, verdict, by })
}

/// Keys that a record can't be without.
fn need(reading: &mut Reading, table: &[Entry], shown: &str, keys: &[&str]) {
    for key in keys.iter().filter(|key| value(table, key).is_none()) {
        reading.fault(0, &format!("{shown}.{key}"), "is missing".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_strikes_are_numbered_as_their_names() {
        assert_eq!(Role::ALL.map(Role::name), ROLES);
        assert_eq!(STRIKES.map(strike_name), STRIKE_NAMES);
    }
}
